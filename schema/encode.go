package schema

import "errors"

// ErrFull is returned by Append when the chunk does not fit into the 32-bit offsets of the columns
// together with what is already there. Take the record, Reset, and append the chunk again.
var ErrFull = errors.New("record is full")

// maxInput keeps every column below 2 GiB: no column grows by more than three bytes for a byte of
// input (an invalid byte becomes U+FFFD).
const maxInput = 512 << 20

// Encoder turns raw result chunks into columns. It belongs to one goroutine at a time. In the steady
// state, that is once its buffers have grown to the size of a record, it allocates nothing.
type Encoder struct {
	scanner
	plan    *object   // the chunk
	columns []*column // in the order of the schema
	ordinal *column
	keys    *column // _key
	extra   *column // _extra
	url     *column
	network [2]*column // external_provider, external_id

	rows     int
	input    int    // bytes appended since Reset
	serial   uint64 // objects opened, to tell a member's second mention in one of them
	document bool   // the chunk at hand has one
	frames   []frame
	extras   extras
	counts   counts  // of the rows
	copier   scanner // of raw values
	unknown  map[string]*Seen
	coerced  map[string]int64
	zeros    []byte // never written: the memory of columns that are all null
}

// frame is an object or array that is open at the position, and its place in _extra.
type frame struct {
	m    *member // nil for the chunk and for elements of lists
	item int32   // index of an element, else -1
	x    int32   // node of the extras, -1 until something is kept there
}

// NewEncoder returns an encoder without rows.
func NewEncoder() *Encoder {
	e := &Encoder{frames: make([]frame, maxDepth+1), unknown: map[string]*Seen{}, coerced: map[string]int64{}}
	e.extras.reset()
	e.plan, e.columns = compile()
	byName := map[string]*column{}
	for i, f := range Arrow().Fields() {
		byName[f.Name] = e.columns[i]
	}
	e.ordinal, e.keys, e.extra = e.columns[0], e.columns[1], e.columns[2]
	e.url = byName["url"]
	e.network = [2]*column{byName["external_provider"], byName["external_id"]}
	return e
}

// Rows returns how many chunks were appended since Reset.
func (e *Encoder) Rows() int { return e.rows }

// Append adds the result chunk as a row. After an error nothing of the chunk remains, and the encoder
// can go on: the error is a *ChunkError if the chunk is to blame, or ErrFull. The chunk is not kept.
func (e *Encoder) Append(chunk []byte, ordinal int64) error {
	if e.input+len(chunk) > maxInput && (e.rows > 0 || len(chunk) > maxInput) {
		if e.rows > 0 {
			return ErrFull
		}
		return &ChunkError{"too large", maxInput}
	}
	e.src, e.depth, e.document = chunk, 0, false
	e.pending = counts{}
	end := e.chunk()
	if end < 0 {
		e.undo()
		err := e.err
		return &err
	}
	e.flush()
	e.ordinal.setInt64(e.rows, ordinal)
	e.setKey()
	e.input += len(chunk)
	e.rows++
	e.counts.duplicates += e.pending.duplicates
	e.counts.replaced += e.pending.replaced
	e.src = nil
	return nil
}

// Reset forgets all rows and counts and keeps the memory. Records made before are no longer valid.
func (e *Encoder) Reset() {
	e.rows, e.input = 0, 0
	e.undo()
	e.counts = counts{}
	if len(e.unknown) >= MaxUnknown {
		clear(e.unknown)
	}
	for _, s := range e.unknown { // the paths will be needed again
		s.Count = 0
	}
	clear(e.coerced)
	const keep = 1 << 20 // scratch space after a monstrous document
	if cap(e.scratch)+cap(e.copier.scratch) > keep {
		e.scratch, e.copier.scratch = nil, nil
	}
}

// undo removes what was written for rows that do not exist.
func (e *Encoder) undo() {
	for _, c := range e.columns {
		c.truncate(e.rows)
	}
	e.extras.reset()
	e.src = nil
}

// chunk reads the whole text.
func (e *Encoder) chunk() int {
	c, pos := e.token(0)
	if c != '{' {
		return e.fail("not an object", pos)
	}
	e.open(nil, -1)
	pos = e.object(e.plan, e.rows, pos+1)
	if pos < 0 {
		return pos
	}
	e.depth--
	if pos = e.space(pos); pos < len(e.src) {
		return e.fail("text after the chunk", pos)
	}
	if !e.document {
		e.err = ChunkError{"no chunk_result.data.data object", pos}
		return -1
	}
	return pos
}

func (e *Encoder) open(m *member, item int) {
	e.depth++
	e.frames[e.depth] = frame{m, int32(item), -1}
}

