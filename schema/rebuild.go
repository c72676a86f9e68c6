package schema

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Rebuilder turns rows back into JSON. It belongs to one goroutine at a time.
type Rebuilder struct {
	scanner
	rec      arrow.RecordBatch // that the cells are bound to
	chunk    []*cell
	document []*cell
	extra    stringArray // nil if the record has no _extra
	text     []byte      // _extra of the row
	inner    []byte      // what of it belongs to the document, nil if it is null
	parts    []part
}

// cell is a field with the array that holds its values.
type cell struct {
	name    string
	typ     Type
	arr     arrow.Array // nil if the record does not have it
	members []*cell
}

type stringArray interface {
	arrow.Array
	Value(int) string
}

// part is a member of an object of _extra, or an element of an array.
type part struct {
	key  []byte
	raw  []byte
	used bool
}

// NewRebuilder returns a Rebuilder.
func NewRebuilder() *Rebuilder { return &Rebuilder{} }

// Rebuild appends to dst the inner document of a row as one line of JSON. The record may be any with
// our column names and types, a selection of the columns too: the document then has the members of
// those columns, and what _extra holds if it is among them.
func (r *Rebuilder) Rebuild(rec arrow.RecordBatch, row int, dst []byte) ([]byte, error) {
	inner, _, err := r.row(rec, row)
	if err != nil {
		return dst, err
	}
	return r.object(dst, r.document, row, inner, true), nil
}

// RebuildChunk appends to dst the whole CT_RESULT chunk of a row as one line of JSON.
func (r *Rebuilder) RebuildChunk(rec arrow.RecordBatch, row int, dst []byte) ([]byte, error) {
	inner, outer, err := r.row(rec, row)
	if err != nil {
		return dst, err
	}
	r.inner = inner
	return r.object(dst, r.chunk, row, outer, false), nil
}

// row binds the record and returns what _extra holds of the document and of the chunk around it.
func (r *Rebuilder) row(rec arrow.RecordBatch, row int) (inner, outer []byte, err error) {
	if row < 0 || int64(row) >= rec.NumRows() {
		return nil, nil, fmt.Errorf("rebuild row %d: the record has %d", row, rec.NumRows())
	}
	if r.rec != rec {
		if err := r.bind(rec); err != nil {
			return nil, nil, err
		}
	}
	r.parts = r.parts[:0]
	if r.extra == nil || r.extra.IsNull(row) {
		return nil, nil, nil
	}
	r.text = append(r.text[:0], r.extra.Value(row)...)
	r.src, r.scanner.depth = r.text, 0
	c, pos := r.token(0)
	end := r.skip(pos)
	if end < 0 {
		return nil, nil, fmt.Errorf("rebuild row %d: _extra: %w", row, &r.err)
	}
	if c != '{' || r.space(end) < len(r.text) {
		return nil, nil, fmt.Errorf("rebuild row %d: _extra is not one JSON object", row)
	}
	base := r.split(r.text[pos:end])
	for _, p := range r.parts[base:] {
		if string(p.key) == reserved {
			outer = p.raw
		}
	}
	r.parts = r.parts[:base]
	if outer != nil && outer[0] != '{' {
		return nil, nil, fmt.Errorf("rebuild row %d: %s in _extra is not an object", row, reserved)
	}
	return r.text[pos:end], outer, nil
}

// bind finds the arrays of the record's columns.
func (r *Rebuilder) bind(rec arrow.RecordBatch) error {
	r.rec, r.extra, r.document = nil, nil, nil
	var beside []*cell
	for _, n := range tree() {
		var arr arrow.Array
		if i := rec.Schema().FieldIndices(n.name); len(i) > 0 {
			arr = rec.Column(i[0])
		}
		c, err := newCell(n, arr)
		if err != nil {
			return err
		}
		switch {
		case n.name == "_extra" && c.arr != nil:
			r.extra = c.arr.(stringArray)
		case n.name[0] == '_':
		case n.name == highlighted:
			beside = []*cell{c}
		default:
			r.document = append(r.document, c)
		}
	}
	data := append([]*cell{{name: "data", typ: document}}, beside...)
	result := []*cell{{name: "data", typ: wrapper, members: data}}
	r.chunk = []*cell{{name: "chunk_type", typ: chunkType}, {name: "chunk_result", typ: wrapper, members: result}}
	r.rec = rec
	return nil
}

