package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// What releases wrote is kept under testdata/released: a lake with an export, a conversion that was stopped in the
// middle, the recording that it is of, and what DuckDB read from both, which judges what today's program makes of them.
const releasedDir = "../../../testdata/released"

// The range of the export holds all documents.
const releasedStart, releasedStop = "2000-01-01", "2025-01-01"

// released is a copy of what a release wrote.
type released struct {
	*account
	t                         *testing.T
	lake, recorded, recording string
	lakeRows, recordedRows    string // DuckDB's, a row a line
}

// everyKind are the results of testdata/documents, one for each kind of document there is. They are lines.
func everyKind(t *testing.T) (lines []json.RawMessage) {
	t.Helper()
	names, err := filepath.Glob("../../../testdata/documents/*.json")
	if err != nil || len(names) < 10 {
		t.Fatal(err, names)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line.Bytes())
	}
	return lines
}

// anAccount exports all kinds of documents, whatever is asked for.
func anAccount(t *testing.T, documents []json.RawMessage) *account {
	t.Helper()
	return serve(t, emulator.Config{Seed: 1, Documents: documents, NoRateLimits: true, Projects: []emulator.Project{{ID: exampleProject, Name: "Example"}}})
}

// TestReleased_IsKept writes what this release writes, with UPDATE=1 and where nothing is kept of it yet: see `make released`.
func TestReleased_IsKept(t *testing.T) {
	var v struct{ Version string }
	a := anAccount(t, everyKind(t))
	if err := json.Unmarshal([]byte(a.run(0, "version", "--output", "json").stdout), &v); err != nil {
		t.Fatal(err)
	}
	release, _, _ := strings.Cut(v.Version, "-")
	dir, err := filepath.Abs(filepath.Join(releasedDir, release))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil || os.Getenv("UPDATE") == "" {
		return // a release is written once
	}
	lines := everyKind(t)
	recording := slices.Concat(bytes.Join(rawBytes(lines), []byte("\n")), []byte("\n"+`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"end"}}`+"\n"))
	lake, recorded, cut := filepath.Join(dir, "lake"), filepath.Join(dir, "recorded"), filepath.Join(t.TempDir(), "cut.ndjson")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{filepath.Join(dir, "recording.ndjson"): recording, cut: slices.Concat(bytes.Join(rawBytes(lines[:5]), []byte("\n")), []byte("\n{"))} {
		if err := os.WriteFile(name, content, 0o644); err != nil { //nolint:gosec // everybody may read it
			t.Fatal(err)
		}
	}
	a.export(0, lake, "--project", exampleProject, "--split", "none", "--start", releasedStart, "--stop", releasedStop)
	a.run(21, "convert", cut, "--out", recorded)
	if err := os.WriteFile(filepath.Join(dir, "rows.json"), []byte(rowsOf(t, lake+"/*/*.parquet", "* EXCLUDE (_extra)")), 0o644); err != nil { //nolint:gosec // everybody may read it
		t.Fatal(err)
	}
}

func rawBytes(lines []json.RawMessage) (all [][]byte) {
	for _, l := range lines {
		all = append(all, l)
	}
	return all
}

// keptOf copies what a release wrote, without the rights that git does not keep.
func keptOf(t *testing.T, dir string, documents []json.RawMessage) *released {
	t.Helper()
	to := filepath.Join(t.TempDir(), "kept")
	if said, err := exec.CommandContext(t.Context(), "cp", "-R", dir, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	text := func(name string) string {
		content, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	return &released{
		account: anAccount(t, documents), t: t, lake: filepath.Join(to, "lake"), recorded: filepath.Join(to, "recorded"),
		recording: filepath.Join(to, "recording.ndjson"), lakeRows: text("rows.json"),
		recordedRows: strings.ReplaceAll(text("rows.json"), `,"window_start":"`+releasedStart+`"`, ""),
	}
}

// lines are the results of the recording, without its control chunk.
func recordedLines(t *testing.T, dir string) (lines []json.RawMessage) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "recording.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(`"CT_CONTROL"`)) {
			lines = append(lines, bytes.TrimSpace(line))
		}
	}
	return lines
}

// TestReleased_OutputsAreStillGood takes what each release wrote, and does everything with it that a user would after an upgrade.
func TestReleased_OutputsAreStillGood(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(releasedDir, "*", "rows.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatal(err, dirs)
	}
	for _, name := range dirs {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			r := keptOf(t, dir, recordedLines(t, dir))
			r.expectRead()
			r.expectContinued()
			r.expectBoughtOnce()
			r.expectRegistered()
		})
	}
}