// object reads the members of an object, from behind its brace, into the given row.
func (e *Encoder) object(o *object, row, pos int) int {
	e.serial++
	serial := e.serial
	c, pos := e.token(pos)
	if c == '}' {
		return pos + 1
	}
	src := e.src
	next := &o.first
	for {
		m := next.latest
		mask := &masks[m.size%longest]
		// The usual case of follows by hand: the call would cost a twentieth of the whole decoding.
		if pos+longest > len(src) || (load(src, pos)^m.words[0])&mask[0]|(load(src, pos+8)^m.words[1])&mask[1]|
			(load(src, pos+16)^m.words[2])&mask[2] != 0 || m.size > 24 && !follows(src, m, pos) {
			if m = next.other; follows(src, m, pos) {
				next.latest, next.other = m, next.latest
			} else {
				start := pos
				if pos = e.key(pos); pos < 0 {
					return pos
				}
				if m = o.find(e.scratch); m == nil {
					pos = e.keepUnknown(start, pos)
					goto next
				}
				next.latest, next.other = m, next.latest
				goto value
			}
		}
		pos += int(m.size)
	value:
		next = &m.next
		if m.seen == serial {
			e.forget(m, row)
		}
		m.seen = serial
		if uint(pos) >= uint(len(src)) {
			return e.fail(reasonEnd, pos)
		}
		switch c = src[pos]; {
		case c == '"' && m.typ == Text:
			pos = e.putText(m.col, row, pos)
		case (c-'0' <= 9 || c == '-') && m.typ-Int32 <= lastInt-Int32:
			pos = e.putInt(m, row, pos)
		default:
			pos = e.value(m, row, pos)
		}
	next:
		if pos < 0 {
			return pos
		}
		c = e.peek(pos)
		if c <= ' ' {
			c, pos = e.token(pos)
		}
		if c == '}' {
			return pos + 1
		}
		if c != ',' {
			return e.fail(reasonMember, pos)
		}
		pos++
		if e.peek(pos) <= ' ' {
			pos = e.space(pos)
		}
	}
}

// follows tells whether the token of m stands at pos, which is not negative. The last bytes of src are
// left to others.
func follows(src []byte, m *member, pos int) bool {
	if pos+longest > len(src) {
		return false
	}
	mask := &masks[m.size%longest]
	differs := (load(src, pos)^m.words[0])&mask[0] | (load(src, pos+8)^m.words[1])&mask[1] |
		(load(src, pos+16)^m.words[2])&mask[2]
	return differs == 0 && (m.size <= 24 || string(src[pos+24:pos+int(m.size)]) == m.token[24:])
}

// forget drops the earlier value of a member that is there twice.
func (e *Encoder) forget(m *member, row int) {
	e.pending.duplicates++
	if m.col != nil {
		m.col.truncate(row)
	} else if m.in != nil {
		e.document = false
		m.in.truncate(row)
	}
	e.extras.drop(e.frames[e.depth].x, m.key)
}

// value reads the value of a member.
func (e *Encoder) value(m *member, row int, pos int) int {
	c, pos := e.token(pos)
	switch m.typ {
	case Text:
		if c == '"' {
			return e.putText(m.col, row, pos)
		}
	case Int32, Int64, Float64, Time:
		if c == '-' || c-'0' <= 9 {
			return e.number(m, row, pos)
		}
	case Texts:
		if c == '[' || c == '"' {
			return e.texts(m, row, c, pos)
		}
	case Object:
		if c == '{' {
			m.col.at(row)
			e.open(m, -1)
			if pos = e.object(m.in, row, pos+1); pos < 0 {
				return pos
			}
			e.depth--
			m.col.done(row)
			return pos
		}
	case Objects:
		if c == '[' || c == '{' {
			return e.objects(m, row, c, pos)
		}
	case Scores:
		if c == '{' {
			return e.scores(m, row, pos)
		}
	case JSON:
		if c != 'n' {
			return e.json(m, row, pos)
		}
	case wrapper, document:
		if c == '{' {
			e.open(m, -1)
			if pos = e.object(m.in, row, pos+1); pos < 0 {
				return pos
			}
			e.depth--
			if m.typ == document {
				e.document = true
				e.extras.document = e.frames[e.depth+1].x
			}
			return pos
		}
		e.document = false // unless a later one of the same name has it
		return e.skip(pos)
	case chunkType:
		const usual = `"CT_RESULT"`
		if end := pos + len(usual); end <= len(e.src) && string(e.src[pos:end]) == usual {
			return end
		}
	}
	return e.misfit(m, row, c, pos)
}

// setKey derives _key from the columns of the finished row.
func (e *Encoder) setKey() {
	c := e.keys
	c.at(e.rows)
	if url, _ := e.url.text(e.rows); len(url) > 0 {
		c.setText(e.rows, append(c.data, url...))
		return
	}
	provider, _ := e.network[0].text(e.rows)
	id, _ := e.network[1].text(e.rows)
	if len(provider) > 0 && len(id) > 0 {
		c.setText(e.rows, append(append(append(c.data, provider...), ':'), id...))
	}
}
