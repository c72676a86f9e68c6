package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// aborting remembers which tasks were to be aborted.
type aborting struct {
	*source.Client
	ids []string
}

func (a *aborting) AbortTask(ctx context.Context, id string) (source.Task, error) {
	a.ids = append(a.ids, id)
	return a.Client.AbortTask(ctx, id)
}

// wish is the cause of a context that a person ended.
type wish struct{}

func (wish) Error() string        { return "a signal" }
func (wish) Is(target error) bool { return target == pipeline.ErrStopped }

func is[E pipeline.Event](e pipeline.Event) bool {
	_, ok := e.(E)
	return ok
}

// Aborting throws away what is paid for: only a person or a scheduler may ask for it, not another window's failure,
// which ends the context alike.
func TestExport_AbortsOnAWishOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		cause error
		flag  bool
		when  func(pipeline.Event) bool
		want  int
	}{
		"a signal":                   {wish{}, true, is[pipeline.TaskSeen], 1},
		"a signal behind a reason":   {errors.Join(errors.New("stopped"), wish{}), true, is[pipeline.TaskSeen], 1},
		"a signal, not to abort":     {wish{}, false, is[pipeline.TaskSeen], 0},
		"a signal right after":       {wish{}, true, is[pipeline.Acquired], 1},
		"another window's failure":   {errors.New("another window failed"), true, is[pipeline.TaskSeen], 0},
		"a failure right after":      {errors.New("another window failed"), true, is[pipeline.Acquired], 0},
		"cancelled without a reason": {nil, true, is[pipeline.TaskSeen], 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{DocumentsPerDay: 10, TaskDuration: time.Hour})
			api := &aborting{Client: w.client}
			w.job.API, w.job.AbortOnCancel = api, tt.flag
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			w.watch(func(e pipeline.Event) {
				if tt.when(e) {
					cancel(tt.cause)
				}
			})
			_, err := w.job.Export(ctx, w.window)
			l := w.server.Ledger()
			if !errors.Is(err, context.Canceled) || len(api.ids) != tt.want || len(l.Calls(emulator.EndpointTaskDelete)) != tt.want {
				t.Errorf("error %v, aborted %q, the server got %d calls", err, api.ids, len(l.Calls(emulator.EndpointTaskDelete)))
			}
			if tt.want == 1 && api.ids[0] != l.Tasks[0].ID {
				t.Errorf("aborted %q, bought %q", api.ids, l.Tasks[0].ID)
			}
		})
	}
}

// An export that was found by its results only has no id that could be aborted.
func TestExport_AbortsNoUnknownTask(t *testing.T) {
	w := newWorld(t, emulator.Config{})
	id := source.CollectorID(w.window.Run)
	if err := w.server.AddCollector(id, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	w.server.AddResults(id, json.RawMessage(`{"url":"http://a.example/"}`))
	api := &aborting{Client: w.client}
	w.job.API, w.job.AbortOnCancel = api, true
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	adopted := false
	w.watch(func(e pipeline.Event) {
		if a, ok := e.(pipeline.Acquired); ok {
			adopted = a.Task.ID == ""
			cancel(wish{})
		}
	})
	_, err := w.job.Export(ctx, w.window)
	calls := w.server.Ledger().Requests
	if !adopted || !errors.Is(err, context.Canceled) || len(api.ids) != 0 || slices.ContainsFunc(calls, func(r emulator.Request) bool { return r.Method == "DELETE" }) {
		t.Errorf("adopted %v, error %v, aborted %q", adopted, err, api.ids)
	}
}

// A signal between the purchase and the look that follows it must not lose the task.
func TestExport_StoppedRightAfterBuyingAborts(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 10, TaskDuration: time.Hour})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{{Endpoint: emulator.EndpointTasks, From: 3, Hold: "before"}}})
	api := &aborting{Client: w.client}
	w.job.API, w.job.AbortOnCancel = api, true
	go func() {
		// The first two looks come before the purchase, the third is held.
		if w.server.Await(ctx, func(l emulator.Ledger) bool { return l.ExportPosts() == 1 && len(l.Calls(emulator.EndpointTasks)) == 3 }) == nil {
			cancel(wish{})
		}
	}()
	_, err := w.job.Export(ctx, w.window)
	w.server.Release()
	if l := w.server.Ledger(); !errors.Is(err, context.Canceled) || len(l.Tasks) != 1 || len(api.ids) != 1 || api.ids[0] != l.Tasks[0].ID {
		t.Errorf("error %v, bought %v, aborted %q", err, l.Tasks, api.ids)
	}
}

