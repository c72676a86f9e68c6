package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unicode/utf8"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink"
	"tw2parquet/source/emulator"
)

// A failed start tells Kubernetes and Airflow, without the token; one that went well leaves no message.
func TestScheduler_GetsTheVerdict(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	dir := t.TempDir()
	message, xcoms := filepath.Join(dir, "message"), filepath.Join(dir, "xcom")
	if err := os.Mkdir(xcoms, 0o750); err != nil {
		t.Fatal(err)
	}
	t.Setenv(terminationEnv, message)
	t.Setenv(xcomEnv, xcoms)
	for _, tt := range []struct {
		args    []string
		code    int
		message bool
	}{
		{[]string{"--max-credits=5", "--topic=" + x.Token()}, exitUsage, true},
		{[]string{"--max-credits=5"}, exitCredits, true},
		{nil, exitOK, false},
	} {
		if err := os.WriteFile(message, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		code, r, stderr := x.export(t.Context(), tt.args...)
		text, err := os.ReadFile(message)
		if code != tt.code || err != nil || tt.message != (len(text) > 0) {
			t.Errorf("exit %d, message %q, %v\n%s", code, text, err, stderr)
		}
		if tt.message && (!strings.HasPrefix(string(text), fmt.Sprintf("exit code %d (%s): ", code, r.Error.Code)) || !strings.Contains(string(text), r.Error.Hint)) {
			t.Errorf("the message is %q, the error %+v", text, r.Error)
		}
		offered, err := os.ReadFile(filepath.Join(xcoms, "result.json"))
		var same result
		if err != nil || json.Unmarshal(offered, &same) != nil || same.ExitCode != code || same.Rows != r.Rows {
			t.Errorf("offered %s, %v", offered, err)
		}
		if strings.Contains(string(text)+string(offered), x.Token()) {
			t.Error("the token is in it")
		}
	}
}

// Nothing that a scheduler asks for keeps the process from ending, or changes its code.
func TestScheduler_CannotStandInTheWay(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][2]string{"a pipe that nobody reads": {pipe, pipe}, "no such directory": {"/no/such/file", "/no/such"}, "directories": {t.TempDir(), "/proc"}} {
		t.Setenv(terminationEnv, env[0])
		t.Setenv(xcomEnv, env[1])
		if code, r, stderr := x.export(t.Context(), "--max-credits=5"); code != exitCredits || r.ExitCode != exitCredits || !strings.Contains(stderr, terminationEnv) || !strings.Contains(stderr, xcomEnv) {
			t.Errorf("%s: exit %d\n%s", name, code, stderr)
		}
	}
}

