package tables

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// manyRecords is an output of one file, whose row groups hold several records: column chunks begin with pages of a dictionary
// and go on with others.
func manyRecords(t *testing.T, encodings string) string {
	t.Helper()
	a := serve(t, "--seed", "8", "--documents-per-day", "5000", "--rate-limits", "off")
	out := filepath.Join(t.TempDir(), "lake")
	if rows := a.export(t, out, nil, "--project", a.Projects[0], "--start", "2024-01-01", "--stop", "2024-01-05", "--split", "none", "--encodings", encodings); rows != 20_000 {
		t.Fatalf("%d rows", rows)
	}
	t.Setenv("TALKWALKER_BASE_URL", a.URL)
	t.Setenv("TALKWALKER_ACCESS_TOKEN", a.Token)
	found := script[map[string][]string](t, "chunks.py", "encodings", out)
	texts := "PLAIN RLE_DICTIONARY"
	if encodings == "compact" {
		texts = "DELTA_LENGTH_BYTE_ARRAY RLE_DICTIONARY"
	}
	for name, pages := range map[string]string{"matched_profile.list.element": texts, "world_data.country": texts, "world_data.longitude": "PLAIN RLE_DICTIONARY"} {
		if !slices.Contains(found[pages], name) {
			t.Errorf("the column %s has no chunk of the pages %s; these have: %v", name, pages, found)
		}
	}
	return out
}

// TestChunks_OfSeveralEncodings reads such an output with each engine, and the tables over it.
func TestChunks_OfSeveralEncodings(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run, as are the other files that all engines read")
	}
	for _, encodings := range []string{"broad", "compact"} {
		t.Run(encodings, func(t *testing.T) {
			out := manyRecords(t, encodings)
			want := read[found](t, "files", out)
			ours := found{Rows: want.Rows, Columns: map[string]string{}}
			for name, sum := range want.Columns {
				if name != "_key" && name != "_extra" { // the documents have no value for them
					ours.Columns[name] = sum
				}
			}
			same(t, "the files", ours, read[found](t, "oracle", out))
			everyEngine(t, out, want)
			fastparquet(t, out, want, encodings)
			tool(t, "register", out, "--format=delta")
			same(t, "delta-rs", read[found](t, "delta-rs", out), want)
			same(t, "DuckDB, Delta", read[found](t, "duckdb-delta", out), want)
			icebergOf(t, out, encodings)
		})
	}
}

// icebergOf reads the Iceberg table over an output, and what Spark reads with it.
func icebergOf(t *testing.T, out, encodings string) {
	catalog := filepath.Join(t.TempDir(), "catalog.db")
	tool(t, "register", out, "--format=iceberg", "--catalog=sql:sqlite:///"+catalog, "--table=docs.talkwalker")
	want := ask[inIceberg](t, "files", out)
	same(t, "PyIceberg", ask[inIceberg](t, "pyiceberg", catalog).found, ask[inIceberg](t, "files-blind", out).found)
	same(t, "DuckDB, Iceberg", ask[inIceberg](t, "duckdb", catalog).found, want.found)
	readers := script[map[string]struct {
		found
		Problem string
	}](t, "chunks.py", "spark", out, catalog, t.TempDir())
	if len(readers) != 4 {
		t.Errorf("Spark has %d readers", len(readers))
	}
	for reader, got := range readers {
		wanted := found{Rows: want.Rows, Columns: want.Columns}
		if reader == "Iceberg, batches" { // of flat columns
			if encodings == "compact" { // as the manual says
				if !strings.Contains(got.Problem, "DELTA_BYTE_ARRAY. Disable vectorized reads") {
					t.Errorf("Iceberg's reader for batches reads delta encodings, or fails otherwise: %d rows, %s", got.Rows, got.Problem)
				}
				continue
			}
			wanted.Columns = map[string]string{}
			for name := range got.Columns {
				wanted.Columns[name] = want.Columns[name]
			}
			if len(wanted.Columns) < 30 {
				t.Errorf("%s: %d columns", reader, len(wanted.Columns))
			}
		}
		if same(t, reader, got.found, wanted); got.Problem != "" {
			t.Errorf("%s: %s", reader, got.Problem)
		}
	}
}
