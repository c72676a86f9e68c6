package parquet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// textArray is an array of strings; "-" is a null.
func textArray(t testing.TB, texts []string) arrow.Array {
	t.Helper()
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for _, s := range texts {
		if s == "-" {
			b.AppendNull()
		} else {
			b.Append(s)
		}
	}
	return b.NewArray()
}

// Columns that hold the same are encoded once and read back as two; those that nearly do are not taken for the same.
func TestEncode_TwinsReadBack(t *testing.T) {
	const rows = 3000
	many, few := make([]string, rows), make([]string, rows)
	for i := range many {
		many[i], few[i] = fmt.Sprintf("https://example.org/%d/%s", i*i, strings.Repeat("x", i%7)), []string{"a", "b", ""}[i%3]
	}
	long := slices.Repeat([]string{strings.Repeat("A long text. ", 2000)}, textPageBytes/20_000)
	with := func(texts []string, more ...string) []string { return append(texts[:len(texts):len(texts)], more...) }
	optional := func(hint string) arrow.Field {
		return hinted(field("", arrow.BinaryTypes.String), hint)
	}
	needed := hinted(required("", arrow.BinaryTypes.String), "prefixed")
	slice := func(texts []string) arrow.Array { // begins in the middle of a byte of the bitmap
		return array.NewSlice(textArray(t, with([]string{"-", "y", "z"}, texts...)), 3, int64(3+len(texts)))
	}
	for name, c := range map[string]struct {
		first, second arrow.Field
		a, b          arrow.Array
		twins         int
	}{
		"the same":                   {optional("prefixed"), optional("prefixed"), textArray(t, many), textArray(t, many), 1},
		"with nulls":                 {optional("prefixed"), optional("prefixed"), textArray(t, with(many, "-", "", "-")), textArray(t, with(many, "-", "", "-")), 1},
		"the second is looked up":    {optional("prefixed"), optional("prefixed lookup"), textArray(t, with(many, "-")), textArray(t, with(many, "-")), 1},
		"the first is looked up":     {optional("prefixed lookup"), optional("prefixed"), textArray(t, many), textArray(t, many), 1},
		"a dictionary":               {optional("prefixed"), optional("prefixed lookup"), textArray(t, few), textArray(t, few), 1},
		"no values":                  {optional("prefixed"), optional("prefixed"), textArray(t, []string{"-", "-"}), textArray(t, []string{"-", "-"}), 0},
		"neither is optional":        {needed, needed, textArray(t, many), textArray(t, many), 1},
		"one is optional":            {needed, optional("prefixed"), textArray(t, many), textArray(t, many), 0},
		"another class":              {optional("prefixed"), optional(""), textArray(t, many), textArray(t, many), 0},
		"null and empty swapped":     {optional("prefixed"), optional("prefixed"), textArray(t, with(many, "", "-")), textArray(t, with(many, "-", "")), 0},
		"another byte":               {optional("prefixed"), optional("prefixed"), textArray(t, with(many, "x")), textArray(t, with(many, "y")), 0},
		"the same bytes, cut others": {optional("prefixed"), optional("prefixed"), textArray(t, with(many, "xy", "z")), textArray(t, with(many, "x", "yz")), 0},
		"slices of other arrays":     {optional("prefixed"), optional("prefixed"), slice(many), slice(many), 1},
		"a slice and a whole":        {optional("prefixed"), optional("prefixed"), slice(with(many, "-")), textArray(t, with(many, "-")), 0},
		"texts of one page":          {optional("long"), optional("long"), textArray(t, many), textArray(t, many), 1},
		"texts that tasks share":     {optional("long"), optional("long"), textArray(t, long), textArray(t, long), 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.first.Name, c.second.Name = "a", "b"
			schema := arrow.NewSchema([]arrow.Field{c.first, c.second}, nil)
			rec := array.NewRecordBatch(schema, []arrow.Array{c.a, c.b}, int64(c.a.Len()))
			other := makeRecord(schema, 1, 500, 30, func(i int) bool { return c.first.Nullable && i%5 == 0 })
			for _, encodings := range bothEncodings() {
				e := NewEncoder(schema, Compression{}, encodings)
				g := encodeAll(t, e, rec)
				if got := len(g.chunks[0].twins); got != c.twins {
					t.Errorf("%s: %d twins, want %d", encodings, got, c.twins)
				}
				for _, limits := range []RowGroupLimits{{}, together} {
					data := encodeGroups(t, e, limits, nil, rec, other, rec)
					checkFile(t, data, rec, other, rec)
					if strings.Contains(hintOf(c.second), "lookup") {
						checkFilter(t, data, 0, 1, rec)
					}
				}
			}
		})
	}
}

func hintOf(f arrow.Field) string {
	hint, _ := f.Metadata.GetValue(HintKey)
	return hint
}

// Addresses are worth it: the three columns of them that a first post has are compressed once.
func TestEncode_TwinsAreCompressedOnce(t *testing.T) {
	var fields []arrow.Field
	var columns []arrow.Array
	texts := make([]string, 5000)
	for i := range texts {
		texts[i] = fmt.Sprintf("https://example.org/%x", i*7919*i)
	}
	for _, name := range []string{"_key", "url", "parent_url"} {
		fields = append(fields, hinted(field(name, arrow.BinaryTypes.String), "prefixed"))
		columns = append(columns, textArray(t, texts))
	}
	schema := arrow.NewSchema(fields, nil)
	three := encodeAll(t, NewEncoder(schema, Compression{}, Broad), array.NewRecordBatch(schema, columns, 5000))
	alone := arrow.NewSchema(fields[:1], nil)
	one := encodeAll(t, NewEncoder(alone, Compression{}, Broad), array.NewRecordBatch(alone, columns[:1], 5000))
	if three.pages.size != one.pages.size {
		t.Errorf("three columns take %d bytes, one %d", three.pages.size, one.pages.size)
	}
}
