package pipeline_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"testing/synctest"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/parquet"
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
	town  *town
	calls int
	dieAt int // the call; below 0: none
	after bool
	end   context.CancelCauseFunc
	// decided is called between the claim and the first purchase.
	decided func()
}

func (w *town) machine() *machine {
	return &machine{Process: w.memory.NewProcess(), town: w, dieAt: -1}
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
		m.Dead = true
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
	w := m.town
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	m.end = cancel
	client, err := source.New(source.Config{BaseURL: "http://127.0.0.1:1", Token: source.NewToken(w.server.Token()), Transport: m})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	claims := &pipeline.Claims{Ask: ask, Archive: archive{sink.Records{Store: m.Process}}}
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
		API: client, Workers: 1, RowGroup: pipeline.RowGroup{Bytes: 32 << 10}, Claims: claims,
		Open: func(ctx context.Context, win pipeline.Window) (pipeline.Output, error) {
			w.mu.Lock()
			w.windows[win.Run] = win
			w.mu.Unlock()
			out, err := sink.Open(ctx, sink.Config{
				Store: m.Process, Run: win.Run, Partition: win.Partition, Schema: schema.Arrow(), SchemaVersion: schema.Version,
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
	for name, data := range w.memory.Files() {
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
	for name, data := range w.memory.Files() {
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
	for name := range w.memory.Files() {
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
	return sink.Drop{Store: m.Process, Run: win.Run, Note: note, Dirs: []string{win.Partition}, Between: func(ctx context.Context) error {
		return pipeline.WriteDropped(ctx, archive{sink.Records{Store: m.Process}}, win.Asking())
	}}.Do(context.Background())
}

// Random sequences of requests over one source, with deaths at any request and call, two machines at once, and a log that is
// lost between starts.
func TestClaims_NothingIsBoughtTwice(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomStarts(t, uint64(seed)) })
		})
	}
}

func randomStarts(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 13))
	w := newTown(t)
	ask := func() pipeline.Ask {
		from := rng.IntN(5 * 24)
		to := from + 1 + rng.IntN(4*24)
		if rng.IntN(3) > 0 {
			from, to = from/24*24, (to+23)/24*24
		}
		split := []pipeline.Split{pipeline.SplitDay, pipeline.SplitDay, pipeline.SplitWeek, pipeline.SplitNone}[rng.IntN(4)]
		limit := []int{source.MaxLimit, 1000, 3}[rng.IntN(3)]
		generation := 1
		if rng.IntN(6) == 0 {
			generation = 2
		}
		return w.ask(from, to, split, limit, generation)
	}
	machine := func() *machine {
		m := w.machine()
		switch rng.IntN(4) {
		case 0:
			m.At, m.Kind = rng.IntN(150), storetest.RemoteKind(rng.IntN(6))
		case 1:
			m.dieAt, m.after = rng.IntN(20), rng.IntN(2) == 0
		}
		return m
	}
	for i := range 6 {
		what := fmt.Sprintf("seed %d, start %d", seed, i)
		if rng.IntN(5) == 0 {
			w.loseLog()
		}
		if rng.IntN(3) == 0 {
			w.memory.Land()
		}
		if rng.IntN(4) == 0 {
			_ = machine().drop(rng)
		}
		if rng.IntN(3) > 0 {
			m, a := machine(), ask()
			e := m.start(a)
			if !m.Dead {
				w.checkEnd(what, a, e)
			}
		} else {
			var both sync.WaitGroup
			for range 2 {
				m, a := machine(), ask()
				both.Go(func() { m.start(a) })
			}
			both.Wait()
		}
		synctest.Wait()
		w.checkBill(what)
	}
	w.memory.Land()
	for run := range w.dropped { // what was begun is finished by the next drop
		win := w.windows[run]
		if _, begun := w.memory.Files()[path.Join(sink.RunDir(run), sink.DroppingRecord)]; begun {
			if err := w.machine().dropRun(win, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, gone := w.memory.Files()[path.Join(sink.RunDir(run), sink.DroppedRecord)]; !gone {
			delete(w.dropped, run) // it died before it began
		}
	}
	// Two quiet starts end everything that was begun.
	all := w.ask(-24, 400, pipeline.SplitDay, source.MaxLimit, 1)
	var e end
	for range 3 {
		if e = w.machine().start(all); e.err == nil && len(e.failed) == 0 {
			break
		}
	}
	if e.err != nil || len(e.failed) > 0 {
		t.Fatalf("seed %d: the last start: %v, %v", seed, e.err, e.errs)
	}
	w.checkEnd("the last start", all, e)
	w.checkBill("the last start")
	// What a later generation has begun is not needed for that, and is ended by its own.
	for generation := 2; generation < 6; generation++ {
		if e := w.machine().start(w.begun(generation)); e.err != nil || len(e.failed) > 0 {
			t.Fatalf("seed %d: generation %d: %v, %v", seed, generation, e.err, e.errs)
		}
	}
	w.checkBill("all generations")
	w.checkRows(fmt.Sprint("seed ", seed))
}

// begun asks for everything in a generation.
func (w *town) begun(generation int) pipeline.Ask {
	return w.ask(-24, 400, pipeline.SplitNone, source.MaxLimit, generation)
}

// A start over many windows that are complete reads little, and buys nothing.
func TestClaims_AStartReadsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		many := 10_000
		if testing.Short() {
			many = 1_200
		}
		ask := w.ask(-many, 0, pipeline.SplitNone, 1000, 1)
		ask.Windows = nil
		for n := -many; n < 0; n++ {
			r := ask.Range
			r.Start, r.Stop = at(n), at(n+1)
			ask.Windows = append(ask.Windows, r)
		}
		ask.Split = "hour"
		claims := &pipeline.Claims{Ask: ask, Archive: archive{sink.Records{Store: w.memory}}}
		pieces, err := claims.Decide(t.Context())
		windows := claims.Windows(pieces)
		if err != nil || len(windows) != many {
			t.Fatalf("%d windows, %v", len(windows), err)
		}
		for i, win := range windows {
			report, _ := json.Marshal(pipeline.Report{Start: win.Request.Start, Stop: win.Request.Stop, Run: win.Run, Asked: win.Asking().Asked})
			manifest, _ := json.Marshal(sink.Manifest{Format: 1, Run: win.Run, SchemaVersion: schema.Version, Report: report})
			request, _ := json.Marshal(win.Asking())
			w.memory.Plant(path.Join(sink.RunDir(win.Run), "manifest.json"), manifest)
			w.memory.Plant(path.Join(sink.RunDir(win.Run), "request.json"), request)
			if i%100 == 0 {
				var r pipeline.Report
				_ = json.Unmarshal(report, &r)
				if err := claims.Done(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		// The log lags behind: the next start reads what it does not say, once.
		if pieces, err = (&pipeline.Claims{Ask: ask, Archive: archive{sink.Records{Store: w.memory}}}).Decide(t.Context()); err != nil || len(pieces) != many {
			t.Fatalf("%d pieces, %v", len(pieces), err)
		}
		before := w.memory.Requests()
		next := &pipeline.Claims{Ask: ask, Archive: archive{sink.Records{Store: w.memory}}}
		pieces, err = next.Decide(t.Context())
		if err != nil || len(next.Windows(pieces)) != 0 {
			t.Fatalf("%d windows to run, %v", len(next.Windows(pieces)), err)
		}
		after := w.memory.Requests()
		pages := (2*many+1200)/1000 + 1
		if reads, lists := after["read"]-before["read"], after["list"]-before["list"]; reads > 51 || lists > pages || after["put"] != before["put"] {
			t.Errorf("%d reads, %d pages, %d puts", reads, lists, after["put"]-before["put"])
		}
	})
}

// The log is lost between a claim and the purchase, and another machine, which cannot know of the claim, buys the time.
func TestClaims_LogLostUnderAClaim(t *testing.T) {
	for _, lost := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			first := w.machine()
			first.decided = func() {
				if lost {
					w.loseLog()
				}
				if e := w.machine().start(w.ask(24, 48, pipeline.SplitDay, source.MaxLimit, 1)); e.err != nil || len(e.failed) > 0 {
					t.Errorf("%+v", e)
				}
			}
			e := first.start(w.ask(0, 72, pipeline.SplitNone, source.MaxLimit, 1))
			var api *source.Error
			if len(e.errs) != 1 || !errors.As(e.errs[0], &api) || api.Class != source.ClassLocked || len(w.purchases()) != 1 {
				t.Errorf("lost %v: %+v, bought %+v", lost, e, w.purchases())
			}
		})
	}
}

