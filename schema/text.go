package schema

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit of a byte set where w has a byte that ends the plain copying of a string:
// a quote, a backslash, a control character or anything outside ASCII. Bits above the lowest one set
// may be wrong, for the subtractions borrow; the lowest is exact.
func special(w uint64) uint64 {
	// x^2 maps the quote to 0x20 and keeps the control characters below that.
	control := (w ^ 0x02*ones) - 0x21*ones
	backslash := (w ^ '\\'*ones) - ones
	return (control | backslash | w) & highs
}

// text decodes the string whose first byte after the quote is src[pos], appends it to dst as valid
// UTF-8, and returns dst and the position after the closing quote. Each byte that is not part of
// valid UTF-8 and each surrogate without its other half becomes U+FFFD and is counted.
func (s *scanner) text(dst []byte, pos int) ([]byte, int) {
	src := s.src
	for {
		// Sixteen bytes a turn, written before they are known to belong to the string.
		if room := min(len(src)-pos, cap(dst)-len(dst)); room >= 16 {
			n := plain(dst[len(dst):len(dst)+room], src[pos:pos+room])
			pos += n
			dst = dst[:len(dst)+n]
		}
		if pos >= len(src) {
			return dst, s.fail(reasonEnd, pos)
		}
		switch c := src[pos]; {
		case c == '"':
			return dst, pos + 1
		case c == '\\':
			if dst, pos = s.escape(dst, pos); pos < 0 {
				return dst, pos
			}
		case c < 0x20:
			return dst, s.fail("control character in a string", pos)
		case c < utf8.RuneSelf:
			dst = append(dst, c) // the last bytes of src, or of dst before it grows
			pos++
		default:
			dst, pos = s.unicode(dst, pos)
		}
	}
}

// plain copies src to dst, which are of the same length, up to the first special byte or the last
// whole sixteen bytes.
func plain(dst, src []byte) int {
	i := 0
	for ; i+16 <= len(src) && i+16 <= len(dst); i += 16 {
		a := binary.LittleEndian.Uint64(src[i:])
		b := binary.LittleEndian.Uint64(src[i+8:])
		binary.LittleEndian.PutUint64(dst[i:], a)
		binary.LittleEndian.PutUint64(dst[i+8:], b)
		x, y := special(a), special(b)
		if x|y != 0 {
			if x != 0 {
				return i + bits.TrailingZeros64(x)>>3
			}
			return i + 8 + bits.TrailingZeros64(y)>>3
		}
	}
	return i
}

// unicode copies text from a byte outside ASCII on, until a word of it is all ASCII or something
// else needs a look.
func (s *scanner) unicode(dst []byte, pos int) ([]byte, int) {
	src := s.src
	if room := min(len(src)-pos, cap(dst)-len(dst)); room >= 8 {
		in, out := src[pos:pos+room], dst[len(dst):len(dst)+room]
		n, ok := foreign(out, in)
		pos += n
		dst = dst[:len(dst)+n]
		if ok {
			return dst, pos
		}
	}
	if pos < len(src) && src[pos] >= utf8.RuneSelf {
		r, n := utf8.DecodeRune(src[pos:])
		if r == utf8.RuneError && n == 1 {
			s.pending.replaced++
		}
		dst = utf8.AppendRune(dst, r)
		pos += n
	}
	return dst, pos
}

