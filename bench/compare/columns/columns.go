// Package columns says the product's schema in DuckDB's SQL: the type of a result chunk for read_json, the
// query that gives its members the product's columns, and one expression for each leaf, by which two
// files can be compared.
package columns

import (
	"fmt"
	"strings"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/schema"
)

// field is a row of the product's table, as a tree.
type field struct {
	name    string
	typ     schema.Type
	members []*field
}

// tree returns the top-level fields.
func tree() []*field {
	root := &field{}
	byPath := map[string]*field{"": root}
	for _, row := range schema.Fields() {
		parent, name := "", row.Path
		if i := strings.LastIndexByte(row.Path, '.'); i >= 0 {
			parent, name = strings.TrimSuffix(row.Path[:i], "[]"), row.Path[i+1:]
		}
		f := &field{name: name, typ: row.Type}
		byPath[row.Path] = f
		byPath[parent].members = append(byPath[parent].members, f)
	}
	return root.members
}

// wire is the type under which read_json reads the field.
func (f *field) wire() string {
	switch f.typ {
	case schema.Int32:
		return "INTEGER"
	case schema.Int64, schema.Time:
		return "BIGINT"
	case schema.Float64:
		return "DOUBLE"
	case schema.Texts:
		return "VARCHAR[]"
	case schema.Object:
		return object(f.members)
	case schema.Objects:
		return object(f.members) + "[]"
	case schema.Scores:
		return "MAP(VARCHAR, DOUBLE)"
	case schema.JSON:
		return "JSON"
	default:
		return "VARCHAR"
	}
}

func object(members []*field) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, duck.Name(m.name)+" "+m.wire())
	}
	return "STRUCT(" + strings.Join(parts, ", ") + ")"
}

// The place of the inner document, and of the member beside it, in a chunk.
const (
	inner  = "chunk_result.data.data"
	beside = "highlighted_data"
)

// Documents is a query that reads a file of chunks, a JSON object a line, as the product's columns
// without its own (_ordinal, _key, _extra). Times are read as the numbers they are and converted.
func Documents(file string) string {
	var document []*field
	var result []string
	var list []string
	for _, f := range tree() {
		from := inner + "." + duck.Name(f.name)
		switch {
		case strings.HasPrefix(f.name, "_"):
			continue
		case f.name == beside:
			result = append(result, duck.Name(f.name)+" "+f.wire())
			from = "chunk_result.data." + f.name
		default:
			document = append(document, f)
		}
		if f.typ == schema.Time {
			from = "make_timestamptz(" + from + " * 1000)"
		}
		list = append(list, from+" AS "+duck.Name(f.name))
	}
	chunk := "STRUCT(data STRUCT(data " + object(document) + ", " + strings.Join(result, ", ") + "))"
	return fmt.Sprintf("SELECT %s FROM read_json(%s, format = 'newline_delimited', columns = {chunk_type: 'VARCHAR', chunk_result: %s}) WHERE chunk_type = 'CT_RESULT'",
		strings.Join(list, ", "), duck.Quote(file), duck.Quote(chunk))
}

// Leaf is a column that holds values, not members.
type Leaf struct {
	// Path is the path in the product's table: "images[].url".
	Path string
	// Expr yields the leaf's values from a row: for the members of a list a list of them.
	Expr string
	// Type is the type in the product's table.
	Type schema.Type
}

// Leaves lists the product's leaves in the order of its columns, its own columns included.
func Leaves() []Leaf {
	var leaves []Leaf
	for _, f := range tree() {
		leaves = append(leaves, f.leaves(f.name, 0, func(inside string) string { return inside }, duck.Name(f.name))...)
	}
	return leaves
}

// leaves descends with the path, the depth of lists, what wraps an expression on the innermost element,
// and the expression of the field itself there.
func (f *field) leaves(path string, depth int, wrap func(string) string, expr string) []Leaf {
	switch f.typ {
	case schema.Object:
		var leaves []Leaf
		for _, m := range f.members {
			leaves = append(leaves, m.leaves(path+"."+m.name, depth, wrap, expr+"."+duck.Name(m.name))...)
		}
		return leaves
	case schema.Objects:
		element := fmt.Sprintf("e%d", depth)
		within := func(inside string) string {
			return wrap(fmt.Sprintf("list_transform(%s, lambda %s: %s)", expr, element, inside))
		}
		var leaves []Leaf
		for _, m := range f.members {
			leaves = append(leaves, m.leaves(path+"[]."+m.name, depth+1, within, element+"."+duck.Name(m.name))...)
		}
		return leaves
	default:
		return []Leaf{{Path: path, Expr: wrap(expr), Type: f.typ}}
	}
}
