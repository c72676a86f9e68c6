package zstd

import (
	"encoding/binary"
	"slices"
)

// bitWriter writes bits behind what is there, the first into the lowest of a byte.
type bitWriter struct {
	out  []byte
	at   int // bytes of out that are written
	bits uint64
	n    uint // bits of bits that are not in out yet
}

// newBitWriter makes a writer of at most n bytes.
func newBitWriter(dst []byte, n int) bitWriter {
	n += 8 // a flush writes so much at once
	return bitWriter{out: slices.Grow(dst, n)[:len(dst)+n], at: len(dst)}
}

// add adds the n low bits of v, which has no others. No more than 64 may come together without a flush, which
// leaves up to 7.
func (w *bitWriter) add(v uint64, n uint8) {
	w.bits |= v << (w.n & 63)
	w.n += uint(n)
}

// flush moves whole bytes to out.
func (w *bitWriter) flush() {
	binary.LittleEndian.PutUint64(w.out[w.at:], w.bits)
	w.at += int(w.n >> 3)
	w.bits >>= w.n &^ 7 & 63
	w.n &= 7
}

// finish fills the last byte with zeros.
func (w *bitWriter) finish() []byte {
	w.flush()
	w.flush()
	if w.n > 0 {
		w.at++
	}
	return w.out[:w.at]
}
