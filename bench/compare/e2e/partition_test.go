package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tw2parquet/bench/compare/duck"
)

// halfDays exports four windows that start at midnight, at an hour, at a fraction of a second, and at
// midnight again, into one output.
func halfDays(t *testing.T) (a *account, out string) {
	cfg := small()
	cfg.DocumentsPerDay = 20
	a = serve(t, cfg)
	out = a.output()
	for _, w := range [][2]string{
		{"2024-01-01", "2024-01-01T12:00:00Z"}, {"2024-01-01T12:00:00Z", "2024-01-01T18:00:00.25Z"},
		{"2024-01-01T18:00:00.25Z", "2024-01-02"}, {"2024-01-02", "2024-01-03"},
	} {
		a.export(0, out, "--split", "none", "--start", w[0], "--stop", w[1])
	}
	return a, out
}

// TestPartition_IsSpelledAsDuckDBSpellsIt compares the folders with those that DuckDB makes for the same times.
func TestPartition_IsSpelledAsDuckDBSpellsIt(t *testing.T) {
	_, out := halfDays(t)
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	theirs := t.TempDir()
	for _, c := range []string{"DATE '2024-01-01'", "DATE '2024-01-02'", "TIMESTAMP '2024-01-01 12:00:00'", "TIMESTAMP '2024-01-01 18:00:00.25'"} {
		if err := db.Exec(t.Context(), "COPY (SELECT 1 AS x, "+c+" AS window_start) TO "+duck.Quote(theirs)+" (FORMAT parquet, PARTITION_BY (window_start), OVERWRITE_OR_IGNORE)"); err != nil {
			t.Fatal(err)
		}
	}
	folders := func(root string) (names []string) {
		found, err := filepath.Glob(filepath.Join(root, "window_start=*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			names = append(names, filepath.Base(name))
		}
		return names
	}
	if got, want := folders(out), folders(theirs); !slices.Equal(got, want) {
		t.Errorf("folders are %q, want %q", got, want)
	}
}

// manualQuery finds a query of the manual by what it must hold, asked of out.
func manualQuery(t *testing.T, holds, out string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "cmd", "tw2parquet", "help", "files.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllSubmatch(text, -1) {
		if query := string(block[1]); strings.Contains(query, holds) {
			return strings.ReplaceAll(query, "'lake/", "'"+strings.ReplaceAll(out, "'", "''")+"/")
		}
	}
	t.Fatalf("no query in files.md has %s", holds)
	return ""
}

// TestPartition_FolderWithBothCasts runs what the manual says about a folder with dates and timestamps, in a
// session of another time zone, and what it says without.
func TestPartition_FolderWithBothCasts(t *testing.T) {
	a, out := halfDays(t)
	a.run(0, "verify", out)
	db, err := duck.Open(t.Context(), "TimeZone = 'America/New_York'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ask := func(query string) string {
		_, rows, err := db.Text(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(rows)
	}
	query := manualQuery(t, "hive_types", out)
	if got, want := ask("SELECT window_start FROM ("+strings.TrimRight(strings.TrimSpace(query), ";")+")"),
		"[[2024-01-01 12:00:00] [2024-01-01 18:00:00.25] [2024-01-02 00:00:00]]"; got != want {
		t.Errorf("the manual's query gives %s, want %s", got, want)
	}
	glob := duck.Quote(filepath.Join(out, "*", "*.parquet"))
	if got := ask("SELECT DISTINCT typeof(window_start) FROM " + glob); got != "[[VARCHAR]]" {
		t.Errorf("without being told, DuckDB takes a folder that has both as %s", got)
	}
	// Every value casts, as text too, and lies where its window's documents are.
	if got := ask("SELECT count(*) > 0, bool_and(published IS NULL OR timezone('UTC', published) >= window_start::TIMESTAMP) FROM " + glob); got != "[[true true]]" {
		t.Errorf("documents against the cast window_start: %s", got)
	}
	if got := ask("SELECT typeof(any_value(window_start)) FROM " + duck.Quote(filepath.Join(out, "window_start=2024-01-0?", "*.parquet"))); got != "[[DATE]]" {
		t.Errorf("midnights alone are %s", got)
	}
}
