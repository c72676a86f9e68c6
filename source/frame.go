package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// The results stream is a sequence of JSON objects: normally one per line, but also spread over lines,
// several to a line, between blank lines, with CRLF (Talkwalker API, streaming introduction). The framer
// finds their ends. Bytes that were given up are returned as rejects, so that they are counted, and the
// objects around them are not touched.

const (
	// maxDepth is far beyond any document; a deeper one is rejected here, before a recursive reader
	// meets it.
	maxDepth = 512
	// keepRejected is how much of a too large object is kept.
	keepRejected = 1 << 20
)

var (
	// chunkPrefix at the start of a line, inside an unfinished object, means that the object was broken
	// off: the server indents what is nested, or puts it on the same line.
	chunkPrefix = []byte(`{"chunk_`)
	objectStart = []byte(`{"`)
	byteOrder   = []byte("\xef\xbb\xbf")
)

// frame is one object, or what is left of one: buf[start:end].
type frame struct {
	start, end int
	position   int64
	result     bool   // told to be a CT_RESULT by its first bytes; otherwise inspect decides
	reject     string // why it is not an object
	cut        bool   // it was still open when the input ended
}

type framerState int

const (
	between  framerState = iota
	inLine               // in a line that begins with resultPrefix, looking for its end
	inObject             // in an object, counting braces
	inJunk               // in something that is not an object, up to the next line
)

// framer is an incremental scanner over a growing buffer, whose already scanned part it does not look
// at again. The buffer's owner may drop scanned bytes (drop), and adds bytes at the end.
type framer struct {
	max   int   // bytes of the largest object
	base  int64 // position in the input of buf[0]
	start int   // of the open object
	head  int   // bytes of its beginning that tell a result, where it is taken by the line
	pos   int   // next byte to look at
	state framerState

	openAt int64 // position in the input of the open object
	depth  int
	str    bool   // inside a string
	broken string // why the open object cannot be one; it is still scanned to its end
	skip   bool   // the open object is too large: its middle may be dropped
}

// next returns the next object of buf. ok = false asks for more bytes, or at eof says that there are no
// more; then nothing is open.
func (f *framer) next(buf []byte, eof bool) (fr frame, ok bool) {
	for {
		switch f.state {
		case between:
			if !f.open(buf, eof) {
				return frame{}, false
			}
		case inLine:
			if fr, ok := f.line(buf, eof); ok || f.state == inLine {
				return fr, ok
			}
		case inObject:
			fr, ok := f.object(buf, eof)
			if !ok && eof {
				return f.cut(buf), true
			}
			return fr, ok
		case inJunk:
			fr, ok := f.junk(buf, eof)
			if !ok && eof {
				return f.cut(buf), true
			}
			return fr, ok
		}
	}
}

// open skips what may stand between objects and starts the next one.
func (f *framer) open(buf []byte, eof bool) bool {
	for ; f.pos < len(buf); f.pos++ {
		switch c := buf[f.pos]; {
		case c == '\n' || c == '\r' || c == ' ' || c == '\t' || c == 0:
			continue
		case c == byteOrder[0] && f.base+int64(f.pos) == 0:
			rest := buf[f.pos:]
			if bytes.HasPrefix(rest, byteOrder) {
				f.pos += len(byteOrder) - 1
				continue
			}
			if len(rest) < len(byteOrder) && !eof {
				return false
			}
			f.begin(inJunk, "not a JSON object")
		case c != '{':
			f.begin(inJunk, "not a JSON object")
		default:
			if f.head = resultHead(buf[f.pos:]); f.head == 0 {
				f.begin(inObject, "")
				return true
			}
			f.begin(inLine, "")
			f.pos += f.head
		}
		return true
	}
	return false
}

func (f *framer) begin(s framerState, broken string) {
	f.state, f.start, f.openAt = s, f.pos, f.base+int64(f.pos)
	f.depth, f.str, f.broken, f.skip = 0, false, broken, false
}

// object counts braces to the end of the open object.
func (f *framer) object(buf []byte, eof bool) (frame, bool) {
	for f.pos < len(buf) {
		if f.str {
			if done, waits := f.text(buf, eof); done {
				return f.done(buf, f.pos), true
			} else if waits {
				break
			}
			continue
		}
		f.skim(buf)
		if f.depth == 0 {
			return f.done(buf, f.pos), true
		}
		if f.pos == len(buf) || f.str {
			continue
		}
		// A line break: a place where the object may have been broken off.
		switch f.restarts(buf, eof) {
		case yes:
			f.broken = orReason(f.broken, "broken off: a new chunk begins before its end")
			return f.done(buf, f.pos), true
		case maybe:
			return f.grow(buf)
		}
		f.pos++
	}
	return f.grow(buf)
}

// skim goes on outside of strings, and over those that hold nothing special, to the end of the object, a
// line break, a string that needs a closer look, or the end of buf.
func (f *framer) skim(buf []byte) {
	pos, depth := f.pos, f.depth
	for ; pos < len(buf); pos++ {
		switch structure[buf[pos]] {
		case 0:
			continue
		case '"':
			end := textStop(buf, pos+1)
			for end+1 < len(buf) && buf[end] == '\\' && buf[end+1] != '\n' {
				end = textStop(buf, end+2)
			}
			if end < len(buf) && buf[end] == '"' {
				pos = end
				continue
			}
			f.pos, f.depth, f.str = end, depth, true
			return
		case '{':
			if depth++; depth > maxDepth && f.broken == "" {
				f.broken = fmt.Sprintf("nested deeper than %d", maxDepth)
			}
			continue
		case '}':
			if depth--; depth > 0 {
				continue
			}
			pos++
		}
		break
	}
	f.pos, f.depth = min(pos, len(buf)), depth
}

