package parquet

import (
	"bytes"

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
