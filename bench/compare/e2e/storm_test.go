package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// storm is a scheduler that starts the export again and again, and kills it each time after a random while:
// fifty times (in the quick run five), of an export that takes longer than any of these whiles.
func (r *torture) storm(t *testing.T) {
	t.Parallel()
	for i := range r.n {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(r.seed, uint64(i)))
			cfg := tried()
			cfg.DocumentsPerDay = 200
			x := r.trialWith(t, cfg)
			for range r.times(50, 5) / r.n {
				p := x.start()
				pause(t.Context(), time.Duration(rng.IntN(200))*time.Millisecond)
				p.kill()
				if e := p.wait(); e.code > 0 {
					t.Fatalf("exit %d\n%s", e.code, e)
				}
				r.kills.Add(1)
			}
			x.finish()
		})
	}
}
