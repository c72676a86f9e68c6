package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow-go/v18/parquet/compress"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

const live = "live-one"

// newFeed is a town with a collector that a project feeds.
func newFeed(t *testing.T, cfg emulator.Config) *town {
	t.Helper()
	server, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, server: server, memory: storetest.NewMemory()}
	body := fmt.Sprintf(`{"collector_query":{"projects":[%q]}}`, server.Projects()[0])
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://127.0.0.1:1/api/v3/stream/c/"+live+"?access_token="+server.Token(), strings.NewReader(body))
	answer, err := w.machine().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	return w
}

// cable is a machine's network, which may be away.
type cable struct {
	*machine
	down  func() bool
	calls int
}

func (c *cable) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.down() {
		return nil, errors.New("no route to host")
	}
	c.calls++
	if r.Method != http.MethodGet {
		return nil, fmt.Errorf("%s: reading changes nothing", r.Method)
	}
	return c.machine.RoundTrip(r)
}

// follow reads the collector as a process of its own.
func (m *machine) follow(ctx context.Context, interval time.Duration, from string, c *cable) (pipeline.Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.end = cancel
	client, err := source.New(source.Config{BaseURL: "http://127.0.0.1:1", Token: source.NewToken(m.town.server.Token()), Transport: c})
	if err != nil {
		return pipeline.Report{}, err
	}
	defer client.Close()
	run := source.CollectorRun(client.Host(), live, 1)
	out, err := sink.Open(ctx, sink.Config{
		Store: m.Process, Run: run, Partition: "collector=" + live, Schema: schema.Arrow(), SchemaVersion: schema.Version,
		MaxFileRows: 500, Compression: parquet.Compression{Codec: parquet.Zstd, Level: 1}, Probes: &sink.Probes{}, SkipEmpty: true, Tail: true,
	})
	if err != nil {
		return pipeline.Report{}, err
	}
	defer func() { _ = out.Close() }() // a dead process cannot
	job := &pipeline.Read{API: client, Host: client.Host(), Collector: live, From: from, Follow: interval, Output: output{out}.parts(), Pool: pipeline.NewPool(1)}
	return job.Run(ctx, pipeline.Window{Run: run})
}

// checkFeed holds the files against what the collector got: each result once, in order, and files that are not empty.
func (w *town) checkFeed() (rows, files int) {
	w.t.Helper()
	root := w.t.TempDir()
	for name, data := range w.memory.Files() {
		if !strings.HasSuffix(name, ".parquet") {
			continue
		}
		p, err := sink.ReadPublished(bytes.NewReader(data), int64(len(data)))
		if err != nil || p.Rows+p.Rejected == 0 {
			w.t.Errorf("%s: %d rows, %v", name, p.Rows, err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o777), os.WriteFile(filepath.Join(root, name), data, 0o600)); err != nil {
			w.t.Fatal(err)
		}
	}
	held := &world{t: w.t, root: root, window: pipeline.Window{Partition: "collector=" + live}}
	got, files := held.held()
	var queue bytes.Buffer
	if err := w.server.WriteResults(&queue, live); err != nil {
		w.t.Fatal(err)
	}
	want := bytes.Split(bytes.TrimSuffix(queue.Bytes(), []byte("\n")), []byte("\n"))
	if len(got) != len(want) {
		w.t.Fatalf("%d rows, the collector got %d results", len(got), len(want))
	}
	for i := range want {
		if url(w.t, got[i]) != url(w.t, want[i]) {
			w.t.Fatalf("row %d is %s, result %s", i, url(w.t, got[i]), url(w.t, want[i]))
		}
	}
	return len(got), files
}

// Weeks of a live collector: the network is away for hours and for days, the process dies at calls and at requests
// to the store, and at last it is stopped.
func TestRead_FollowsForWeeks(t *testing.T) {
	seeds, weeks := uint64(2), 3
	if testing.Short() {
		seeds, weeks = 1, 1
	}
	// Readers of Parquet share decoders, which must not be made inside of a bubble.
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	codec.Decode(nil, codec.Encode(nil, []byte("anything")))
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { followWeeks(t, seed, weeks) })
		})
	}
}

func followWeeks(t *testing.T, seed uint64, weeks int) {
	rng := rand.New(rand.NewPCG(seed, 99))
	w := newFeed(t, emulator.Config{DocumentsPerDay: 60, ControlEvery: 3})
	begun := time.Now()
	stop, cancel := context.WithDeadline(context.Background(), begun.AddDate(0, 0, 7*weeks))
	defer cancel()
	down := func() bool { // an hour each day, and three days of a week
		hours := int(time.Since(begun).Hours())
		return hours%24 == 7 || hours/24%7 >= 2 && hours/24%7 < 5
	}
	calls, deaths := 0, 0
	for stop.Err() == nil {
		m := w.machine()
		m.dieAt, m.after = rng.IntN(3000), rng.IntN(2) == 0
		if rng.IntN(2) == 0 {
			m.At, m.Kind = rng.IntN(120), storetest.RemoteKind(rng.IntN(2)) // DieBefore or DieAfter
		}
		c := &cable{machine: m, down: down}
		r, err := m.follow(stop, 15*time.Minute, "", c)
		calls += c.calls
		if stop.Err() == nil {
			deaths++
			if !m.Dead {
				t.Fatalf("it ended alive: %v, %+v", err, r)
			}
		}
		<-time.After(time.Duration(rng.IntN(3600)) * time.Second) // in the bubble's time
	}
	m := w.machine()
	if _, err := m.follow(context.Background(), 0, "", &cable{machine: m, down: func() bool { return false }}); err != nil {
		t.Fatal(err)
	}
	rows, files := w.checkFeed()
	t.Logf("%d rows in %d files, %d calls, %d deaths", rows, files, calls, deaths)
	if rows < 60*5*weeks || deaths == 0 || files > weeks*7*96 || calls > weeks*7*24*60*5 {
		t.Errorf("%d rows in %d files, %d calls, %d deaths", rows, files, calls, deaths)
	}
}
