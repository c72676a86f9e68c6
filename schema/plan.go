package schema

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// Types of the members around a document, which have no column.
const (
	wrapper   Type = iota + 100 // chunk_result and its data
	document                    // chunk_result.data.data
	chunkType                   // chunk_type
)

// member is what the encoder knows of a member of an object.
type member struct {
	// What every value touches comes first and fills one cache line.
	words [3]uint64 // the first bytes of the token, to compare it without a branch
	size  uint8     // of the token
	typ   Type
	seen  uint64 // the object that had it last
	col   *column
	next  guess

	in    *object // members of Object, Objects and around the document
	token string  // the name as it mostly stands in the text: quoted, with its colon
	name  string
	key   []byte // name
	path  string
	items string // path of the elements of a list
}

// masks has, by the size of a token, what the three words of a member hold of it.
var masks = func() (t [longest][3]uint64) {
	for size := range t {
		var bytes [24]byte
		for i := range min(size, len(bytes)) {
			bytes[i] = 0xff
		}
		for i := range t[size] {
			t[size][i] = load(bytes[:], 8*i)
		}
	}
	return t
}()

// longest is more than any token has.
const longest = 64

// guess is what came at a place in the two documents before that differed there; nobody at first.
type guess struct{ latest, other *member }

// nobody is a member that no text has: the end of its token is longer than what it is compared with.
var nobody = &member{size: longest - 1, token: strings.Repeat(" ", longest)}

var noGuess = guess{nobody, nobody}

// object is what the encoder knows of an object.
type object struct {
	members []*member
	first   guess
	slots   []*member // by the hash of the name, without collisions
	factor  uint64
	shift   uint8
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
	o := &object{members: members, first: noGuess}
	o.arrange()
	return o
}

// arrange finds a hash that gives each name a slot of its own. A good one is rare, and every encoder looks for it:
// so a round that fails must cost next to nothing.
func (o *object) arrange() {
	hashes := make([]uint64, len(o.members))
	for i, m := range o.members {
		hashes[i] = hash(m.key)
	}
	size := 1
	for 1<<size < 2*len(o.members) {
		size++
	}
	taken := make([]uint64, 1<<size) // the round that took a slot last
search:
	for round := uint64(1); ; round++ {
		if round%1000 == 0 {
			size++
			taken = make([]uint64, 1<<size)
		}
		o.factor, o.shift = round*0x9e3779b97f4a7c15|1, uint8(64-size)
		for _, h := range hashes {
			slot := h * o.factor >> o.shift
			if taken[slot] == round {
				continue search
			}
			taken[slot] = round
		}
		break
	}
	o.slots = make([]*member, 1<<size)
	for i, m := range o.members {
		o.slots[hashes[i]*o.factor>>o.shift] = m
	}
}

// hash is that of a name's length and its first and last bytes.
func hash(name []byte) uint64 {
	var h uint64
	switch n := len(name); {
	case n >= 8:
		h = binary.LittleEndian.Uint64(name) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(name[n-8:]), 23)
	case n >= 4:
		h = uint64(binary.LittleEndian.Uint32(name)) | uint64(binary.LittleEndian.Uint32(name[n-4:]))<<32
	case n > 0:
		h = uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16
	}
	return h + uint64(len(name))
}

// find returns the member of that name, or nil.
func (o *object) find(name []byte) *member {
	if m := o.slots[hash(name)*o.factor>>o.shift]; m != nil && m.name == string(name) {
		return m
	}
	return nil
}

func newMember(n *node, col *column) *member {
	m := &member{name: n.name, key: []byte(n.name), token: `"` + n.name + `":`,
		path: n.path, items: n.path + "[]", typ: n.typ, col: col, next: noGuess}
	m.size = uint8(len(m.token))
	var token [24]byte
	copy(token[:], m.token)
	for i := range m.words {
		m.words[i] = load(token[:], 8*i)
	}
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