// expectRead: the files are whole, and every value is what it was: by DuckDB, and written anew by today's program.
func (r *released) expectRead() {
	r.run(0, "verify", r.lake)
	columns := columnsOf(r.t, r.lakeRows)
	if got := rowsOf(r.t, r.lake+"/*/*.parquet", columns); got != r.lakeRows {
		r.t.Errorf("DuckDB reads\n%s\nand read\n%s", got, r.lakeRows)
	}
	r.expectValues()
	again := filepath.Join(r.t.TempDir(), "again", "window_start="+releasedStart)
	if err := os.MkdirAll(again, 0o755); err != nil {
		r.t.Fatal(err)
	}
	chunks := filepath.Join(r.t.TempDir(), "chunks.ndjson")
	if err := os.WriteFile(chunks, []byte(r.run(0, "cat", "--chunks", r.lake).stdout), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.run(0, "convert", chunks, "--out", again)
	if got := rowsOf(r.t, again+"/*.parquet", columns); got != r.lakeRows {
		r.t.Errorf("written anew the rows are\n%s\nand were\n%s", got, r.lakeRows)
	}
	var report struct {
		Documents struct{ Rows, Read int }
		Damaged   []any
		Problems  []any
	}
	text := r.run(0, "report", r.lake, "--format", "json").stdout
	if n := strings.Count(r.lakeRows, "\n"); json.Unmarshal([]byte(text), &report) != nil || report.Documents.Rows != n || report.Documents.Read != n || len(report.Damaged)+len(report.Problems) > 0 {
		r.t.Errorf("of %d rows: %s", n, text)
	}
	var status struct{ Runs []struct{ State string } }
	text = r.run(0, "status", r.lake, "--output", "json").stdout
	if json.Unmarshal([]byte(text), &status) != nil || len(status.Runs) != 1 || status.Runs[0].State != "complete" {
		r.t.Errorf("%s", text)
	}
}

// expectValues holds the stored rows against the documents, as encoding/json reads them: each text and each whole number at their top
// that has a column of its name has that value there.
func (r *released) expectValues() {
	text, err := os.ReadFile(r.recording)
	if err != nil {
		r.t.Fatal(err)
	}
	documents, compared := bytes.Split(text, []byte("\n")), 0
	for i, line := range strings.Split(strings.TrimSpace(r.lakeRows), "\n") {
		var document struct {
			Result struct {
				Data struct{ Data map[string]any } `json:"data"`
			} `json:"chunk_result"`
		}
		var row struct{ Columns, Extra map[string]any }
		for text, into := range map[string]any{string(documents[i]): &document, line: &row} {
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(into); err != nil {
				r.t.Fatal(err)
			}
		}
		for name, want := range document.Result.Data.Data {
			got, has := row.Columns[name]
			if _, told := row.Extra[name]; !has || told || got == nil || !slices.Contains([]string{"url", "title", "content", "lang", "reach", "engagement", "external_id", "word_count"}, name) {
				continue
			}
			compared++
			if fmt.Sprint(got) != fmt.Sprint(want) && !strings.Contains(fmt.Sprint(want), "\ufffd") {
				r.t.Errorf("row %d: %s is %v, the document has %v", i, name, got, want)
			}
		}
	}
	if compared < 40 {
		r.t.Errorf("only %d values were compared", compared)
	}
}

// expectContinued: a conversion that the release was stopped in goes on where its files end.
func (r *released) expectContinued() {
	before := r.parquetsOf(r.recorded)
	e := r.run(0, "convert", r.recording, "--out", r.recorded)
	after := r.parquetsOf(r.recorded)
	if len(before) == 0 || len(after) <= len(before) || e.result.Rows == 0 {
		r.t.Errorf("files %v became %v; %+v", before, after, e.result)
	}
	if got := rowsOf(r.t, r.recorded+"/*.parquet", columnsOf(r.t, r.recordedRows)); got != r.recordedRows {
		r.t.Errorf("continued it has\n%s\nwant\n%s", got, r.recordedRows)
	}
	r.run(0, "verify", r.recorded)
}

func (r *released) parquetsOf(dir string) []string {
	names, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	return names
}

// expectBoughtOnce: what the release bought is not bought again; what comes after it is.
func (r *released) expectBoughtOnce() {
	e := r.export(0, r.lake, "--project", exampleProject, "--split", "none", "--start", releasedStart, "--stop", "2025-02-01")
	l := r.Ledger()
	if len(e.result.Windows) != 2 || l.ExportPosts() != 1 || e.result.Windows[1].Start[:10] != releasedStop || e.result.Windows[0].Rows != int64(strings.Count(r.lakeRows, "\n")) {
		r.t.Errorf("%d exports were bought\n%s", l.ExportPosts(), e)
	}
	r.run(0, "verify", r.lake)
}

// expectRegistered: a table takes its runs, once.
func (r *released) expectRegistered() {
	for i, want := range []string{`"added"`, `"known"`} {
		if e := r.run(0, "register", r.lake, "--format", "delta", "--output", "json"); strings.Count(e.stdout, want) != 2 {
			r.t.Errorf("call %d: %s", i+1, e)
		}
	}
	r.run(0, "verify", r.lake)
}
