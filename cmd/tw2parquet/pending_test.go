package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// TestExport_DoesNotWaitForTheServer exports three months whose tasks take an hour, and looks in again and again
// without waiting. Each start buys what --parallel lets be outstanding, and no window twice.
func TestExport_DoesNotWaitForTheServer(t *testing.T) {
	for name, tt := range map[string]struct {
		flags  []string
		bought []int // tasks after each start, an hour between them
	}{
		"one at a time":         {nil, []int{1, 2, 3, 3}},
		"two at a time":         {[]string{"--parallel=2"}, []int{2, 3, 3}},
		"all at once":           {[]string{"--parallel=8"}, []int{3, 3}},
		"within a budget":       {[]string{"--limit=5000", "--max-credits=18000", "--abort-on-cancel", "--skip-empty"}, []int{1, 2, 3, 3}},
		"a look at what is due": {[]string{"--parallel=3", "--strict", "--accept=40,41,43"}, []int{3, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			var passed atomic.Int64
			x := newTrial(t, emulator.Config{DocumentsPerDay: 2, TaskDuration: time.Hour, Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }})
			for i, want := range tt.bought {
				code, r, stderr := x.export(t.Context(), append(tt.flags, "--max-wait=0")...)
				last := i == len(tt.bought)-1
				if n := len(x.Ledger().Tasks); n != want || last != (code == exitOK) {
					t.Fatalf("start %d: exit %d with %d tasks, want %d\n%s", i+1, code, n, want, stderr)
				}
				if !last && (code != exitPending || r.Status != "failed" || r.Error.Code != "pending" || !r.Error.Retryable || !strings.Contains(r.Error.Hint, "minutes")) {
					t.Fatalf("start %d: exit %d, %+v\n%s", i+1, code, r.Error, stderr)
				}
				passed.Add(int64(time.Hour))
			}
			_, r, _ := x.export(t.Context(), append(tt.flags, "--max-wait=0")...)
			if n := len(x.Ledger().Tasks); r.Rows != 2*(31+29+31) || n != 3 {
				t.Errorf("%d rows of %d tasks", r.Rows, n)
			}
		})
	}
}

// What a running task has exported so far is published, and a window that needs no task is not kept waiting.
func TestExport_PublishesWhatARunningTaskHasBrought(t *testing.T) {
	var passed atomic.Int64
	x := newTrial(t, emulator.Config{DocumentsPerDay: 40, LimitBatch: 100, ControlEvery: 50, TaskDuration: time.Hour,
		Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }})
	if code, _, stderr := x.export(t.Context(), "--max-wait=0", "--stop=2024-02-01"); code != exitPending {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	passed.Add(int64(30 * time.Minute))
	code, r, stderr := x.export(t.Context(), "--max-wait=0", "--stop=2024-02-01")
	if code != exitPending || r.Rows < 200 || r.Rows > 31*40/2 || r.Files != 1 || r.Windows[0].Error.Code != "pending" {
		t.Fatalf("exit %d with %d rows in %d files\n%s", code, r.Rows, r.Files, stderr)
	}
	passed.Add(int64(time.Hour))
	code, r, stderr = x.export(t.Context(), "--max-wait=1h", "--stop=2024-02-01")
	if code != exitOK || r.Rows != 31*40 || len(x.Ledger().Tasks) != 1 {
		t.Fatalf("exit %d with %d rows, %d tasks\n%s", code, r.Rows, len(x.Ledger().Tasks), stderr)
	}
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"verify", x.out}, strings.NewReader(""), io.Discard, &errs); code != exitOK {
		t.Errorf("verify: exit %d\n%s", code, errs.String())
	}
}

// A window that is pending beside one that failed is the one that a retry can help, and its code is the run's.
func TestExport_PendingBesideAFailure(t *testing.T) {
	for name, f := range failingAlone {
		if slices.Contains([]string{"the limit", "a strict difference", "nothing delivered", "rejects", "a table that cannot tell"}, name) {
			continue // these need a task that ends
		}
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 2, TaskDuration: time.Hour})
			f.prepare(x)
			code, r, stderr := x.export(t.Context(), append(f.flags, "--max-wait=0", "--parallel=2", "--stop=2024-03-01")...)
			if code != exitPending || len(r.Windows) != 2 || r.Windows[0].Error == nil || byCode(f.code).Name != r.Windows[0].Error.Code || r.Windows[1].Error.Code != "pending" {
				t.Errorf("exit %d, %+v\n%s", code, r.Windows, stderr)
			}
		})
	}
}

func TestExport_RefusesANegativeWait(t *testing.T) {
	x := newTrial(t, emulator.Config{})
	if code, _, stderr := x.export(t.Context(), "--max-wait=-1s"); code != exitUsage || !strings.Contains(stderr, "--max-wait") || len(x.Ledger().Requests) != 0 {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
