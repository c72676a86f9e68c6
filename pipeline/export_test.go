package pipeline_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// world is the emulator, a client of it, and an output directory.
type world struct {
	t      *testing.T
	server *emulator.Server
	client *source.Client
	root   string
	window pipeline.Window
	job    *pipeline.Job
	rows   int64 // per file; 0: no limit
	base   string
}

type output struct{ *sink.Output }

func (o output) Files() []pipeline.File {
	var out []pipeline.File
	for _, f := range o.Output.Files() {
		out = append(out, pipeline.File{Name: f.Name, Rows: f.Rows, Rejected: f.Rejected, Bytes: f.Bytes, Notes: f.Notes})
	}
	return out
}

func (o output) Gap() (string, int64, bool) {
	g, ok := o.Output.Gap()
	return g.Offset, g.Next, ok
}

func (o output) parts() pipeline.Output {
	return pipeline.Output{Sink: o, Chain: o, Mending: o, Manifest: o, Journal: o.Journal(), Close: o.Close}
}

func newWorld(t *testing.T, cfg emulator.Config) *world {
	t.Helper()
	cfg.NoRateLimits = true
	server, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(server.Handler())
	t.Cleanup(hs.Close)
	client, err := source.New(source.Config{BaseURL: hs.URL, Token: source.NewToken(server.Token()),
		WaitScale: 0.001, IdleTimeout: time.Hour}) // scaled: 3.6 s without a byte, enough for a busy machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := &world{t: t, server: server, client: client, root: filepath.Join(t.TempDir(), "out"), base: hs.URL}
	r := source.Request{
		Kind: source.KindProject, Project: server.Projects()[0], Limit: source.MaxLimit, Generation: 1,
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC),
	}
	w.window = pipeline.Window{Request: r, Run: r.Run(client.Host()), Partition: "window_start=2024-01-01"}
	w.job = &pipeline.Job{
		API: client, Pool: pipeline.NewPool(2),
		Open: func(ctx context.Context, win pipeline.Window) (pipeline.Output, error) {
			disk, err := store.OpenLocal(store.LocalConfig{Root: w.root})
			if err != nil {
				return pipeline.Output{}, err
			}
			t.Cleanup(func() { _ = disk.Close() })
			out, err := sink.Open(ctx, sink.Config{
				Store: disk, Run: win.Run, Partition: win.Partition, Schema: schema.Arrow(), SchemaVersion: schema.Version,
				MaxFileRows: w.rows, Refetch: w.job.Refetch, Compression: parquet.Compression{Codec: parquet.Zstd, Level: 1},
			})
			if err != nil {
				return pipeline.Output{}, err
			}
			return output{out}.parts(), nil
		},
	}
	return w
}

// watch has f told what happens from now on, and nobody else.
func (w *world) watch(f func(pipeline.Event)) {
	w.job.Observers = []pipeline.Observer{func(_ pipeline.Window, e pipeline.Event) { f(e) }}
}

// held reads the published files back with arrow-go, in the order of their numbers.
func (w *world) held() (chunks [][]byte, files int) {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.root, w.window.Partition, "*.parquet"))
	if err != nil {
		w.t.Fatal(err)
	}
	rebuild := schema.NewRebuilder()
	for _, name := range names {
		f, err := file.OpenParquetFile(name, false)
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			w.t.Fatal(err)
		}
		table, err := r.ReadTable(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		records := array.NewTableReader(table, 0)
		for records.Next() {
			rec := records.RecordBatch()
			for row := range int(rec.NumRows()) {
				chunk, err := rebuild.RebuildChunk(rec, row, nil)
				if err != nil {
					w.t.Fatal(err)
				}
				chunks = append(chunks, chunk)
			}
		}
		records.Release()
		table.Release()
		if err := f.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	return chunks, len(names)
}

// checkQueue holds the files against what the collector got, as the emulator wrote it: same results,
// same order, each once.
func (w *world) checkQueue() {
	w.t.Helper()
	var queue bytes.Buffer
	if err := w.server.WriteResults(&queue, source.CollectorID(w.window.Run)); err != nil {
		w.t.Fatal(err)
	}
	want := bytes.Split(bytes.TrimSuffix(queue.Bytes(), []byte("\n")), []byte("\n"))
	got, _ := w.held()
	if len(got) != len(want) {
		w.t.Fatalf("%d rows, the collector got %d results", len(got), len(want))
	}
	for i := range got {
		if url(w.t, got[i]) != url(w.t, want[i]) {
			w.t.Fatalf("row %d is another document than result %d", i, i)
		}
	}
}

// url is what tells documents apart; those without are told by their provider's id.
func url(t *testing.T, chunk []byte) string {
	t.Helper()
	var c struct {
		Result struct {
			Data struct {
				Data struct {
					URL     string      `json:"url"`
					ID      string      `json:"external_id"`
					Indexed json.Number `json:"search_indexed"`
				} `json:"data"`
			} `json:"data"`
		} `json:"chunk_result"`
	}
	if err := json.Unmarshal(chunk, &c); err != nil {
		t.Fatal(err)
	}
	d := c.Result.Data.Data
	return fmt.Sprint(d.URL, d.ID, d.Indexed)
}

