package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"
)

// exchange is a request of an undisturbed export, and the length of its answer.
type exchange struct {
	name   string
	length int
}

// rehearse runs an export undisturbed and tells what it said.
func (r *torture) rehearse(t *testing.T) []exchange {
	t.Helper()
	x := r.trial(t)
	var said []exchange
	x.set(func(v *visit) {
		kept := v.answer()
		said = append(said, exchange{v.r.Method + " " + v.endpoint(), kept.Body.Len()}) // one at a time: nothing is parallel
		v.begin(kept, kept.Body.Len())
	})
	x.finish()
	return said
}

// killedByRequest kills the binary upon each of its requests: before the server had it, while the server
// works on it, when the answer is on its way, and so long before the server has it that the next start has
// made two calls by then.
func (r *torture) killedByRequest(t *testing.T) {
	t.Parallel()
	for q, exchange := range r.rehearse(t) {
		ways := map[string]func(*trial, *visit){
			"lost": func(x *trial, v *visit) { x.kill() },
			"late": func(x *trial, v *visit) {
				x.kill()
				v.answer()
			},
			"unanswered": func(x *trial, v *visit) {
				v.answer()
				x.kill()
			},
			"delayed": func(x *trial, v *visit) {
				x.kill()
				x.set(func(later *visit) {
					if later.number == 3 {
						v.answer()
					}
					later.pass()
				})
			},
		}
		names := slices.Sorted(maps.Keys(ways))
		if r.quick { // one after the other
			names = names[q%len(names):][:1]
		}
		for _, name := range names {
			act := ways[name]
			t.Run(fmt.Sprintf("%d %s %s", q+1, exchange.name, name), func(t *testing.T) {
				t.Parallel()
				x := r.trial(t)
				x.set(func(v *visit) {
					if v.number != q+1 {
						v.pass()
						return
					}
					x.set(nil)
					act(x, v)
					panic(http.ErrAbortHandler) // there is nobody to answer
				})
				if e := x.start().wait(); e.code >= 0 {
					t.Fatalf("it was not killed: exit %d\n%s", e.code, e)
				}
				r.kills.Add(1)
				x.finish()
			})
		}
	}
}

// killedWithinAnAnswer kills the binary when it has got so many bytes of one of its answers: of all their
// lengths, and of positions spread over the stream of results.
func (r *torture) killedWithinAnAnswer(t *testing.T) {
	t.Parallel()
	exchanges := r.rehearse(t)
	for q, exchange := range exchanges {
		points := []int{0, 1, exchange.length / 2, exchange.length - 1, exchange.length}
		if r.quick && q%2 == 0 {
			continue // killedByRequest has it
		}
		if r.quick {
			points = points[q%len(points):][:1]
		}
		if long := r.times(40, 2); exchange.length > 10_000 {
			points = points[:0]
			for i := range long {
				points = append(points, exchange.length*(i+1)/long)
			}
		}
		for _, k := range points {
			t.Run(fmt.Sprintf("%d %s byte %d of %d", q+1, exchange.name, k, exchange.length), func(t *testing.T) {
				t.Parallel()
				x := r.trial(t)
				x.set(func(v *visit) {
					if v.number != q+1 {
						v.pass()
						return
					}
					v.begin(v.answer(), k)
					// At once, or when it had the time to do something with what it got.
					pause(v.r.Context(), time.Duration(k%4)*5*time.Millisecond)
					x.kill()
					panic(http.ErrAbortHandler)
				})
				e := x.start().wait()
				// With all of its last answer it is done, and may be faster than who kills it.
				done := e.code == 0 && q == len(exchanges)-1 && k == exchange.length
				if e.code >= 0 && !done {
					t.Fatalf("it was not killed: exit %d\n%s", e.code, e)
				}
				if !done {
					r.kills.Add(1)
				}
				x.set(nil)
				x.finish()
			})
		}
	}
}

// pause passes time in which another process does something that cannot be observed.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
