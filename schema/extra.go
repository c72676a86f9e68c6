package schema

import "bytes"

// extras collects what the columns do not hold of the chunk at hand, as a tree that mirrors the
// chunk. Nodes point into the chunk and are written out when it ends, so that a member that loses
// against a later one of the same name leaves nothing.
type extras struct {
	nodes    []extra
	document int32  // node of the document, -1 if nothing in it is kept
	names    []byte // decoded names that do not stand in the chunk
	byName   map[place]int32
}

// place finds members of objects that have many.
type place struct {
	parent int32
	name   string
}

// extra is a node: a raw value, or an object or array with extras inside.
type extra struct {
	key        []byte  // decoded name; unused for elements of arrays
	m          *member // the field; nil if the name is unknown
	start, end int32   // raw value in the chunk; end is 0 for objects and arrays
	first      int32   // children, -1 at the end
	last       int32
	next       int32
	children   int32
	life       int32 // counts how often the node was emptied, to tell stale entries of byName
	birth      int32 // life of the parent when it was linked
	item       int32 // index in the array, -1 for members
	clean      bool  // raw is compact and valid UTF-8
	dead       bool
}

const manyChildren = 32 // from here on byName finds members

func (x *extras) reset() {
	const keep = 1 << 12 // nodes worth keeping after a monstrous document
	if cap(x.nodes) > keep {
		x.nodes, x.byName, x.names = nil, nil, nil
	}
	x.nodes, x.names, x.document = x.nodes[:0], x.names[:0], -1
	clear(x.byName)
}

// node adds a node below parent, which is -1 for the chunk.
func (x *extras) node(parent, item int32, key []byte) int32 {
	n := int32(len(x.nodes))
	x.nodes = append(x.nodes, extra{key: key, item: item, first: -1, last: -1, next: -1})
	if parent >= 0 {
		p := &x.nodes[parent]
		x.nodes[n].birth = p.life
		if p.last < 0 {
			p.first = n
		} else {
			x.nodes[p.last].next = n
		}
		p.last = n
		p.children++
	}
	return n
}

// find returns the node of a member, dead or alive, or -1.
func (x *extras) find(parent int32, key []byte) int32 {
	p := &x.nodes[parent]
	if p.children < manyChildren {
		for n := p.first; n >= 0; n = x.nodes[n].next {
			if bytes.Equal(x.nodes[n].key, key) {
				return n
			}
		}
		return -1
	}
	if n, ok := x.byName[place{parent, string(key)}]; ok && x.nodes[n].birth == p.life {
		return n
	}
	return -1
}

// member returns the node of a member, new or emptied, and whether it was alive. The key is kept.
func (x *extras) member(parent int32, key []byte) (n int32, alive bool) {
	if n = x.find(parent, key); n >= 0 {
		e := &x.nodes[n]
		alive = !e.dead
		e.dead, e.first, e.last, e.children, e.end = false, -1, -1, 0, 0
		e.life++
		return n, alive
	}
	n = x.node(parent, -1, key)
	switch p := &x.nodes[parent]; {
	case p.children == manyChildren:
		if x.byName == nil {
			x.byName = map[place]int32{}
		}
		for c := p.first; c >= 0; c = x.nodes[c].next {
			x.byName[place{parent, string(x.nodes[c].key)}] = c
		}
	case p.children > manyChildren:
		x.byName[place{parent, string(key)}] = n
	}
	return n, false
}

// element returns the node of an element, which comes after all others of its array.
func (x *extras) element(parent, item int32) int32 { return x.node(parent, item, nil) }

// set makes a node a raw value.
func (x *extras) set(n int32, m *member, start, end int, clean bool) {
	e := &x.nodes[n]
	e.m, e.start, e.end, e.clean = m, int32(start), int32(end), clean
}

// drop forgets a member and tells whether there was one. The parent may be -1.
func (x *extras) drop(parent int32, key []byte) bool {
	if parent < 0 {
		return false
	}
	n := x.find(parent, key)
	if n < 0 || x.nodes[n].dead {
		return false
	}
	x.nodes[n].dead = true
	return true
}

// own copies a name that does not stand in the chunk.
func (x *extras) own(name []byte) []byte {
	start := len(x.names)
	x.names = append(x.names, name...)
	return x.names[start:len(x.names):len(x.names)]
}

// branch returns the node of an open object or array, and makes it if nothing was kept there yet.
func (e *Encoder) branch(depth int) int32 {
	f := &e.frames[depth]
	if f.x >= 0 {
		return f.x
	}
	switch {
	case depth == 1:
		f.x = e.extras.node(-1, -1, nil)
	case f.item >= 0:
		f.x = e.extras.element(e.branch(depth-1), f.item)
	default:
		f.x, _ = e.extras.member(e.branch(depth-1), f.m.key)
	}
	e.extras.nodes[f.x].m = f.m
	return f.x
}

