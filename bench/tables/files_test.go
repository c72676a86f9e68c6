package tables

import (
	"slices"
	"testing"
)

// documents is how many there are in the outputs that engines read: three months of 55 a day.
const documents = 5005

// lake is an output of three windows; what was sent can be asked for.
func lake(t *testing.T) (account, string) {
	t.Helper()
	a := serve(t, "--seed", "7", "--documents-per-day", "55", "--rate-limits", "off")
	out := t.TempDir() + "/lake"
	a.fill(t, out)
	t.Setenv("TALKWALKER_BASE_URL", a.URL)
	t.Setenv("TALKWALKER_ACCESS_TOKEN", a.Token)
	return a, out
}

func (a account) fill(t *testing.T, out string, env ...string) {
	t.Helper()
	if rows := a.export(t, out, env, "--project", a.Projects[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--split", "month", "--row-group-size", "1MiB"); rows != documents {
		t.Fatalf("%d rows", rows)
	}
}

// TestFiles_HoldTheDocuments compares every value of every column, as DuckDB reads it from the files, with the documents that
// the emulator sent, as DuckDB's JSON reader has them. All other engines are compared with that.
func TestFiles_HoldTheDocuments(t *testing.T) {
	_, out := lake(t)
	want, got := read[found](t, "oracle", out), read[found](t, "files", out)
	for _, ours := range []string{"_key", "_extra"} {
		if got.Columns[ours] == "" {
			t.Errorf("there is no column %s", ours)
		}
		delete(got.Columns, ours)
	}
	if same(t, "the files", got, want); got.Rows != documents {
		t.Errorf("%d rows", got.Rows)
	}
}

// plainly is what an engine reads that knows no lists and structs that are null.
type plainly struct {
	Rows    int64    `json:"rows"`
	Same    []string `json:"same"`
	Plainly []string `json:"plainly"`
	Differ  []string `json:"differ"`
}

// TestFiles_ReadByEngines reads the same files with each engine.
func TestFiles_ReadByEngines(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run; here: DuckDB reads the files")
	}
	_, out := lake(t)
	want := read[found](t, "files", out)
	found := everyEngine(t, out, want)
	if found.Files == 0 || found.Files*2 > found.AllFiles || found.Groups == 0 || found.Groups*2 > found.AllGroups {
		t.Errorf("pyarrow reads %d of %d files of a window, and %d of %d row groups of an ordinal", found.Files, found.AllFiles, found.Groups, found.AllGroups)
	}
	fastparquet(t, out, want, "broad")
}

// everyEngine compares what the engines read that read files whole, and returns what pyarrow found.
func everyEngine(t *testing.T, out string, want found) (arrow found) {
	t.Helper()
	for _, version := range []string{"1.5.6", "2.0.1"} {
		t.Setenv("PYTHONPATH", ".duckdb-"+version)
		got := read[found](t, "files", out)
		if same(t, "DuckDB "+version, got, want); got.Engine != version {
			t.Errorf("it is DuckDB %s", got.Engine)
		}
	}
	t.Setenv("PYTHONPATH", "")
	for _, engine := range []string{"pyarrow", "polars", "pandas"} {
		got := read[found](t, engine, out)
		if same(t, engine, got, want); engine == "pyarrow" {
			arrow = got
		}
	}
	click := read[plainly](t, "clickhouse", out)
	if click.Rows != want.Rows || len(click.Same)+len(click.Plainly) != len(want.Columns) || len(click.Same) < 40 {
		t.Errorf("ClickHouse: %d rows, the same are %d columns, except for nulls %d, others are %q", click.Rows, len(click.Same), len(click.Plainly), click.Differ)
	}
	return arrow
}

// fastparquet reads some columns only, and some of them wrong. It does the same with files of pyarrow: lists without a dictionary
// are null, and numbers with large deltas are others.
func fastparquet(t *testing.T, out string, want found, encodings string) {
	t.Helper()
	got := read[struct {
		plainly
		Refused []string `json:"refused"`
		Theirs  int      `json:"theirs"`        // lists that differ in pyarrow's file
		Numbers []string `json:"their_numbers"` // columns that do
	}](t, "fastparquet", out)
	wrong, refused, least := []string(nil), 0, 43
	if encodings == "compact" {
		wrong, refused, least = []string{"published", "indexed", "search_indexed", "reach"}, 18, 28
	}
	if got.Rows != want.Rows || len(got.Same)+len(got.Plainly) < least || got.Theirs == 0 || len(got.Refused) != refused {
		t.Errorf("fastparquet: %d rows, %d columns are the same, and %d in its time; it refuses %q, and of pyarrow's file %d lists differ", got.Rows, len(got.Same), len(got.Plainly), got.Refused, got.Theirs)
	}
	for _, name := range wrong {
		if !slices.Contains(got.Differ, name) || !slices.Contains(got.Numbers, name) {
			t.Errorf("fastparquet reads %s right, from our file or from pyarrow's: these differ there: %q", name, got.Numbers)
		}
	}
}