// newCell binds a field to its array, which may be nil, and checks their types.
func newCell(n *node, arr arrow.Array) (*cell, error) {
	if x, ok := arr.(array.ExtensionArray); ok {
		arr = x.Storage()
	}
	c := &cell{name: n.name, typ: n.typ, arr: arr}
	ok, member := true, func(string) arrow.Array { return nil }
	switch n.typ {
	case Text, JSON:
		_, ok = arr.(stringArray)
	case Int32:
		_, ok = arr.(*array.Int32)
	case Int64:
		_, ok = arr.(*array.Int64)
	case Float64:
		_, ok = arr.(*array.Float64)
	case Time:
		if _, ok = arr.(*array.Timestamp); ok {
			ok = arr.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond
		}
	case Texts:
		var list *array.List
		if list, ok = arr.(*array.List); ok {
			_, ok = list.ListValues().(stringArray)
		}
	case Scores:
		var m *array.Map
		if m, ok = arr.(*array.Map); ok {
			_, key := m.Keys().(stringArray)
			_, value := m.Items().(*array.Float64)
			ok = key && value
		}
	case Object, Objects:
		item := arr
		if list, isList := arr.(*array.List); isList && n.typ == Objects {
			item = list.ListValues()
		}
		var s *array.Struct
		if s, ok = item.(*array.Struct); ok {
			member = func(name string) arrow.Array {
				if i, ok := s.DataType().(*arrow.StructType).FieldIdx(name); ok {
					return s.Field(i)
				}
				return nil
			}
		}
	}
	if !ok && arr != nil {
		return nil, fmt.Errorf("column %s: %s where %s is expected", n.path, arr.DataType(), n.typ)
	}
	for _, k := range n.members {
		kid, err := newCell(k, member(k.name))
		if err != nil {
			return nil, err
		}
		c.members = append(c.members, kid)
	}
	return c, nil
}

// split appends the members or elements of raw to the parts and returns where they begin.
func (r *Rebuilder) split(raw []byte) int {
	base := len(r.parts)
	if raw == nil {
		return base
	}
	r.src = raw
	closing := raw[0] + 2
	c, pos := r.token(1)
	for c != closing {
		var key []byte
		if closing == '}' {
			start := pos + 1
			pos = r.key(pos)
			if key = raw[start:]; bytes.HasPrefix(key, r.scratch) && key[len(r.scratch)] == '"' {
				key = key[:len(r.scratch)]
			} else {
				key = bytes.Clone(r.scratch)
			}
		}
		end := r.skip(pos)
		r.parts = append(r.parts, part{key: key, raw: raw[pos:end]})
		c, pos = r.more(end, closing)
	}
	return base
}

// object writes the members of a row with those of x, which may be nil, in their places. Row -1 has
// nothing but x. In the document's part of _extra names that start with a dollar sign are escaped.
func (r *Rebuilder) object(dst []byte, cells []*cell, row int, x []byte, escaped bool) []byte {
	base := r.split(x)
	end := len(r.parts)
	dst = append(dst, '{')
	for _, c := range cells {
		var raw []byte
		for i := base; i < end; i++ {
			if string(r.parts[i].key) == c.name {
				raw, r.parts[i].used = r.parts[i].raw, true
			}
		}
		if raw == nil && !c.present(row) {
			continue
		}
		dst = appendQuoted(separate(dst), c.name)
		dst = r.merge(append(dst, ':'), c, row, raw)
	}
	for i := base; i < end; i++ {
		p := r.parts[i]
		if escaped && len(p.key) > 0 && p.key[0] == '$' {
			p.used = string(p.key) == reserved
			p.key = p.key[1:]
		}
		if !p.used {
			dst = append(appendQuoted(separate(dst), p.key), ':')
			dst = append(dst, p.raw...)
		}
	}
	r.parts = r.parts[:base]
	return append(dst, '}')
}

func separate(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}

