package parquet

import (
	"bytes"
	"math/bits"
	"sync"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// arena lends parts of one buffer until reset. Levels live in it: their number is known only
// while they are made, and all of them die together with the record.
type arena[T any] struct {
	buf  []T
	used int
	want int
}

// take returns n elements with arbitrary contents.
func (a *arena[T]) take(n int) []T {
	a.want += n
	if a.used+n > len(a.buf) {
		return make([]T, n)
	}
	a.used += n
	return a.buf[a.used-n : a.used : a.used]
}

// reset ends every loan, and makes the buffer as large as the last turn would have needed, unless
// that was an exception above limit elements.
func (a *arena[T]) reset(limit int) {
	if a.want > len(a.buf) && a.want <= limit {
		a.buf = make([]T, a.want)
	}
	a.used, a.want = 0, 0
}

// resize returns *b with n elements of arbitrary contents, growing it for good where needed.
func resize[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = make([]T, n+n/4)
	}
	*b = (*b)[:cap(*b)]
	return (*b)[:n]
}

// Encoded pages wait for their record's turn in buffers of a few sizes, four to each power of two, so that
// at most a fifth of a buffer is unused and any buffer of a size serves any page of it.
const (
	smallestBuffer = 1 << 10
	largestBuffer  = 16 << 20
	// freeBufferBytes bounds what is kept for later: the pages of two records of 32 MiB, with zstd
	// at its usual third, and as much again.
	freeBufferBytes = 48 << 20
)

// bufferPool is a free list of buffers by size. It is safe for concurrent use.
//
// No two records need the same mixture of sizes. For a buffer that is not there, others are given up,
// so that free and lent ones together are never more than were lent at once: else every mixture
// of a long run would leave its own behind, up to the bound.
type bufferPool struct {
	mu   sync.Mutex
	free map[int][][]byte
	held int // bytes in free
	lent int // bytes not given back
	most int // that were lent at once
}

// sizeClass is the capacity a buffer for n bytes gets.
func sizeClass(n int) int {
	if n <= smallestBuffer {
		return smallestBuffer
	}
	step := 1 << (bits.Len(uint(n-1)) - 3)
	return (n + step - 1) / step * step
}

// clone returns a copy of b in a pooled buffer. Tiny and huge ones are left to the collector.
func (p *bufferPool) clone(b []byte) []byte {
	if len(b) < smallestBuffer/4 || len(b) > largestBuffer {
		return bytes.Clone(b)
	}
	class := sizeClass(len(b))
	p.mu.Lock()
	buf := p.take(class)
	p.lent += class
	p.most = max(p.most, p.lent)
	for other := range p.free {
		for p.held > p.most-p.lent && p.take(other) != nil {
		}
	}
	p.mu.Unlock()
	if buf == nil {
		buf = make([]byte, 0, class)
	}
	return append(buf[:0], b...)
}

// take removes a free buffer of a size, nil if there is none.
func (p *bufferPool) take(class int) []byte {
	list := p.free[class]
	n := len(list)
	if n == 0 {
		return nil
	}
	buf := list[n-1]
	list[n-1] = nil
	p.free[class] = list[:n-1]
	p.held -= class
	return buf
}

// release takes a buffer back. Buffers that are not of a pooled size are dropped.
func (p *bufferPool) release(b []byte) {
	class := cap(b)
	if class < smallestBuffer || class > largestBuffer || sizeClass(class) != class {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent -= class
	if p.held+class > freeBufferBytes {
		return
	}
	if p.free == nil {
		p.free = make(map[int][][]byte)
	}
	p.free[class] = append(p.free[class], b[:0])
	p.held += class
}

// slabBytes is what a pageLog grows by: small beside a row group, and many pages long.
const slabBytes = 1 << 20

// slabPool lends slabs to the page logs of all files that are open at once. It is safe for concurrent use.
type slabPool struct {
	mu   sync.Mutex
	free [][]byte
	lent int // slabs
	logs int // that have any
}

// take lends a slab to a log, which may be its first.
func (p *slabPool) take(first bool) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent++
	if first {
		p.logs++
	}
	if n := len(p.free); n > 0 {
		slab := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return slab
	}
	return make([]byte, slabBytes)
}

// give takes back all slabs of a log. What one huge row group left behind is not kept.
func (p *slabPool) give(slabs [][]byte) {
	if len(slabs) == 0 {
		return
	}
	const most = MaxWaitingBytes/slabBytes + MaxWaitingBytes/slabBytes/8 // a record of 16 MiB takes some four
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs--
	p.lent -= len(slabs)
	if room := max(0, most-p.lent-len(p.free)); len(slabs) > room {
		slabs = slabs[:room]
	}
	p.free = append(p.free, slabs...)
}

// share is what a log may hold: everything while the others leave it that, else as much as each of them.
func (p *slabPool) share() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.logs < 2 || p.lent < MaxWaitingBytes/slabBytes {
		return MaxWaitingBytes
	}
	return MaxWaitingBytes / int64(p.logs)
}

// pageLog keeps pages until their row group is complete, in the order in which they come and without gaps.
type pageLog struct {
	pool  *slabPool
	slabs [][]byte
	size  int64
}

func (l *pageLog) add(b []byte) {
	for len(b) > 0 {
		if l.size == int64(len(l.slabs))*slabBytes {
			l.slabs = append(l.slabs, l.pool.take(len(l.slabs) == 0))
		}
		n := copy(l.slabs[l.size/slabBytes][l.size%slabBytes:], b)
		b, l.size = b[n:], l.size+int64(n)
	}
}

// pieces hands out n bytes from a position on.
func (l *pageLog) pieces(at int64, n int, each func([]byte)) {
	for n > 0 {
		b := l.slabs[at/slabBytes][at%slabBytes:]
		b = b[:min(n, len(b))]
		each(b)
		at, n = at+int64(len(b)), n-len(b)
	}
}

// reset empties the log.
func (l *pageLog) reset() {
	l.pool.give(l.slabs)
	clear(l.slabs)
	l.slabs, l.size = l.slabs[:0], 0
}

// scratch is the working memory of one running task, codec included. There are as many as tasks
// ever ran at once.
type scratch struct {
	codec compressor

	raw      []byte // page before compression
	out      []byte // page after compression
	def      []uint8
	bools    []byte
	int32s   []int32
	int64s   []int64
	doubles  []float64
	elements []int32
	lengths  []int32
	offsets  []uint32
	copied   []byte
	keys     []uint64
	dict     dictionary

	expansion expansion

	header  bytes.Buffer
	encoder *thrift.Encoder
}

// expansion are values that were numbered, before that.
type expansion struct {
	int32s  []int32
	int64s  []int64
	doubles []float64
	offsets []uint32
	data    []byte
}

// scratchLimit is the largest buffer a scratch keeps: an 8 MiB page of text, its levels, and the
// codec's worst case. A larger one comes from a single huge value.
const scratchLimit = textPageBytes + textPageBytes/2

func newScratch(c Compression) (*scratch, error) {
	codec, err := newCompressor(c)
	if err != nil {
		return nil, err
	}
	s := &scratch{codec: codec}
	s.encoder = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&s.header))
	return s, nil
}

// shrink drops what one huge value left behind.
func (s *scratch) shrink() {
	for _, b := range []*[]byte{&s.raw, &s.out, &s.copied, &s.expansion.data} {
		if cap(*b) > scratchLimit {
			*b = nil
		}
	}
}

// marshal returns the Thrift form of v, valid until the next call.
func (s *scratch) marshal(v any) ([]byte, error) {
	s.header.Reset()
	err := s.encoder.Encode(v)
	return s.header.Bytes(), err
}
