package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// objects is the world with an output that excludes nobody.
type objects struct {
	*world
	memory *storetest.Memory
}

func newObjects(t *testing.T) *objects {
	return &objects{newWorld(t, emulator.Config{DocumentsPerDay: 100, LimitBatch: 50, ControlEvery: 20}), storetest.NewMemory()}
}

// runner is a job as another process on another machine has it: nothing is shared but the store and the API.
func (w *objects) runner(p *storetest.Process, rows int64, log *bytes.Buffer) *pipeline.Job {
	client, err := source.New(source.Config{BaseURL: w.base, Token: source.NewToken(w.server.Token()), WaitScale: 0.001, IdleTimeout: time.Hour})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return &pipeline.Job{
		API: client, Pool: pipeline.NewPool(2), Records: pipeline.Records{Bytes: 32 << 10},
		Open: func(ctx context.Context, win pipeline.Window) (pipeline.Output, error) {
			out, err := sink.Open(ctx, sink.Config{
				Store: p, Run: win.Run, Partition: win.Partition, Schema: schema.Arrow(), SchemaVersion: schema.Version,
				MaxFileRows: rows, Compression: parquet.Compression{Codec: parquet.Zstd, Level: 1}, Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			if err != nil {
				return pipeline.Output{}, err
			}
			return output{out}.parts(), nil
		},
	}
}

// check holds what the store has against the collector's queue and the bill.
func (w *objects) check() {
	w.t.Helper()
	if err := os.RemoveAll(w.root); err != nil {
		w.t.Fatal(err)
	}
	for name, data := range w.memory.Files() {
		if strings.HasSuffix(name, ".parquet") {
			name = filepath.Join(w.root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, data, 0o600)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.checkQueue()
	if posts := w.server.Ledger().ExportPosts(); posts != 1 {
		w.t.Errorf("%d posts", posts)
	}
}

// A runner dies at any of its requests, and what it sent last arrives while its successor is about to publish the same
// number with another end: the successor reads on from there, in the same start.
func TestExport_OvertakenByTheDead(t *testing.T) {
	var log bytes.Buffer
	for at := 18; ; at += 4 {
		w := newObjects(t)
		first := w.memory.NewProcess()
		first.At, first.Kind = at, storetest.DieLate
		_, err := w.runner(first, 60, &log).Export(t.Context(), w.window)
		if first.Op == "" {
			break
		}
		if !errors.Is(err, storetest.ErrDead) {
			t.Fatalf("%s: %v", first.Op, err)
		}
		second := w.memory.NewProcess()
		second.Gate = func() {
			if second.Count > 14 { // it has listed what is there
				w.memory.Land()
			}
		}
		r, err := w.runner(second, 100, &log).Export(t.Context(), w.window)
		if err != nil || !r.Complete || r.Rows != 400 {
			t.Fatalf("after %s: %+v, %v", first.Op, r, err)
		}
		w.check()
	}
	if n := strings.Count(log.String(), "arrived late"); n < 1 {
		t.Errorf("%d files arrived late", n)
	}
}

// Two runners on two machines start at the same time, with nothing. One export is bought, and every result is there
// once; whoever does not come through ends as locked.
func TestExport_RacesOnObjects(t *testing.T) {
	races := 4
	if testing.Short() {
		races = 2
	}
	for range races {
		w := newObjects(t)
		var log bytes.Buffer
		errs := make([]error, 2)
		var all sync.WaitGroup
		for i := range errs {
			job := w.runner(w.memory.NewProcess(), int64(60+40*i), new(bytes.Buffer))
			all.Go(func() { _, errs[i] = job.Export(t.Context(), w.window) })
		}
		all.Wait()
		for _, err := range errs {
			var api *source.Error
			if err != nil && !errors.Is(err, sink.ErrLocked) && !(errors.As(err, &api) && api.Class == source.ClassLocked) {
				t.Fatal(err)
			}
		}
		if _, err := w.runner(w.memory.NewProcess(), 80, &log).Export(t.Context(), w.window); err != nil {
			t.Fatalf("after %v: %v", errs, err)
		}
		w.check()
	}
}
