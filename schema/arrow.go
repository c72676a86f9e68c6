package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
)

// Version counts changes of the columns that a reader can notice.
const Version = "1"

// Type is the shape of a field, on the wire and as a column.
type Type uint8

// The types of the table.
const (
	Text    Type = iota // string -> utf8
	Int32               // number -> int32
	Int64               // number -> int64
	Time                // number of milliseconds since 1970, from 1582-10-15 to 9999-12-31 -> timestamp[us, UTC]
	Float64             // number -> float64
	Texts               // array of strings -> list<utf8>
	Object              // object -> struct
	Objects             // array of objects -> list<struct>
	Scores              // object of numbers, open set of names -> map<utf8, float64>
	JSON                // any value -> utf8 that holds its JSON text
)

const lastInt = Time // Int32 to lastInt are read as integers

// String names the Arrow type as it is printed.
func (t Type) String() string {
	return [...]string{"utf8", "int32", "int64", "timestamp[us, UTC]", "float64", "list<utf8>",
		"struct", "list<struct>", "map<utf8, float64>", "utf8 (JSON)"}[t]
}

// node is a row of the table in its place in the tree.
type node struct {
	name    string // the last part of the path
	path    string
	typ     Type
	hints   []Hint
	members []*node // of Object and Objects
}

// tree arranges the table by its paths; the result holds the top-level columns.
func tree() []*node {
	root := &node{}
	byPath := map[string]*node{"": root}
	for _, f := range table {
		parent, name := "", f.Path
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			parent, name = strings.TrimSuffix(f.Path[:i], "[]"), f.Path[i+1:]
		}
		n := &node{name: name, path: f.Path, typ: f.Type, hints: f.Hints}
		byPath[f.Path] = n
		p := byPath[parent] // a test holds that every parent has a row before its members
		p.members = append(p.members, n)
	}
	return root.members
}

// Arrow returns the schema of every record, always the same pointer. All columns but _ordinal are
// nullable; times are timestamp[us, UTC].
func Arrow() *arrow.Schema { return arrowSchema() }

var arrowSchema = sync.OnceValue(func() *arrow.Schema {
	meta := arrow.NewMetadata([]string{"tw2parquet.schema_version"}, []string{Version})
	fields := arrowFields(tree())
	fields[0].Nullable = false
	return arrow.NewSchema(fields, &meta)
})

func arrowFields(nodes []*node) []arrow.Field {
	fields := make([]arrow.Field, len(nodes))
	for i, n := range nodes {
		fields[i] = arrow.Field{Name: n.name, Type: n.arrow(), Nullable: true, Metadata: n.metadata()}
	}
	return fields
}

// hintKey is the key of the hints in a column's metadata; several are separated by spaces.
const hintKey = "tw2parquet.hints"

func (n *node) metadata() arrow.Metadata {
	if len(n.hints) == 0 {
		return arrow.Metadata{}
	}
	words := make([]string, len(n.hints))
	for i, h := range n.hints {
		words[i] = h.String()
	}
	return arrow.NewMetadata([]string{hintKey}, []string{strings.Join(words, " ")})
}

func (n *node) arrow() arrow.DataType {
	// List elements carry the name that the Parquet format prescribes (LogicalTypes.md, Lists).
	element := func(t arrow.DataType) arrow.DataType {
		return arrow.ListOfField(arrow.Field{Name: "element", Type: t, Nullable: true})
	}
	switch n.typ {
	case Int32:
		return arrow.PrimitiveTypes.Int32
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case Time:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case Texts:
		return element(arrow.BinaryTypes.String)
	case Object:
		return arrow.StructOf(arrowFields(n.members)...)
	case Objects:
		return element(arrow.StructOf(arrowFields(n.members)...))
	case Scores:
		return arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64)
	default: // Text, JSON
		return arrow.BinaryTypes.String
	}
}

// Fingerprint identifies the columns: the first 16 hexadecimal digits of the SHA-256 of the lines
// "path<TAB>type<LF>" of the table, in order.
func Fingerprint() string {
	h := sha256.New()
	for _, f := range table {
		fmt.Fprintf(h, "%s\t%s\n", f.Path, f.Type)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
