package schema

import "strconv"

// maxDepth is how deep arrays and objects of a chunk may nest, the chunk itself included.
const maxDepth = 512

// ChunkError says why a chunk has no row. Its text never holds anything of the document.
type ChunkError struct {
	Reason string // such as "string not ended"
	Pos    int    // byte of the chunk where that was noticed
}

func (e *ChunkError) Error() string { return e.Reason + " at byte " + strconv.Itoa(e.Pos) }

// Reasons that more than one place gives.
const (
	reasonEnd    = "unexpected end"
	reasonValue  = "value expected"
	reasonMember = "comma or closing brace expected"
	reasonItem   = "comma or closing bracket expected"
	reasonKey    = "member name expected"
	reasonColon  = "colon expected"
	reasonNumber = "malformed number"
	reasonEscape = "malformed escape"
	reasonDepth  = "nested too deep"
)

// scanner reads JSON text. Its methods take the position to start at and return the one after what
// they read, or -1 after a mistake, which err then describes.
type scanner struct {
	src     []byte
	err     ChunkError
	depth   int    // arrays and objects open around the position
	pending counts // of the text at hand
	spaced  bool   // white space was seen since this was last set to false
	scratch []byte // decoded text of strings nobody keeps, member names in particular
}

// counts are what happened to values on the way.
type counts struct {
	duplicates int64 // members that lost against a later one of the same name
	replaced   int64 // U+FFFD written for invalid bytes and lone surrogates
}

func (s *scanner) fail(reason string, pos int) int {
	if pos >= len(s.src) {
		reason, pos = reasonEnd, len(s.src)
	}
	s.err = ChunkError{reason, pos}
	return -1
}

// peek returns the byte at pos, or 0, which no JSON text has between its tokens, behind the end.
func (s *scanner) peek(pos int) byte {
	if uint(pos) < uint(len(s.src)) {
		return s.src[pos]
	}
	return 0
}

// space skips white space.
func (s *scanner) space(pos int) int {
	for uint(pos) < uint(len(s.src)) {
		switch s.src[pos] {
		case ' ', '\n', '\t', '\r':
			s.spaced = true
			pos++
		default:
			return pos
		}
	}
	return pos
}

// token skips white space if there is any and returns the byte that follows.
func (s *scanner) token(pos int) (byte, int) {
	c := s.peek(pos)
	if c > ' ' {
		return c, pos
	}
	pos = s.space(pos)
	return s.peek(pos), pos
}

// key reads a member name and its colon, from the quote on. The decoded name is in s.scratch.
func (s *scanner) key(pos int) int {
	if s.peek(pos) != '"' {
		return s.fail(reasonKey, pos)
	}
	text, pos := s.text(s.scratch[:0], pos+1)
	if pos < 0 {
		return pos
	}
	s.scratch = text
	c, pos := s.token(pos)
	if c != ':' {
		return s.fail(reasonColon, pos)
	}
	_, pos = s.token(pos + 1)
	return pos
}

// more goes on behind an element of a list or a member: to the next one's first byte, or to the
// closing byte.
func (s *scanner) more(pos int, closing byte) (byte, int) {
	c, pos := s.token(pos)
	if c == closing {
		return c, pos
	}
	if c != ',' {
		if closing == '}' {
			return c, s.fail(reasonMember, pos)
		}
		return c, s.fail(reasonItem, pos)
	}
	if c, pos = s.token(pos + 1); c == closing {
		return c, s.fail(reasonValue, pos)
	}
	return c, pos
}

// literal reads true, false or null.
func (s *scanner) literal(pos int) int {
	word := "true"
	switch s.peek(pos) {
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	}
	for i := range len(word) {
		if s.peek(pos+i) != word[i] {
			return s.fail(reasonValue, pos+i)
		}
	}
	return pos + len(word)
}

// skip reads any value from its first byte on and keeps nothing.
func (s *scanner) skip(pos int) int {
	var objects [maxDepth/64 + 1]uint64 // a bit per level: object or array
	base, depth := s.depth, s.depth
	c := s.peek(pos)
	for {
		switch c {
		case '"':
			var text []byte
			if text, pos = s.text(s.scratch[:0], pos+1); pos < 0 {
				return pos
			}
			s.scratch = text
		case '{', '[':
			if depth == maxDepth {
				return s.fail(reasonDepth, pos)
			}
			depth++
			bit := uint64(1) << (depth & 63)
			objects[depth>>6] &^= bit
			closing := c + 2 // ']' and '}' follow two places after '[' and '{'
			if c, pos = s.token(pos + 1); c == closing {
				depth--
				pos++
				break
			}
			if closing == ']' {
				continue
			}
			objects[depth>>6] |= bit
			if pos = s.key(pos); pos < 0 {
				return pos
			}
			c = s.peek(pos)
			continue
		case 't', 'f', 'n':
			if pos = s.literal(pos); pos < 0 {
				return pos
			}
		default:
			if c != '-' && c-'0' > 9 {
				return s.fail(reasonValue, pos)
			}
			var ok bool
			if pos, ok = numberEnd(s.src, pos); !ok {
				return s.fail(reasonNumber, pos)
			}
		}
		// A value ended; close what ends with it.
		for {
			if depth == base {
				return pos
			}
			c, pos = s.token(pos)
			inObject := objects[depth>>6]>>(depth&63)&1 != 0
			if c == ',' {
				c, pos = s.token(pos + 1)
				if inObject {
					if pos = s.key(pos); pos < 0 {
						return pos
					}
					c = s.peek(pos)
				}
				break
			}
			if inObject && c != '}' {
				return s.fail(reasonMember, pos)
			}
			if !inObject && c != ']' {
				return s.fail(reasonItem, pos)
			}
			depth--
			pos++
		}
	}
}

// numberEnd returns the position after the number at pos and whether it is one; if not, the position
// is that of the byte which cannot be part of it.
func numberEnd(src []byte, pos int) (int, bool) {
	digits := func() bool {
		start := pos
		for pos < len(src) && src[pos]-'0' <= 9 {
			pos++
		}
		return pos > start
	}
	if pos < len(src) && src[pos] == '-' {
		pos++
	}
	if pos < len(src) && src[pos] == '0' {
		pos++
	} else if !digits() {
		return pos, false
	}
	if pos < len(src) && src[pos] == '.' {
		pos++
		if !digits() {
			return pos, false
		}
	}
	if pos < len(src) && src[pos]|0x20 == 'e' {
		pos++
		if pos < len(src) && (src[pos] == '+' || src[pos] == '-') {
			pos++
		}
		if !digits() {
			return pos, false
		}
	}
	return pos, true
}

// kind names the JSON type that a value's first byte announces.
func kind(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
