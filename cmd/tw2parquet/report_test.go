package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/sink"
	"tw2parquet/sink/dataset/report"
	"tw2parquet/source/emulator"
)

func figuresOf(t *testing.T, out string, flags ...string) *report.Report {
	t.Helper()
	code, stdout, stderr := call(t, append([]string{"report", out, "--format=json"}, flags...)...)
	r := &report.Report{}
	if err := json.Unmarshal([]byte(stdout), r); code != exitOK || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return r
}

// A run in every state is in the report as status has it, its rows are counted as far as they are published, and nothing in
// the output is touched.
func TestReport_TellsEveryState(t *testing.T) {
	x := everyState(t)
	before := x.files(sink.StateDir)
	s := x.status()
	r := figuresOf(t, x.out)
	if len(r.Windows) != len(s.Runs) || len(s.Runs) < 10 {
		t.Fatalf("%d windows, status has %d runs", len(r.Windows), len(s.Runs))
	}
	rows := int64(0)
	for i, w := range r.Windows {
		of := s.Runs[i]
		if w.Run != of.Run || w.State != string(of.State) || w.Rows != of.Rows || w.Rejected != of.Rejected || w.Files != of.Files || w.Bytes != of.Bytes || !w.Start.Equal(of.Start) || w.Command != strings.Replace(of.Command, x.url, "https://127.0.0.1", 1) || !slices.Equal(w.Tables, of.Tables) {
			t.Errorf("%+v, status has %+v", w, of)
		}
		if w.State != "dropped" && w.State != "dropping" {
			rows += w.Rows
		}
	}
	if r.Documents.Rows != rows || r.Documents.Read != rows || rows == 0 {
		t.Errorf("%d rows, %d read; the windows have %d", r.Documents.Rows, r.Documents.Read, rows)
	}
	if len(r.Sources) != len(s.Sources) || len(r.Sources[0].Gaps) != len(s.Sources[0].Gaps) || len(r.Sources[0].Unfinished) != len(s.Sources[0].Unfinished) {
		t.Errorf("%+v, status has %+v", r.Sources, s.Sources)
	}
	if len(r.Damaged) > 0 || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r.Damaged, r.Problems)
	}
	if code, stdout, _ := call(t, "report", x.out); code != exitOK || stdout != reportPage+"\n" {
		t.Errorf("exit %d, printed %q", code, stdout)
	}
	text, err := os.ReadFile(reportPage)
	for _, says := range []string{"at risk", "truncated", "Needs you", "ended at the limit"} {
		if err != nil || !strings.Contains(string(text), says) {
			t.Errorf("the page does not say %q, %v", says, err)
		}
	}
	if after := x.files(sink.StateDir); !slices.Equal(before, after) {
		t.Errorf("the output changed: %v, %v", before, after)
	}
}

