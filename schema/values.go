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
	src, start := e.src[pos+1:], len(c.data)
	n, foreign := plain(c.data[start:cap(c.data)], src)
	if foreign&highs == 0 && n < len(src) && src[n] == '"' {
		c.data = c.data[:start+n]
		c.i32[row+1] = int32(start + n)
		c.done(row)
		return pos + n + 2
	}
	text, end := e.rest(c.data[:start+n], start, pos+1+n, foreign)
	if end >= 0 {
		c.setText(row, text)
	}
	return end
}

// putInt reads the number at pos into a row of a column of integers.
func (e *Encoder) putInt(m *member, row, pos int) int {
	src, first := e.src, pos
	negative := src[pos] == '-'
	if negative {
		first++
	}
	if first+2*8 < len(src) {
		v, n := digits(load(src, first))
		if n == 8 {
			w, k := digits(load(src, first+8))
			v, n = v*tens[k]+w, n+k
		}
		// A zero comes alone and without sign, and there may be more than an integer.
		if c := src[first+n]; uint(n-1) < 15 && (src[first] != '0' || n == 1 && !negative) && c != '.' && c|0x20 != 'e' {
			i := int64(v)
			if negative {
				i = -i
			}
			if e.setInt(m, row, i) {
				return first + n
			}
		}
	}
	return e.number(m, row, pos)
}

// tens has the powers of ten up to the length of a word of digits.
var tens = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// digits returns the value of the digits that w begins with and how many they are.
func digits(w uint64) (v uint64, n int) {
	v = w ^ '0'*ones
	// Bytes above 9 get their high bit; of those the lowest is exact.
	n = bits.TrailingZeros64((v+0x76*ones|v)&highs) >> 3
	v <<= uint(64 - 8*n)
	v = v*10 + v>>8 // pairs of digits, in every second byte
	const pairs = 0x000000ff000000ff
	return (v&pairs*(100+1e6<<32) + v>>16&pairs*(1+1e4<<32)) >> 32, n
}

// The times that a column takes, in milliseconds since 1970: from 1582-10-15, before which engines count
// in different calendars and Spark 3 refuses to read, to the last millisecond of the year 9999, after which
// SQL has no literals and several engines no values. What lies outside is a unit mistake or another
// system's "no date".
const (
	firstTime = -12219292800000
	lastTime  = 253402300799999
)

// setInt stores an integer if the column can hold it.
func (e *Encoder) setInt(m *member, row int, v int64) bool {
	switch m.typ {
	case Int32:
		if v < math.MinInt32 || v > math.MaxInt32 {
			return false
		}
		m.col.setInt32(row, int32(v))
	case Time:
		if v < firstTime || v > lastTime {
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
