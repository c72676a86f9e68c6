package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/pipeline/bug"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// TestExport_SignalHidesNothing lets a signal come together with other trouble.
func TestExport_SignalHidesNothing(t *testing.T) {
	sig := &signalError{syscall.SIGTERM}
	full := &store.Error{Op: "write", Path: "x", Err: syscall.ENOSPC, Hint: "free some space"}
	ambiguous := &source.Error{Class: source.ClassAmbiguous, Message: "bought or not", Hint: "look"}
	for name, tt := range map[string]struct {
		err  error
		code int
		says string
	}{
		"nothing else":        {fmt.Errorf("read: %w", context.Canceled), exitTerminate, ""},
		"nothing else, twice": {errors.Join(context.Canceled, fmt.Errorf("seal: %w", context.Canceled)), exitTerminate, ""},
		"the cause itself":    {&store.Error{Op: "verify", Err: sig}, exitTerminate, ""},
		"a lost answer":       {fmt.Errorf("put x: %w: %w", store.ErrUnclear, &store.Error{Op: "put", Path: "x", Err: context.Canceled}), exitTerminate, ""},
		"a reader that ended": {fmt.Errorf("%w: %w", dataset.ErrReader, context.Canceled), exitTerminate, ""},
		"a full lost answer":  {errors.Join(context.Canceled, fmt.Errorf("put x: %w: %w", store.ErrUnclear, full)), exitStorage, "no space left"},
		"no space":            {errors.Join(fmt.Errorf("read: %w", context.Canceled), fmt.Errorf("publish: %w", full)), exitStorage, "no space left"},
		"no space alone":      {full, exitStorage, "no space left"},
		"ambiguous":           {ambiguous, exitAmbiguous, "bought or not"},
		"a panic":             {errors.Join(context.Canceled, &bug.Error{Where: []string{"here"}}), exitBug, "panic in here"},
		"foreign":             {errors.Join(context.Canceled, &sink.ForeignError{Path: "f", Reason: "changed"}), exitForeign, "changed"},
		"a slow output":       {errors.Join(context.Canceled, fmt.Errorf("publish: %w", context.DeadlineExceeded)), exitTerminate, "publish"},
		"no network":          {&source.Error{Class: source.ClassUnavailable, Message: "no answer", Retryable: true}, exitTerminate, "no answer"},
		"a broken disk":       {errors.Join(context.Canceled, &store.Error{Op: "sync", Path: "x", Err: syscall.EIO}), exitTerminate, "input/output error"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(sig)
		o := classify(interrupted(ctx, tt.err))
		if o.Code != tt.code || !strings.Contains(o.Message, "stopped by terminated") || !strings.Contains(o.Message, tt.says) || o.Hint == "" || strings.Contains(o.Message, "canceled") {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if err := interrupted(t.Context(), full); !errors.Is(err, full) {
		t.Errorf("without a signal: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&siblingError{"2024-01-01"})
	if o := classify(interrupted(ctx, full)); o.Code != exitStorage || strings.Contains(o.Message, "stopped") {
		t.Errorf("beside a sibling's failure: %+v", o)
	}
}

// TestConclude holds the rule for several windows and a signal.
func TestConclude(t *testing.T) {
	sig := &signalError{syscall.SIGINT}
	fine, none, stopped := windowEnd{begun: true}, windowEnd{}, windowEnd{begun: true, err: sig}
	of := func(err error) windowEnd { return windowEnd{begun: true, err: err} }
	status := func(code int) error { return &statusError{code, fmt.Sprintf("because %d", code), "do"} }
	with := func(code int) windowEnd { return of(&stoppedError{sig, status(code)}) }
	for name, tt := range map[string]struct {
		signal bool
		ends   []windowEnd
		code   int
		says   []string
	}{
		"all is well":                           {false, []windowEnd{fine, fine}, 0, nil},
		"a signal at the very end":              {true, []windowEnd{fine, fine}, 0, nil},
		"a signal stopped one":                  {true, []windowEnd{fine, stopped}, 130, nil},
		"a signal between two":                  {true, []windowEnd{fine, none}, 130, nil},
		"ambiguous, the rest not begun":         {true, []windowEnd{of(status(44)), none}, 130, []string{"because 44", "interrupt"}},
		"ambiguous with the signal, alone":      {true, []windowEnd{with(44)}, 44, []string{"because 44", "interrupt"}},
		"ambiguous with the signal, all others": {true, []windowEnd{fine, with(44)}, 130, []string{"because 44", "interrupt"}},
		"no space with the signal":              {true, []windowEnd{stopped, with(50)}, 50, []string{"because 50", "interrupt"}},
		"a bug with the signal":                 {true, []windowEnd{of(status(40)), with(70), none}, 70, []string{"because 70", "interrupt", "because 40"}},
		"network with the signal":               {true, []windowEnd{with(20), stopped}, 130, []string{"because 20", "interrupt"}},
		"a truncated one before a late signal":  {true, []windowEnd{of(status(41)), fine}, 41, nil},
		"the first retryable":                   {false, []windowEnd{of(status(40)), of(status(21)), of(status(20))}, 21, []string{"because 40", "because 20"}},
		"else the first":                        {false, []windowEnd{fine, of(status(60)), of(status(41))}, 60, []string{"because 41"}},
		"a sibling's failure":                   {false, []windowEnd{of(&siblingError{"x"}), of(status(11)), none}, 11, nil},
		"more than one message can take":        {false, []windowEnd{of(status(40)), of(status(40)), of(status(40)), of(status(40))}, 40, []string{"and 1 more"}},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if tt.signal {
			cancel(sig)
		}
		windows := make([]pipeline.Window, len(tt.ends))
		o := classify(conclude(ctx, tt.ends, windows))
		cancel(nil)
		if o.Code != tt.code || o.Code != 0 && o.Hint == "" || strings.Count(o.Message, "interrupt") > 1 {
			t.Errorf("%s: %+v", name, o)
		}
		for _, says := range tt.says {
			if !strings.Contains(o.Message, says) {
				t.Errorf("%s: %q does not say %q", name, o.Message, says)
			}
		}
	}
}

// TestExport_SignalBeforeTheEnd stops a real run while its first window is read.
func TestExport_SignalBeforeTheEnd(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, TaskDuration: time.Hour})
	ctx, cancel := context.WithCancelCause(t.Context())
	var awaited atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		awaited.Store(x.Await(t.Context(), func(l emulator.Ledger) bool { return len(l.Calls(emulator.EndpointTask)) > 0 }) == nil)
		cancel(&signalError{syscall.SIGINT})
	}()
	code, r, stderr := x.export(ctx)
	<-done
	if !awaited.Load() || code != exitInterrupt || r.Status != "interrupted" || len(r.Windows) != 3 || r.Windows[0].Error == nil || r.Windows[0].Error.Code != "signal" || r.Windows[1].Error == nil || r.Windows[2].Error.Code != codeStopped || len(x.Ledger().Calls(emulator.EndpointTaskDelete)) != 0 {
		t.Errorf("exit %d: %+v\n%s", code, r, stderr)
	}
}

// TestExitCodes_EveryFailureHasAHint: whatever ends a run says what to do.
func TestExitCodes_EveryFailureHasAHint(t *testing.T) {
	for _, c := range exitCodes {
		if o := classify(&statusError{c.Code, "because", ""}); c.Code != exitOK && o.Hint == "" {
			t.Errorf("exit %d has no hint", c.Code)
		}
	}
	// A class of the API's trouble is an exit code.
	for _, class := range []source.Class{
		source.ClassUsage, source.ClassAuth, source.ClassCredits, source.ClassRejected, source.ClassUnavailable, source.ClassStream,
		source.ClassLocked, source.ClassTask, source.ClassExpired, source.ClassAmbiguous, source.ClassForeign,
	} {
		if o := classify(&source.Error{Class: class, Message: "because"}); o.Code != int(class) || o.Name == "" || o.Hint == "" {
			t.Errorf("class %d is exit %d, %q, hint %q", class, o.Code, o.Name, o.Hint)
		}
	}
	for _, err := range []error{errors.New("a bug"), context.Canceled, context.DeadlineExceeded, sink.ErrLocked, source.ErrRewind, source.ErrReplay,
		pipeline.ErrMissing, pipeline.ErrConservation, &pipeline.TaskError{}, &store.Error{Err: syscall.EIO}, &sink.ForeignError{}} {
		if o := classify(err); o.Hint == "" || o.Code == exitOK {
			t.Errorf("%v: %+v", err, o)
		}
	}
}
