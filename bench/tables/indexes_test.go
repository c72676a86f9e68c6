package tables

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unread is what an engine reads for conditions that exclude most. Some engines tell row groups, some rows.
type unread struct {
	Files      int `json:"files"`
	DeltaFiles int `json:"delta_files"` // of the Delta table, through Spark
	Statistics int `json:"statistics"`  // a condition that the bounds of one of two row groups exclude
	Bloom      int `json:"bloom"`       // one that a Bloom filter excludes
	Absent     int `json:"absent"`      // one that both Bloom filters exclude
	Pages      int `json:"pages"`       // one that the bounds of pages exclude
}

// index asks an engine what it reads of two outputs.
func index[T any](t *testing.T, engine, windows, many string) T {
	t.Helper()
	return script[T](t, "indexes.py", engine, windows, many, t.TempDir())
}

// manyRows is an output of one file with two row groups.
func manyRows(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	for i := range 196_000 { // two records: a third would be a row group of its own
		fmt.Fprintf(&text, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.com/%08d/page","external_id":"x%dq","published":%d,"title":"t%d"}}}}`+"\n",
			i, i*7919%200_003, 1700000000000+i*1000, i%97)
	}
	text.WriteString(`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n")
	in := filepath.Join(t.TempDir(), "many.ndjson")
	if err := os.WriteFile(in, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "many")
	tool(t, "convert", in, "--out", out)
	tool(t, "register", out, "--format", "delta")
	return out
}

// TestIndexes_LeaveUnread holds what engines leave unread against the manual's table: files by their folders, row groups by bounds
// and by Bloom filters, pages by the page index.
func TestIndexes_LeaveUnread(t *testing.T) {
	windows, many := demo(t), manyRows(t)
	tool(t, "register", windows, "--format", "delta")
	groups := index[[]int](t, "groups", windows, many)
	if len(groups) != 2 || groups[0] > 150_000 {
		t.Fatalf("row groups of %v rows; the conditions are made for one of fewer than 150,000 rows, and a second", groups)
	}
	_, table, _ := strings.Cut(manual(t), "## What is left unread")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, engine := range []struct {
		name, row string
		rows      bool // it tells rows, of pages at least
		path      string
	}{
		{"duckdb", "DuckDB", false, ""},
		{"duckdb", "DuckDB", false, ".duckdb-1.5.6"},
		{"duckdb", "DuckDB", false, ".duckdb-2.0.1"},
		{"pyarrow", "pyarrow", false, ""},
		{"polars", "polars", false, ""},
		{"delta-rs", "delta-rs", true, ""},
		{"clickhouse", "ClickHouse (chdb)", true, ""},
		{"spark", "Spark", true, ""},
	} {
		if testing.Short() && (engine.name == "spark" || engine.path != "") {
			continue // left to the full run, which has them
		}
		t.Run(engine.name+engine.path, func(t *testing.T) {
			t.Setenv("PYTHONPATH", engine.path)
			got := index[unread](t, engine.name, windows, many)
			one := func(n int) bool { return n == 1 || engine.rows && (n == groups[0] || n == groups[1]) }
			files := got.Files == 3 && (engine.name != "spark" || got.DeltaFiles == 3)   // of 9
			last := got.Statistics == 1 || engine.rows && got.Statistics == groups[1]    // 150,000 and more
			bloom := one(got.Bloom) && got.Absent == 0                                   // of 2 and 2
			pages := engine.rows && got.Pages > 0 && got.Pages*2 <= groups[1]            // of the rows of one group
			cells := []string{engine.row, yes(files), yes(last), yes(bloom), yes(pages)} // as the manual has them
			if line := "| " + strings.Join(cells, " | ") + " |"; !strings.Contains(table, "\n"+line+"\n") || !files || !last {
				t.Errorf("the manual does not say %s; found were %+v, and row groups of %v rows", line, got, groups)
			}
		})
	}
	if lines := strings.Count(table, "\n| "); lines != 8 { // with the head
		t.Errorf("the table has %d lines", lines)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
