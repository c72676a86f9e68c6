package tables

import "testing"

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
	files := len(want.Columns) // window_start and all others
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
		same(t, engine, got, want)
		if engine == "pyarrow" && (got.Files == 0 || got.Files*2 > got.AllFiles || got.Groups == 0 || got.Groups*2 > got.AllGroups) {
			t.Errorf("pyarrow reads %d of %d files of a window, and %d of %d row groups of an ordinal", got.Files, got.AllFiles, got.Groups, got.AllGroups)
		}
	}
	click := read[plainly](t, "clickhouse", out)
	if click.Rows != documents || len(click.Same)+len(click.Plainly) != files || len(click.Same) < 40 {
		t.Errorf("ClickHouse: %d rows, the same are %d columns, except for nulls %d, others are %q", click.Rows, len(click.Same), len(click.Plainly), click.Differ)
	}
	// Its fault: it reads lists without a dictionary as null in files of pyarrow, too.
	fast := read[struct {
		plainly
		Theirs int `json:"theirs"`
	}](t, "fastparquet", out)
	if fast.Rows != documents || len(fast.Same)+len(fast.Plainly) < 43 || fast.Theirs == 0 {
		t.Errorf("fastparquet: %d rows, %d columns are the same, and %d in its time; of pyarrow's file %d lists differ", fast.Rows, len(fast.Same), len(fast.Plainly), fast.Theirs)
	}
}
