package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// inTable are the files that the Delta log of an output has, by encoding/json alone, and how many commits it took.
func inTable(t *testing.T, out string) (files []string, commits int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "_delta_log", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	active := map[string]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var a struct{ Add, Remove *struct{ Path string } }
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			if a.Add != nil {
				if active[a.Add.Path] {
					t.Errorf("%s was added twice", a.Add.Path)
				}
				active[a.Add.Path] = true
			}
			if a.Remove != nil {
				delete(active, a.Remove.Path)
			}
		}
	}
	for name := range active {
		files = append(files, name)
	}
	slices.Sort(files)
	return files, len(names)
}

// onDisk are the data files of an output.
func onDisk(t *testing.T, out string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "window_start=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if names[i], err = filepath.Rel(out, name); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	return names
}

// A table follows an output through export, re-runs, refetching and dropping.
func TestRegister_FollowsAnOutput(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	same := func(what string, commits int) {
		t.Helper()
		files, n := inTable(t, x.out)
		if want := onDisk(t, x.out); !slices.Equal(files, want) || n != commits {
			t.Errorf("%s: the table has %q after %d commits (want %d); on disk are %q", what, files, n, commits, want)
		}
	}
	if code, _, stderr := x.export(t.Context(), "--register"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	same("export", 3) // one after each window
	for _, flags := range [][]string{{"--register"}, {"--register", "--format=delta", "--split=none"}, nil} {
		if code, _, stderr := x.export(t.Context(), flags...); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		same("again", 3)
	}
	if s := x.status(); !slices.Equal(s.Runs[0].Tables, []string{"delta"}) {
		t.Errorf("status knows of %v", s.Runs[0].Tables)
	}
	if _, stdout, _ := x.tool("status", x.out); !strings.Contains(stdout, "In the Delta table: 3 of 3 runs.") {
		t.Error(stdout)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
	}

	lost := onDisk(t, x.out)[0]
	if err := os.Remove(filepath.Join(x.out, lost)); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := call(t, "verify", x.out); code != exitForeign || !strings.Contains(stdout, lost+": the Delta table has it") {
		t.Errorf("verify: exit %d\n%s", code, stdout)
	}
	if code, _, stderr := x.export(t.Context(), "--refetch", "--register"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if slices.Contains(onDisk(t, x.out), lost) {
		t.Fatal("it was not written again")
	}
	same("refetch", 4)
	// A table that has the run is told of new files whether it is asked for or not; and the old one is there until it was told.
	log := filepath.Join(x.out, "_delta_log")
	for i, damage := range []func(name string) error{func(name string) error { return os.WriteFile(name, []byte("damaged"), 0o600) }, os.Remove} {
		if err := damage(filepath.Join(x.out, onDisk(t, x.out)[1])); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(log, "00000000000000000002.json"), filepath.Join(log, "kept")); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second one opens a complete run
			if code, r, _ := x.export(t.Context(), "--refetch"); code != exitRegister || r.Error.Code != "table_damaged" || len(onDisk(t, x.out)) != 4-i {
				t.Fatalf("exit %d, %+v, %q", code, r.Error, onDisk(t, x.out))
			}
		}
		if err := os.Rename(filepath.Join(log, "kept"), filepath.Join(log, "00000000000000000002.json")); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := x.export(t.Context()); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		same("refetch without --register", 5+i)
	}

	run := x.status().Runs[1].Run
	if code, _, stderr := x.tool("drop", x.out, run, "--yes"); code != exitUsage || !strings.Contains(stderr, "--unregister") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	same("refused", 6)
	if code, _, stderr := x.tool("drop", x.out, run, "--yes", "--unregister"); code != exitOK {
		t.Errorf("exit %d, %s", code, stderr)
	}
	same("dropped", 7)
	if code, stdout, _ := call(t, "register", x.out, "--format=delta", "--output=json"); code != exitOK || strings.Count(stdout, `"known"`) != 2 {
		t.Errorf("exit %d, %s", code, stdout)
	}
	same("after all", 7)
}

