package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/sink"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// trial is an account, and an output to export three months of it into.
type trial struct {
	*emulator.Server
	t    testing.TB
	url  string
	out  string
	runs [3]string // of the plain request
}

func newTrial(t testing.TB, cfg emulator.Config) *trial {
	t.Helper()
	cfg.NoRateLimits = true
	s, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(s.Handler())
	t.Cleanup(hs.Close)
	for _, v := range variables() {
		t.Setenv(v, "")
	}
	t.Setenv(tokenEnv, s.Token())
	t.Setenv(waitScaleEnv, "0.001")
	x := &trial{Server: s, t: t, url: hs.URL, out: filepath.Join(t.TempDir(), "lake")}
	for i := range x.runs {
		x.runs[i] = x.request(i).Run("127.0.0.1")
	}
	return x
}

// request is month i of the plain request.
func (x *trial) request(i int) source.Request {
	return source.Request{Kind: source.KindProject, Project: x.Projects()[0], Limit: source.MaxLimit, Generation: 1,
		Start: time.Date(2024, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, time.Month(2+i), 1, 0, 0, 0, 0, time.UTC)}
}

// export runs the command over the three months.
func (x *trial) export(ctx context.Context, flags ...string) (code int, r result, stderr string) {
	x.t.Helper()
	return x.command(ctx, append([]string{"export", "--project", x.Projects()[0], "--start=2024-01-01", "--stop=2024-04-01", "--out", x.out}, flags...)...)
}

func (x *trial) command(ctx context.Context, args ...string) (code int, r result, stderr string) {
	x.t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, append(args, "--base-url", x.url, "--idle-timeout=5h"), strings.NewReader(""), &out, &errs)
	return code, lastLine(x.t, out.String()), errs.String()
}

// script sets faults; %0, %1 and %2 stand for the collectors of the months.
func (x *trial) script(rules ...string) {
	x.t.Helper()
	text := strings.Join(rules, ",")
	for i, run := range x.runs {
		text = strings.ReplaceAll(text, fmt.Sprintf("%%%d", i), source.CollectorID(run))
	}
	f, err := emulator.ParseFaults([]byte(`{"rules":[` + text + `]}`))
	if err != nil {
		x.t.Fatal(err)
	}
	x.SetFaults(f)
}

// collect makes a month's collector as if an earlier start had bought into it.
func (x *trial) collect(i int, query json.RawMessage) string {
	x.t.Helper()
	id := source.CollectorID(x.runs[i])
	if err := x.AddCollector(id, time.Now(), query); err != nil {
		x.t.Fatal(err)
	}
	return id
}

// failingMonth is a month that fails in a way of its own.
type failingMonth struct {
	code    int
	prepare func(x *trial)
	flags   []string
	partial bool // some rows of it are published
}

// January fails, alone.
var failingAlone = map[string]failingMonth{
	"a task that failed": {exitTask, func(x *trial) { x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Status: emulator.StatusFailed}) }, nil, false},
	"a task that aborted": {exitTask, func(x *trial) {
		x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Status: emulator.StatusAborted})
	}, nil, false},
	"the limit":         {exitTruncated, func(x *trial) {}, []string{"--limit", "60", "--stop", "2024-03-01", "--start", "2024-01-01"}, true},
	"nothing delivered": {exitMismatch, func(x *trial) { x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Processed: 9}) }, nil, false},
	"a strict difference": {exitMismatch, func(x *trial) {
		id := x.collect(0, nil)
		x.AddResults(id, json.RawMessage(`{"url":"a"}`))
		x.AddTask(emulator.TaskSpec{Target: id, Processed: 9})
	}, []string{"--strict"}, true},
	"results that are gone": {exitExpired, func(x *trial) {
		x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Processed: 9})
		x.script(`{"endpoint":"results","match":"%0","respond":{"code":26}}`)
	}, nil, false},
	"a purchase without an answer": {exitAmbiguous, func(x *trial) {
		dir := filepath.Join(x.out, sink.StateDir, x.runs[0])
		if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(filepath.Join(dir, "intent-1.json"), []byte(`{"attempt":"a"}`), 0o600)); err != nil {
			x.t.Fatal(err)
		}
	}, nil, false},
	"somebody's collector": {exitForeign, func(x *trial) { x.collect(0, json.RawMessage(`{"queries":[{"id":"q","query":"cats"}]}`)) }, nil, false},
	"somebody's file": {exitForeign, func(x *trial) {
		dir := filepath.Join(x.out, "window_start=2024-01-01")
		if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(filepath.Join(dir, "part-"+x.runs[0]+"-00000.parquet"), []byte("no"), 0o600)); err != nil {
			x.t.Fatal(err)
		}
	}, nil, false},
	"a table that cannot tell": {exitRegister, func(x *trial) {
		x.record(x.runs[0], "registering-delta.json", `{"table":"another","manifest":0,"files":1,"time":"2024-01-01T00:00:00Z"}`)
	}, []string{"--register"}, true},
	"rejects": {exitData, func(x *trial) {
		x.script(`{"endpoint":"results","match":"%0","inject":{"at":1,"lines":["{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{}}"]}}`)
	}, nil, true},
}