// Who runs it stands in every line of the log and in the manifest, and decides nothing: another try is the same run.
func TestScheduler_LabelsLogAndManifest(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	t.Setenv("AIRFLOW_CTX_DAG_ID", "talkwalker")
	t.Setenv("AIRFLOW_CTX_TASK_ID", strings.Repeat("é", 200)+x.Token())
	t.Setenv("AIRFLOW_CTX_TRY_NUMBER", "1")
	code, r, stderr := x.export(t.Context(), "--log-format=json", "--stop=2024-02-01")
	for line := range strings.Lines(stderr) {
		var said map[string]any
		if json.Unmarshal([]byte(line), &said) != nil || said["airflow_dag_id"] != "talkwalker" || said["airflow_try_number"] != "1" || said["airflow_dag_run_id"] != nil {
			t.Errorf("the log says %s", line)
		}
	}
	text, err := os.ReadFile(filepath.Join(x.out, sink.StateDir, r.Windows[0].Run, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Report struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(text, &m); code != exitOK || err != nil || m.Report.Labels["airflow_dag_id"] != "talkwalker" || m.Report.Labels["airflow_try_number"] != "1" {
		t.Errorf("exit %d, labels %v, %v", code, m.Report.Labels, err)
	}
	if task := m.Report.Labels["airflow_task_id"]; len(task) > maxLabel || !utf8.ValidString(task) || !strings.HasPrefix(task, "ééé") {
		t.Errorf("a long name became %q", task)
	}
	t.Setenv("AIRFLOW_CTX_TRY_NUMBER", "2")
	again, r2, _ := x.export(t.Context(), "--stop=2024-02-01")
	if again != exitOK || r2.Windows[0].Run != r.Windows[0].Run || len(x.Ledger().Tasks) != 1 {
		t.Errorf("another try: exit %d, run %s", again, r2.Windows[0].Run)
	}
}

// However many windows, files and words: the line is JSON, short enough, its sums are those of everything, and what
// failed is listed.
func TestResult_IsShortEnough(t *testing.T) {
	for name, tt := range map[string]struct {
		windows, files, failed int
		words                  string
	}{
		"as it is":             {100, 1, 1, "no"},
		"many windows":         {1000, 2, 3, "no"},
		"many files":           {3, 5000, 1, "no"},
		"many of both":         {300, 300, 90, "no"},
		"long words":           {150, 1, 150, strings.Repeat("wörter ", 5000)},
		"escapes, all of them": {120, 9, 99, strings.Repeat("\x01\u2028\"", 3000)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResult()
			for i := range tt.windows {
				w := windowResult{Run: fmt.Sprintf("run-%022d", i), Status: "covered", Rows: 1, Files: []string{}}
				for k := range tt.files {
					w.Files = append(w.Files, fmt.Sprintf("window_start=2024-01-01/part-%022d-%05d.parquet", i, k))
				}
				if i >= tt.windows-tt.failed {
					w.Status, w.Error = "", &resultError{Code: "task", Message: tt.words, Hint: tt.words}
				}
				r.add(w)
			}
			line, err := r.line(outcome{Code: exitTask, Name: "task", Message: tt.words, Hint: tt.words})
			var got result
			if err != nil || len(line) > maxResult || json.Unmarshal(line, &got) != nil || bytes.Count(line, []byte("\n")) != 1 {
				t.Fatalf("%d bytes, %v", len(line), err)
			}
			left, by := 0, 0
			if o := got.Omitted; o != nil {
				left = o.Windows
				for _, n := range o.Status {
					by += n
				}
				if by != tt.windows || o.Status["task"] != tt.failed {
					t.Errorf("of %d windows it counts %v", tt.windows, o.Status)
				}
			}
			if got.Rows != int64(tt.windows) || got.Files != tt.windows*tt.files || len(got.Windows)+left != tt.windows {
				t.Errorf("%d rows, %d files, %d windows and %d left out", got.Rows, got.Files, len(got.Windows), left)
			}
			for i, w := range got.Windows {
				if (i < tt.failed) != (w.Error != nil) && got.Omitted != nil {
					t.Errorf("window %d of the list: %+v", i, w.Error)
				}
			}
			if len(r.Windows) != tt.windows || len(r.Windows[0].Files) != tt.files {
				t.Error("the result itself was cut")
			}
		})
	}
}

// A panic ends like any failure: with the result as the last line of both streams together.
func TestResult_IsTheLastLineAlsoOfAPanic(t *testing.T) {
	var both bytes.Buffer
	a := &app{stdin: strings.NewReader(""), globals: &globals{}, line: &line{}, result: newResult()}
	a.printed = &standardOutput{w: &both}
	a.screen = newScreen(&both, false)
	out := newRedactor(a.screen.port(a.printed, false))
	a.redactors, a.stdout, a.stderr = []*redactor{out, out}, out, out
	a.setLog("text", "info")
	code := a.finish(bug.Guard(func() error { panic("no") }))
	lines := strings.Split(strings.TrimSpace(both.String()), "\n")
	var last result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); code != exitBug || err != nil || last.ExitCode != exitBug || last.Error.Code != "bug" {
		t.Errorf("exit %d, %v, ends with %s", code, err, lines[len(lines)-1])
	}
}

