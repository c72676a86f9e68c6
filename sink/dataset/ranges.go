package dataset

import (
	"cmp"
	"io"
	"slices"

	"tw2parquet/sink/parquet"
)

// ranges reads a file that may be far away in a few large steps: what was fetched is answered from memory, everything
// else by the file. It is not for concurrent use.
type ranges struct {
	in      io.ReaderAt
	tail    span
	fetched []span
}

// span is a part of the file.
type span struct {
	at int64
	b  []byte
}

func (s *span) end() int64 { return s.at + int64(len(s.b)) }

const (
	// gapBytes are rather read than skipped: a request takes as long as some 100 KB.
	gapBytes = 64 << 10
	// fetchBytes is how much of a row group's columns is held in memory. What is beyond is read page by page.
	fetchBytes = 24 << 20
	// footerBytes are fetched at once. Our footers have 24 KB for each row group, and three readers look at them.
	footerBytes = 256 << 10
)

func newRanges(in io.ReaderAt, size int64) (*ranges, error) {
	r := &ranges{in: in}
	tail := span{max(0, size-footerBytes), make([]byte, min(size, footerBytes))}
	if n, err := in.ReadAt(tail.b, tail.at); n < len(tail.b) {
		return nil, short(err)
	}
	r.tail = tail
	return r, nil
}

// ReadAt reads from memory where it can.
func (r *ranges) ReadAt(p []byte, off int64) (int, error) {
	for _, s := range append(r.fetched, r.tail) {
		if s.at <= off && off < s.end() {
			n := copy(p, s.b[off-s.at:])
			if n == len(p) {
				return n, nil
			}
		}
	}
	return r.in.ReadAt(p, off)
}

// fetch takes the pages of some columns of a row group into memory, in place of what it held.
func (r *ranges) fetch(chunks []*parquet.Chunk) error {
	chunks = slices.Clone(chunks)
	slices.SortFunc(chunks, func(a, b *parquet.Chunk) int { return cmp.Compare(a.First, b.First) })
	r.fetched = r.fetched[:0]
	total := int64(0)
	for len(chunks) > 0 {
		from, to := chunks[0].First, chunks[0].First+chunks[0].Bytes
		n := 1
		for ; n < len(chunks) && chunks[n].First <= to+gapBytes && chunks[n].First+chunks[n].Bytes-from <= fetchBytes; n++ {
			to = max(to, chunks[n].First+chunks[n].Bytes)
		}
		chunks = chunks[n:]
		if total += to - from; total > fetchBytes {
			return nil
		}
		s := span{from, make([]byte, to-from)}
		if n, err := r.in.ReadAt(s.b, from); n < len(s.b) {
			return short(err)
		}
		r.fetched = append(r.fetched, s)
	}
	return nil
}
