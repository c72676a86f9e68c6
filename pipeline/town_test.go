package pipeline_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// archive is an output as the commands hand it to claims.
type archive struct{ sink.Records }

func (a archive) Look(ctx context.Context) (pipeline.Listing, error) {
	d, err := dataset.Open(ctx, a.Store)
	return listing{d}, err
}

type listing struct{ *dataset.Dataset }

func (l listing) Runs() (ids []string) {
	for _, r := range l.Dataset.Runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func (l listing) Run(id string) pipeline.HeldRun {
	if r := l.Dataset.Run(id); r != nil {
		return r
	}
	return nil
}

// epoch is before the time at which bubbles begin.
var epoch = time.Date(1999, 3, 1, 0, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return epoch.Add(time.Duration(hours) * time.Hour) }

// town is an account and an output, which several machines share.
type town struct {
	t      *testing.T
	server *emulator.Server
	memory *storetest.Memory
	disk   *storetest.MemFS // the output lies here instead, if it is not nil

	mu      sync.Mutex
	windows map[string]pipeline.Window // all that ever were opened, by run
	dropped map[string]uint64          // runs, and how many calls there had been when they were dropped
}

func newTown(t *testing.T) *town {
	server, err := emulator.New(emulator.Config{DocumentsPerDay: 4, LimitBatch: 1, ControlEvery: 2, NoRateLimits: true})
	if err != nil {
		t.Fatal(err)
	}
	return &town{t: t, server: server, memory: storetest.NewMemory(), windows: map[string]pipeline.Window{}, dropped: map[string]uint64{}}
}

// machine is a process of its own. It may die at a request to the store, or at a call of the API.
type machine struct {
	*storetest.Process
	disk  *storetest.FaultFS // instead of the process's store, where the town has one
	town  *town
	calls int
	dieAt int // the call; below 0: none
	after bool
	end   context.CancelCauseFunc
	// decided is called between the claim and the first purchase.
	decided func()
	// shape makes claims cut and lower.
	shape func(*pipeline.Claims)
}

func (w *town) machine() *machine {
	m := &machine{Process: w.memory.NewProcess(), town: w, dieAt: -1}
	if w.disk != nil {
		m.disk = &storetest.FaultFS{MemFS: w.disk, At: -1, Kind: storetest.Die}
	}
	return m
}

// store is the output as the machine sees it.
func (m *machine) store() store.Store {
	if m.disk == nil {
		return m.Process
	}
	s, err := store.OpenLocal(store.LocalConfig{Root: "/out", FS: m.disk})
	if err != nil {
		m.town.t.Fatal(err)
	}
	return s
}

// client is the API as the machine sees it, until ctx ends or the machine dies.
func (m *machine) client() (context.Context, *source.Client) {
	ctx, cancel := context.WithCancelCause(context.Background())
	m.end = cancel
	client, err := source.New(source.Config{BaseURL: "http://127.0.0.1:1", Token: source.NewToken(m.town.server.Token()), Transport: m})
	if err != nil {
		m.town.t.Fatal(err)
	}
	return ctx, client
}

// files are what the output holds.
func (w *town) files() map[string][]byte {
	if w.disk != nil {
		return w.disk.Files()
	}
	return w.memory.Files()
}

// RoundTrip serves a call in process.
func (m *machine) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err := cmp.Or(r.Context().Err(), context.Cause(r.Context())); err != nil {
		return nil, err
	}
	n := m.calls
	m.calls++
	die := func() (*http.Response, error) {
		m.Stop()
		if m.disk != nil {
			m.disk.Stop()
		}
		m.end(storetest.ErrDead)
		return nil, storetest.ErrDead
	}
	if n == m.dieAt && !m.after {
		return die()
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	m.town.server.Handler().ServeHTTP(answer, copied)
	if n == m.dieAt {
		return die()
	}
	return answer.Result(), nil
}

// end is how one start went: the windows that were not brought to their end, or why there were none.
type end struct {
	failed []pipeline.Window
	errs   []error
	err    error
}

// twiceUnanswered tells that two POSTs of a run were announced, and neither left a task: a third one is not sent.
func (w *town) twiceUnanswered(run string) bool {
	absent := 0
	for name, data := range w.memory.Files() {
		if path.Dir(name) == sink.RunDir(run) && strings.Contains(string(data), `"outcome":"absent"`) {
			absent++
		}
	}
	return absent >= 2
}

func (w *town) ask(from, to int, split pipeline.Split, limit, generation int) pipeline.Ask {
	r := source.Request{Kind: source.KindProject, Project: w.server.Projects()[0], Start: at(from), Stop: at(to), Limit: limit, Generation: generation}
	windows, err := pipeline.Windows(r, split)
	if err != nil {
		w.t.Fatal(err)
	}
	return pipeline.Ask{Host: "127.0.0.1", Range: r, Windows: windows, Split: split}
}

// start is one start of an export.
func (m *machine) start(ask pipeline.Ask) (e end) {
	ctx, client := m.client()
	defer m.end(nil)
	defer client.Close()
	claims := &pipeline.Claims{Ask: ask, Archive: archive{sink.Records{Store: m.store()}}}
	if m.shape != nil {
		m.shape(claims)
	}
	job := m.job(client, claims)
	pieces, err := claims.Decide(ctx)
	if err != nil {
		return end{err: err}
	}
	if m.decided != nil {
		m.decided()
	}
	for _, win := range claims.Windows(pieces) {
		if _, err := job.Export(ctx, win); err != nil {
			e.failed, e.errs = append(e.failed, win), append(e.errs, err)
		}
	}
	return e
}

func (m *machine) job(client *source.Client, claims *pipeline.Claims) *pipeline.Job {
	w := m.town
	return &pipeline.Job{
		API: client, Pool: pipeline.NewPool(1), Records: pipeline.Records{Bytes: 32 << 10}, Claims: claims,
		Open: func(ctx context.Context, win pipeline.Window) (pipeline.Output, error) {
			w.mu.Lock()
			w.windows[win.Run] = win
			w.mu.Unlock()
			out, err := sink.Open(ctx, sink.Config{
				Store: m.store(), Run: win.Run, Partition: win.Partition, Schema: schema.Arrow(), SchemaVersion: schema.Version,
				MaxFileRows: 3, Compression: parquet.Compression{Codec: parquet.Zstd, Level: 1}, Probes: &sink.Probes{},
			})
			if err != nil {
				return pipeline.Output{}, err
			}
			return output{out}.parts(), nil
		},
	}
}

// covered are the hours of complete runs of a generation or later, as the objects themselves say.
func (w *town) covered(generation int) map[int]bool {
	hours := map[int]bool{}
	for name, data := range w.files() {
		if path.Base(name) != "manifest.json" {
			continue
		}
		var m struct{ Report pipeline.Report }
		if err := json.Unmarshal(data, &m); err != nil {
			w.t.Fatal(err)
		}
		if m.Report.Asked.Generation >= generation {
			for n := -24; n < 400; n++ {
				if !m.Report.Start.After(at(n)) && at(n).Before(m.Report.Stop) {
					hours[n] = true
				}
			}
		}
	}
	return hours
}

// checkEnd: what a start does not name as not covered is covered.
func (w *town) checkEnd(what string, ask pipeline.Ask, e end) {
	w.t.Helper()
	if e.err != nil {
		return
	}
	covered := w.covered(max(ask.Range.Generation, 1))
	for n := -24; n < 400; n++ {
		if at(n).Before(ask.Range.Start) || !at(n).Before(ask.Range.Stop) || covered[n] {
			continue
		}
		if !slices.ContainsFunc(e.failed, func(f pipeline.Window) bool { return !at(n).Before(f.Request.Start) && at(n).Before(f.Request.Stop) }) {
			w.t.Fatalf("%s: hour %d is neither covered nor named: %v", what, n, e.errs)
		}
	}
}

// purchase is an accepted POST.
type purchase struct {
	start, stop int64
	generation  int
	target      string
	call        uint64
}

func (w *town) purchases() (all []purchase) {
	l := w.server.Ledger()
	for _, task := range l.Tasks {
		i := slices.IndexFunc(l.Requests, func(r emulator.Request) bool { return r.Number == task.Request })
		var body struct{ Start, Stop int64 }
		if err := json.Unmarshal([]byte(l.Requests[i].Body), &body); err != nil {
			w.t.Fatal(err)
		}
		win := w.windows[strings.TrimPrefix(task.Target, "tw2p-")]
		all = append(all, purchase{body.Start, body.Stop, win.Request.Generation, task.Target, task.Request})
	}
	return all
}

// checkBill: no instant was bought twice in one generation.
func (w *town) checkBill(what string) {
	w.t.Helper()
	all := w.purchases()
	for i, a := range all {
		for _, b := range all[:i] {
			if gone, ok := w.dropped[b.target[5:]]; ok && gone <= a.call {
				continue
			}
			if a.generation == b.generation && a.start < b.stop && b.start < a.stop {
				w.t.Fatalf("%s: %+v and %+v were both bought", what, w.windows[a.target[5:]].Asking(), w.windows[b.target[5:]].Asking())
			}
		}
	}
}

// checkRows: every result that was paid for is there once, in the run that bought it, and nothing else is.
func (w *town) checkRows(what string) {
	w.t.Helper()
	paid := map[string]int64{}
	for _, c := range w.server.Ledger().Charges {
		paid[c.Target] += c.Credits
	}
	manifests := map[string]sink.Manifest{}
	for name, data := range w.files() {
		if path.Base(name) == "manifest.json" {
			var m sink.Manifest
			if err := json.Unmarshal(data, &m); err != nil {
				w.t.Fatal(err)
			}
			manifests[source.CollectorID(m.Run)] = m
		}
	}
	for _, p := range w.purchases() {
		if _, ok := w.dropped[p.target[5:]]; ok {
			continue
		}
		m, ok := manifests[p.target]
		if !ok && w.shadowed(w.windows[p.target[5:]]) {
			continue // begun, and nobody needs it
		}
		if m.Rows+m.Rejected != paid[p.target] {
			w.t.Fatalf("%s: %s: %d rows, %d rejects, %d paid", what, p.target, m.Rows, m.Rejected, paid[p.target])
		}
	}
	files := 0
	for name := range w.files() {
		if strings.HasSuffix(name, ".parquet") {
			files++
		}
	}
	for _, m := range manifests {
		files -= len(m.Files)
	}
	if files != 0 {
		w.t.Fatalf("%s: %d files too many", what, files)
	}
}

// shadowed tells whether later generations cover a window.
func (w *town) shadowed(win pipeline.Window) bool {
	covered := w.covered(win.Request.Generation)
	for n := -24; n < 400; n++ {
		if !at(n).Before(win.Request.Start) && at(n).Before(win.Request.Stop) && !covered[n] {
			return false
		}
	}
	return true
}

// loseLog removes the log of the source, as somebody does who tidies.
func (w *town) loseLog() {
	for name := range w.memory.Files() {
		if _, _, ok := sink.LogOf(name); ok {
			w.memory.Plant(name, nil)
		}
	}
}

// drop drops a run of those that were opened, as the command does.
func (m *machine) drop(rng *rand.Rand) error {
	w := m.town
	runs := slices.Sorted(maps.Keys(w.windows))
	if len(runs) == 0 {
		return nil
	}
	win := w.windows[runs[rng.IntN(len(runs))]]
	note, _ := json.Marshal(win.Asking())
	if _, ok := w.dropped[win.Run]; !ok {
		w.dropped[win.Run] = uint64(len(w.server.Ledger().Requests))
	}
	return m.dropRun(win, note)
}

func (m *machine) dropRun(win pipeline.Window, note []byte) error {
	return sink.Drop{Store: m.store(), Run: win.Run, Note: note, Dirs: []string{win.Partition}, Between: func(ctx context.Context) error {
		return pipeline.WriteDropped(ctx, archive{sink.Records{Store: m.store()}}, win.Asking())
	}}.Do(context.Background())
}
