package schema

import (
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// column is the growing memory of one Arrow array. Rows need not be set one after the other: a row
// that is passed over is null. Nulls cost nothing when a document does not mention a column; they
// are filled in when the next value arrives or the record is made.
//
// Invariants: cells at and after n and validity bits at and after from are zero, so that a null needs no writing;
// offsets up to i32[n] are final. Every buffer that is indexed by row has room for row n after grow(n).
type column struct {
	// What every value touches comes first, to lie in few cache lines.
	n     int     // rows filled, nulls included
	rows  int     // rows there is room for
	data  []byte  // Text, JSON
	i32   []int32 // Int32; offsets of Text, JSON, Texts, Objects, Scores
	from  int     // rows from here up to n are present, which valid does not tell yet: see flush
	valid []byte  // bitmap, least significant bit first
	i64   []int64 // Int64; Time, in microseconds; Float64, its bits

	kids  []*column // Object: members; Texts, Objects: the element; Scores: key and value
	dtype arrow.DataType
	typ   Type
	_     [31]byte // three cache lines, so that columns begin with one
}

// offsets tells whether i32 has offsets.
func (c *column) offsets() bool {
	switch c.typ {
	case Int32, Int64, Time, Float64, Object:
		return false
	}
	return true
}

// newColumns makes the columns of a list of nodes.
func newColumns(nodes []*node) []*column {
	cols := make([]*column, len(nodes))
	for i, n := range nodes {
		cols[i] = newColumn(n)
	}
	return cols
}

func newColumn(n *node) *column {
	c := &column{typ: n.typ, dtype: n.arrow()}
	switch n.typ {
	case Object:
		c.kids = newColumns(n.members)
	case Objects:
		c.kids = []*column{newColumn(&node{typ: Object, members: n.members})}
	case Texts:
		c.kids = []*column{newColumn(&node{typ: Text})}
	case Scores:
		c.kids = []*column{newColumn(&node{typ: Text}), newColumn(&node{typ: Float64})}
	}
	return c
}

const firstRows = 1024 // rows that a column has room for when it is first used

// grow makes room for the given row and its successor offset.
func (c *column) grow(row int) {
	rows := max(firstRows, 2*row)
	rows = (rows + 63) &^ 63
	c.rows = rows
	c.valid = extend(c.valid, rows/8)
	switch c.typ {
	case Int64, Time, Float64:
		c.i64 = extend(c.i64, rows)
	case Object:
	default:
		c.i32 = extend(c.i32, rows+1)
	}
}

func extend[T any](s []T, n int) []T {
	t := make([]T, n)
	copy(t, s)
	return t
}

// at prepares a row for its value: rows passed over become null.
func (c *column) at(row int) {
	if row >= c.rows {
		c.grow(row)
	}
	if row > c.n {
		c.pad(row)
	}
}

// ready tells that at has nothing to do for the row.
func (c *column) ready(row int) bool { return row == c.n && row < c.rows }

// pad makes the rows from n up to row null.
func (c *column) pad(row int) {
	c.flush()
	if c.offsets() {
		last := c.i32[c.n]
		gap := c.i32[c.n+1 : row+1]
		for i := range gap {
			gap[i] = last
		}
	}
	c.n, c.from = row, row
}

// done marks a prepared row as present.
func (c *column) done(row int) { c.n = row + 1 }

// flush writes the bits of the rows that are present since it was last called. Most columns are in every
// document: their bits are written at once instead of one by one.
func (c *column) flush() {
	if c.from == c.n {
		return
	}
	first, last := c.from>>3, (c.n-1)>>3
	head, tail := byte(0xff)<<(c.from&7), byte(0xff)>>(7-(c.n-1)&7)
	c.from = c.n
	if first == last {
		c.valid[first] |= head & tail
		return
	}
	c.valid[first] |= head
	for i := first + 1; i < last; i++ {
		c.valid[i] = 0xff
	}
	c.valid[last] |= tail
}

func (c *column) setInt32(row int, v int32) {
	c.at(row)
	c.i32[row] = v
	c.done(row)
}

func (c *column) setInt64(row int, v int64) {
	if !c.ready(row) {
		c.at(row)
	}
	c.i64[row] = v
	c.done(row)
}

// setText ends a text; data is the column's own with the text appended.
func (c *column) setText(row int, data []byte) {
	if cap(data) == cap(c.data) {
		c.data = c.data[:len(data)] // spares the write barrier
	} else {
		c.data = data
	}
	c.i32[row+1] = int32(len(data))
	c.done(row)
}

// setList ends a list whose elements are those added to its child since the row was prepared.
func (c *column) setList(row int) {
	c.i32[row+1] = int32(c.kids[0].n)
	c.done(row)
}

// text returns the bytes of a row and whether it is present.
func (c *column) text(row int) ([]byte, bool) {
	if row >= c.n || row < c.from && c.valid[row>>3]&(1<<(row&7)) == 0 {
		return nil, false
	}
	return c.data[c.i32[row]:c.i32[row+1]], true
}

// truncate forgets all rows from n on, and elements of lists that were not ended.
func (c *column) truncate(n int) {
	n = min(n, c.n)
	switch c.typ {
	case Text, JSON:
		if c.i32 != nil {
			c.data = c.data[:c.i32[n]]
		}
	case Int32:
		clear(c.i32[n:c.n])
	case Int64, Time, Float64:
		clear(c.i64[n:c.n])
	case Texts, Objects, Scores:
		end := 0
		if c.i32 != nil {
			end = int(c.i32[n])
		}
		for _, k := range c.kids {
			k.truncate(end)
		}
	case Object:
		for _, k := range c.kids {
			k.truncate(n)
		}
	}
	for i := n; i < c.from; i++ {
		if i&7 == 0 {
			clear(c.valid[i>>3 : (c.from+7)>>3])
			break
		}
		c.valid[i>>3] &^= 1 << (i & 7)
	}
	c.n, c.from = n, min(n, c.from)
}

// nulls counts the rows that are null.
func (c *column) nulls() int {
	c.flush()
	present := 0
	for _, b := range c.valid[:(c.n+7)>>3] {
		present += bits.OnesCount8(b)
	}
	return c.n - present
}