// TestExport_AFailureOfOneWindowStopsNoOther lets January fail in every way that concerns it alone. The other months
// are bought, once, and every start says the same.
func TestExport_AFailureOfOneWindowStopsNoOther(t *testing.T) {
	covered := map[int]bool{}
	for name, f := range failingAlone {
		covered[f.code] = true
		for _, parallel := range []string{"1", "2"} {
			if parallel == "2" && testing.Short() {
				continue // the failures are judged by the same code
			}
			t.Run(name+", parallel "+parallel, func(t *testing.T) {
				x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 10, ControlEvery: 10})
				f.prepare(x)
				flags := append([]string{"--parallel", parallel}, f.flags...)
				months := 3
				if f.code == exitTruncated {
					months = 2 // 62 documents, and 58
				}
				code, r, stderr := x.export(t.Context(), flags...)
				x.expectAlone(f, months, code, r, stderr)
				l := x.Ledger()
				if want := l.Credits(); r.Credits != want && f.code != exitMismatch && f.code != exitExpired {
					t.Errorf("the result says %d credits, the account was charged %d", r.Credits, want)
				}
				bought := map[string]int{}
				for _, task := range l.Tasks {
					bought[task.Target]++
				}
				for i := 1; i < months; i++ {
					if f.code != exitTruncated && bought[source.CollectorID(x.runs[i])] != 1 {
						t.Errorf("month %d was bought %d times", i, bought[source.CollectorID(x.runs[i])])
					}
				}
				if parallel == "1" {
					again, r2, stderr := x.export(t.Context(), flags...)
					x.expectAlone(f, months, again, r2, stderr)
					if after := x.Ledger(); again != code || after.Credits() != l.Credits() || len(after.Changing()) != len(l.Changing()) {
						t.Errorf("started again: exit %d, %d credits, changing calls %v", again, after.Credits()-l.Credits(), after.Changing()[len(l.Changing()):])
					}
					if !slices.EqualFunc(r.Windows, r2.Windows, func(a, b windowResult) bool {
						return fmt.Sprint(a.Error) == fmt.Sprint(b.Error) || *a.Error == *b.Error
					}) {
						t.Errorf("the windows were %+v and are %+v", r.Windows, r2.Windows)
					}
				}
			})
		}
	}
	covered[exitPending] = true // TestExport_DoesNotWaitForTheServer
	for _, c := range exitCodes {
		if c.Alone != covered[c.Code] {
			t.Errorf("exit code %d is said to be of one window alone: %v, and tried: %v", c.Code, c.Alone, covered[c.Code])
		}
	}
}

