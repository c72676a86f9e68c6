// Package tables holds tables over an output against the engines that read them: `make tables`.
package tables

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// found is what an engine read.
type found struct {
	Rows    int64             `json:"rows"`
	Columns map[string]string `json:"columns"` // a checksum of all values, by name
	Version int64             `json:"version"`
	Files   int               `json:"files"`
	Again   int64             `json:"again"`
	Runs    int               `json:"runs"`
	Plans   []string          `json:"plans"`
	Engine  string            `json:"engine"` // its version
	Groups  int               `json:"groups"`

	AllFiles  int `json:"all_files"`
	AllGroups int `json:"all_groups"`
}

var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tw2parquet-tables-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "tw2parquet")
	build := exec.Command("go", "build", "-o", binary, "./cmd/tw2parquet")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// tool runs the program.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, t.TempDir()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, &stdout, &stderr)
	}
	return stdout.String()
}

// demo is an output of three windows.
func demo(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "lake")
	tool(t, "demo", "--out", out)
	return out
}

// read asks an engine.
func read[T any](t *testing.T, engine, out string) T {
	t.Helper()
	return script[T](t, "engines.py", engine, out, t.TempDir(), binary)
}

// script runs one of the scripts, and reads what it prints.
func script[T any](t *testing.T, args ...string) (result T) {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(python, args...)
	cmd.Stderr, cmd.WaitDelay = &stderr, time.Minute // Spark's Java outlives the script by a moment
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", args[:2], err, tail(stderr.String()))
	}
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatalf("%s: %v\n%s", args[:2], err, text)
	}
	return result
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// same compares every value of every column.
func same(t *testing.T, what string, got, want found) {
	t.Helper()
	if got.Rows != want.Rows || len(got.Columns) != len(want.Columns) || want.Rows == 0 {
		t.Errorf("%s: %d rows and %d columns, want %d and %d", what, got.Rows, len(got.Columns), want.Rows, len(want.Columns))
	}
	for name, sum := range want.Columns {
		if got.Columns[name] != sum {
			t.Errorf("%s: column %s differs", what, name)
		}
	}
}

// TestDelta_ReadersAgree registers an output and reads the table: it is what the files are. Then another writer compacts it.
func TestDelta_ReadersAgree(t *testing.T) {
	out := demo(t)
	want := read[found](t, "files", out)
	tool(t, "register", out, "--format", "delta")
	rs := read[found](t, "delta-rs", out)
	same(t, "delta-rs", rs, want)
	if rs.Version != 0 || rs.Files != 9 {
		t.Errorf("delta-rs finds %d files in version %d", rs.Files, rs.Version)
	}
	duck := read[found](t, "duckdb-delta", out)
	same(t, "DuckDB", duck, want)
	for _, plan := range duck.Plans {
		if !strings.Contains(plan, "Scanning Files: 3/9") {
			t.Errorf("DuckDB skips no files:\n%s", plan)
		}
	}
	compacted := read[found](t, "delta-rs-compacts", out)
	same(t, "compacted", compacted, want)
	if compacted.Files != 3 || compacted.Version != 1 {
		t.Errorf("compacted to %d files in version %d", compacted.Files, compacted.Version)
	}
	tool(t, "verify", out) // what delta-rs wrote is not a stranger's
	// Our registrar reads the checkpoint of another writer, and adds nothing that is there.
	if said := tool(t, "register", out, "--format", "delta", "--output", "json"); strings.Count(said, `"known"`) != 3 {
		t.Errorf("%s", said)
	}
	if err := os.RemoveAll(filepath.Join(out, "_delta_log", "00000000000000000000.json")); err != nil {
		t.Fatal(err)
	}
	text := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u"}}}}` + "\n" + `{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}` + "\n"
	in := filepath.Join(t.TempDir(), "one.ndjson")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "convert", in, "--out", out)
	tool(t, "register", out, "--format", "delta")
	if after := read[found](t, "delta-rs", out); after.Rows != want.Rows+1 || after.Version != 2 || after.Files != 4 {
		t.Errorf("after a checkpoint of delta-rs: %d rows, %d files, version %d", after.Rows, after.Files, after.Version)
	}
}

// TestDelta_Registrars starts several processes at once over one output, on a disk that they share.
func TestDelta_Registrars(t *testing.T) {
	out := demo(t)
	want := read[found](t, "files", out)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			cmd := exec.Command(binary, "register", out, "--format", "delta")
			if text, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 30 {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	group.Wait()
	tool(t, "register", out, "--format", "delta")
	same(t, "delta-rs", read[found](t, "delta-rs", out), want)
}

// TestDuckLake_RunsThePrintedSQL runs it twice, with a compaction between.
func TestDuckLake_RunsThePrintedSQL(t *testing.T) {
	out := demo(t)
	want := read[found](t, "files", out)
	got := read[found](t, "ducklake", out)
	same(t, "DuckLake", got, want)
	if got.Again != want.Rows || got.Runs != 3 {
		t.Errorf("%d rows of %d runs after the second time", got.Again, got.Runs)
	}
}

// TestSpark_ReadsTables runs the statements for Spark and, in Spark's Hive dialect, for Athena; and reads the Delta table.
func TestSpark_ReadsTables(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run; here: delta-rs and DuckDB read the table, and a parser the statements")
	}
	out := demo(t)
	want := read[found](t, "files", out)
	tool(t, "register", out, "--format", "delta")
	for kind, got := range read[map[string]found](t, "spark", out) {
		same(t, kind, got, want)
	}
}

// TestDialects_Parse lets a library that knows the dialects read statements for services.
func TestDialects_Parse(t *testing.T) {
	out := demo(t)
	got := read[map[string]struct {
		Statements []string
		Columns    map[string]string
	}](t, "dialects", out)
	for dialect, statements := range map[string]string{"bigquery": "create", "athena": "create alter alter alter", "spark": "create alter alter alter"} {
		g := got[dialect]
		if strings.Join(g.Statements, " ") != statements || len(g.Columns) < 65 {
			t.Errorf("%s: %v, %d columns", dialect, g.Statements, len(g.Columns))
		}
	}
}
