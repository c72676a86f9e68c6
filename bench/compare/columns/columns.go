// Package columns says the product's schema in the languages of its rivals: queries of DuckDB and ClickHouse that
// give a result chunk's members the product's columns, a tree for Polars, and for each leaf an expression in
// DuckDB's SQL, by which two files can be compared.
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

// Beside is the one column that lies beside the inner document in a chunk, not in it.
const Beside = "highlighted_data"

// inner is the place of the inner document in a chunk.
const inner = "chunk_result.data.data"

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
		case f.name == Beside:
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
