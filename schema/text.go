package schema

import (
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit of a byte set where w has a byte that ends the plain copying of a string: a
// quote, a backslash or a control character; all other bits mean nothing. Of the high bits, those above
// the lowest one set may be wrong, for the subtractions borrow; the lowest is exact.
func special(w uint64) uint64 {
	// x^2 maps the quote to 0x20 and keeps the control characters below that.
	control := (w ^ 0x02*ones) - 0x21*ones
	backslash := (w ^ '\\'*ones) - ones
	return (control | backslash) &^ w
}

// plainWords is plain in portable Go. As a loop in its caller it kept half of its values on the stack.
func plainWords(dst, src []byte) (n int, foreign uint64) {
	for last := min(len(dst), len(src)) - 16; n <= last; n += 16 {
		a, b := load(src, n), load(src, n+8)
		store(dst, n, a)
		store(dst, n+8, b)
		foreign |= a | b
		x, y := special(a)&highs, special(b)&highs
		if x|y != 0 {
			k, l := bits.TrailingZeros64(x), bits.TrailingZeros64(y)
			if x == 0 {
				k += l // a conditional move: as a branch it could not be predicted
			}
			return n + k>>3, foreign
		}
	}
	return n, foreign
}

// text decodes the string whose first byte after the quote is src[pos], appends it to dst as valid
// UTF-8, and returns dst and the position after the closing quote. Each byte that is not part of
// valid UTF-8 and each surrogate without its other half becomes U+FFFD and is counted.
func (s *scanner) text(dst []byte, pos int) ([]byte, int) {
	n, foreign := plain(dst[len(dst):cap(dst)], s.src[min(pos, len(s.src)):])
	return s.rest(dst[:len(dst)+n], len(dst), pos+n, foreign)
}

// rest is text from the first special byte on: dst[start:] has what stands before src[pos], and foreign
// has high bits if something of it has.
func (s *scanner) rest(dst []byte, start, pos int, foreign uint64) ([]byte, int) {
	src := s.src
	from, replaced := pos-(len(dst)-start), s.pending.replaced
	for {
		if pos >= len(src) {
			return dst, s.fail(reasonEnd, pos)
		}
		switch c := src[pos]; {
		case c == '"':
			if foreign&highs != 0 && !valid(dst[start:]) {
				s.pending.replaced = replaced
				return s.invalidText(dst[:start], from)
			}
			return dst, pos + 1
		case c == '\\':
			if dst, pos = s.escape(dst, pos); pos < 0 {
				return dst, pos
			}
		case c < 0x20:
			return dst, s.fail("control character in a string", pos)
		default:
			// The last bytes of src, or of dst before it grows: by half, for append would copy a long column five times.
			if len(dst) == cap(dst) {
				dst = slices.Grow(dst, cap(dst)/2+64)
			}
			dst = append(dst, c)
			foreign |= uint64(c)
			pos++
		}
		n, f := plain(dst[len(dst):cap(dst)], src[min(pos, len(src)):])
		dst = dst[:len(dst)+n]
		pos += n
		foreign |= f
	}
}

// invalidText is text for strings that are not valid UTF-8 and otherwise well formed.
func (s *scanner) invalidText(dst []byte, pos int) ([]byte, int) {
	for {
		switch c := s.src[pos]; {
		case c == '"':
			return dst, pos + 1
		case c == '\\':
			dst, pos = s.escape(dst, pos)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			pos++
		default:
			r, n := utf8.DecodeRune(s.src[pos:])
			if r == utf8.RuneError && n == 1 {
				s.pending.replaced++
			}
			dst = utf8.AppendRune(dst, r)
			pos += n
		}
	}
}

// escapes has the characters that a backslash and one byte stand for.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape decodes the escape sequence at pos.
func (s *scanner) escape(dst []byte, pos int) ([]byte, int) {
	b := s.peek(pos + 1)
	if c := escapes[b]; c != 0 {
		return append(dst, c), pos + 2
	}
	if b != 'u' {
		return dst, s.fail(reasonEscape, pos+1)
	}
	r, ok := hex4(s.src, pos+2)
	if !ok {
		return dst, s.fail(reasonEscape, pos+2)
	}
	pos += 6
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if s.peek(pos) == '\\' && s.peek(pos+1) == 'u' {
			low, ok = hex4(s.src, pos+2)
		}
		if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
			r = pair
			pos += 6
		} else {
			r = utf8.RuneError
			s.pending.replaced++
		}
	}
	return utf8.AppendRune(dst, r), pos
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
