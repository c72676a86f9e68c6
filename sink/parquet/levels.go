package parquet

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// levels are the definition and repetition levels of a node's slots (Parquet format, README.md,
// Nested Encoding). A slot is one entry of every column below the node: an element, or the place
// where a null or an empty list ended the path. Slots are shared by all columns below a node,
// so they are computed once per record and node, not once per column.
type levels struct {
	n   int
	all uint8   // definition level of every slot, where def is nil
	def []uint8 // definition level per slot
	rep []uint8 // repetition level per slot; nil: all are 0
	idx []int32 // element of the node's array per slot, undefined where the path has ended; nil: slot i is element i
}

// validity is an Arrow validity bitmap; bits nil means no nulls.
type validity struct {
	bits   []byte
	offset int
	nulls  int
	n      int
}

func validityOf(a arrow.Array) validity {
	v := validity{nulls: a.NullN(), n: a.Len(), offset: a.Data().Offset()}
	if v.nulls > 0 {
		v.bits = a.NullBitmapBytes()
	}
	return v
}

func (v *validity) valid(i int) bool {
	i += v.offset
	return v.bits[i>>3]>>(i&7)&1 != 0
}

// none says that no element is present.
func (v *validity) none() bool { return v.nulls == v.n }

// ended says that no slot reaches level live, so that there is nothing below.
func (l *levels) ended(live uint8) bool { return l.def == nil && l.all < live }

// refine writes the definition levels of slots lo to hi after an optional node into dst: a slot
// at level live goes up by one where its element is valid. It returns nil and the one level all
// slots have in common where that needs no looking at the slots.
func (l *levels) refine(dst []uint8, lo, hi int, v *validity, live uint8) ([]uint8, uint8) {
	switch {
	case v.none() || l.ended(live):
		if l.def == nil {
			return nil, l.all
		}
		return l.def[lo:hi], 0
	case l.def == nil && v.nulls == 0:
		return nil, live + 1
	}
	dst = dst[:hi-lo]
	switch {
	case v.nulls == 0:
		for i, d := range l.def[lo:hi] {
			if d == live {
				d++
			}
			dst[i] = d
		}
	case l.idx != nil:
		for i := lo; i < hi; i++ {
			d := l.at(i)
			if d == live && v.valid(int(l.idx[i])) {
				d++
			}
			dst[i-lo] = d
		}
	case l.def == nil:
		expandBits(dst, v.bits, v.offset+lo, live)
	default:
		expandBits(dst, v.bits, v.offset+lo, 0)
		for i, d := range l.def[lo:hi] {
			if d != live {
				dst[i] = 0
			}
			dst[i] += d
		}
	}
	return dst, 0
}

func (l *levels) at(i int) uint8 {
	if l.def == nil {
		return l.all
	}
	return l.def[i]
}

// check fails if a slot that reaches a required node has no value there.
func (l *levels) check(lo, hi int, v *validity, live uint8, path string) error {
	if v.nulls == 0 || l.ended(live) {
		return nil
	}
	for i := lo; i < hi; i++ {
		element := i
		if l.idx != nil {
			element = int(l.idx[i])
		}
		if l.at(i) == live && !v.valid(element) {
			return fmt.Errorf("encode column %s: null in a field declared as not null", path)
		}
	}
	return nil
}

// expandBits writes base+1 for a set bit and base for a clear one.
func expandBits(dst []uint8, src []byte, offset int, base uint8) {
	i := 0
	for ; i < len(dst) && (offset+i)&7 != 0; i++ {
		dst[i] = base + src[(offset+i)>>3]>>((offset+i)&7)&1
	}
	add := uint64(base) * 0x0101010101010101
	for ; i+8 <= len(dst); i += 8 {
		// Spread the eight bits over eight bytes: copy the byte to all, keep one bit in each, and
		// carry it to the top of its byte.
		x := uint64(src[(offset+i)>>3]) * 0x0101010101010101 & 0x8040201008040201
		x = (x + 0x00406070787c7e7f) >> 7 & 0x0101010101010101
		x += add
		d := dst[i : i+8 : i+8]
		d[0], d[1], d[2], d[3] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
		d[4], d[5], d[6], d[7] = byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56)
	}
	for ; i < len(dst); i++ {
		dst[i] = base + src[(offset+i)>>3]>>((offset+i)&7)&1
	}
}

// enter gives the levels of a node's own slots from those of its parent.
func (g *Group) enter(n *fieldNode, l levels, a arrow.Array) (levels, error) {
	v := validityOf(a)
	if !n.optional {
		return l, l.check(0, l.n, &v, n.def, n.path)
	}
	var dst []uint8
	if !(v.none() || l.ended(n.def-1)) && (l.def != nil || v.nulls != 0) {
		dst = g.bytes.take(l.n)
	}
	l.def, l.all = l.refine(dst, 0, l.n, &v, n.def-1)
	return l, nil
}

// expand gives the levels of a list's elements from those of the list: one slot per element, and
// one where the list is null, empty, or not reached.
func (g *Group) expand(n *fieldNode, l levels, a *array.List) (levels, error) {
	if l.ended(n.def) {
		return l, nil
	}
	offsets := a.Offsets()
	if len(offsets) == 0 {
		return l, nil // an array without elements may come without offsets
	}
	offsets = offsets[a.Data().Offset():]
	slots := 0
	for i := range l.n {
		size := 1
		if l.at(i) == n.def {
			element := i
			if l.idx != nil {
				element = int(l.idx[i])
			}
			size = max(1, int(offsets[element+1]-offsets[element]))
		}
		slots += size
	}
	if slots > math.MaxInt32 {
		return l, fmt.Errorf("encode column %s: %d elements in one record", n.path, slots)
	}
	out := levels{n: slots, def: g.bytes.take(slots), rep: g.bytes.take(slots), idx: g.ints.take(slots)}
	k := 0
	for i := range l.n {
		d, r := l.at(i), uint8(0)
		if l.rep != nil {
			r = l.rep[i]
		}
		out.def[k], out.rep[k], out.idx[k] = d, r, 0
		if d == n.def {
			element := i
			if l.idx != nil {
				element = int(l.idx[i])
			}
			for e := offsets[element]; e < offsets[element+1]; e++ {
				out.def[k], out.rep[k], out.idx[k] = d+1, r, e
				r = n.rep + 1
				k++
			}
			if offsets[element] < offsets[element+1] {
				continue
			}
		}
		k++
	}
	return out, nil
}

// levelWidth is the bit width of levels up to maximum.
func levelWidth(maximum uint8) int { return bits.Len8(maximum) }

// countLive says how many slots hold a value. def nil means that all have level all.
func countLive(def []uint8, all uint8, n int, live uint8) int {
	if def == nil {
		if all == live {
			return n
		}
		return 0
	}
	return bytes.Count(def, []byte{live})
}