// files are the names below a directory of the output.
func (x *trial) files(dir string) (names []string) {
	x.t.Helper()
	err := filepath.WalkDir(filepath.Join(x.out, dir), func(name string, _ os.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return names
}

// Where the page goes, and what is refused before anything is read.
func TestReport_GoesWhereItIsTold(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	good, _ := converted(t, 200)
	if err := os.WriteFile("old.html", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string // how standard output begins
		page string // the file that is a page afterwards
	}{
		{[]string{good}, exitOK, reportPage, reportPage},
		{[]string{good, "--html", "page.html"}, exitOK, "page.html\n", "page.html"},
		{[]string{good, "--html", "old.html"}, exitOK, "old.html\n", "old.html"},
		{[]string{good, "--html", "file://" + dir + "/a%20b.html"}, exitOK, dir + "/a b.html\n", "a b.html"},
		{[]string{good, "--html=-"}, exitOK, "<!doctype html>", ""},
		{[]string{good, "--format=json"}, exitOK, "{\n", ""},
		{[]string{good, "--format=json", "--html=both.html"}, exitOK, "{\n", "both.html"},
		{[]string{good, "--format=json", "--html=-"}, exitUsage, "", ""},
		{[]string{good, "--html=none/page.html"}, exitUsage, "", ""},
		{[]string{good, "--html=" + dir}, exitUsage, "", ""},
		{[]string{good, "--html=s3://bucket/page.html"}, exitUsage, "", ""},
		{[]string{good, "--html=" + good + "/page.PARQUET"}, exitUsage, "", ""},
		{[]string{"nowhere"}, exitUsage, "", ""},
		{[]string{"nowhere", "--format=json"}, exitUsage, "", ""},
		{[]string{good, "--format=pdf"}, exitUsage, "", ""},
	} {
		code, stdout, stderr := call(t, append([]string{"report"}, c.args...)...)
		if code != c.code || !strings.HasPrefix(stdout, c.out) || c.out == "" && stdout != "" {
			t.Errorf("%q: exit %d, printed %.80q\n%s", c.args, code, stdout, stderr)
		}
		if c.page == "" {
			continue
		}
		text, err := os.ReadFile(c.page)
		if err != nil || !strings.HasPrefix(string(text), "<!doctype html>") || !strings.HasSuffix(strings.TrimSpace(string(text)), "</html>") {
			t.Errorf("%q: %v, %.80q", c.args, err, text)
		}
		if err := os.Remove(c.page); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestReport_OfAnEmptyOutput(t *testing.T) {
	dir := t.TempDir()
	if r := figuresOf(t, dir); len(r.Windows) != 0 || r.Documents.Rows != 0 || r.Files.Count != 0 {
		t.Errorf("%+v", r)
	}
	code, stdout, _ := call(t, "report", dir, "--html=-")
	if code != exitOK || !strings.Contains(stdout, "This output holds no runs yet.") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// A damaged file is named, in the report and in the log; the others count, and the exit code is that of a report that was
// written. One of another size than the manifest says is missing.
func TestReport_NamesDamage(t *testing.T) {
	short, name := damaged(t)
	r := figuresOf(t, short)
	if len(r.Windows) != 1 || len(r.Windows[0].Lost) != 1 || filepath.Base(r.Windows[0].Lost[0]) != filepath.Base(name) || r.Documents.Read == 0 || r.Documents.Read != r.Documents.Rows {
		t.Errorf("%+v, %d rows of %d; %s is cut", r.Windows, r.Documents.Read, r.Documents.Rows, name)
	}
	out, _ := converted(t, 200)
	name = parquets(t, out)[0]
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(data) / 2 {
		data[4+i] ^= 0x55
	}
	if err := errors.Join(os.Remove(name), os.WriteFile(name, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	r = figuresOf(t, out)
	if len(r.Damaged) != 1 || r.Damaged[0].Path != name || r.Documents.Read == 0 || r.Documents.Read >= r.Documents.Rows {
		t.Errorf("%+v, %d rows of %d; %s is damaged", r.Damaged, r.Documents.Read, r.Documents.Rows, name)
	}
	if _, stdout, stderr := call(t, "report", out, "--html=-"); !strings.Contains(stderr, filepath.Base(name)) || !strings.Contains(stdout, filepath.Base(name)) {
		t.Error(stderr)
	}
}

// A bucket gives the same report as a directory, and one that does not answer none at all.
func TestReport_OfABucket(t *testing.T) {
	b := newBucket(t)
	x := newTrial(t, emulator.Config{DocumentsPerDay: 5, TaskDuration: 1})
	disk := x.out
	if code, _, stderr := x.export(t.Context()); code != exitOK {
		t.Fatal(stderr)
	}
	err := filepath.WalkDir(disk, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "/lock") {
			return err
		}
		content, err := os.ReadFile(name)
		if err == nil {
			rel, _ := filepath.Rel(disk, name)
			b.Plant("lake/"+filepath.ToSlash(rel), content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	one, two := figuresOf(t, disk), figuresOf(t, b.url("lake"))
	if two.Out != b.url("lake") {
		t.Errorf("it is called %q", two.Out)
	}
	two.Out, two.Time = one.Out, one.Time
	for i := range two.Windows { // the clock went on, and commands name the output
		two.Windows[i].Left, two.Windows[i].Command = one.Windows[i].Left, one.Windows[i].Command
	}
	x1, err1 := json.Marshal(one)
	x2, err2 := json.Marshal(two)
	if err1 != nil || err2 != nil || string(x1) != string(x2) || one.Documents.Read == 0 {
		t.Errorf("a directory: %s\na bucket: %s", x1, x2)
	}
}

// On a terminal a bar says how far it is, on one line of its width; elsewhere nothing moves.
func TestReport_ShowsHowFarItIs(t *testing.T) {
	var drawn bytes.Buffer
	s := newScreen(&drawn, true)
	columns := 60
	s.columns = func() int { return columns }
	for mode, bar := range map[string]bool{"on": true, "off": false} {
		drawn.Reset()
		m := (&app{screen: s, globals: &globals{Progress: mode}}).newGauge()
		m.show(512, 2048)
		if text := drawn.String(); strings.Contains(text, "25% of 2.0 KiB") != bar || displayed(strings.Trim(text, "\r")) > columns {
			t.Errorf("%s: drew %q", mode, text)
		}
		m.last = time.Time{}
		columns = 20
		if m.show(512, 2048); bar && !strings.HasSuffix(drawn.String(), eraseBar+"25% of 2.0 KiB\r") {
			t.Errorf("on a narrow screen: %q", drawn.String())
		}
		m.end()
		columns = 60
		if bar && !strings.HasSuffix(drawn.String(), eraseBar) {
			t.Errorf("left %q", drawn.String())
		}
	}
}
