package pipeline_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
)

// Random sequences of requests over one source, with deaths at any request and call, two machines at once, and a log that is
// lost between starts.
func TestClaims_NothingIsBoughtTwice(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 6
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
		if _, err := client.Acquire(t.Context(), pieces[0].Runs[0].Run, month.Range, out.Journal()); !errors.As(err, &api) || api.Class != source.ClassLocked {
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