// A claim that nobody has begun binds for the same windows only; whoever voids it leaves its owner without.
func TestClaims_VoidedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		month := w.ask(0, 72, pipeline.SplitNone, source.MaxLimit, 1)
		first := w.machine()
		owner := &pipeline.Claims{Ask: month, Archive: archive{sink.Records{Store: first.Process}}}
		pieces, err := owner.Decide(t.Context())
		if err != nil || len(pieces) != 1 || pieces[0].Standing != pipeline.RunClaimed {
			t.Fatalf("%+v, %v", pieces, err)
		}
		again := &pipeline.Claims{Ask: month, Archive: archive{sink.Records{Store: w.memory}}}
		before := len(w.memory.Files())
		if same, err := again.Decide(t.Context()); err != nil || same[0].Runs[0].Run != pieces[0].Runs[0].Run || len(w.memory.Files()) != before {
			t.Fatalf("the same request decides anew: %+v, %v", same, err)
		}
		if e := w.machine().start(w.ask(24, 48, pipeline.SplitDay, source.MaxLimit, 1)); e.err != nil || len(e.failed) > 0 {
			t.Fatalf("%+v", e)
		}
		first.end = func(error) {}
		client, err := source.New(source.Config{BaseURL: "http://127.0.0.1:1", Token: source.NewToken(w.server.Token()), Transport: first})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		out, err := sink.Open(t.Context(), sink.Config{Store: w.memory, Run: pieces[0].Runs[0].Run, Schema: schema.Arrow(), SchemaVersion: schema.Version})
		if err != nil {
			t.Fatal(err)
		}
		var api *source.Error
		if _, err := client.Acquire(t.Context(), pieces[0].Runs[0].Run, month.Range, out); !errors.As(err, &api) || api.Class != source.ClassLocked {
			t.Errorf("the voided owner: %v", err)
		}
		_ = out.Close()
		if e := w.machine().start(month); e.err != nil || len(e.failed) > 0 {
			t.Fatalf("%+v", e)
		}
		got := w.purchases()
		slices.SortFunc(got, func(a, b purchase) int { return cmp.Compare(a.start, b.start) })
		if len(got) != 3 || got[0].stop != got[1].start || got[1].stop != got[2].start {
			t.Errorf("%+v", got)
		}
	})
}
