package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source/emulator"
)

// Every start tells the same story to everybody: it begins, ends once, and in between tells of every file that
// the report names.
func TestExport_TellsEveryObserver(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 100, LimitBatch: 50, ControlEvery: 20, TaskDuration: 20 * time.Millisecond})
	w.rows, w.job.Records = 100, pipeline.Records{Bytes: 64 << 10}
	open := w.job.Open
	for i, start := range []struct {
		name  string
		open  func(context.Context, pipeline.Window) (pipeline.Output, error)
		want  string // kinds of events, of each kind in a row the first
		fails bool
	}{
		{"a directory that cannot be opened", func(context.Context, pipeline.Window) (pipeline.Output, error) {
			return pipeline.Output{}, errors.New("no")
		}, "Failed", true},
		{"a bug", func(context.Context, pipeline.Window) (pipeline.Output, error) { panic("a document") }, "Failed", true},
		{"the first start", open, "Begun Acquired TaskSeen … Ended", false},
		{"a complete run", open, "Begun Ended", false},
	} {
		var all [2][]pipeline.Event
		w.job.Observers = nil
		for i := range all {
			w.job.Observers = append(w.job.Observers, func(about pipeline.Window, e pipeline.Event) {
				if about.Run != w.window.Run {
					t.Errorf("told of run %s", about.Run)
				}
				all[i] = append(all[i], e)
			})
		}
		w.job.Open = start.open
		r, err := w.job.Export(t.Context(), w.window)
		if (err != nil) != start.fails || err != nil && strings.Contains(err.Error(), "document") {
			t.Fatalf("%s: %v", start.name, err)
		}
		if !slices.EqualFunc(all[0], all[1], func(a, b pipeline.Event) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("%s: one is told %v, the other %v", start.name, all[0], all[1])
		}
		var kinds, files []string
		var rows, moved int64
		for _, event := range all[0] {
			kind := strings.TrimPrefix(fmt.Sprintf("%T", event), "pipeline.")
			switch e := event.(type) {
			case pipeline.Begun:
				if e.Results != int64(400*max(0, i-2)) {
					t.Errorf("%s: it begins with %d results", start.name, e.Results)
				}
			case pipeline.Moved:
				if e.Results <= moved || e.Results != e.Rows+e.Rejected {
					t.Errorf("%s: %d results were moved, then %+v", start.name, moved, e)
				}
				moved = e.Results
			case pipeline.Published:
				files, rows = append(files, e.Name), rows+e.Rows
			case pipeline.Ended:
				if !reflect.DeepEqual(e.Report, r) {
					t.Errorf("%s: it ends with %+v, the report is %+v", start.name, e.Report, r)
				}
			case pipeline.Failed:
				if !errors.Is(e.Err, err) || !reflect.DeepEqual(e.Report, r) {
					t.Errorf("%s: it fails with %v and %+v, the error is %v", start.name, e.Err, e.Report, err)
				}
			}
			if kind == "Moved" || kind == "Published" || kind == "TaskSeen" && len(kinds) > 2 {
				kind = "…"
			}
			if len(kinds) == 0 || kinds[len(kinds)-1] != kind {
				kinds = append(kinds, kind)
			}
		}
		if got := strings.Join(kinds, " "); got != start.want {
			t.Errorf("%s: %s, want %s", start.name, got, start.want)
		}
		if i == 2 && (!slices.Equal(files, r.Files) || rows != r.Rows || moved != 400) {
			t.Errorf("%s: told of files %v with %d rows, %d moved; report %+v", start.name, files, rows, moved, r)
		}
	}
}