func (x *trial) expectAlone(f failingMonth, months, code int, r result, stderr string) {
	x.t.Helper()
	if code != f.code || len(r.Windows) != months || r.Error == nil || r.Error.Hint == "" || r.Error.Retryable {
		x.t.Fatalf("exit %d, want %d: %+v %+v\n%s", code, f.code, r, r.Error, stderr)
	}
	for i, w := range r.Windows {
		switch {
		case i == 0 && (w.Error == nil || !strings.HasPrefix(w.Error.Code, byCode(f.code).Name) || w.Error.Message == "" || w.Error.Hint == "" || w.Error.Retryable):
			x.t.Errorf("January's error is %+v", w.Error)
		case i == 0 && (w.Rows > 0) != f.partial:
			x.t.Errorf("January has %d rows", w.Rows)
		case i > 0 && (w.Error != nil || w.Rows == 0 || w.TaskStatus != emulator.StatusFinished):
			x.t.Errorf("month %d: %+v %+v", i, w, w.Error)
		}
	}
}

// TestExport_WhatConcernsAllEndsTheRun ends a run at its first month: by what a retry mends, and by what it does not.
func TestExport_WhatConcernsAllEndsTheRun(t *testing.T) {
	for name, tt := range map[string]struct {
		code  int
		fault string
	}{
		"no credits":     {exitCredits, `{"endpoint":"export","respond":{"code":9}}`},
		"no rights":      {exitAuth, `{"endpoint":"export","respond":{"code":13}}`},
		"refused":        {exitRejected, `{"endpoint":"export","respond":{"code":4}}`},
		"no server":      {exitUnavailable, `{"respond":{"http":503,"body":"no"}}`},
		"another reader": {exitLocked, `{"endpoint":"results","match":"%0","error":{"at":3,"code":24}}`},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 2, ControlEvery: 10})
			x.script(tt.fault)
			code, r, stderr := x.export(t.Context())
			if l := x.Ledger(); code != tt.code || len(r.Windows) != 3 || !r.Windows[0].failed() || r.Windows[1].failed() || r.Windows[2].failed() || r.Windows[2].Error.Message != "not begun" || r.Error.Hint == "" || l.ExportPosts() > 1 {
				t.Errorf("exit %d, %d posts, %+v\n%s", code, l.ExportPosts(), r, stderr)
			}
			x.SetFaults(nil)
			if code, r, stderr = x.export(t.Context()); code != exitOK || r.Credits != x.Ledger().Credits() || len(x.Ledger().Tasks) != 3 {
				t.Errorf("then: exit %d, %+v\n%s", code, r, stderr)
			}
		})
	}
}

// TestExport_CodeOfSeveralFailures holds which failure decides, and that none is hidden.
func TestExport_CodeOfSeveralFailures(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, ControlEvery: 10})
	x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Status: emulator.StatusFailed})
	x.script(`{"endpoint":"results","match":"%1","error":{"at":3,"code":24}}`)
	code, r, _ := x.export(t.Context())
	if code != exitLocked || !r.Error.Retryable || len(r.Windows) != 3 || r.Windows[0].Error.Code != "task" || r.Windows[1].Error.Code != "locked" || r.Windows[2].Error.Code != codeStopped ||
		!strings.Contains(r.Error.Message, "2024-01-01") || !strings.Contains(r.Error.Message, "2024-02-01") {
		t.Errorf("exit %d: %+v %+v", code, r, r.Error)
	}
	x.script(`{"endpoint":"results","match":"%1","respond":{"code":26}}`)
	code, r, _ = x.export(t.Context())
	if code != exitTask || r.Error.Retryable || len(r.Windows) != 3 || r.Windows[0].Error.Code != "task" || r.Windows[1].Error.Code != "expired" || r.Windows[2].Error != nil {
		t.Errorf("exit %d: %+v %+v", code, r, r.Error)
	}
}