// foreign copies src to dst, which are of the same length, eight bytes a turn, up to the end of the
// last whole character. It stops without ok at what is no text or not valid, and at the end.
func foreign(dst, src []byte) (n int, ok bool) {
	state := uint64(stateStart)
	i := 0
	for ; i+8 <= len(src) && i+8 <= len(dst); i += 8 {
		w := binary.LittleEndian.Uint64(src[i:])
		binary.LittleEndian.PutUint64(dst[i:], w)
		before := state
		state = states[byte(w)] >> (state & 63)
		state = states[byte(w>>8)] >> (state & 63)
		state = states[byte(w>>16)] >> (state & 63)
		state = states[byte(w>>24)] >> (state & 63)
		state = states[byte(w>>32)] >> (state & 63)
		state = states[byte(w>>40)] >> (state & 63)
		state = states[byte(w>>48)] >> (state & 63)
		state = states[w>>56] >> (state & 63)
		if state&63 == stateStop {
			state = before
			for ; ; i++ {
				next := states[src[i]] >> (state & 63)
				if next&63 == stateStop {
					break
				}
				state = next
			}
			break
		}
		if state&63 == stateStart && w&highs == 0 {
			return i + 8, true
		}
	}
	if state&63 != stateStart { // go back to the first byte of the character
		i--
		for src[i]&0xc0 == 0x80 {
			i--
		}
		return i, false
	}
	return i, i < len(src) && src[i] < utf8.RuneSelf
}

// The states of a machine that follows UTF-8 and stops at what cannot be copied as it is. A state is
// six times its number; states[b] >> state is, in its lowest six bits, what comes after byte b.
const (
	stateStart = 6 * iota // between characters
	stateStop             // quote, backslash, control character, invalid byte
	stateOne              // one more continuation byte
	stateTwo
	stateThree
	stateE0 // no overlong forms
	stateED // no surrogates
	stateF0 // no overlong forms
	stateF4 // nothing above U+10FFFF
)

var states = func() (t [256]uint64) {
	for b := range t {
		continues := func(low, high, next int) uint64 {
			if b >= low && b <= high {
				return uint64(next)
			}
			return stateStop
		}
		start := stateStop
		switch {
		case b >= 0x20 && b < 0x80 && b != '"' && b != '\\':
			start = stateStart
		case b >= 0xc2 && b <= 0xdf:
			start = stateOne
		case b == 0xe0:
			start = stateE0
		case b == 0xed:
			start = stateED
		case b >= 0xe1 && b <= 0xef:
			start = stateTwo
		case b == 0xf0:
			start = stateF0
		case b >= 0xf1 && b <= 0xf3:
			start = stateThree
		case b == 0xf4:
			start = stateF4
		}
		t[b] = uint64(start)<<stateStart | stateStop<<stateStop |
			continues(0x80, 0xbf, stateStart)<<stateOne |
			continues(0x80, 0xbf, stateOne)<<stateTwo |
			continues(0x80, 0xbf, stateTwo)<<stateThree |
			continues(0xa0, 0xbf, stateOne)<<stateE0 |
			continues(0x80, 0x9f, stateOne)<<stateED |
			continues(0x90, 0xbf, stateTwo)<<stateF0 |
			continues(0x80, 0x8f, stateTwo)<<stateF4
	}
	return t
}()

// escape decodes the escape sequence at pos.
func (s *scanner) escape(dst []byte, pos int) ([]byte, int) {
	c := s.peek(pos + 1)
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		r, ok := hex4(s.src, pos+2)
		if !ok {
			return dst, s.fail("malformed escape", pos+2)
		}
		pos += 6
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), false
			if s.peek(pos) == '\\' && s.peek(pos+1) == 'u' {
				low, ok = hex4(s.src, pos+2)
			}
			pair := utf16.DecodeRune(r, low)
			if ok && pair != utf8.RuneError {
				r = pair
				pos += 6
			} else {
				r = utf8.RuneError
				s.pending.replaced++
			}
		}
		return utf8.AppendRune(dst, r), pos
	default:
		return dst, s.fail("malformed escape", pos+1)
	}
	return append(dst, c), pos + 2
}

// hex4 reads four hexadecimal digits.
func hex4(src []byte, pos int) (rune, bool) {
	if pos+4 > len(src) {
		return 0, false
	}
	var r rune
	for _, c := range src[pos : pos+4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendQuoted writes valid UTF-8 as a JSON string.
func appendQuoted[T string | []byte](dst []byte, text T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