// A complete run is judged by its report, whichever start reads it.
func TestExport_JudgesCompleteRunsAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		processed int64
		want      error
	}{
		"all there": {3, nil}, "fewer": {5, pipeline.ErrMissing}, "more": {2, pipeline.ErrExtra},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, emulator.Config{})
			id := source.CollectorID(w.window.Run)
			if err := w.server.AddCollector(id, time.Now(), nil); err != nil {
				t.Fatal(err)
			}
			w.server.AddResults(id, json.RawMessage(`{"url":"a"}`), json.RawMessage(`{"url":"b"}`), json.RawMessage(`{"url":"c"}`))
			w.server.AddTask(emulator.TaskSpec{Target: id, Processed: tt.processed})
			var calls int
			for i, strict := range []bool{true, true, false, true, false, true} {
				w.job.Strict = strict
				r, err := w.job.Export(t.Context(), w.window)
				var want error
				if strict {
					want = tt.want
				}
				if !errors.Is(err, want) || (want == nil) != (err == nil) || r.Rows != 3 || r.Complete != (i >= 2 || want == nil) {
					t.Errorf("start %d, strict %v: report %+v, error %v", i, strict, r, err)
				}
				now := len(w.server.Ledger().Requests)
				if i > 2 && now != calls {
					t.Errorf("start %d of a complete run made %d calls", i, now-calls)
				}
				calls = now
			}
		})
	}
}

// What matches in all is what the emulator would export without a limit.
func TestReport_Matching(t *testing.T) {
	for _, limit := range []int{1, 30, 33, 39, 40, 1000} {
		w := newWorld(t, emulator.Config{DocumentsPerDay: 10, LimitBatch: 7})
		w.window.Request.Limit = limit
		for range 2 {
			r, err := w.job.Export(t.Context(), w.window)
			if err != nil || r.Matching() != 40 || r.Truncated != (limit < 40) {
				t.Errorf("limit %d: %d match, report %+v, error %v", limit, r.Matching(), r, err)
			}
		}
	}
	for _, r := range []pipeline.Report{{Processed: 10}, {Processed: 10, Progress: 1e-300}, {Progress: 0.5, Processed: -1}} {
		if n := r.Matching(); n != 0 {
			t.Errorf("%+v: %d", r, n)
		}
	}
}

func TestAsking_Overlaps(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2024, 1, d, 0, 0, 0, 0, time.UTC) }
	base := pipeline.Asking{Start: day(10), Stop: day(20), Asked: pipeline.Asked{
		Host: "api.example", Kind: source.KindProject, Project: "p", Topics: []string{"a", "b"}, Query: "q", Limit: 5, Generation: 1}}
	for name, tt := range map[string]struct {
		change func(*pipeline.Asking)
		want   bool
	}{
		"itself":        {func(*pipeline.Asking) {}, true},
		"limit":         {func(a *pipeline.Asking) { a.Asked.Limit = 9 }, true},
		"generation":    {func(a *pipeline.Asking) { a.Asked.Generation = 2 }, true},
		"topic order":   {func(a *pipeline.Asking) { a.Asked.Topics = []string{"b", "a", "b"} }, true},
		"host's case":   {func(a *pipeline.Asking) { a.Asked.Host = "API.example" }, true},
		"one day":       {func(a *pipeline.Asking) { a.Start, a.Stop = day(19), day(25) }, true},
		"inside":        {func(a *pipeline.Asking) { a.Start, a.Stop = day(12), day(13) }, true},
		"just before":   {func(a *pipeline.Asking) { a.Start, a.Stop = day(1), day(10) }, false},
		"just after":    {func(a *pipeline.Asking) { a.Start, a.Stop = day(20), day(21) }, false},
		"host":          {func(a *pipeline.Asking) { a.Asked.Host = "other.example" }, false},
		"kind":          {func(a *pipeline.Asking) { a.Asked.Kind = source.KindQuery }, false},
		"project":       {func(a *pipeline.Asking) { a.Asked.Project = "x" }, false},
		"stream":        {func(a *pipeline.Asking) { a.Asked.Stream = "x" }, false},
		"fewer topics":  {func(a *pipeline.Asking) { a.Asked.Topics = []string{"a"} }, false},
		"a dataset":     {func(a *pipeline.Asking) { a.Asked.Datasets = []string{"d"} }, false},
		"another query": {func(a *pipeline.Asking) { a.Asked.Query = "q " }, false},
	} {
		other := base
		tt.change(&other)
		if base.Overlaps(other) != tt.want || other.Overlaps(base) != tt.want {
			t.Errorf("%s: %v, want %v", name, base.Overlaps(other), tt.want)
		}
	}
}
