package parquet

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"
)

// column is one leaf of one record: the levels above it and the Arrow buffers below.
type column struct {
	leaf    *leaf
	rows    int
	levels  levels
	valid   validity
	bits    []byte // booleans, from bit valid.offset
	int32s  []int32
	int64s  []int64
	doubles []float64
	data    []byte // strings
	offsets []int32
	large   []int64 // offsets of large strings
}

func newColumn(l *leaf, lv levels, a arrow.Array) (column, error) {
	c := column{leaf: l, levels: lv, valid: validityOf(a)}
	switch a := a.(type) {
	case *array.Boolean:
		if buffers := a.Data().Buffers(); len(buffers) > 1 && buffers[1] != nil {
			c.bits = buffers[1].Bytes()
		}
	case *array.Int32:
		c.int32s = a.Int32Values()
	case *array.Int64:
		c.int64s = a.Int64Values()
	case *array.Timestamp:
		values := a.TimestampValues()
		c.int64s = unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(values))), len(values)) // arrow.Timestamp is an int64
	case *array.Float64:
		c.doubles = a.Float64Values()
	case *array.String:
		c.data, c.offsets = stringBuffers[int32](a.Data())
	case *array.LargeString:
		c.data, c.large = stringBuffers[int64](a.Data())
	default:
		return c, fmt.Errorf("encode column %s: type %s is not supported", l.name, a.DataType())
	}
	return c, nil
}

// empty says that there are no values and all slots have the same levels, which is what most columns
// of a record look like.
func (c *column) empty() bool {
	if c.levels.def != nil || c.levels.rep != nil {
		return false
	}
	return c.levels.ended(c.leaf.live()) || c.leaf.optional && c.valid.none()
}

// stringBuffers gives the bytes and the n+1 offsets of a string array. Its own accessors stop at
// the array's part of the bytes, which would make every offset a sum.
func stringBuffers[T int32 | int64](d arrow.ArrayData) (data []byte, offsets []T) {
	buffers := d.Buffers()
	if buffers[2] != nil {
		data = buffers[2].Bytes()
	}
	if buffers[1] != nil && buffers[1].Len() > 0 {
		raw := buffers[1].Bytes()
		all := unsafe.Slice((*T)(unsafe.Pointer(&raw[0])), len(raw)/int(unsafe.Sizeof(T(0))))
		offsets = all[d.Offset() : d.Offset()+d.Len()+1]
	}
	return data, offsets
}

// weight estimates the work in bytes, for ordering tasks and cutting pages.
func (c *column) weight() int {
	live := c.valid.n - c.valid.nulls
	switch c.leaf.physical {
	case format.Boolean:
		return live / 8
	case format.Int32:
		return 4 * live
	case format.ByteArray:
		if n := len(c.offsets); n > 0 {
			return int(c.offsets[n-1]-c.offsets[0]) + 4*live
		}
		if n := len(c.large); n > 0 {
			return int(c.large[n-1]-c.large[0]) + 4*live
		}
	}
	return 8 * live
}

// values are the non-null values of some slots, one after the other. Where the Arrow buffers hold
// them so already they are borrowed, else they lie in a scratch.
type values struct {
	n       int
	bools   []byte // one byte each
	int32s  []int32
	int64s  []int64
	doubles []float64
	data    []byte   // value i is data[offsets[i]:offsets[i+1]]; neighbours touch
	offsets []uint32 // n+1
}

// size is the length of the values without lengths, levels and encoding.
func (v *values) size(physical format.Type) int {
	switch physical {
	case format.Boolean:
		return v.n / 8
	case format.Int32:
		return 4 * v.n
	case format.ByteArray:
		return v.stringBytes()
	}
	return 8 * v.n
}

func (v *values) stringBytes() int {
	if v.n == 0 {
		return 0
	}
	return int(v.offsets[v.n] - v.offsets[0])
}

func (v *values) at(i int) []byte { return v.data[v.offsets[i]:v.offsets[i+1]] }

// part is values a to b, b excluded.
func (v *values) part(a, b int) values {
	p := values{n: b - a}
	switch {
	case p.n == 0:
	case v.bools != nil:
		p.bools = v.bools[a:b]
	case v.int32s != nil:
		p.int32s = v.int32s[a:b]
	case v.int64s != nil:
		p.int64s = v.int64s[a:b]
	case v.doubles != nil:
		p.doubles = v.doubles[a:b]
	default:
		p.data, p.offsets = v.data, v.offsets[a:b+1]
	}
	return p
}

