package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"tw2parquet/bench/lakes/servers"
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

// step does one thing, and tells which.
func step(t *testing.T, rng *rand.Rand, l *lake, a *account, args []string) string {
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
		if e.code != 0 && e.code != -1 && e.code != 30 && (e.code != 50 || !e.result.Error.Retryable) {
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
