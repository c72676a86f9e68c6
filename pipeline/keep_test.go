package pipeline_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"weak"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/source/emulator"
)

// TestExport_ReportsKeepNoOutput: a process keeps the reports of a thousand windows, and what it was told of them. The output
// of a window holds encoders and buffers of several MiB, so neither may keep one alive.
func TestExport_ReportsKeepNoOutput(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 10})
	var outputs []weak.Pointer[sink.Output]
	open := w.job.Open
	w.job.Open = func(ctx context.Context, win pipeline.Window) (pipeline.Output, error) {
		out, err := open(ctx, win)
		if o, ok := out.Sink.(output); ok {
			outputs = append(outputs, weak.Make(o.Output))
		}
		return out, err
	}
	var events []pipeline.Event
	w.watch(func(e pipeline.Event) { events = append(events, e) })
	var reports []pipeline.Report
	for range 2 { // the first buys and reads, the second finds all complete
		r, err := w.job.Export(t.Context(), w.window)
		if err != nil || r.Rows != 40 {
			t.Fatalf("%d rows, %v", r.Rows, err)
		}
		reports = append(reports, r)
	}
	if reports[0].Reading == nil || reports[0].Reading.Reads == 0 {
		t.Errorf("the reads were not counted: %+v", reports[0].Reading)
	}
	if len(outputs) != 2 || len(events) < 4 {
		t.Fatalf("%d outputs, %d events", len(outputs), len(events))
	}
	kept := func(o weak.Pointer[sink.Output]) bool { return o.Value() != nil }
	for range 100 { // a goroutine that is about to end may have one yet
		if runtime.GC(); !slices.ContainsFunc(outputs, kept) {
			break
		}
	}
	for i, o := range outputs {
		if kept(o) {
			t.Errorf("output %d is still there", i)
		}
	}
	runtime.KeepAlive(reports)
	runtime.KeepAlive(events)
}