// gather collects the values of slots lo to hi. def holds the slots' final definition levels (nil:
// all have level all).
func (s *scratch) gather(c *column, def []uint8, all uint8, lo, hi int) (values, error) {
	live := c.leaf.maxDef
	n := countLive(def, all, hi-lo, live)
	if n == 0 {
		return values{}, nil
	}
	// first and last are slots, from and to elements: strictly increasing, so a span of n elements
	// is all of them.
	first, last := lo, hi-1
	if def != nil {
		first, last = lo+bytes.IndexByte(def, live), lo+bytes.LastIndexByte(def, live)
	}
	from, to := first, last+1
	if c.levels.idx != nil {
		from, to = int(c.levels.idx[first]), int(c.levels.idx[last])+1
	}
	v := values{n: n}
	var pick picker
	if to-from != n {
		pick = picker{n: n, live: live, def: def, idx: c.levels.idx, lo: lo}
	}
	switch c.leaf.physical {
	case format.Boolean:
		v.bools = resize(&s.bools, n)
		if pick.n == 0 {
			expandBits(v.bools, c.bits, c.valid.offset+from, 0)
			break
		}
		elements := resize(&s.elements, n+1)
		pick.elements(elements)
		for i, e := range elements[:n] {
			e := int(e) + c.valid.offset
			v.bools[i] = c.bits[e>>3] >> (e & 7) & 1
		}
	case format.Int32:
		v.int32s = choose(&pick, c.int32s, from, &s.int32s, n)
	case format.Int64:
		v.int64s = choose(&pick, c.int64s, from, &s.int64s, n)
	case format.Double:
		v.doubles = choose(&pick, c.doubles, from, &s.doubles, n)
	default:
		if c.large != nil {
			return s.gatherLarge(c, &pick, v, from)
		}
		v.data = c.data
		if pick.n == 0 {
			source := c.offsets[from : from+n+1]
			v.offsets = unsafe.Slice((*uint32)(unsafe.Pointer(&source[0])), n+1) // never negative
			return v, nil
		}
		elements := resize(&s.elements, n+1)
		pick.elements(elements)
		return s.gatherStrings(c, v, elements[:n])
	}
	return v, nil
}

// gatherStrings takes the strings of some elements. Where the skipped ones are empty, as nulls
// nearly always are, only offsets move.
func (s *scratch) gatherStrings(c *column, v values, elements []int32) (values, error) {
	v.offsets = resize(&s.offsets, v.n+1)
	source := c.offsets
	gap, end := false, source[elements[0]]
	for i, e := range elements {
		gap = gap || source[e] != end
		v.offsets[i] = uint32(source[e])
		end = source[e+1]
	}
	v.offsets[v.n] = uint32(end)
	if !gap {
		return v, nil
	}
	s.copied = s.copied[:0]
	for i, e := range elements {
		v.offsets[i] = uint32(len(s.copied))
		s.copied = append(s.copied, c.data[source[e]:source[e+1]]...)
	}
	v.offsets[v.n], v.data = uint32(len(s.copied)), s.copied
	return v, nil
}

// gatherLarge is gather for strings with 64-bit offsets, which the encodings cannot take: they are
// counted from the first value.
func (s *scratch) gatherLarge(c *column, pick *picker, v values, from int) (values, error) {
	elements := resize(&s.elements, v.n+1)
	if pick.n == 0 {
		for i := range elements {
			elements[i] = int32(from + i)
		}
	} else {
		pick.elements(elements)
	}
	elements = elements[:v.n]
	v.offsets = resize(&s.offsets, v.n+1)
	start, end, gap := c.large[elements[0]], c.large[elements[0]], false
	total := int64(0)
	for i, e := range elements {
		gap = gap || c.large[e] != end
		v.offsets[i] = uint32(total)
		end = c.large[e+1]
		total += end - c.large[e]
		if total > math.MaxInt32 {
			return v, fmt.Errorf("encode column %s: more than 2 GiB in one record", c.leaf.name)
		}
	}
	v.offsets[v.n] = uint32(total)
	if !gap {
		v.data = c.data[start:end]
		return v, nil
	}
	s.copied = s.copied[:0]
	for _, e := range elements {
		s.copied = append(s.copied, c.data[c.large[e]:c.large[e+1]]...)
	}
	v.data = s.copied
	return v, nil
}

// picker walks the elements that hold the values; n 0 means that they touch each other.
type picker struct {
	n    int
	live uint8
	def  []uint8
	idx  []int32
	lo   int
}

// elements writes the elements' numbers into dst, which has room for one more than there are: the
// write before the test keeps the loop free of jumps.
func (p *picker) elements(dst []int32) {
	k := 0
	for i, d := range p.def {
		e := int32(p.lo + i)
		if p.idx != nil {
			e = p.idx[p.lo+i]
		}
		dst[k] = e
		if d == p.live {
			k++
		}
	}
}

// choose takes the values of a column of fixed width, borrowed where they touch.
func choose[T any](p *picker, source []T, from int, buffer *[]T, n int) []T {
	if p.n == 0 {
		return source[from : from+n]
	}
	dst := resize(buffer, n+1)
	k := 0
	if p.idx == nil {
		part := source[p.lo : p.lo+len(p.def)]
		for i, d := range p.def {
			dst[k] = part[i]
			if d == p.live {
				k++
			}
		}
		return dst[:n]
	}
	for i, d := range p.def {
		if d == p.live {
			dst[k] = source[p.idx[p.lo+i]]
			k++
		}
	}
	return dst[:n]
}
