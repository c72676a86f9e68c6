package source

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
)

// chunkKind is what an object of the stream is, told by its top-level members alone: a document may hold
// members of any name.
type chunkKind int

const (
	kindBroken   chunkKind = iota // no object, or one without any sign
	kindResult                    // CT_RESULT
	kindControl                   // CT_CONTROL
	kindError                     // CT_ERROR
	kindUnknown                   // another chunk_type
	kindEnvelope                  // no chunk_type, but a status_code: an answer like any other call's
)

// inspect walks the top level of one framed object. Of a member that is there twice the last counts.
func inspect(text []byte) chunkKind {
	kind, found := kindBroken, false
	w := walker{text: text}
	ok := w.members(func(key, value []byte) {
		switch string(key) {
		case "chunk_type":
			found = true
			kind = kindOf(value)
		case "status_code":
			if !found {
				kind = kindEnvelope
			}
		}
	})
	if !ok {
		return kindBroken
	}
	return kind
}

func kindOf(value []byte) chunkKind {
	if len(value) < 2 || value[0] != '"' {
		return kindBroken
	}
	switch string(unquoted(value)) {
	case "CT_RESULT":
		return kindResult
	case "CT_CONTROL":
		return kindControl
	case "CT_ERROR":
		return kindError
	}
	return kindUnknown
}

// chunkType is the type of a framed object, as inspect sees it.
func chunkType(text []byte) (name string) {
	w := walker{text: text}
	w.members(func(key, value []byte) {
		if string(key) == "chunk_type" && len(value) > 1 && value[0] == '"' {
			name = string(unquoted(value))
		}
	})
	return name
}

// walker goes over the members of an object without decoding the values.
type walker struct {
	text []byte
	pos  int
}

func (w *walker) space() {
	for w.pos < len(w.text) {
		switch w.text[w.pos] {
		case ' ', '\t', '\n', '\r':
			w.pos++
		default:
			return
		}
	}
}

func (w *walker) take(c byte) bool {
	w.space()
	if w.pos < len(w.text) && w.text[w.pos] == c {
		w.pos++
		return true
	}
	return false
}

// members calls visit with each key, unquoted, and each value as written; ok is false if the text is not
// an object.
func (w *walker) members(visit func(key, value []byte)) (ok bool) {
	if !w.take('{') {
		return false
	}
	if w.take('}') {
		return true
	}
	for {
		w.space()
		from := w.pos
		if !w.take('"') || !w.quoted() {
			return false
		}
		key := unquoted(w.text[from:w.pos])
		if !w.take(':') {
			return false
		}
		w.space()
		from = w.pos
		if !w.value() {
			return false
		}
		visit(key, bytes.TrimRight(w.text[from:w.pos], " \t\r\n"))
		if w.take(',') {
			continue
		}
		return w.take('}')
	}
}

// quoted goes past the closing quote of a string whose opening one is behind.
func (w *walker) quoted() bool {
	for {
		w.pos = textStop(w.text, w.pos)
		if w.pos >= len(w.text) {
			return false
		}
		switch w.text[w.pos] {
		case '"':
			w.pos++
			return true
		case '\\':
			w.pos++
		}
		w.pos++
	}
}

// value goes past a value, told by its brackets and quotes.
func (w *walker) value() bool {
	depth := 0
	from := w.pos
	for w.pos < len(w.text) {
		c := w.text[w.pos]
		if depth > 0 && structure[c] == 0 {
			w.pos++
			continue
		}
		switch c {
		case '"':
			w.pos++
			if !w.quoted() {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return w.pos > from
			}
			depth--
		case ',':
			if depth == 0 {
				return w.pos > from
			}
		}
		w.pos++
	}
	return false
}

// unquoted is the text of a JSON string.
func unquoted(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return inner
	}
	return []byte(s)
}

// maxSmallChunk is what is looked at of a chunk that is not a result.
const maxSmallChunk = 64 << 10

// maxOffset bounds an offset: the known ones have ten characters, and each read sends it in the URL.
const maxOffset = 10 << 10

// controlOffset is the offset of a control chunk; problem says why it cannot be used.
func controlOffset(chunk []byte) (offset, problem string) {
	if len(chunk) > maxSmallChunk {
		return "", "a control chunk is far too large"
	}
	o, ok := parseObject(chunk)
	if !ok {
		return "", "a control chunk is not valid JSON"
	}
	control := o.object("chunk_control")
	offset = control.text("resume_offset")
	switch {
	case offset == "":
		return "", "a control chunk has no offset"
	case len(offset) > maxOffset:
		return "", "a control chunk's offset is longer than " + strconv.Itoa(maxOffset) + " bytes"
	}
	for i := range len(offset) {
		if offset[i] < ' ' || offset[i] == 0x7f {
			return "", "a control chunk's offset holds control characters"
		}
	}
	return offset, ""
}

// errorCode finds an API code in a CT_ERROR chunk, whose shape is documented nowhere: first a member
// that calls itself a code or status, at any level, then the word code before a number in any text.
func errorCode(chunk []byte) int {
	chunk = chunk[:min(len(chunk), maxSmallChunk)]
	for _, pattern := range []*regexp.Regexp{codeMember, codeWord} {
		for _, m := range pattern.FindAllSubmatch(chunk, -1) {
			n, err := strconv.Atoi(string(m[1]))
			if _, known := meanings[n]; err == nil && known {
				return n
			}
		}
	}
	return -1
}

var (
	codeMember = regexp.MustCompile(`(?i)"[a-z_]*(?:code|status|error)"\s*:\s*"?(\d{1,3})(?:\.0+)?"?\s*[,}\]]`)
	codeWord   = regexp.MustCompile(`(?i)\bcode["\s:=#]{1,4}(\d{1,3})\b`)
)

// errorText is what a CT_ERROR chunk says, without its type.
func errorText(chunk []byte) string {
	chunk = chunk[:min(len(chunk), maxSmallChunk)]
	o, ok := parseObject(chunk)
	if !ok {
		return string(chunk)
	}
	delete(o, "chunk_type")
	delete(o, "request")
	for _, key := range []string{"chunk_error", "error"} {
		if inner := o.object(key); inner != nil {
			delete(inner, "request")
			if message := inner.explain(); message != "" {
				return message
			}
			return string(inner.raw())
		}
		if message := o.text(key); message != "" {
			return message
		}
	}
	if message := o.explain(); message != "" {
		return message
	}
	return string(o.raw())
}
