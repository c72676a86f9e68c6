package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/bench/lakes/servers"
	"tw2parquet/source/emulator"
)

// Random things happen to an export, each on a machine that knows nothing of the one before. At every moment what is
// published is the beginning of what was bought, and nothing is bought twice. TORTURE_SEED repeats a sequence, as far as
// two processes are ever the same twice.
func TestSequences(t *testing.T) {
	seed := uint64(knob(t, "TORTURE_SEED", 1))
	for i := range times(t, 8, 3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			l, a, args := trial(t, rng.IntN(3) == 0)
			story := []string{}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("TORTURE_SEED=%d, sequence %d: %s", seed, i, strings.Join(story, "; "))
				}
			})
			for range 3 + rng.IntN(4) {
				story = append(story, step(t, rng, l, a, args))
				a.expectBeginning(l)
			}
			a.expectWhole(l, a.through(args...))
			a.run(0, "verify", l.out)
		})
	}
}

// The same, to windows that cannot be finished: their task failed, or what it delivered has expired. Once a start has
// accepted that, what is published by then stays as it is: a beginning, each row once, and nothing is bought.
func TestSequences_Accepted(t *testing.T) {
	seed := uint64(knob(t, "TORTURE_SEED", 1))
	for i := range times(t, 8, 3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, uint64(1000+i)))
			l, a, args := trial(t, i%4 == 3)
			script := func(rule string) {
				a.SetFaults(must[*emulator.Faults](t)(emulator.ParseFaults([]byte(`{"rules":[` + rule + `]}`))))
			}
			story := []string{}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("TORTURE_SEED=%d, sequence %d: %s", seed, i, strings.Join(story, "; "))
				}
			})
			steps := func(n, code int, args []string) {
				for range n {
					story = append(story, step(t, rng, l, a, args, code))
					a.expectBeginning(l)
				}
			}
			code, accepting := 40, append(slices.Clone(args), "--accept", "40,43")
			if i%2 == 0 {
				script(`{"endpoint":"export","nth":1,"task":{"end":"failed","at":0.5}}`)
				steps(2+rng.IntN(3), code, args)
			} else {
				code = 43
				script(`{"endpoint":"results","error":{"at":3,"code":24}}`) // the rest is never read
				if e := a.launch(args...).end(); e.code != 30 {
					t.Fatalf("the collector was read to its end: %s", e)
				}
				a.SetFaults(nil)
				a.Advance(8 * 24 * time.Hour)
			}
			steps(1+rng.IntN(3), code, accepting)
			e := a.through(accepting...)
			a.expectAccepted(l, e)
			if again := a.run(0, args...); again.result.Rows != e.result.Rows || !slices.Equal(again.result.Windows[0].Files, e.result.Windows[0].Files) {
				t.Errorf("a start that accepts nothing finds something else: %s", again)
			}
			a.run(0, "verify", l.out)
		})
	}
}

// expectAccepted holds what is true of an output that was accepted as it is.
func (a *account) expectAccepted(l *lake, e ended) {
	a.t.Helper()
	a.expectBeginning(l)
	w := e.result.Windows[0]
	if posts := a.Ledger().ExportPosts(); posts != 1 || w.Partial == "" {
		a.t.Errorf("%d posts, %s", posts, e)
	}
	var got []row
	objects := l.objects()
	for _, name := range w.Files {
		got = append(got, rows(a.t, objects[path.Join(prefix, name)])...)
	}
	want := a.delivered(w.Run)
	if int64(len(got)) != w.Rows || len(got) > len(want) {
		a.t.Fatalf("%d rows, the collector got %d: %s", len(got), len(want), e)
	}
	for i, r := range got {
		if r.url != want[i] {
			a.t.Fatalf("row %d is %v, want %s", i, r, want[i])
		}
	}
	for key := range objects {
		if !slices.Contains(w.Files, strings.TrimPrefix(key, prefix+"/")) && !record.MatchString(key) {
			a.t.Errorf("left behind: %s", key)
		}
	}
}

// step does one thing, and tells which. also is an exit code that it may end with.
func step(t *testing.T, rng *rand.Rand, l *lake, a *account, args []string, also ...int) string {
	t.Helper()
	defer l.proxy.Hook(nil)
	n := 1 + rng.Int64N(30)
	some := func(what servers.Fault, share float64) servers.Fault {
		seed, seen := rng.Uint64(), atomic.Uint64{}
		return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if rand.New(rand.NewPCG(seed, seen.Add(1))).Float64() < share {
				what(w, r, forward)
				return
			}
			forward.ServeHTTP(w, r)
		}
	}
	ends := func(what string, e ended) string {
		limited := e.code == 41 && slices.Contains(args, "--limit")
		if e.code != 0 && e.code != -1 && e.code != 30 && !limited && !slices.Contains(also, e.code) && (e.code != 50 || !e.result.Error.Retryable) {
			t.Errorf("%s: %s", what, e)
		}
		return fmt.Sprintf("%s → %d", what, e.code)
	}
	switch rng.IntN(6) {
	case 0, 1:
		after := rng.IntN(2) == 0
		hook, tell, settled := at(n, func(*http.Request) bool { return true }, after, (*started).kill)
		l.proxy.Hook(hook)
		p := a.launch(args...)
		tell(p)
		defer settled()
		return ends(fmt.Sprintf("killed at request %d (after: %v)", n, after), p.end())
	case 2:
		l.proxy.Hook(some(servers.Lose, 0.2))
		return ends("answers lost", a.launch(args...).end())
	case 3:
		l.proxy.Hook(some(answer(http.StatusServiceUnavailable, "SlowDown"), 0.6))
		return ends("SlowDown", a.launch(args...).end())
	case 4:
		l.proxy.Hook(some(reset, 0.3))
		return ends("resets", a.launch(args...).end())
	default:
		first, second := a.launch(args...), a.launch(args...)
		return ends("one of two", first.end()) + ends(", the other", second.end())
	}
}
