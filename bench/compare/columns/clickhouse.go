package columns

import (
	"fmt"
	"strings"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/schema"
)

// clickhouse is the type under which ClickHouse reads the field. It has no null for tuples, arrays and maps: an
// absent object comes as members that are all null, an absent list or map as an empty one.
func (f *field) clickhouse() string {
	switch f.typ {
	case schema.Int32:
		return "Nullable(Int32)"
	case schema.Int64, schema.Time:
		return "Nullable(Int64)"
	case schema.Float64:
		return "Nullable(Float64)"
	case schema.Texts:
		return "Array(Nullable(String))"
	case schema.Object:
		return tuple(f.members)
	case schema.Objects:
		return "Array(" + tuple(f.members) + ")"
	case schema.Scores:
		return "Map(String, Nullable(Float64))"
	default:
		return "Nullable(String)"
	}
}

func tuple(members []*field) string {
	var parts []string
	for _, m := range members {
		parts = append(parts, backquote(m.name)+" "+m.clickhouse())
	}
	return "Tuple(" + strings.Join(parts, ", ") + ")"
}

func backquote(name string) string { return "`" + name + "`" }

// ClickHouse is a query in ClickHouse's SQL that reads a file of chunks as the product's columns without _ordinal.
func ClickHouse(file string) string {
	var document, result []*field
	list := []string{"coalesce(url, external_provider || ':' || external_id) AS _key", "CAST(NULL, 'Nullable(String)') AS _extra"}
	for _, f := range tree() {
		from := "chunk_result.data.data." + backquote(f.name)
		switch {
		case strings.HasPrefix(f.name, "_"):
			continue
		case f.name == Beside:
			result = append(result, f)
			from = "chunk_result.data." + f.name
		default:
			document = append(document, f)
		}
		if f.typ == schema.Time {
			from = "fromUnixTimestamp64Micro(" + from + " * 1000, 'UTC')"
		}
		list = append(list, from+" AS "+backquote(f.name))
	}
	inside := &field{name: "data", typ: schema.Object, members: document}
	chunk := tuple([]*field{{name: "data", typ: schema.Object, members: append([]*field{inside}, result...)}})
	return fmt.Sprintf("SELECT %s FROM file(%s, 'JSONEachRow', %s) WHERE chunk_type = 'CT_RESULT'",
		strings.Join(list, ", "), duck.Quote(file), duck.Quote("chunk_type String, chunk_result "+chunk))
}