// keep puts the raw value of a member of the open object aside.
func (e *Encoder) keep(m *member, start, end int, clean bool) {
	n, _ := e.extras.member(e.branch(e.depth), m.key)
	e.extras.set(n, m, start, end, clean)
}

// keepUnknown reads the value at pos of a member that has no column. Its name stands at start and,
// decoded, in the scratch space.
func (e *Encoder) keepUnknown(start, pos int) int {
	parent := e.branch(e.depth)
	key := e.src[start+1:]
	if n := len(e.scratch); bytes.HasPrefix(key, e.scratch) && key[n] == '"' {
		key = key[:n:n]
	} else {
		key = e.extras.own(e.scratch)
	}
	n, alive := e.extras.member(parent, key)
	if alive {
		e.pending.duplicates++
	}
	e.spaced = false
	replaced := e.pending.replaced
	end := e.skip(pos)
	if end >= 0 {
		e.extras.set(n, nil, pos, end, !e.spaced && e.pending.replaced == replaced)
	}
	return end
}

// reserved is the member of _extra that mirrors the chunk around the document. Members of a document
// that start with a dollar sign get another one in front, so none can be mistaken for it.
const reserved = "$chunk"

// flush writes _extra of the chunk that was read, and counts what is in it.
func (e *Encoder) flush() {
	x := &e.extras
	if len(x.nodes) == 0 {
		return
	}
	c := e.extra
	c.at(e.rows)
	dst := append(c.data, '{')
	empty := len(dst)
	if x.document >= 0 {
		dst = e.members(dst, x.document, "")
		x.nodes[x.document].dead = true // not again below
	}
	mark := len(dst)
	if mark > empty {
		dst = append(dst, ',')
	}
	dst = append(dst, `"`+reserved+`":{`...)
	inside := len(dst)
	if dst = e.members(dst, 0, reserved); len(dst) == inside {
		dst = dst[:mark]
	} else {
		dst = append(dst, '}')
	}
	if len(dst) > empty {
		c.setText(e.rows, append(dst, '}'))
	}
	x.reset()
}

// members writes the members kept of an object whose path is given.
func (e *Encoder) members(dst []byte, n int32, path string) []byte {
	empty := len(dst)
	for c := e.extras.nodes[n].first; c >= 0; c = e.extras.nodes[c].next {
		child := &e.extras.nodes[c]
		if child.dead {
			continue
		}
		mark := len(dst)
		if mark > empty {
			dst = append(dst, ',')
		}
		if path == "" && len(child.key) > 0 && child.key[0] == '$' {
			dst = appendQuoted(dst, append(append(e.scratch[:0], '$'), child.key...))
		} else {
			dst = appendQuoted(dst, child.key)
		}
		var kept bool
		if dst, kept = e.kept(append(dst, ':'), c, path); !kept {
			dst = dst[:mark]
		}
	}
	return dst
}

// elements writes the elements kept of an array: {} where there is nothing, none at the end.
func (e *Encoder) elements(dst []byte, n int32, path string) []byte {
	count, written := int32(0), len(dst)
	for c := e.extras.nodes[n].first; c >= 0; c = e.extras.nodes[c].next {
		for ; count < e.extras.nodes[c].item; count++ {
			dst = append(dst, "{},"...)
		}
		var kept bool
		if dst, kept = e.kept(dst, c, path); kept {
			written = len(dst)
		} // else that is {}
		dst = append(dst, ',')
		count++
	}
	return dst[:written]
}

// kept writes a node, if there is anything in it. Path is that of the object or array around it.
func (e *Encoder) kept(dst []byte, n int32, path string) ([]byte, bool) {
	x := &e.extras.nodes[n]
	if x.end > 0 {
		raw := e.src[x.start:x.end]
		e.observe(x, path, raw)
		if x.clean {
			return append(dst, raw...), true
		}
		return e.copier.compact(dst, raw), true
	}
	if x.m != nil { // else an element, for which the array has set the path
		path = x.m.path
	}
	opening, closing := byte('{'), byte('}')
	array := x.m != nil && x.m.typ == Objects
	if array {
		opening, closing = '[', ']'
	}
	dst = append(dst, opening)
	inside := len(dst)
	if array {
		dst = e.elements(dst, n, x.m.items)
	} else {
		dst = e.members(dst, n, path)
	}
	return append(dst, closing), len(dst) > inside
}

// compact writes a well-formed JSON value without white space between tokens and with its strings
// made valid UTF-8.
func (s *scanner) compact(dst, raw []byte) []byte {
	s.src = raw
	for pos := 0; pos < len(raw); {
		switch c := raw[pos]; c {
		case ' ', '\n', '\t', '\r':
			pos++
		case '"':
			s.scratch, pos = s.text(s.scratch[:0], pos+1)
			dst = appendQuoted(dst, s.scratch)
		default:
			dst = append(dst, c)
			pos++
		}
	}
	return dst
}
