package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"
)

// bounds are the smallest and largest value of a page or column chunk as statistics hold them:
// PLAIN without the length (Parquet format, parquet.thrift, Statistics). A truncated bound still
// holds, but is not a value of the column: exact says which it is.
type bounds struct {
	min, max           []byte
	exactMin, exactMax bool
	unbounded          bool // there are values, but no short bound above them
}

// known is false for no values, for doubles that are all NaN, and for the rare unbounded text.
func (b *bounds) known() bool { return b.min != nil && !b.unbounded }

// boundsOf looks at all values. Nothing of them is kept.
func boundsOf(v *values, l *leaf) bounds {
	if v.n == 0 {
		return bounds{}
	}
	b := bounds{exactMin: true, exactMax: true}
	switch l.physical {
	case format.Boolean:
		b.min, b.max = []byte{1}, []byte{0}
		if bytes.IndexByte(v.bools, 0) >= 0 {
			b.min[0] = 0
		}
		if bytes.IndexByte(v.bools, 1) >= 0 {
			b.max[0] = 1
		}
	case format.Int32:
		lo, hi := extremes(v.int32s)
		b.min = binary.LittleEndian.AppendUint32(nil, uint32(lo))
		b.max = binary.LittleEndian.AppendUint32(nil, uint32(hi))
	case format.Int64:
		lo, hi := extremes(v.int64s)
		b.min = binary.LittleEndian.AppendUint64(nil, uint64(lo))
		b.max = binary.LittleEndian.AppendUint64(nil, uint64(hi))
	case format.Double:
		return doubleBounds(v.doubles)
	default:
		lo, hi := stringExtremes(v)
		b.min, b.exactMin = lowerBound(lo, l.class.boundBytes)
		b.max, b.exactMax = upperBound(hi, l.class.boundBytes)
		b.unbounded = b.max == nil
	}
	return b
}

func extremes[T int32 | int64](v []T) (lo, hi T) {
	lo, hi = v[0], v[0]
	for _, x := range v[1:] {
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi
}

// doubleBounds follows the format's rules for statistics of floating point numbers: no NaN, and a
// zero stands for both zeros.
func doubleBounds(v []float64) bounds {
	lo, hi := math.Inf(1), math.Inf(-1)
	some := false
	for _, x := range v {
		if !math.IsNaN(x) {
			lo, hi, some = min(lo, x), max(hi, x), true
		}
	}
	if !some {
		return bounds{}
	}
	b := bounds{exactMin: true, exactMax: true}
	if lo == 0 {
		lo = math.Copysign(0, -1)
	}
	if hi == 0 {
		hi = 0
	}
	b.min = binary.LittleEndian.AppendUint64(nil, math.Float64bits(lo))
	b.max = binary.LittleEndian.AppendUint64(nil, math.Float64bits(hi))
	return b
}

// stringExtremes compares by the first eight bytes as a number, and looks further only on a tie.
func stringExtremes(v *values) (lo, hi []byte) {
	lo, hi = v.at(0), v.at(0)
	low, high := leading(lo), leading(hi)
	for i := 1; i < v.n; i++ {
		s := v.at(i)
		key := leading(s)
		if key < low || key == low && bytes.Compare(s, lo) < 0 {
			lo, low = s, key
		}
		if key > high || key == high && bytes.Compare(s, hi) > 0 {
			hi, high = s, key
		}
	}
	return lo, hi
}

func leading(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var key uint64
	for i, c := range b {
		key |= uint64(c) << (56 - 8*i)
	}
	return key
}

// lowerBound is b, or a prefix of at most limit bytes that ends between two characters.
func lowerBound(b []byte, limit int) (bound []byte, exact bool) {
	if len(b) <= limit {
		return append([]byte{}, b...), true
	}
	return append([]byte{}, textPrefix(b, limit)...), false
}

// upperBound is b, or the smallest text of at most limit bytes that is greater than all texts that
// begin like b: its prefix with the last character raised. It is nil where there is none.
func upperBound(b []byte, limit int) (bound []byte, exact bool) {
	if len(b) <= limit {
		return append([]byte{}, b...), true
	}
	p := append([]byte{}, textPrefix(b, limit)...)
	for len(p) > 0 {
		r, size := utf8.DecodeLastRune(p)
		p = p[:len(p)-size]
		switch {
		case r == utf8.RuneError && size == 1: // not text: raise the byte
			if c := b[len(p)]; c < 0xff {
				return append(p, c+1), false
			}
			continue
		case r == utf8.MaxRune:
			continue
		case r == 0xd7ff: // surrogates are not characters
			r = 0xe000 - 1
		}
		if len(p)+utf8.RuneLen(r+1) <= limit {
			return utf8.AppendRune(p, r+1), false
		}
	}
	return nil, false
}

// textPrefix cuts b to at most limit bytes, between two characters if b is text.
func textPrefix(b []byte, limit int) []byte {
	for n := limit; n > 0 && n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(b[n]) {
			return b[:n]
		}
	}
	return b[:limit]
}

// merge widens b by the bounds of more values of the same column.
func (b *bounds) merge(o *bounds, physical format.Type) {
	switch {
	case o.unbounded || b.unbounded:
		b.unbounded = true
	case !o.known():
	case !b.known():
		*b = *o
	default:
		switch c := compareBounds(o.min, b.min, physical); {
		case c < 0:
			b.min, b.exactMin = o.min, o.exactMin
		case c == 0:
			b.exactMin = b.exactMin || o.exactMin
		}
		switch c := compareBounds(o.max, b.max, physical); {
		case c > 0:
			b.max, b.exactMax = o.max, o.exactMax
		case c == 0:
			b.exactMax = b.exactMax || o.exactMax
		}
	}
}

// compareBounds is the column's order (parquet.thrift, ColumnOrder).
func compareBounds(a, b []byte, physical format.Type) int {
	switch physical {
	case format.Int32:
		return cmp.Compare(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case format.Int64:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case format.Double:
		return cmp.Compare(math.Float64frombits(binary.LittleEndian.Uint64(a)), math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return bytes.Compare(a, b)
}

// histogram counts levels up to maximum. levels nil means n times all.
func histogram(levels []uint8, all uint8, n int, maximum uint8) []int64 {
	h := make([]int64, int(maximum)+1)
	if levels == nil {
		h[all] = int64(n)
		return h
	}
	// Counting one level is a few bytes a cycle, and only lists in lists have more than four.
	rest := n
	for l := range h[1:] {
		h[l+1] = int64(bytes.Count(levels, []byte{byte(l + 1)}))
		rest -= int(h[l+1])
	}
	h[0] = int64(rest)
	return h
}