// structure tells what a byte outside of strings means: brackets count like braces.
var structure = [256]byte{'"': '"', '{': '{', '[': '{', '}': '}', ']': '}', '\n': '\n'}

// text scans a string up to its closing quote, from anywhere inside it. done means that the object was
// broken off here, waits that what follows must come first.
func (f *framer) text(buf []byte, eof bool) (done, waits bool) {
	for {
		f.pos = textStop(buf, f.pos)
		if f.pos >= len(buf) {
			return false, false
		}
		switch buf[f.pos] {
		case '"':
			f.pos, f.str = f.pos+1, false
			return false, false
		case '\\':
			// What is escaped is skipped, except a line break, which cannot be escaped.
			if f.pos+1 >= len(buf) {
				return false, true
			}
			if f.pos++; buf[f.pos] != '\n' {
				f.pos++
			}
		case '\n':
			// A raw line break cannot be part of a string: the object is broken, and may be broken off.
			f.broken = orReason(f.broken, "broken: a line break inside a string")
			switch f.restarts(buf, eof) {
			case yes:
				return true, false
			case maybe:
				return false, true
			}
			f.pos++
		}
	}
}

// textStop returns the index of the first quote, backslash or line break at or after i, len(buf) if there
// is none. It looks at eight bytes at a time: a byte of x-ones&^x has its high bit set where x has a zero
// byte, or above the first one, and only the first counts.
func textStop(buf []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(buf); i += 8 {
		word := binary.LittleEndian.Uint64(buf[i:])
		quote, slash, line := word^ones*'"', word^ones*'\\', word^ones*'\n'
		if hit := ((quote-ones)&^quote | (slash-ones)&^slash | (line-ones)&^line) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(buf); i++ {
		if c := buf[i]; c == '"' || c == '\\' || c == '\n' {
			return i
		}
	}
	return i
}

type answer int

const (
	no answer = iota
	maybe
	yes
)

// restarts reports whether the line after the line break at f.pos begins a new chunk.
func (f *framer) restarts(buf []byte, eof bool) answer {
	want := chunkPrefix
	if f.broken != "" {
		want = want[:1] // nothing is to be hoped for from the open object
	}
	next := buf[f.pos+1:]
	switch {
	case bytes.HasPrefix(next, want):
		return yes
	case len(next) < len(want) && bytes.HasPrefix(want, next) && !eof:
		return maybe
	}
	return no
}

// junk goes to the end of the line, or to what looks like an object.
func (f *framer) junk(buf []byte, eof bool) (frame, bool) {
	rest := buf[f.pos:]
	end := bytes.IndexByte(rest, '\n')
	if end >= 0 {
		rest = rest[:end]
	}
	if at := bytes.Index(rest, objectStart); at >= 0 {
		end = at
	}
	if end >= 0 {
		f.pos += end
		return f.done(buf, f.pos), true
	}
	f.pos = len(buf)
	if n := len(rest); n > 0 && rest[n-1] == '{' && !eof {
		f.pos-- // the quote may follow
	}
	return f.grow(buf)
}

// grow asks for more bytes; from the largest document on, the object's middle need not be kept.
func (f *framer) grow(buf []byte) (frame, bool) {
	f.skip = f.skip || len(buf)-f.start > f.max
	return frame{}, false
}

// done closes the open object at end.
func (f *framer) done(buf []byte, end int) frame {
	fr := frame{start: f.start, end: end, position: f.openAt, reject: f.broken}
	if f.skip || end-f.start > f.max {
		fr.end = min(end, f.start+f.kept())
		fr.reject = fmt.Sprintf("larger than %d bytes; only the first %d are kept", f.max, fr.end-fr.start)
	}
	f.state = between
	return fr
}

// cut closes what is open when the input has ended.
func (f *framer) cut(buf []byte) frame {
	f.pos = len(buf)
	fr := f.done(buf, len(buf))
	fr.cut = true
	fr.reject = orReason(fr.reject, "broken off at the end of the input")
	return fr
}

func (f *framer) kept() int { return min(keepRejected, f.max) }

// isOpen reports whether an object has begun, and therefore must stay in the buffer.
func (f *framer) isOpen() bool { return f.state != between }

// drop tells that n scanned bytes before the open object were taken out of the buffer.
func (f *framer) drop(n int) {
	f.base += int64(n)
	f.pos -= n
	f.start -= n
}

// shrink takes the scanned middle of a too large object out of buf, and returns what is left.
func (f *framer) shrink(buf []byte) []byte {
	from := f.start + f.kept()
	if !f.skip || f.pos <= from {
		return buf
	}
	n := f.pos - from
	buf = append(buf[:from], buf[f.pos:]...)
	f.base += int64(n)
	f.pos = from
	return buf
}

func orReason(reason, other string) string {
	if reason != "" {
		return reason
	}
	return other
}
