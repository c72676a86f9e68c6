package parquet

import (
	"bytes"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// chunkDictionary is the dictionary of a column of a row group: the distinct values of its records, in the order in
// which they first appear. It grows record by record up to chunkEntries and dictionaryBytes. A record whose values do
// not fit, or repeat too little to be numbered, closes it: its values, and those of later ones, are written without a
// dictionary, for which the format has an encoding for each page. The format would also allow to come back to the
// dictionary afterwards, as no other writer does, and DuckDB 1.5 takes such columns for damaged, or reads other
// memory, where a delta encoding is between.
type chunkDictionary struct {
	table   []uint32 // entry number + 1 at the hash's place or after it; the length is a power of two
	hashes  []uint32
	keys    []uint64 // entries of fixed width
	data    []byte   // strings, one after the other
	offsets []uint32 // n+1
	n       int
	closed  bool
	numbers []uint16 // of the latest record's entries
}

// number gives each entry of a record its number in the chunk; false if they do not fit.
func (d *chunkDictionary) number(v *values, l *leaf) ([]uint16, bool) {
	if d.closed {
		return nil, false
	}
	before, text := d.n, len(d.data)
	d.grow(d.n + v.n)
	if len(d.offsets) == 0 {
		d.offsets = append(d.offsets, 0)
	}
	numbers := resize(&d.numbers, v.n)
	for i := range numbers {
		n, ok := d.find(v, i, l)
		if !ok {
			d.n, d.data = before, d.data[:text]
			d.close()
			return nil, false
		}
		numbers[i] = n
	}
	return numbers, true
}

// find looks entry i of a record up, or adds it; false if there is no room for it.
func (d *chunkDictionary) find(v *values, i int, l *leaf) (uint16, bool) {
	var value []byte
	var key, hash uint64
	text := l.physical == format.ByteArray
	if text {
		value = v.at(i)
		hash = shortHash(value)
	} else {
		key = v.word(i)
		hash = wordHash(key)
	}
	mask := uint64(len(d.table) - 1)
	slot := hash & mask
	for ; d.table[slot] != 0; slot = (slot + 1) & mask {
		e := int(d.table[slot] - 1)
		if d.hashes[e] != uint32(hash) {
			continue
		}
		if text && bytes.Equal(d.data[d.offsets[e]:d.offsets[e+1]], value) || !text && d.keys[e] == key {
			return uint16(e), true
		}
	}
	if d.n == chunkEntries || len(d.data)+len(value) > dictionaryBytes {
		return 0, false
	}
	d.hashes = append(d.hashes[:d.n], uint32(hash))
	if text {
		d.data = append(d.data, value...)
		d.offsets = append(d.offsets[:d.n+1], uint32(len(d.data)))
	} else {
		d.keys = append(d.keys[:d.n], key)
	}
	d.n++
	d.table[slot] = uint32(d.n)
	return uint16(d.n - 1), true
}

// grow makes the table twice as large as n entries need.
func (d *chunkDictionary) grow(n int) {
	size := max(len(d.table), 64)
	for size < 2*n {
		size *= 2
	}
	if size == len(d.table) {
		return
	}
	d.table = make([]uint32, size)
	for e, hash := range d.hashes[:d.n] {
		slot := int(hash) & (size - 1)
		for d.table[slot] != 0 {
			slot = (slot + 1) & (size - 1)
		}
		d.table[slot] = uint32(e + 1)
	}
}

// entries are the values by number, borrowed until the dictionary changes.
func (d *chunkDictionary) entries(l *leaf) values {
	v := values{n: d.n}
	switch l.physical {
	case format.Int32:
		v.int32s = make([]int32, d.n)
		for i := range v.int32s {
			v.int32s[i] = int32(d.keys[i])
		}
	case format.Int64:
		v.int64s = make([]int64, d.n)
		for i := range v.int64s {
			v.int64s[i] = int64(d.keys[i])
		}
	case format.Double:
		v.doubles = make([]float64, d.n)
		for i := range v.doubles {
			v.doubles[i] = math.Float64frombits(d.keys[i])
		}
	default:
		v.data, v.offsets = d.data, d.offsets[:d.n+1]
	}
	return v
}

// close makes the entries the last ones.
func (d *chunkDictionary) close() { d.closed = true }

func (d *chunkDictionary) reset() {
	clear(d.table)
	d.n, d.data, d.closed = 0, d.data[:0], false
}

// word is value i, of fixed width, as its bits.
func (v *values) word(i int) uint64 {
	switch {
	case v.int32s != nil:
		return uint64(v.int32s[i])
	case v.int64s != nil:
		return uint64(v.int64s[i])
	}
	return math.Float64bits(v.doubles[i])
}

// expand writes the values that ids number into the buffers.
func (c *coded) expand(into *expansion) values {
	v := values{n: len(c.ids)}
	switch e := &c.entries; {
	case e.int32s != nil:
		v.int32s = pickNumbered(&into.int32s, e.int32s, c.ids)
	case e.int64s != nil:
		v.int64s = pickNumbered(&into.int64s, e.int64s, c.ids)
	case e.doubles != nil:
		v.doubles = pickNumbered(&into.doubles, e.doubles, c.ids)
	default:
		v.offsets = resize(&into.offsets, v.n+1)
		into.data = into.data[:0]
		for i, id := range c.ids {
			v.offsets[i] = uint32(len(into.data))
			into.data = append(into.data, e.at(int(id))...)
		}
		v.offsets[v.n], v.data = uint32(len(into.data)), into.data
	}
	return v
}

func pickNumbered[T any](buffer *[]T, entries []T, ids []uint16) []T {
	out := resize(buffer, len(ids))
	for i, id := range ids {
		out[i] = entries[id]
	}
	return out
}
