package bench_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	parquetgo "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"tw2parquet/bench"
	"tw2parquet/schema"
	"tw2parquet/sink/parquet"
)

// A field is one row of the schema's table: no package behind it names one.
func TestFields_AreNamedInOneFile(t *testing.T) {
	names := map[string]bool{}
	for _, f := range schema.Fields() {
		names[f.Path] = true
	}
	// Who reads documents back (sink/dataset) knows some of them.
	for _, root := range []string{"../sink", "../pipeline"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "dataset" {
				return fs.SkipDir
			}
			if err != nil || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if text, err := strconv.Unquote(lit.Value); err == nil && names[text] && !allowed[name+" "+text] {
						t.Errorf("%s names the field %s", name, text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// allowed are words that only look like a field.
var allowed = map[string]bool{"../sink/publish.go published": true, "../sink/store/storetest/s3.go url": true}

// What the table says of a field's values arrives in the file: Bloom filters where documents are looked up,
// and no dictionary for texts.
func TestFields_HintsReachTheFile(t *testing.T) {
	e := schema.NewEncoder()
	chunks, err := bench.Corpus{Seed: 1, Results: 300}.Chunks()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range chunks {
		if err := e.Append(c, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	encoder := parquet.NewEncoder(schema.Arrow(), parquet.Compression{}, parquet.Compact)
	tasks, group := encoder.Encode(e.Record())
	for _, task := range tasks {
		if err := task(); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w := parquet.NewWriter(&out, encoder, parquet.RowGroupLimits{})
	if err := w.Append(group); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(parquet.Metadata{}); err != nil {
		t.Fatal(err)
	}
	f, err := parquetgo.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]schema.Hint{}
	for _, field := range schema.Fields() {
		want[strings.ReplaceAll(field.Path, "[]", ".list.element")] = field.Hints
	}
	seen := 0
	for _, c := range f.Metadata().RowGroups[0].Columns {
		hints := want[strings.Join(c.MetaData.PathInSchema, ".")]
		if got := c.MetaData.BloomFilterOffset > 0; got != slices.Contains(hints, schema.LookedUp) {
			t.Errorf("%v: Bloom filter %v", c.MetaData.PathInSchema, got)
		}
		if slices.Contains(hints, schema.Prefixed) && slices.Contains(c.MetaData.Encoding, format.DeltaByteArray) {
			seen++
		}
		if slices.Contains(hints, schema.Long) && c.MetaData.DictionaryPageOffset > 0 {
			t.Errorf("%v: texts in a dictionary", c.MetaData.PathInSchema)
		}
	}
	if seen == 0 {
		t.Error("no column of prefixed values is written as one")
	}
}