func TestExport_DeliversTheQueueAndBuysOnce(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 100, LimitBatch: 50, ControlEvery: 20, TaskDuration: 50 * time.Millisecond})
	w.rows, w.job.Records = 100, pipeline.Records{Bytes: 64 << 10}
	r, err := w.job.Export(t.Context(), w.window)
	if err != nil || !r.Complete || r.Rows != 400 || r.Credits != 400 || len(r.Files) < 3 {
		t.Fatalf("report %+v, error %v", r, err)
	}
	w.checkQueue()
	before := w.server.Ledger()
	again, err := w.job.Export(t.Context(), w.window)
	after := w.server.Ledger()
	if err != nil || again.Rows != 400 || again.TaskID != r.TaskID || again.Bytes != r.Bytes || len(after.Requests) != len(before.Requests) {
		t.Errorf("a complete run made %d calls; report %+v, error %v", len(after.Requests)-len(before.Requests), again, err)
	}
	if after.Credits() != 400 || after.ExportPosts() != 1 {
		t.Errorf("%d credits in %d posts", after.Credits(), after.ExportPosts())
	}
}

// Control chunks further apart than a batch: what goes out without an offset is sealed by the next
// one, and a break before it costs reading again, never a row.
func TestExport_SurvivesBreaksBehindResultsWithoutAnOffset(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 50, ControlEvery: 25})
	w.rows, w.job.Records = 40, pipeline.Records{Bytes: 16 << 10}
	w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{
		{Endpoint: emulator.EndpointResults, To: 3, Cut: &emulator.Cut{At: 250_000, How: "reset"}},
	}})
	var published int
	w.watch(func(e pipeline.Event) {
		if is[pipeline.Published](e) {
			published++
		}
	})
	r, err := w.job.Export(t.Context(), w.window)
	if err != nil || r.Rows != 200 || published < 3 {
		t.Fatalf("%d files, report %+v, error %v", published, r, err)
	}
	w.checkQueue()
	if posts := w.server.Ledger().ExportPosts(); posts != 1 {
		t.Errorf("%d posts", posts)
	}
}

func TestExport_NoControlChunkUntilTheEnd(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 50})
	w.rows, w.job.Records = 20, pipeline.Records{Bytes: 16 << 10}
	r, err := w.job.Export(t.Context(), w.window)
	if err != nil || r.Rows != 200 || len(r.Files) != 1 {
		t.Fatalf("report %+v, error %v: a file can only be cut at a control chunk", r, err)
	}
	w.checkQueue()
}

func TestExport_StoppedOnTheWayContinues(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 60, ControlEvery: 5})
	w.rows, w.job.Records = 20, pipeline.Records{Bytes: 16 << 10}
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		var files int
		w.watch(func(e pipeline.Event) {
			if is[pipeline.Published](e) {
				if files++; files == 2 {
					cancel()
				}
			}
		})
		r, err := w.job.Export(ctx, w.window)
		cancel()
		if err == nil {
			if r.Rows != 240 || stops < 2 {
				t.Errorf("after %d stops: %+v", stops, r)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || stops > 20 {
			t.Fatalf("stop %d: %v", stops, err)
		}
	}
	w.checkQueue()
	if l := w.server.Ledger(); l.Credits() != 240 || l.ExportPosts() != 1 {
		t.Errorf("%d credits in %d posts", l.Credits(), l.ExportPosts())
	}
}

func TestExport_TaskThatEndsBadly(t *testing.T) {
	for _, end := range []string{emulator.StatusFailed, emulator.StatusAborted} {
		w := newWorld(t, emulator.Config{DocumentsPerDay: 100, LimitBatch: 50, ControlEvery: 20})
		half := 0.5
		w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{{Endpoint: emulator.EndpointExport, Task: &emulator.Fate{End: end, At: &half}}}})
		r, err := w.job.Export(t.Context(), w.window)
		var bad *pipeline.TaskError
		if !errors.As(err, &bad) || string(bad.Status) != end || r.Rows == 0 || r.Complete {
			t.Errorf("%s: report %+v, error %v", end, r, err)
		}
		w.checkQueue()
		if _, err := os.Stat(filepath.Join(w.root, "_tw2parquet", w.window.Run, "manifest.json")); err == nil {
			t.Errorf("%s: there is a manifest", end)
		}
	}
}

func TestExport_NothingDeliveredOfABoughtTaskIsNoSuccess(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 10})
	id := source.CollectorID(w.window.Run)
	if err := w.server.AddCollector(id, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	w.server.AddTask(emulator.TaskSpec{Target: id, Processed: 40})
	r, err := w.job.Export(t.Context(), w.window)
	if !errors.Is(err, pipeline.ErrMissing) || r.Complete || w.server.Ledger().ExportPosts() != 0 {
		t.Errorf("report %+v, error %v", r, err)
	}
}

// Nobody can tell what a complete run was once somebody edited its report: that is not a bug of this program, and told.
func TestExport_EditedReport(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 5})
	if _, err := w.job.Export(t.Context(), w.window); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(w.root, "_tw2parquet", w.window.Run, "manifest.json")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(text, []byte(`"credits": `), []byte(`"credits": "none", "was": `), 1)
	if err := errors.Join(os.Remove(manifest), os.WriteFile(manifest, edited, 0o440)); err != nil {
		t.Fatal(err)
	}
	_, err = w.job.Export(t.Context(), w.window)
	var e *source.Error
	if !errors.As(err, &e) || e.Class != source.ClassForeign || e.Hint == "" || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("%v", err)
	}
}
