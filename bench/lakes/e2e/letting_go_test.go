package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lettingGo is an output whose runs are dropped, accepted at their limit and bought in further generations.
type lettingGo struct {
	*lake
	a          *account
	args       []string
	generation int
	purchases  int             // that were asked for, at most
	dropped    map[string]bool // runs
}

// As TestSequences, with people who let go of runs between the failures. Each run's files are the beginning of what was bought
// for it, nothing is left of a run that was dropped, and nothing is bought that nobody asked for.
func TestSequences_LettingGo(t *testing.T) {
	seed := uint64(knob(t, "TORTURE_SEED", 1))
	for i := range times(t, 6, 2) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1000+uint64(i)))
			l, a, args := trial(t, false)
			if rng.IntN(2) == 0 {
				args = append(args, "--limit", "30") // so that it ends with 41
			}
			g := &lettingGo{lake: l, a: a, args: args, generation: 1, purchases: 1, dropped: map[string]bool{}}
			story := []string{}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("TORTURE_SEED=%d, sequence %d: %s", seed, i, strings.Join(story, "; "))
				}
			})
			for range 5 + rng.IntN(4) {
				story = append(story, g.step(rng))
				g.expect()
			}
			g.finish()
		})
	}
}

func (g *lettingGo) step(rng *rand.Rand) string {
	g.t.Helper()
	switch rng.IntN(6) {
	case 0:
		return g.drop(rng)
	case 1:
		g.generation++
		g.purchases++
		return "a further generation"
	case 2:
		return "accepting " + step(g.t, rng, g.lake, g.a, append(g.exports(), "--accept", "41"))
	default:
		return step(g.t, rng, g.lake, g.a, g.exports())
	}
}

func (g *lettingGo) exports() []string {
	return append(slices.Clone(g.args), "--generation", fmt.Sprint(g.generation))
}

var requested = regexp.MustCompile(`/_tw2parquet/([a-z2-7]{26})/request\.json$`)

// drop drops one of the runs, and is killed on its way half of the time. Its time is bought again.
func (g *lettingGo) drop(rng *rand.Rand) string {
	g.t.Helper()
	var runs []string
	for key := range g.objects() {
		if m := requested.FindStringSubmatch(key); m != nil && !g.dropped[m[1]] {
			runs = append(runs, m[1])
		}
	}
	if len(runs) == 0 {
		return "nothing to drop"
	}
	slices.Sort(runs)
	run := runs[rng.IntN(len(runs))]
	args, story := []string{"drop", g.out, run, "--yes"}, "dropped "+run
	if rng.IntN(2) == 0 {
		n := 1 + rng.Int64N(20)
		hook, tell, settled := at(n, func(*http.Request) bool { return true }, rng.IntN(2) == 0, (*started).kill)
		g.proxy.Hook(hook)
		p := g.a.launch(args...)
		tell(p)
		story += fmt.Sprintf(", killed at request %d: %d", n, p.end().code)
		settled()
		g.proxy.Hook(nil)
	}
	again := g.a.launch(args...).end()
	if again.code != 0 && (again.code != 2 || !strings.Contains(story, "killed")) { // 2: it was dropped before it was killed
		g.t.Errorf("%s: %s", story, again)
	}
	g.dropped[run] = true
	g.purchases++
	return story
}

// rows of the published files, by run.
func (g *lettingGo) rows() map[string][]row {
	g.t.Helper()
	objects, all := g.objects(), map[string][]row{}
	for _, key := range g.parquet() {
		_, name, _ := strings.Cut(key, "/part-")
		run, _, _ := strings.Cut(name, "-")
		all[run] = append(all[run], rows(g.t, objects[key])...)
	}
	return all
}

// expect holds what is true at every moment.
func (g *lettingGo) expect() {
	g.t.Helper()
	ledger := g.a.Ledger()
	if n := len(ledger.Tasks); n > g.purchases || ledger.ExportPosts() != n {
		g.t.Fatalf("%d posts made %d tasks, and %d were asked for", ledger.ExportPosts(), n, g.purchases)
	}
	for run, got := range g.rows() {
		if g.dropped[run] {
			g.t.Fatalf("the run %s was dropped and has %d rows", run, len(got))
		}
		want := g.a.delivered(run)
		if len(got) > len(want) {
			g.t.Fatalf("the run %s has %d rows, its collector got %d", run, len(got), len(want))
		}
		for i, r := range got {
			if r.ordinal != int64(i) || r.url != want[i] {
				g.t.Fatalf("the run %s: row %d is %v, want %s", run, i, r, want[i])
			}
		}
	}
}

// finish completes the window, and holds that it is whole and stays so.
func (g *lettingGo) finish() {
	g.t.Helper()
	args := append(g.exports(), "--accept", "41")
	e := g.a.through(args...)
	g.expect()
	windows, got := 0, g.rows()
	for _, w := range e.result.Windows {
		runs := w.Runs
		if len(runs) == 0 {
			runs = []string{w.Run}
		}
		for _, run := range runs {
			windows++
			if want := g.a.delivered(run); len(got[run]) != len(want) || len(want) < 30 {
				g.t.Errorf("the run %s has %d rows, its collector got %d: %s", run, len(got[run]), len(want), e)
			}
		}
	}
	if windows == 0 {
		g.t.Errorf("no run covers the window: %s", e)
	}
	bought := len(g.a.Ledger().Tasks)
	g.a.run(0, args...)
	if n := len(g.a.Ledger().Tasks); n != bought {
		g.t.Errorf("a run of what is complete bought %d", n-bought)
	}
	if e := g.a.launch("verify", g.out).end(); e.code != 0 {
		g.t.Errorf("verify: %s", e)
	}
}
