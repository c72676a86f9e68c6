package zstd

import "encoding/binary"

// bitWriter writes bits, the first into the lowest of a byte.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint // bits of bits that are not in out yet
}

// add adds the n low bits of v, which has no others. Between two flushes there is room for 56.
func (w *bitWriter) add(v uint64, n uint8) {
	w.bits |= v << (w.n & 63)
	w.n += uint(n)
}

// flush moves whole bytes to out.
func (w *bitWriter) flush() {
	w.out = binary.LittleEndian.AppendUint64(w.out, w.bits)
	w.out = w.out[:len(w.out)-8+int(w.n>>3)]
	w.bits >>= w.n &^ 7 & 63
	w.n &= 7
}

// close fills the last byte with zeros.
func (w *bitWriter) close() []byte {
	w.flush()
	if w.n > 0 {
		w.out = append(w.out, byte(w.bits))
	}
	w.bits, w.n = 0, 0
	return w.out
}
