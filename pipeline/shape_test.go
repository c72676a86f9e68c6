package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/source"
)

// auto asks for a range with auto: its gaps are cut.
func (w *town) auto(from, to int) pipeline.Ask {
	ask := w.ask(from, to, pipeline.SplitNone, 1000, 1)
	ask.Split = pipeline.SplitAuto
	return ask
}

// cutting cuts gaps into windows of so many hours, and counts how often it was asked.
type cutting struct {
	hours int
	limit int
	asked int
}

func (c *cutting) hooks(claims *pipeline.Claims) {
	claims.Cut = func(_ context.Context, gap source.Request) (out []source.Request, err error) {
		c.asked++
		for at := gap.Start; at.Before(gap.Stop); {
			w := gap
			w.Start, w.Stop = at, at.Add(time.Duration(c.hours)*time.Hour)
			if w.Stop.After(gap.Stop) {
				w.Stop = gap.Stop
			}
			out, at = append(out, w), w.Stop
		}
		return out, nil
	}
	claims.Lower = func(_ context.Context, pieces []pipeline.Piece) error {
		for i, p := range pieces {
			if p.Standing == "" && c.limit > 0 {
				pieces[i].Limit = c.limit
			}
		}
		return nil
	}
}

// Two machines with the same request and other counts at once, deaths at any request or call: no instant is bought twice,
// a claim that stands is followed, and a quiet start buys the rest without asking where all of it is claimed.
func TestClaims_AutoFollowsTheWinner(t *testing.T) {
	rounds := 80
	if testing.Short() {
		rounds = 8
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(seed), 17))
				w := newTown(t)
				ask := w.auto(0, 4*24)
				if rng.IntN(2) == 0 { // a part is there already
					w.machine().start(w.ask(24, 30, pipeline.SplitNone, 1000, 1))
				}
				for range 3 {
					var both sync.WaitGroup
					for range 2 {
						m := w.machine()
						m.shape = (&cutting{hours: 5 + rng.IntN(30), limit: rng.IntN(3) * 300}).hooks
						switch rng.IntN(3) {
						case 0:
							m.At, m.Kind = rng.IntN(80), storetest.RemoteKind(rng.IntN(6))
						case 1:
							m.dieAt, m.after = rng.IntN(20), rng.IntN(2) == 0
						}
						other := ask
						if rng.IntN(4) == 0 {
							other = w.auto(0, 3*24) // another request
						}
						both.Go(func() { m.start(other) })
					}
					both.Wait()
					synctest.Wait()
					w.checkBill(fmt.Sprint("seed ", seed))
				}
				w.memory.Land()
				var e end
				for range 4 {
					m := w.machine()
					m.shape = (&cutting{hours: 7}).hooks
					if e = m.start(ask); e.err == nil && len(e.failed) == 0 {
						break
					}
				}
				w.checkBill("the last start")
				for i, x := range e.failed {
					if !w.twiceUnanswered(x.Run) { // else two died as they bought it, and a person has to look
						t.Errorf("seed %d: the last start: %s: %v", seed, x.Run, e.errs[i])
					}
				}
				if e.err != nil {
					t.Fatalf("seed %d: the last start: %v", seed, e.err)
				}
				if len(e.failed) > 0 {
					return
				}
				w.checkEnd("the last start", ask, e)
				w.checkRows(fmt.Sprint("seed ", seed))
				quiet := &cutting{hours: 3}
				m := w.machine()
				m.shape = quiet.hooks
				if e := m.start(ask); e.err != nil || quiet.asked != 0 {
					t.Fatalf("seed %d: complete, and asked %d times: %v", seed, quiet.asked, e.err)
				}
			})
		})
	}
}

// A process that dies right before the claim's put leaves nothing, and right after it everything: windows and limits.
func TestClaims_WhatAutoDecidedSurvivesAKill(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newTown(t)
			ask := w.auto(0, 48)
			first := &cutting{hours: 10, limit: 300}
			died := errors.New("killed")
			m := w.machine()
			m.shape = func(c *pipeline.Claims) {
				first.hooks(c)
				c.Archive = killing{c.Archive, died, after}
			}
			if e := m.start(ask); !errors.Is(e.err, died) {
				t.Fatal(e.err)
			}
			second := &cutting{hours: 24, limit: 700}
			m = w.machine() // another one, without any state of the first
			m.shape = second.hooks
			if e := m.start(ask); e.err != nil || len(e.failed) > 0 {
				t.Fatal(e.err, e.errs)
			}
			windows, limit, asked := 2, 700, 1
			if after {
				windows, limit, asked = 5, 300, 0
			}
			if got := w.purchases(); len(got) != windows || second.asked != asked {
				t.Errorf("after the put %v: %d windows, asked %d times", after, len(got), second.asked)
			}
			for _, p := range w.purchases() {
				if got := w.windows[p.target[5:]].Request.Limit; got != limit {
					t.Errorf("after the put %v: limit %d", after, got)
				}
			}
		})
	}
}

// killing dies before or after the first put into a log.
type killing struct {
	pipeline.Archive
	err   error
	after bool
}

func (k killing) PutLog(ctx context.Context, source string, n int, data []byte) error {
	if k.after {
		if err := k.Archive.PutLog(ctx, source, n, data); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return k.err
}
