package emulator

import (
	"bytes"
	"strconv"
)

// glanced is what is to be known of a document before it is sent.
type glanced struct {
	kind      string // chunk_type as it is written; "" for a document without a chunk around it
	published int64  // epoch ms; 0 where there is no such time
}

// glance looks through a line. It is false for what is not one object with nothing behind it, as far as braces and quotes
// tell: what stands between them is not checked.
func glance(line []byte) (g glanced, ok bool) {
	var inner, outer int64
	w := walker{text: line}
	ok = w.object(func(key []byte) bool {
		switch string(key) {
		case `"chunk_type"`:
			kind, ok := w.value()
			g.kind = string(kind)
			return ok
		case `"chunk_result"`:
			inner = 0
			return w.member(`"data"`, func() bool {
				inner = 0
				return w.member(`"data"`, func() bool {
					inner = 0
					return w.member(`"published"`, func() bool { return w.time(&inner) })
				})
			})
		case `"published"`:
			return w.time(&outer)
		}
		return w.pass()
	})
	g.published = outer
	if g.kind != "" {
		g.published = inner
	}
	return g, ok && w.pos == len(line)
}

// walker goes through JSON text. Its methods are false where the text goes wrong.
type walker struct {
	text []byte
	pos  int
}

// time reads a value leniently: what is not a positive integer is not a time.
func (w *walker) time(ms *int64) bool {
	text, ok := w.value()
	n, err := strconv.ParseInt(string(text), 10, 64)
	if *ms = max(n, 0); err != nil {
		*ms = 0
	}
	return ok
}

// pass passes over a value.
func (w *walker) pass() bool {
	_, ok := w.value()
	return ok
}

// member goes through a value, and calls visit at that of its member name, which visit has to pass over.
func (w *walker) member(name string, visit func() bool) bool {
	if w.blanks(); w.pos == len(w.text) || w.text[w.pos] != '{' {
		return w.pass()
	}
	return w.object(func(key []byte) bool {
		if string(key) == name {
			return visit()
		}
		return w.pass()
	})
}

// object goes through the object that comes next, and calls visit at the value of every member, with its name as it is
// written. visit has to pass over the value.
func (w *walker) object(visit func(key []byte) bool) bool {
	if !w.take('{') {
		return false
	}
	if w.take('}') {
		return true
	}
	for {
		key, ok := w.value()
		if !ok || key[0] != '"' || !w.take(':') || !visit(key) {
			return false
		}
		if w.take('}') {
			return true
		}
		if !w.take(',') {
			return false
		}
	}
}

// blanks passes over what may stand between two parts.
func (w *walker) blanks() {
	for w.pos < len(w.text) && (w.text[w.pos] == ' ' || w.text[w.pos] == '\t' || w.text[w.pos] == '\r') {
		w.pos++
	}
}

// take passes over c, if it comes next.
func (w *walker) take(c byte) bool {
	w.blanks()
	if w.pos == len(w.text) || w.text[w.pos] != c {
		return false
	}
	w.pos++
	return true
}

// value passes over any value and returns its text, which is not empty.
func (w *walker) value() ([]byte, bool) {
	w.blanks()
	start, depth := w.pos, 0
	for w.pos < len(w.text) {
		switch c := w.text[w.pos]; c {
		case '"':
			if !w.string() {
				return nil, false
			}
			if depth == 0 {
				return w.text[start:w.pos], true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.pos++
				return w.text[start:w.pos], true
			}
			if depth < 0 {
				return w.text[start:w.pos], w.pos > start
			}
		case ',', ':', ' ', '\t', '\r':
			if depth == 0 {
				return w.text[start:w.pos], w.pos > start
			}
		}
		w.pos++
	}
	return w.text[start:], depth == 0 && w.pos > start
}

// string passes over a string. A quote ends it unless an odd number of backslashes stands before.
func (w *walker) string() bool {
	from := w.pos + 1
	for at := from; ; {
		n := bytes.IndexByte(w.text[at:], '"')
		if n < 0 {
			return false
		}
		at += n + 1
		slashes := at - 2
		for slashes >= from && w.text[slashes] == '\\' {
			slashes--
		}
		if (at-2-slashes)%2 == 0 {
			w.pos = at
			return true
		}
	}
}