// present tells whether the column has a value in the row.
func (c *cell) present(row int) bool {
	if c.typ >= wrapper {
		return true
	}
	return row >= 0 && c.arr != nil && c.arr.IsValid(row)
}

// merge writes the value of a field: raw, which may be nil, wins over the column where it cannot be
// a set of members to add.
func (r *Rebuilder) merge(dst []byte, c *cell, row int, raw []byte) []byte {
	if !c.present(row) {
		row = -1
	}
	var first byte
	if raw != nil {
		first = raw[0]
	}
	switch {
	case c.typ == document:
		return r.object(dst, r.document, row, r.inner, true)
	case (c.typ == Object || c.typ == wrapper) && (raw == nil || first == '{'):
		return r.object(dst, c.members, row, raw, false)
	case c.typ == Objects && (raw == nil || first == '['):
		return r.objects(dst, c, row, raw)
	case c.typ == Scores && (raw == nil || first == '{'):
		return r.scores(dst, c, row, raw)
	case raw != nil:
		return append(dst, raw...)
	}
	return c.value(dst, row)
}

// value writes what a column holds.
func (c *cell) value(dst []byte, row int) []byte {
	switch a := c.arr.(type) {
	case *array.Int32:
		return strconv.AppendInt(dst, int64(a.Value(row)), 10)
	case *array.Int64:
		return strconv.AppendInt(dst, a.Value(row), 10)
	case *array.Timestamp:
		return strconv.AppendInt(dst, int64(a.Value(row))/1000, 10)
	case *array.Float64:
		return appendFloat(dst, a.Value(row))
	case *array.List:
		dst = append(dst, '[')
		start, end := a.ValueOffsets(row)
		values := a.ListValues().(stringArray)
		for i := int(start); i < int(end); i++ {
			dst = separate(dst)
			if values.IsNull(i) {
				dst = append(dst, "null"...)
			} else {
				dst = appendQuoted(dst, values.Value(i))
			}
		}
		return append(dst, ']')
	case stringArray:
		if c.typ == JSON {
			return append(dst, a.Value(row)...)
		}
		return appendQuoted(dst, a.Value(row))
	}
	return append(dst, `"CT_RESULT"`...) // chunk_type, the only one without an array
}

// appendFloat writes the shortest number that gives the same float64.
func appendFloat(dst []byte, v float64) []byte {
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// objects writes a list of objects; elements of raw that are objects add members.
func (r *Rebuilder) objects(dst []byte, c *cell, row int, raw []byte) []byte {
	var start, end int64
	list, _ := c.arr.(*array.List)
	if row >= 0 {
		start, end = list.ValueOffsets(row)
	}
	base := r.split(raw)
	last := len(r.parts)
	dst = append(dst, '[')
	for i := range max(int(end-start), last-base) {
		var x []byte
		if base+i < last {
			x = r.parts[base+i].raw
		}
		item := int(start) + i
		present := item < int(end) && list.ListValues().IsValid(item)
		dst = separate(dst)
		switch {
		case x != nil && x[0] != '{':
			dst = append(dst, x...)
		case present:
			dst = r.object(dst, c.members, item, x, false)
		default:
			dst = append(dst, "null"...)
		}
	}
	r.parts = r.parts[:base]
	return append(dst, ']')
}

// scores writes a map; members of raw win over entries of the same name.
func (r *Rebuilder) scores(dst []byte, c *cell, row int, raw []byte) []byte {
	base := r.split(raw)
	dst = append(dst, '{')
	if m, ok := c.arr.(*array.Map); ok && row >= 0 {
		start, end := m.ValueOffsets(row)
		names, values := m.Keys().(stringArray), m.Items().(*array.Float64)
	entries:
		for i := int(start); i < int(end); i++ {
			for _, p := range r.parts[base:] {
				if string(p.key) == names.Value(i) {
					continue entries
				}
			}
			dst = append(appendQuoted(separate(dst), names.Value(i)), ':')
			dst = appendFloat(dst, values.Value(i))
		}
	}
	for _, p := range r.parts[base:] {
		dst = append(appendQuoted(separate(dst), p.key), ':')
		dst = append(dst, p.raw...)
	}
	r.parts = r.parts[:base]
	return append(dst, '}')
}
