package schema

import (
	"math"
	"math/bits"
)

// putText reads the string at pos into a row of a column of texts.
func (e *Encoder) putText(c *column, row, pos int) int {
	if !c.ready(row) {
		c.at(row)
	}
	pos++
	// Most strings end within sixteen bytes and are ASCII.
	if src, n := e.src, len(c.data); pos+16 <= len(src) && n+16 <= cap(c.data) {
		a, b := load(src, pos), load(src, pos+8)
		room := c.data[:n+16]
		store(room, n, a)
		store(room, n+8, b)
		x, y := (special(a)|a)&highs, (special(b)|b)&highs
		k, l := bits.TrailingZeros64(x)>>3, bits.TrailingZeros64(y)>>3
		if x == 0 {
			k += l
		}
		if end := pos + k; end < len(src) && src[end] == '"' && k < 16 {
			c.data = c.data[:n+k]
			c.i32[row+1] = int32(n + k)
			c.done(row)
			return end + 1
		}
	}
	text, end := e.text(c.data, pos)
	if end >= 0 {
		c.setText(row, text)
	}
	return end
}

// putInt reads the number at pos into a row of a column of integers.
func (e *Encoder) putInt(m *member, row, pos int) int {
	src, start, first := e.src, pos, pos
	negative := src[pos] == '-'
	if negative {
		pos++
		first++
	}
	var v int64
	for ; uint(pos) < uint(len(src)); pos++ {
		c := src[pos]
		if c-'0' <= 9 {
			v = v*10 + int64(c-'0')
			continue
		}
		// Up to 18 digits fit, a zero comes alone and without sign, and there may be more than an integer.
		if n := pos - first; n == 0 || n > 18 || src[first] == '0' && (n > 1 || negative) || c == '.' || c|0x20 == 'e' {
			break
		}
		if negative {
			v = -v
		}
		if e.setInt(m, row, v) {
			return pos
		}
		break
	}
	return e.number(m, row, start)
}

// setInt stores an integer if the column can hold it.
func (e *Encoder) setInt(m *member, row int, v int64) bool {
	switch m.typ {
	case Int32:
		if v < math.MinInt32 || v > math.MaxInt32 {
			return false
		}
		m.col.setInt32(row, int32(v))
	case Time:
		const limit = math.MaxInt64 / 1000
		if v < -limit || v > limit {
			return false
		}
		m.col.setInt64(row, v*1000)
	default:
		m.col.setInt64(row, v)
	}
	return true
}

// number reads any number into a column of numbers.
func (e *Encoder) number(m *member, row, pos int) int {
	end, ok := numberEnd(e.src, pos)
	if !ok {
		return e.fail(reasonNumber, end)
	}
	if !e.setNumber(m, row, e.src[pos:end]) {
		e.keep(m, pos, end, true)
	}
	return end
}

// setNumber stores the text of a number as far as the column can hold it, and tells whether it does
// so exactly. A float64 takes the nearest value; an integer column takes exact values only.
func (e *Encoder) setNumber(m *member, row int, text []byte) bool {
	if m.typ == Float64 {
		v, finite, exact := parseFloat(text)
		if finite {
			m.col.setInt64(row, int64(math.Float64bits(v)))
		}
		return exact
	}
	v, ok := parseInt(text)
	return ok && e.setInt(m, row, v)
}

// misfit reads a value that is not of the member's type: null, or something for _extra. Of a string
// that is a number the column gets the number.
func (e *Encoder) misfit(m *member, row int, c byte, pos int) int {
	e.spaced = false
	replaced := e.pending.replaced
	end := e.skip(pos)
	if end < 0 {
		return end
	}
	if c == '"' && m.col != nil {
		switch m.typ {
		case Int32, Int64, Float64, Time:
			// The scratch space still holds the string that was skipped.
			if n, ok := numberEnd(e.scratch, 0); ok && n == len(e.scratch) {
				e.setNumber(m, row, e.scratch)
			}
		}
	}
	e.keep(m, pos, end, !e.spaced && e.pending.replaced == replaced)
	return end
}

// json stores the text of any value, without insignificant white space.
func (e *Encoder) json(m *member, row, pos int) int {
	m.col.at(row)
	e.spaced = false
	replaced := e.pending.replaced
	end := e.skip(pos)
	if end < 0 {
		return end
	}
	raw := e.src[pos:end]
	if e.spaced || e.pending.replaced != replaced {
		m.col.setText(row, e.copier.compact(m.col.data, raw))
	} else {
		m.col.setText(row, append(m.col.data, raw...))
	}
	return end
}