// In a bucket, with windows side by side; and one that ignores conditions gets no table, because commits would be lost.
func TestRegister_InABucket(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	b := newBucket(t)
	x.out = b.url("lake")
	for range 2 {
		if code, _, stderr := x.export(t.Context(), "--register", "--parallel=3"); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
	}
	commits, added, files := 0, 0, 0
	for name, text := range b.Files() {
		if strings.HasPrefix(name, "lake/_delta_log/") {
			commits++
			added += strings.Count(string(text), `{"add":`)
		}
		if strings.HasSuffix(name, ".parquet") {
			files++
		}
	}
	if commits != 3 || added != files || files != 3 {
		t.Errorf("%d commits added %d files, %d are there", commits, added, files)
	}
	loose := newBucket(t)
	loose.loose.Store(true)
	x.out = loose.url("lake")
	if code, r, _ := x.export(t.Context(), "--register", "--unsafe-overwrite"); code != exitStorage || r.Error.Code != withoutConditions || r.Rows == 0 {
		t.Errorf("exit %d, %+v", code, r.Error)
	}
	for name := range loose.Files() {
		if strings.Contains(name, "_delta_log") {
			t.Errorf("%s was put", name)
		}
	}
}

// A table that cannot take a window fails the export with 54, but not the data, and the next run registers.
func TestRegister_FailsTheCommandAndNotTheData(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	log := filepath.Join(x.out, "_delta_log")
	if err := os.MkdirAll(log, 0o755); err != nil {
		t.Fatal(err)
	}
	schema := `{"type":"struct","fields":[{"name":"reach","type":"string","nullable":true,"metadata":{}},{"name":"window_start","type":"string","nullable":true,"metadata":{}}]}`
	text := fmt.Sprintf(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}
{"metaData":{"id":"x","format":{"provider":"parquet","options":{}},"schemaString":%q,"partitionColumns":["window_start"],"configuration":{}}}
`, schema)
	first := filepath.Join(log, "00000000000000000000.json")
	if err := os.WriteFile(first, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, r, _ := x.export(t.Context(), "--register")
	if code != exitRegister || r.Error == nil || r.Error.Code != "table_types" || r.Error.Retryable || !strings.Contains(r.Error.Message, "reach") || len(r.Windows) != 3 {
		t.Fatalf("exit %d, %+v", code, r.Error)
	}
	for _, w := range r.Windows {
		if w.Rows == 0 || w.Error == nil || w.Error.Code != "table_types" {
			t.Errorf("%+v", w)
		}
	}
	if code, _, stderr := call(t, "register", x.out, "--format=delta"); code != exitRegister || !strings.Contains(stderr, "string in the table") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := x.export(t.Context(), "--register"); code != exitOK || x.Ledger().ExportPosts() != 3 {
		t.Fatalf("exit %d after %d purchases\n%s", code, x.Ledger().ExportPosts(), stderr)
	}
	if files, _ := inTable(t, x.out); !slices.Equal(files, onDisk(t, x.out)) {
		t.Errorf("the table has %q", files)
	}
}

func TestRegister_RefusesWhatDoesNotGoTogether(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	out, _ := converted(t, 20)
	export := []string{"export", "--project=" + project, "--start=2024-01-01", "--stop=2024-02-01", "--base-url=http://127.0.0.1:1", "--out=" + t.TempDir()}
	for _, args := range [][]string{
		{"register", out}, {"register", out, "--format=delta", "--table=a.b"}, {"register", out, "--format=ducklake", "--table=a"}, {"register", out, "--format=ducklake", "--table=a.b.c"},
		{"register", out, "--format=delta", "--assume=what"}, {"register", out + "/none", "--format=delta"}, {"register", out, "norun", "--format=delta"},
		append(slices.Clone(export), "--format=delta"), append(slices.Clone(export), "--assume=missing"), append(slices.Clone(export), "--register", "--assume=what"),
	} {
		if code, stdout, stderr := call(t, args...); code != exitUsage {
			t.Errorf("%q: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(out, "_delta_log")); err == nil {
		t.Error("a table was made")
	}
}
