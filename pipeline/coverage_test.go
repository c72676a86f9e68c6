package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tw2parquet/source"
)

func atHour(n int) time.Time {
	return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
}

// Cover against a model that looks at every hour by itself.
func TestCover_AgainstEachInstant(t *testing.T) {
	const hours = 60
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	rng := rand.New(rand.NewPCG(13, 1))
	standings := []Standing{RunClaimed, RunBegun, RunComplete, RunDropping, RunDropped, RunVoid}
	for round := range rounds {
		least := 1 + rng.IntN(2)
		var windows []source.Request
		for at := rng.IntN(20); at < hours && len(windows) < 4; {
			stop := min(at+1+rng.IntN(20), hours)
			windows = append(windows, source.Request{Start: atHour(at), Stop: atHour(stop), Limit: 7, Generation: least})
			at = stop
		}
		var holdings []*Holding
		for i := range rng.IntN(7) {
			start := rng.IntN(hours - 1)
			holdings = append(holdings, &Holding{Run: fmt.Sprint("run", i), Start: atHour(start), Stop: atHour(start + 1 + rng.IntN(hours-start)), Limit: i,
				Generation: 1 + rng.IntN(3), Standing: standings[rng.IntN(len(standings))], Owner: []string{"me", "other"}[rng.IntN(2)]})
		}
		pieces := Cover(windows, holdings, func(h *Holding) bool { return h.Owner == "me" })
		fail := func(format string, args ...any) {
			t.Helper()
			text := fmt.Sprintf(format, args...)
			for _, h := range holdings {
				text += fmt.Sprintf("\n%+v", *h)
			}
			t.Fatalf("round %d: %s\nwindows %v\npieces %+v", round, text, windows, pieces)
		}
		of := func(n int) *Piece { // the one piece of an hour
			var found *Piece
			for i := range pieces {
				if p := &pieces[i]; !p.Start.After(atHour(n)) && atHour(n).Before(p.Stop) {
					if found != nil {
						fail("two pieces of hour %d", n)
					}
					found = p
				}
			}
			return found
		}
		at := func(n int, standing ...Standing) (all []*Holding) {
			for _, h := range holdings {
				if h.overlaps(atHour(n), atHour(n+1)) && slices.Contains(standing, h.Standing) && (h.Generation >= least || h.Standing == RunDropped) {
					all = append(all, h)
				}
			}
			return all
		}
		for n := range hours {
			in := slices.IndexFunc(windows, func(w source.Request) bool { return !w.Start.After(atHour(n)) && atHour(n).Before(w.Stop) })
			p := of(n)
			if (p != nil) != (in >= 0) || p != nil && p.Window != in {
				fail("hour %d is in window %d, and its piece is %+v", n, in, p)
			}
			if p == nil {
				continue
			}
			want := Standing("")
			complete, begun := at(n, RunComplete, RunDropping), at(n, RunBegun)
			if len(complete) > 0 {
				want = RunComplete
			} else if len(begun) > 0 {
				want = RunBegun
			}
			if p.Standing == RunClaimed && want == "" {
				want = RunClaimed
			}
			if p.Standing != want {
				fail("hour %d is %q, want %q", n, p.Standing, want)
			}
			switch p.Standing {
			case RunComplete:
				for _, h := range complete {
					if !slices.Contains(p.Runs, h) {
						fail("hour %d does not name %s", n, h.Run)
					}
				}
			case RunBegun:
				if len(p.Runs) != 1 || p.Runs[0].Standing != RunBegun {
					fail("hour %d", n)
				}
			case RunClaimed: // ours, and whole: each hour of it that is asked for is its own
				c := p.Runs[0]
				if c.Owner != "me" || c.Standing != RunClaimed {
					fail("hour %d is claimed by %+v", n, c)
				}
				for k := range hours {
					if q := of(k); q != nil && c.overlaps(atHour(k), atHour(k+1)) && (q.Standing != RunClaimed || q.Runs[0] != c) {
						fail("claim %s is not kept whole", c.Run)
					}
				}
			case "":
				generation := least
				for _, h := range at(n, RunDropped) {
					generation = max(generation, h.Generation+1)
				}
				if p.Generation != generation || p.Limit != 7 {
					fail("hour %d is to be bought as %+v, want generation %d", n, p, generation)
				}
			}
		}
		for i := 1; i < len(pieces); i++ {
			if pieces[i-1].Stop.After(pieces[i].Start) || pieces[i-1].continues(pieces[i]) {
				fail("pieces %d and %d", i-1, i)
			}
		}
	}
}

func TestSourceID(t *testing.T) {
	a := Asked{Host: "API.example.com", Kind: source.KindProject, Project: "p", Topics: []string{"b", "a", "b"}, Limit: 5, Generation: 2}
	b := Asked{Host: "api.example.com", Kind: source.KindProject, Project: "p", Topics: []string{"a", "b"}, Limit: 1, Generation: 1}
	if a.SourceID() != b.SourceID() || len(a.SourceID()) != 26 {
		t.Errorf("%s and %s", a.SourceID(), b.SourceID())
	}
	seen := map[string]bool{b.SourceID(): true}
	for _, change := range []func(*Asked){
		func(x *Asked) { x.Host = "other" }, func(x *Asked) { x.Kind = source.KindStream }, func(x *Asked) { x.Project = "q" },
		func(x *Asked) { x.Stream = "s" }, func(x *Asked) { x.Topics = nil }, func(x *Asked) { x.Topics = []string{"a b"} },
		func(x *Asked) { x.Datasets = []string{"a", "b"} }, func(x *Asked) { x.Query = "q" },
	} {
		c := b
		change(&c)
		if id := c.SourceID(); seen[id] {
			t.Errorf("%+v is the same source as another", c)
		} else {
			seen[id] = true
		}
	}
}
