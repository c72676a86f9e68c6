package schema

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Record returns the rows as a batch of the schema. Its columns are the encoder's own memory: the
// batch is valid until the next Append or Reset, released or not.
func (e *Encoder) Record() arrow.RecordBatch {
	columns := make([]arrow.Array, len(e.columns))
	for i, c := range e.columns {
		data := e.array(c, e.rows)
		columns[i] = array.MakeFromData(data)
		data.Release()
	}
	return array.NewRecordBatch(Arrow(), columns, int64(e.rows))
}

// array wraps a column, padded with nulls to n rows.
func (e *Encoder) array(c *column, n int) *array.Data {
	used := c.n > 0
	if used && c.n < n {
		c.at(n - 1)
		c.pad(n)
	}
	var validity *memory.Buffer
	nulls := n
	if used {
		nulls = c.nulls()
	}
	if nulls > 0 {
		validity = e.buffer(used, c.valid, (n+7)/8)
	}
	buffers := []*memory.Buffer{validity}
	var children []arrow.ArrayData
	switch c.typ {
	case Int32:
		buffers = append(buffers, e.buffer(used, arrow.Int32Traits.CastToBytes(c.i32), 4*n))
	case Int64, Time, Float64:
		buffers = append(buffers, e.buffer(used, arrow.Int64Traits.CastToBytes(c.i64), 8*n))
	case Object:
		for _, k := range c.kids {
			children = append(children, e.array(k, n))
		}
	default:
		buffers = append(buffers, e.buffer(used, arrow.Int32Traits.CastToBytes(c.i32), 4*(n+1)))
	}
	switch c.typ {
	case Text, JSON:
		buffers = append(buffers, memory.NewBufferBytes(c.data))
	case Texts, Objects:
		children = append(children, e.array(c.kids[0], c.kids[0].n))
	case Scores:
		entries := c.kids[0].n
		pair := []arrow.ArrayData{e.array(c.kids[0], entries), e.array(c.kids[1], entries)}
		entry := c.dtype.(*arrow.MapType).Elem()
		children = append(children, array.NewData(entry, entries, []*memory.Buffer{nil}, pair, 0, 0))
	}
	return array.NewData(c.dtype, n, buffers, children, nulls, 0)
}

// buffer returns the first size bytes of a column's memory, or of shared zeros if it was never used.
func (e *Encoder) buffer(used bool, memoryOf []byte, size int) *memory.Buffer {
	if used {
		return memory.NewBufferBytes(memoryOf[:size])
	}
	if len(e.zeros) < size {
		e.zeros = make([]byte, 2*size)
	}
	return memory.NewBufferBytes(e.zeros[:size:size])
}
