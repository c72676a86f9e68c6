package zstd

import (
	"errors"

	"github.com/klauspost/compress/huff0"
)

// The kinds of literals (section 3.1.1.3.1.1).
const (
	rawLiterals        = 0
	rleLiterals        = 1
	compressedLiterals = 2
	treelessLiterals   = 3 // with the Huffman tree of the block before
)

const (
	// minLiterals: fewer do not pay for a tree.
	minLiterals = 32
	// oneStream: fewer are in one stream; four decode faster, but take their lengths.
	oneStream = 1 << 10
)

// appendLiterals writes the block's literals section.
func (e *Encoder) appendLiterals(dst []byte) []byte {
	lits := e.m.literals[:e.m.nLit]
	if len(lits) < minLiterals {
		return append(appendPlainLiterals(dst, rawLiterals, len(lits)), lits...)
	}
	e.huff.WantLogLess = 6 // a 64th less, or they are stored
	code := huff0.Compress4X
	if len(lits) < oneStream {
		code = huff0.Compress1X
	}
	out, again, err := code(lits, &e.huff)
	switch {
	case errors.Is(err, huff0.ErrUseRLE):
		return append(appendPlainLiterals(dst, rleLiterals, len(lits)), lits[0])
	case err != nil: // they do not shrink
		return append(appendPlainLiterals(dst, rawLiterals, len(lits)), lits...)
	}
	e.huff.Reuse = huff0.ReusePolicyAllow
	kind := compressedLiterals
	if again {
		kind = treelessLiterals
	}
	return append(appendSizes(dst, kind, len(lits), len(out)), out...)
}

// appendPlainLiterals begins literals whose length in the block is known from their number.
func appendPlainLiterals(dst []byte, kind, n int) []byte {
	switch {
	case n < 1<<5:
		return append(dst, byte(n<<3|kind))
	case n < 1<<12:
		h := n<<4 | 1<<2 | kind
		return append(dst, byte(h), byte(h>>8))
	}
	h := n<<4 | 3<<2 | kind
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// appendSizes begins literals of n bytes that take size.
func appendSizes(dst []byte, kind, n, size int) []byte {
	format, width, bytes := 3, 18, 5
	switch {
	case n < oneStream:
		format, width, bytes = 0, 10, 3
	case n < 1<<14 && size < 1<<14:
		format, width, bytes = 2, 14, 4
	}
	h := uint64(kind | format<<2 | n<<4 | size<<(4+width))
	for range bytes {
		dst = append(dst, byte(h))
		h >>= 8
	}
	return dst
}
