package schema

// Types of the members around a document, which have no column.
const (
	wrapper   Type = iota + 100 // chunk_result and its data
	document                    // chunk_result.data.data
	chunkType                   // chunk_type
)

// member is what the encoder knows of a member of an object.
type member struct {
	name  string
	key   []byte // name
	token string // name as it mostly stands in the text: quoted, with its colon
	path  string
	items string // path of the elements of a list
	typ   Type
	col   *column
	in    *object // members of Object, Objects and around the document
	seen  uint64  // the object that had it last
	next  *member // what came after it last time
}

// object is what the encoder knows of an object.
type object struct {
	members []*member
	byName  map[string]*member
	first   *member // what came first last time
}

// compile makes the columns and the encoder's plan, whose root is the chunk.
func compile() (*object, []*column) {
	nodes := tree()
	columns := newColumns(nodes)
	var inner, outer []*member
	for i, n := range nodes {
		switch {
		case n.name[0] == '_':
		case n.name == highlighted:
			outer = append(outer, newMember(n, columns[i]))
		default:
			inner = append(inner, newMember(n, columns[i]))
		}
	}
	around := func(name, path string, typ Type, in []*member) *member {
		m := newMember(&node{name: name, path: path, typ: typ}, nil)
		if in != nil {
			m.in = newObject(in)
		}
		return m
	}
	doc := around("data", "", document, inner)
	data := around("data", reserved+".chunk_result.data", wrapper, append(outer, doc))
	result := around("chunk_result", reserved+".chunk_result", wrapper, []*member{data})
	name := around("chunk_type", reserved+".chunk_type", chunkType, nil)
	return newObject([]*member{name, result}), columns
}

// highlighted is the one top-level column that stands beside the document, not in it.
const highlighted = "highlighted_data"

func newObject(members []*member) *object {
	o := &object{members: members, byName: map[string]*member{}}
	for _, m := range members {
		o.byName[m.name] = m
	}
	return o
}

func newMember(n *node, col *column) *member {
	m := &member{name: n.name, key: []byte(n.name), token: `"` + n.name + `":`,
		path: n.path, items: n.path + "[]", typ: n.typ, col: col}
	owner := col
	switch n.typ {
	case Objects:
		owner = col.kids[0]
	case Object:
	default:
		return m
	}
	members := make([]*member, len(n.members))
	for i, k := range n.members {
		members[i] = newMember(k, owner.kids[i])
	}
	m.in = newObject(members)
	return m
}

// find returns the member of that name, or nil.
func (o *object) find(name []byte) *member { return o.byName[string(name)] }

// truncate forgets the rows from n on of everything in the object.
func (o *object) truncate(n int) {
	for _, m := range o.members {
		if m.col != nil {
			m.col.truncate(n)
		} else if m.in != nil {
			m.in.truncate(n)
		}
	}
}
