package e2e

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// races starts the same export twice in the same moment, into one output and into two.
func (r *torture) races(t *testing.T) {
	t.Parallel()
	for i := range r.times(200, 2) {
		t.Run(fmt.Sprintf("one output %d", i), func(t *testing.T) {
			t.Parallel()
			r.raceForOneOutput(t, rand.New(rand.NewPCG(r.seed, uint64(i))))
		})
	}
	for i := range r.times(50, 1) {
		t.Run(fmt.Sprintf("two outputs %d", i), func(t *testing.T) {
			t.Parallel()
			r.raceForTwoOutputs(t, rand.New(rand.NewPCG(r.seed, uint64(i))))
		})
	}
}

// raceForOneOutput: one of the two wins, and the other ends without any call and without waiting for it. The winner's
// first call is answered when the loser is gone, so that it was there all the time.
func (r *torture) raceForOneOutput(t *testing.T, rng *rand.Rand) {
	x := r.trial(t)
	lost := make(chan struct{})
	x.set(func(v *visit) {
		select {
		case <-lost:
		case <-v.r.Context().Done():
		}
		v.pass()
	})
	first := x.start()
	pause(t.Context(), time.Duration(rng.IntN(4))*time.Millisecond)
	second := x.start()
	winner, loser := first, second
	select {
	case <-first.over:
		winner, loser = second, first
	case <-second.over:
	}
	calls := x.passed()
	close(lost)
	e := loser.wait()
	if e.code != 30 || calls > 1 {
		t.Errorf("the loser ended with %d, and there were %d calls\n%s", e.code, calls, e)
	}
	e = winner.wait()
	if e.code != 0 {
		t.Fatalf("the winner ended with %d\n%s", e.code, e)
	}
	x.judge(e)
	if n := x.Ledger().ExportPosts(); n != 1 {
		t.Errorf("%d export posts", n)
	}
	r.raced.Add(1)
}

// raceForTwoOutputs: runners that share nothing may both find that nothing was bought, in the same
// moment, and the API has no way to exclude that. What is promised is that both look again after buying,
// that the younger task is then aborted, and that both read what was bought first.
func (r *torture) raceForTwoOutputs(t *testing.T, rng *rand.Rand) {
	cfg := tried()
	cfg.TaskDuration = 300 * time.Millisecond
	x := r.trialWith(t, cfg)
	outs := [2]string{x.out, filepath.Join(t.TempDir(), "lake")}
	r.watch(t, outs[1])
	var both sync.WaitGroup
	for _, out := range outs {
		x.exports++
		p := x.launch(x.into(out)...)
		both.Go(func() { <-p.over })
		pause(t.Context(), time.Duration(rng.IntN(3))*time.Millisecond)
	}
	both.Wait()
	for _, out := range outs {
		x.out, x.args = out, x.into(out)
		e := x.through()
		x.expectTidy(out, e)
		// Of the younger task's results some may have come before it was aborted. They are copies of the
		// older one's, and one runner may be through before the last of them comes: then it ends there.
		w := e.result.Windows[0]
		all := x.delivered(w.Run)
		got := all[:min(int(w.Rows), len(all))]
		x.expectRows(out, w.Start[:10], got)
		if have, want := different(got), different(all); have != want {
			t.Errorf("%d of %d different results were read", have, want)
		}
	}
	l := x.Ledger()
	r.raced.Add(1)
	switch len(l.Tasks) {
	case 1:
	case 2:
		r.twice.Add(1)
		younger := l.Tasks[1].ID
		aborts := 0
		for _, call := range l.Calls(emulator.EndpointTaskDelete) {
			if filepath.Base(call.Path) != younger {
				t.Errorf("aborted: %s, the younger task is %s", call.Path, younger)
			}
			aborts++
		}
		if aborts == 0 {
			t.Errorf("nobody aborted the younger of two tasks")
		}
	default:
		t.Errorf("%d tasks by two runners", len(l.Tasks))
	}
}

func different(documents []document) int {
	texts := map[string]struct{}{}
	for _, d := range documents {
		texts[shown(d.URL)+" "+shown(d.Title)+" "+shown(d.ExternalID)+" "+number(d.Indexed)] = struct{}{}
	}
	return len(texts)
}
