package schema

import (
	"bytes"
	"math"
)

// texts reads a list of strings, or a string in its place.
func (e *Encoder) texts(m *member, row int, c byte, pos int) int {
	list, item := m.col, m.col.kids[0]
	list.at(row)
	start := pos
	if c == '"' {
		if pos = e.putText(item, item.n, pos); pos >= 0 {
			list.setList(row)
			e.keep(m, start, pos, false)
		}
		return pos
	}
	e.depth++
	fits := true
	c, pos = e.token(pos + 1)
	for c != ']' {
		switch c {
		case '"':
			pos = e.putText(item, item.n, pos)
		case 'n':
			item.null()
			pos = e.literal(pos)
		default:
			item.null()
			pos = e.skip(pos)
			fits = false
		}
		if pos < 0 {
			return pos
		}
		if c, pos = e.more(pos, ']'); pos < 0 {
			return pos
		}
	}
	e.depth--
	list.setList(row)
	if !fits {
		e.keep(m, start, pos+1, false)
	}
	return pos + 1
}

// null appends a null to the child of a list.
func (c *column) null() {
	c.at(c.n)
	c.pad(c.n + 1)
}

// objects reads a list of objects, or an object in its place.
func (e *Encoder) objects(m *member, row int, c byte, pos int) int {
	list, item := m.col, m.col.kids[0]
	list.at(row)
	start := pos
	if c == '{' {
		e.open(m, -1)
		if pos = e.item(m.in, item, pos); pos >= 0 {
			e.depth--
			list.setList(row)
			e.extras.drop(e.frames[e.depth].x, m.key) // the whole object is kept instead
			e.keep(m, start, pos, false)
		}
		return pos
	}
	e.open(m, -1)
	c, pos = e.token(pos + 1)
	for i := 0; c != ']'; i++ {
		switch c {
		case '{':
			e.open(nil, i)
			pos = e.item(m.in, item, pos)
			e.depth--
		case 'n':
			item.null()
			pos = e.literal(pos)
		default:
			item.null()
			start, replaced := pos, e.pending.replaced
			e.spaced = false
			if pos = e.skip(pos); pos >= 0 {
				x := e.extras.element(e.branch(e.depth), int32(i))
				e.extras.set(x, m, start, pos, !e.spaced && e.pending.replaced == replaced)
			}
		}
		if pos < 0 {
			return pos
		}
		if c, pos = e.more(pos, ']'); pos < 0 {
			return pos
		}
	}
	e.depth--
	list.setList(row)
	return pos + 1
}

// item reads an object into the next row of the child of a list.
func (e *Encoder) item(o *object, item *column, pos int) int {
	row := item.n
	item.at(row)
	if pos = e.object(o, row, pos+1); pos >= 0 {
		item.done(row)
	}
	return pos
}

// maxScores bounds the search for duplicates among scores; a larger object goes to _extra as a whole.
const maxScores = 256

// scores reads an object of numbers into a map.
func (e *Encoder) scores(m *member, row, pos int) int {
	c := m.col
	names, values := c.kids[0], c.kids[1]
	c.at(row)
	base, start, before := names.n, pos, e.pending
	e.open(m, -1)
	t, pos := e.token(pos + 1)
	for n := 0; t != '}'; n++ {
		if n == maxScores {
			e.depth--
			c.truncate(row)
			e.extras.drop(e.frames[e.depth].x, m.key)
			e.pending = before
			return e.misfit(m, row, '{', start)
		}
		if pos = e.key(pos); pos < 0 {
			return pos
		}
		e.forgetScore(c, base)
		k := names.n
		names.at(k)
		names.setText(k, append(names.data, e.scratch...))
		if pos = e.score(m, k, pos); pos < 0 {
			return pos
		}
		if values.n == k {
			names.truncate(k)
		}
		if t, pos = e.more(pos, '}'); pos < 0 {
			return pos
		}
	}
	e.depth--
	c.setList(row)
	return pos + 1
}

// score reads the value of the entry whose name stands in row k.
func (e *Encoder) score(m *member, k, pos int) int {
	names, values := m.col.kids[0], m.col.kids[1]
	t, replaced := e.peek(pos), e.pending.replaced
	e.spaced = false
	end := e.skip(pos)
	if end < 0 {
		return end
	}
	number := e.src[pos:end]
	if t == '"' {
		number = e.scratch
	}
	if n, ok := numberEnd(number, 0); ok && n == len(number) {
		v, finite, exact := parseFloat(number)
		if finite {
			values.setInt64(k, int64(math.Float64bits(v)))
		}
		if exact && t != '"' {
			return end
		}
	}
	name, _ := names.text(k)
	x, _ := e.extras.member(e.branch(e.depth), e.extras.own(name))
	e.extras.set(x, m, pos, end, !e.spaced && e.pending.replaced == replaced)
	return end
}

// forgetScore drops the earlier score of the name in the scratch space.
func (e *Encoder) forgetScore(c *column, base int) {
	names, values := c.kids[0], c.kids[1]
	found := e.extras.drop(e.frames[e.depth].x, e.scratch)
	for i := base; i < names.n; i++ {
		if name, _ := names.text(i); bytes.Equal(name, e.scratch) {
			found = true
			// The entries behind it move up.
			last := names.n - 1
			width := int32(len(name))
			names.data = append(names.data[:names.i32[i]], names.data[names.i32[i+1]:]...)
			for j := i; j < last; j++ {
				names.i32[j+1] = names.i32[j+2] - width
				values.i64[j] = values.i64[j+1]
			}
			names.truncate(last)
			values.truncate(last)
			break
		}
	}
	if found {
		e.pending.duplicates++
	}
}
