package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/sink"
	"tw2parquet/source/emulator"
)

// A run is dropped, its time is a gap, and the next export buys it in the next generation.
func TestDrop_ThenBuyAgain(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1})
	if code, _, stderr := x.export(t.Context(), "--limit=10"); code != exitTruncated {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	first := x.runOf(t, 0)
	for _, args := range [][]string{{"drop", x.out}, {"drop", x.out, "nonesuch", "--yes"}, {"drop", x.out, first}, {"drop", x.out, first, "--before=2025-01-01"}} {
		if code, stdout, stderr := call(t, args...); code != exitUsage {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if code, stdout, stderr := call(t, "drop", x.out, "--before=2024-03-01", "--dry-run"); code != exitOK || !strings.Contains(stdout, first) || strings.Count(stdout, "complete") != 2 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := call(t, "drop", x.out, first, "--yes"); code != exitOK || !strings.Contains(stdout, "2024-01-01") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	records, err := filepath.Glob(filepath.Join(x.out, "_tw2parquet", first, "*.json*"))
	files, _ := filepath.Glob(filepath.Join(x.out, "*", "part-"+first+"-*"))
	if err != nil || len(records) != 1 || filepath.Base(records[0]) != sink.DroppedRecord || len(files) != 0 {
		t.Errorf("left: %v, %v, %v", records, files, err)
	}
	var note struct {
		Rows   int64
		TaskID string `json:"task_id"`
		Asked  struct{ Limit int }
	}
	if text, err := os.ReadFile(records[0]); err != nil || json.Unmarshal(text, &note) != nil || note.Rows != 10 || note.TaskID == "" || note.Asked.Limit != 10 {
		t.Errorf("%+v, %v", note, err)
	}
	code, r, stderr := x.export(t.Context())
	if code != exitTruncated || x.Ledger().ExportPosts() != 4 || len(r.Windows) != 3 || r.Windows[0].Rows != 62 || r.Windows[0].Run == first || r.Windows[0].Truncated {
		t.Fatalf("exit %d, %d posts, %+v\n%s", code, x.Ledger().ExportPosts(), r, stderr)
	}
	text, err := os.ReadFile(filepath.Join(x.out, "_tw2parquet", r.Windows[0].Run, "request.json"))
	if err != nil || !strings.Contains(string(text), `"generation":2`) {
		t.Errorf("%s, %v", text, err)
	}
	if code, _, stderr := x.export(t.Context()); code != exitTruncated || x.Ledger().ExportPosts() != 4 {
		t.Errorf("again: exit %d, %d posts\n%s", code, x.Ledger().ExportPosts(), stderr)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	// A file that arrives late is found.
	data, err := os.ReadFile(filepath.Join(x.out, r.Windows[0].Files[0]))
	if err == nil {
		err = os.WriteFile(filepath.Join(x.out, "window_start=2024-01-01", sink.PartName(first, 0, 0)), data, 0o600)
	}
	if code, stdout, _ := call(t, "verify", x.out); err != nil || code != exitForeign || !strings.Contains(stdout, "was dropped") {
		t.Errorf("exit %d, %v\n%s", code, err, stdout)
	}
}

// While a run is being dropped its time counts as covered, its own export is refused, and the next drop ends it.
func TestDrop_HalfDone(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	if code, _, stderr := x.export(t.Context(), "--stop=2024-03-01"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	first, second := x.runOf(t, 0), x.runOf(t, 1)
	dir := filepath.Join(x.out, "_tw2parquet", first)
	text, err := os.ReadFile(filepath.Join(dir, "request.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, sink.DroppingRecord), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if code, r, stderr := x.export(t.Context(), "--stop=2024-03-01"); code != exitForeign || !strings.Contains(stderr, "being dropped") || r.Windows[1].Error != nil || x.Ledger().ExportPosts() != 2 {
		t.Errorf("exit %d, %+v\n%s", code, r, stderr)
	}
	if code, _, stderr := x.export(t.Context(), "--stop=2024-01-03", "--split=day"); code != exitOK || x.Ledger().ExportPosts() != 2 {
		t.Errorf("exit %d, %d posts\n%s", code, x.Ledger().ExportPosts(), stderr)
	}
	if code, stdout, stderr := call(t, "drop", x.out, second, "--yes"); code != exitOK || strings.Count(stdout, "\n") != 3 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if left, _ := filepath.Glob(filepath.Join(x.out, "*", "part-*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// runOf is the run of a window as the limit of its request made it.
func (x *trial) runOf(t *testing.T, month int) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(x.out, x.request(month).Start.Format("window_start=2006-01-02"), "part-*-00000.parquet"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	run, _, _, _ := sink.PartOf(filepath.Base(names[0]))
	return run
}
