package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/format"
)

// dictionary finds out whether a column's values repeat enough in one record, and collects the distinct
// ones in order of first appearance.
type dictionary struct {
	table  [2 * dictionaryEntries]uint16 // entry number + 1 at the hash's place or after it
	hashes [dictionaryEntries]uint32
	keys   [dictionaryEntries]uint64 // entries of fixed width
	first  [dictionaryEntries]int32  // strings: value in which the entry appeared
	n      int
	ids    []int32 // entry of each value
}

const (
	// A column is judged after sampleValues values: above sampleLimit distinct ones it hardly repeats
	// at all. 4,096 evenly distributed values show 906 of themselves among 1,024.
	sampleValues = 1024
	sampleLimit  = 970
)

// buildDictionary fills the dictionary and says whether it pays.
func (s *scratch) buildDictionary(v *values, l *leaf) bool {
	if l.class.dictionary == 0 || v.size(l.physical) < dictionaryMinBytes {
		return false
	}
	limit := min(l.class.dictionary, int(dictionaryShare*float64(v.n)))
	d := &s.dict
	ids := resize(&d.ids, v.n)
	d.n = 0
	switch l.physical {
	case format.ByteArray:
		return d.buildStrings(v, ids, limit)
	case format.Double:
		keys := resize(&s.keys, v.n)
		for i, x := range v.doubles {
			keys[i] = math.Float64bits(x)
		}
		return d.buildWords(keys, ids, limit)
	case format.Int32, format.Int64:
		return s.buildIntegers(v, l, ids, limit)
	}
	return false
}

func (d *dictionary) buildStrings(v *values, ids []int32, limit int) bool {
	clear(d.table[:])
	size := 0
	for i := range ids {
		value := v.at(i)
		hash := uint32(shortHash(value))
		slot := hash % uint32(len(d.table))
		for {
			e := d.table[slot]
			if e == 0 {
				if size += len(value); d.n == limit || size > dictionaryBytes {
					return false
				}
				d.hashes[d.n], d.first[d.n] = hash, int32(i)
				ids[i] = int32(d.n)
				d.n++
				d.table[slot] = uint16(d.n)
				break
			}
			if d.hashes[e-1] == hash && bytes.Equal(v.at(int(d.first[e-1])), value) {
				ids[i] = int32(e - 1)
				break
			}
			slot = (slot + 1) % uint32(len(d.table))
		}
		if i == sampleValues-1 && d.n > sampleLimit {
			return false
		}
	}
	return true
}

// shortHash mixes a few words for what most strings here are, short, and leaves longer ones to
// xxHash.
func shortHash(b []byte) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xa0761d6478bd642f
	var x, y uint64
	switch n := len(b); {
	case n > 16:
		return xxhash.Sum64(b)
	case n >= 8:
		x, y = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		x, y = uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		x = uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16
	}
	hi, lo := bits.Mul64(x^k0^uint64(len(b)), y^k1)
	return hi ^ lo
}

func wordHash(key uint64) uint64 {
	hi, lo := bits.Mul64(key^0x9e3779b97f4a7c15, 0xa0761d6478bd642f)
	return hi ^ lo
}

// buildWords finds the distinct ones of values of fixed width. Doubles come as their bits: NaN equals
// itself here and -0 is not 0, so what is read is what was written.
func (d *dictionary) buildWords(keys []uint64, ids []int32, limit int) bool {
	clear(d.table[:])
	for i, key := range keys {
		slot := wordHash(key) % uint64(len(d.table))
		for {
			e := d.table[slot]
			if e == 0 {
				if d.n == limit {
					return false
				}
				d.keys[d.n] = key
				ids[i] = int32(d.n)
				d.n++
				d.table[slot] = uint16(d.n)
				break
			}
			if d.keys[e-1] == key {
				ids[i] = int32(e - 1)
				break
			}
			slot = (slot + 1) % uint64(len(d.table))
		}
		if i == sampleValues-1 && d.n > sampleLimit {
			return false
		}
	}
	return true
}

// buildIntegers also weighs the dictionary against the deltas, where those may be used: counters are small
// numbers that few bits hold as they are, while figures of a source are large and as many as there are sources.
func (s *scratch) buildIntegers(v *values, l *leaf, ids []int32, limit int) bool {
	keys := resize(&s.keys, v.n)
	width := 4
	if l.physical == format.Int32 {
		for i, x := range v.int32s {
			keys[i] = uint64(x)
		}
	} else {
		width = 8
		for i, x := range v.int64s {
			keys[i] = uint64(x)
		}
	}
	d := &s.dict
	if !d.buildWords(keys, ids, limit) {
		return false
	}
	if d.n <= fewIntegers || l.class.encoding == format.Plain {
		return true
	}
	deltas, err := s.appendValues(s.raw[:0], format.DeltaBinaryPacked, l, v)
	s.raw = deltas[:0]
	return err == nil && v.n*bitWidth(d.n-1)/9+d.n*width/4 < len(deltas)
}

// coded is a column of one record as numbers of its distinct values. All records of a row group share one
// dictionary per column, so the numbers that go into the file, and whether the values go there as numbers at all,
// are known when the record joins the row group: in the order of the stream, whichever was encoded first.
type coded struct {
	used    bool
	entries values // in buffers of its own
	ids     []uint16
	repRuns []byte // levels, see appendRuns
	defRuns []byte

	int32s  []int32
	int64s  []int64
	doubles []float64
	offsets []uint32
	data    []byte
}

// reset keeps the buffers, unless a huge list made them.
func (c *coded) reset() {
	c.used, c.entries = false, values{}
	if cap(c.ids) > codedLimit {
		c.ids = nil
	}
	if cap(c.repRuns)+cap(c.defRuns) > codedLimit {
		c.repRuns, c.defRuns = nil, nil
	}
}

// codedLimit is the largest number of values, and of bytes of levels, that room is kept for: some ten for each row.
const codedLimit = 1 << 17

// entries copies the distinct values to out.
func (d *dictionary) entries(out *coded, v *values, l *leaf) {
	e := values{n: d.n}
	switch l.physical {
	case format.Int32:
		e.int32s = resize(&out.int32s, d.n)
		for i := range e.int32s {
			e.int32s[i] = int32(d.keys[i])
		}
	case format.Int64:
		e.int64s = resize(&out.int64s, d.n)
		for i := range e.int64s {
			e.int64s[i] = int64(d.keys[i])
		}
	case format.Double:
		e.doubles = resize(&out.doubles, d.n)
		for i := range e.doubles {
			e.doubles[i] = math.Float64frombits(d.keys[i])
		}
	default:
		e.offsets = resize(&out.offsets, d.n+1)
		out.data = out.data[:0]
		for i, first := range d.first[:d.n] {
			e.offsets[i] = uint32(len(out.data))
			out.data = append(out.data, v.at(int(first))...)
		}
		e.offsets[d.n], e.data = uint32(len(out.data)), out.data
	}
	out.entries = e
}
