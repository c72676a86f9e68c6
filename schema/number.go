package schema

import (
	"math"
	"strconv"
)

// decimal is the value of a number's text: digits × 10^exp, without leading or trailing zeros.
type decimal struct {
	negative bool
	long     bool // more digits than int64 or the shortest text of a float64 can have
	n        int
	digits   [20]byte
	exp      int
}

// parseDecimal splits the text of a JSON number, which must be well formed.
func parseDecimal(text []byte) (d decimal) {
	i := 0
	if text[0] == '-' {
		d.negative = true
		i++
	}
	scale, zeros, fraction := 0, 0, false // scale: power of ten of the digit last read
digits:
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '.':
			fraction = true
			continue
		case c|0x20 == 'e':
			break digits
		}
		if fraction {
			scale--
		}
		if c == '0' {
			if d.n > 0 {
				zeros++
			}
			continue
		}
		if d.n+zeros >= len(d.digits) {
			d.long = true
			continue
		}
		for ; zeros > 0; zeros-- {
			d.digits[d.n] = '0'
			d.n++
		}
		d.digits[d.n] = c
		d.n++
	}
	// The last digit kept stands before the zeros after it.
	if fraction {
		d.exp = scale + zeros
	} else {
		d.exp = zeros
	}
	if d.n == 0 {
		d.exp = 0
		return d
	}
	if i < len(text) {
		d.exp += exponent(text[i+1:])
	}
	return d
}

// exponent reads what follows the e of a number, stopping far outside of what any column can hold.
func exponent(text []byte) int {
	const limit = 1 << 40
	e, negative := 0, text[0] == '-'
	for _, c := range text {
		if c-'0' <= 9 && e < limit {
			e = e*10 + int(c-'0')
		}
	}
	if negative {
		return -e
	}
	return e
}

// parseInt returns the value of a number's text if it is exactly an int64. Minus zero is not.
func parseInt(text []byte) (int64, bool) {
	d := parseDecimal(text)
	if d.n == 0 {
		return 0, !d.negative
	}
	if d.long || d.exp < 0 || d.n+d.exp > 19 {
		return 0, false
	}
	var v uint64
	for _, c := range d.digits[:d.n] {
		v = v*10 + uint64(c-'0')
	}
	for range d.exp {
		v *= 10
	}
	if d.negative {
		return -int64(v), v <= 1<<63
	}
	return int64(v), v <= math.MaxInt64
}

// parseFloat returns the float64 nearest to a number's text, whether it is finite, and whether the
// shortest text of that float64 has exactly the value of the text.
func parseFloat(text []byte) (v float64, finite, exact bool) {
	if v, ok := shortFloat(text); ok {
		return v, true, true
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, false, false
	}
	want := parseDecimal(text)
	if want.long {
		return v, true, false
	}
	var buf [32]byte
	return v, true, parseDecimal(strconv.AppendFloat(buf[:0], v, 'e', -1, 64)) == want
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// shortFloat converts numbers without exponent and with at most 15 digits: both the digits and the
// power of ten are exact in a float64, so one division rounds correctly, and 15 digits always survive
// the way through a float64.
func shortFloat(text []byte) (float64, bool) {
	digits := text
	negative := text[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) > 16 {
		return 0, false
	}
	var mantissa uint64
	point := len(digits)
	for i, c := range digits {
		switch {
		case c-'0' <= 9:
			mantissa = mantissa*10 + uint64(c-'0')
		case c == '.':
			point = i + 1
		default:
			return 0, false
		}
	}
	if len(digits) == 16 && point == 16 { // no point: 16 digits
		return 0, false
	}
	v := float64(mantissa) / powers[len(digits)-point]
	if negative {
		v = -v
	}
	return v, true
}
