package schema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

const testdata = "../testdata"

// documents returns the recorded forms of result chunks by name.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, "documents", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	chunks := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		chunks[filepath.Base(file)] = text
	}
	return chunks
}

// rowJSON renders a row as Arrow prints it, without null columns and members.
func rowJSON(t *testing.T, rec arrow.RecordBatch, row int) any {
	t.Helper()
	values := map[string]any{}
	for i, col := range rec.Columns() {
		if col.IsValid(row) {
			values[rec.ColumnName(i)] = col.GetOneForMarshal(row)
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return prune(v)
}

// prune removes members that are null.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x == nil {
				delete(v, k)
			} else {
				prune(x)
			}
		}
	case []any:
		for _, x := range v {
			prune(x)
		}
	}
	return v
}

// TestAppend_GoldenRows compares whole rows with rows that were not written by this program.
func TestAppend_GoldenRows(t *testing.T) {
	e, r := NewEncoder(), NewRebuilder()
	for name, chunk := range documents(t) {
		t.Run(name, func(t *testing.T) {
			e.Reset()
			if err := e.Append(chunk, 7); err != nil {
				t.Fatal(err)
			}
			rec := e.Record()
			checkRecord(t, rec)
			checkRow(t, r, rec, 0, chunk)
			text, err := os.ReadFile(filepath.Join(testdata, "golden", name))
			if err != nil {
				t.Fatal(err)
			}
			want, err := decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := same("", want, rowJSON(t, rec, 0)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDocuments_CoverTheTable holds that every column has a golden value somewhere.
func TestDocuments_CoverTheTable(t *testing.T) {
	e := NewEncoder()
	for _, chunk := range documents(t) {
		if err := e.Append(chunk, 0); err != nil {
			t.Fatal(err)
		}
	}
	var walk func(nodes []*node, columns []*column)
	walk = func(nodes []*node, columns []*column) {
		for i, n := range nodes {
			c := columns[i]
			if c.nulls() == c.n {
				t.Errorf("%s is null in all documents", n.path)
			}
			if n.typ == Objects {
				c = c.kids[0]
			}
			walk(n.members, c.kids)
		}
	}
	walk(tree(), e.columns)
}
