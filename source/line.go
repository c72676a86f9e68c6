package source

import "bytes"

// Nearly all of a stream is lines that each hold one result, in the server's own form. They are taken by
// their first and last bytes; whatever looks otherwise is scanned.

var (
	// resultPrefix is how the server begins a result in its own form. A line that begins so is told
	// by its first member, without a scan. A proxy or a recorder that wrote the JSON anew may have put
	// blanks between its parts.
	resultPrefix = []byte(`{"chunk_type":"CT_RESULT","chunk_result":{`)
	resultParts  = [][]byte{[]byte("{"), []byte(`"chunk_type"`), []byte(":"), []byte(`"CT_RESULT"`), []byte(","),
		[]byte(`"chunk_result"`), []byte(":"), []byte("{")}
)

// resultHead is the length of what tells that a line begins a result, 0 if it does not.
func resultHead(line []byte) int {
	if bytes.HasPrefix(line, resultPrefix) {
		return len(resultPrefix)
	}
	n := 0
	for _, part := range resultParts {
		n += blanks(line[n:])
		if !bytes.HasPrefix(line[n:], part) {
			return 0
		}
		n += len(part)
	}
	return n
}

// blanks is the number of spaces and tabs at the beginning of text.
func blanks(text []byte) int {
	n := 0
	for n < len(text) && (text[n] == ' ' || text[n] == '\t') {
		n++
	}
	return n
}

// line takes a whole line, if it cannot be anything but one object; otherwise it goes on with object.
func (f *framer) line(buf []byte, eof bool) (frame, bool) {
	end := bytes.IndexByte(buf[f.pos:], '\n')
	switch {
	case end >= 0:
		end += f.pos
	case eof:
		end = len(buf)
	case len(buf)-f.start <= f.max:
		f.pos = len(buf)
		return frame{}, false
	}
	if end >= 0 {
		line := buf[f.start:end]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) <= f.max && (single(line, f.head) || counted(line, f.head)) && f.followed(buf, end) {
			fr := frame{start: f.start, end: f.start + len(line), position: f.openAt, result: true}
			f.pos, f.state = min(end+1, len(buf)), between
			return fr, true
		}
	}
	f.pos = f.start
	f.begin(inObject, "")
	return frame{}, false
}

// single reports whether a line that begins a result, in head bytes, is one object, told by its braces:
// it ends with two, and none before is followed by what may come between objects, or by another
// chunk_type of the top level. Text can look like that too; then the slow way decides.
func single(line []byte, head int) bool {
	if !bytes.HasSuffix(line, []byte("}}")) {
		return false
	}
	for i := head; ; {
		i += bytes.IndexByte(line[i:], '}') + 1
		if i == len(line) {
			return true
		}
		rest := line[i+blanks(line[i:]):]
		switch c := rest[0]; { // the last byte is a brace
		case c == '{' || c <= ' ':
			return false
		case c == ',':
			if rest = rest[1:]; bytes.HasPrefix(rest[blanks(rest):], []byte(`"chunk_`)) {
				return false
			}
		case len(rest) < len(line)-i && c != '}' && c != ']':
			return false
		}
	}
}

// counted reports whether a line that begins a result, in head bytes, is one object, told by counting braces: that of the result
// ends, and the chunk's own end alone is behind it. The slow way would go through the text twice, to find the end and to tell the
// type. It decides where a string needs a closer look.
func counted(line []byte, head int) bool {
	f := framer{pos: head, depth: 1}
	if f.skim(line); f.str || f.depth > 0 || f.broken != "" {
		return false
	}
	rest := line[f.pos:]
	rest = rest[blanks(rest):]
	return len(rest) == 1 && rest[0] == '}'
}

// followed reports whether an object may end before buf[end]: if what comes next belongs inside one, the
// line was only its beginning. Where nothing has come yet, the braces must balance.
func (f *framer) followed(buf []byte, end int) bool {
	for _, c := range buf[end:] {
		switch c {
		case '\n', '\r', ' ', '\t', 0:
			continue
		case ',', '}', ']':
			return false
		}
		return true
	}
	line := buf[f.start:end]
	return bytes.Count(line, []byte("{")) == bytes.Count(line, []byte("}"))
}