// A bug where the end is told is told, too.
func TestResult_IsTheLastLineAlsoWhereItCannotBeMade(t *testing.T) {
	var stdout, stderr bytes.Buffer
	first := true
	code := run(t.Context(), []string{"convert", filepath.Join(t.TempDir(), "none"), "--out", t.TempDir()}, strings.NewReader(""), &stdout, writerFunc(func(p []byte) (int, error) {
		if first {
			first = false
			panic("a bug")
		}
		return stderr.Write(p)
	}))
	if r := lastLine(t, stdout.String()); code != exitBug || r.ExitCode != exitBug || !strings.Contains(stderr.String(), "panic in") {
		t.Errorf("exit %d, the line has %d\n%s", code, r.ExitCode, stderr.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestCommands_EndInOrderWhereverABugIs lets every operation of the store panic in turn under the commands that read an
// output, many of them on goroutines of theirs.
func TestCommands_EndInOrderWhereverABugIs(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	b := newBucket(t)
	x.out = b.url("lake")
	for range 2 { // two commits of the table
		if code, r, stderr := x.export(t.Context(), "--register", "--stop=2024-03-01"); code != exitOK {
			t.Fatalf("exit %d, %+v\n%s", code, r, stderr)
		}
	}
	for name, args := range map[string][]string{
		"verify": nil, "status": nil, "report": {"--html", filepath.Join(t.TempDir(), "report.html")}, "register": {"--format=delta"}, "cat": nil, "views": nil,
	} {
		for i, over := 1, false; !over; i++ {
			at, file := "", filepath.Join(t.TempDir(), "result.json")
			var mu sync.Mutex
			seen := map[string]bool{} // a file is read many times in the same way
			b.refuse = func(op, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if !seen[op+" "+name] {
					seen[op+" "+name] = true
					if len(seen) == i {
						at = op + " " + name
						panic("a bug")
					}
				}
				return nil
			}
			code, _, stderr := call(t, append([]string{name, x.out, "--result-file", file}, args...)...)
			over = len(seen) < i
			// The reader of Parquet refuses hostile files by panics: that one is taken for such a refusal.
			refused := strings.Contains(stderr, "the Parquet reader gave up")
			if s := stored(t, file); s.ExitCode != code || (code == exitOK) != (over || refused && name == "report") || !over && !refused && (code != exitBug || strings.Count(stderr, "panic in") != 1) {
				t.Errorf("%s at %s: exit %d, the file has %d\n%s", name, at, code, s.ExitCode, stderr)
			}
		}
	}
}

// TestResult_IsTheLastLineWhereverABugIs lets every operation of the store panic in turn, and writes both streams into
// one file, as Airflow reads them. The result is the last line and in the result file, with the code of the process.
func TestResult_IsTheLastLineWhereverABugIs(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	for i, over := int64(1), false; !over; i++ {
		b, ops := newBucket(t), atomic.Int64{}
		at := ""
		b.refuse = func(op, name string) error {
			if ops.Add(1) == i {
				at = op + " " + name
				panic("a bug")
			}
			return nil
		}
		both, err := os.Create(filepath.Join(t.TempDir(), "both"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "result.json")
		code := run(t.Context(), []string{"export", "--project", x.Projects()[0], "--start=2024-01-01", "--stop=2024-02-01", "--out", b.url("lake"), "--base-url", x.url, "--result-file", file},
			strings.NewReader(""), both, both)
		both.Close()
		over = ops.Load() < i
		text, err := os.ReadFile(both.Name())
		if err != nil {
			t.Fatal(err)
		}
		want := exitBug
		if over {
			want = exitOK
		}
		if r, s := lastLine(t, string(text)), stored(t, file); code != want || r.ExitCode != code || s.ExitCode != code || !over && r.Error.Code != "bug" {
			t.Errorf("%s: exit %d, want %d, the last line has %d and the file %d\n%s", at, code, want, r.ExitCode, s.ExitCode, text)
		}
	}
}