// TestExport_OrderOfTheNextStart: what a retry may finish first, what it does not mend last. The output does not tell
// how its windows were run, so the ledger does.
func TestExport_OrderOfTheNextStart(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, ControlEvery: 10})
	x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Status: emulator.StatusFailed})
	x.script(`{"endpoint":"results","match":"%1","error":{"at":3,"code":24}}`)
	x.export(t.Context(), "--stop=2024-02-01") // January fails for good
	x.export(t.Context(), "--start=2024-02-01", "--stop=2024-03-01")
	x.SetFaults(nil)
	before := len(x.Ledger().Requests)
	code, _, stderr := x.export(t.Context(), "--stop=2024-05-01", "--start=2023-12-01")
	var order []string
	for _, r := range x.Ledger().Requests[before:] {
		if r.Endpoint == emulator.EndpointCollectorGet && !slices.Contains(order, filepath.Base(r.Path)) {
			order = append(order, filepath.Base(r.Path))
		}
	}
	want := []string{source.CollectorID(x.runs[1]), "", source.CollectorID(x.runs[2]), "", source.CollectorID(x.runs[0])}
	if code != exitTask || len(order) != len(want) || order[0] != want[0] || order[2] != want[2] || order[4] != want[4] {
		t.Errorf("exit %d, in the order %q, want %q\n%s", code, order, want, stderr)
	}
}

// TestExport_ASiblingsFailureAbortsNothing: one window's failure ends the run, and the other's paid task goes on.
func TestExport_ASiblingsFailureAbortsNothing(t *testing.T) {
	for _, signal := range []bool{false, true} {
		x := newTrial(t, emulator.Config{DocumentsPerDay: 2, TaskDuration: time.Hour})
		x.AddTask(emulator.TaskSpec{Target: x.collect(0, nil), Processed: 5})
		x.script(`{"endpoint":"results","match":"%0","hold":"before","error":{"at":0,"code":24}}`)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { // once the first window is being read, and the second one's task is known and polled
			done <- x.Await(ctx, func(l emulator.Ledger) bool {
				return l.Count("GET", "/api/v3/stream/c/"+source.CollectorID(x.runs[0])+"/results") > 0 && len(l.Tasks) > 0 && l.Count("GET", "/api/v3/tasks/export/"+l.Tasks[0].ID) > 1
			})
			if signal {
				cancel(&signalError{syscall.SIGTERM})
			}
			x.Release()
		}()
		code, r, stderr := x.export(ctx, "--parallel=2", "--stop=2024-03-01", "--abort-on-cancel")
		aborted := x.Ledger().Calls(emulator.EndpointTaskDelete)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		cancel(nil)
		if signal {
			if code != exitTerminate || len(aborted) == 0 || filepath.Base(aborted[len(aborted)-1].Path) != x.Ledger().Tasks[0].ID && filepath.Base(aborted[0].Path) != x.Ledger().Tasks[0].ID {
				t.Errorf("a signal: exit %d, aborted %+v\n%s", code, aborted, stderr)
			}
			continue
		}
		if code != exitLocked || len(aborted) != 0 || len(r.Windows) != 2 || r.Windows[0].Error.Code != "locked" || r.Windows[1].Error == nil || r.Windows[1].Error.Code != "stopped" {
			t.Errorf("exit %d, aborted %+v, result %+v\n%s", code, aborted, r, stderr)
		}
	}
}

// TestExport_JudgementsOfCompleteRuns: the same output gets the same code, as often as it is asked, with the flags it
// is asked with.
func TestExport_JudgementsOfCompleteRuns(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	id := x.collect(0, nil)
	x.AddResults(id, json.RawMessage(`{"url":"a"}`), json.RawMessage(`{"url":"b"}`))
	x.AddTask(emulator.TaskSpec{Target: id, Processed: 5})
	x.script(`{"endpoint":"results","inject":{"at":1,"lines":["{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{}}"]}}`)
	january := []string{"--stop=2024-02-01"}
	if code, _, stderr := x.export(t.Context(), append(january, "--max-rejects=1")...); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	calls := len(x.Ledger().Requests)
	for range 2 {
		for flags, want := range map[string]int{"": exitData, "--max-rejects=1": exitOK, "--strict": exitMismatch, "--max-rejects=-1 --strict": exitMismatch, "--max-rejects=2 --skip-empty": exitOK} {
			if code, _, stderr := x.export(t.Context(), append(january, strings.Fields(flags)...)...); code != want || want == exitOK && !strings.Contains(stderr, "missing=2") {
				t.Errorf("%s: exit %d, want %d\n%s", flags, code, want, stderr)
			}
		}
	}
	if n := len(x.Ledger().Requests) - calls; n != 0 {
		t.Errorf("%d calls", n)
	}
}
