package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
)

// On a store without directories, locks or clear answers a run comes out the same: every result once, whichever
// answers are lost, and a second start finds it complete.
func TestRun_OnObjects(t *testing.T) {
	j := tortureJob()
	for lost := range 12 {
		t.Run(fmt.Sprintf("%d answers lost", lost), func(t *testing.T) {
			m := storetest.NewMemory()
			m.Page = 3
			m.LoseAnswers(lost)
			for range 2 {
				o, err := j.openOn(m)
				if err != nil {
					t.Fatal(err)
				}
				if err := j.runOn(o, nil); err != nil {
					t.Fatal(err)
				}
				j.checkComplete(t, m)
			}
		})
	}
}

// Where nobody can be kept out, a twin that comes second can buy nothing and publish nothing: the names are taken.
func TestRun_TwinsOnObjects(t *testing.T) {
	j := tortureJob()
	m := storetest.NewMemory()
	first, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(first, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(second, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("the second one: %v", err)
	}
	j.checkWhole(t, m)
}

// Each request goes wrong once, in each way. What a dead process sent last arrives while its successor works, at any
// of its requests.
func TestObjects_FaultAtEveryRequest(t *testing.T) {
	arrivals := 3
	if testing.Short() {
		arrivals = 1
	}
	for kind := storetest.DieBefore; kind <= storetest.Delay; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(kind), 3))
				for at := 0; ; at++ {
					f := newFleet(t)
					for range arrivals {
						f = newFleet(t)
						p := f.memory.NewProcess()
						p.At, p.Kind = at, kind
						err := f.start(p, f.job(3, 5))
						if p.Op == "" {
							if at < 40 {
								t.Fatalf("only %d requests: the loop ended early", at)
							}
							return
						}
						f.judge(p, err)
						if !p.Dead && err != nil {
							t.Fatalf("%s: %v", p.Op, err) // waiting and looking settles it
						}
						next := f.memory.NewProcess()
						arrive := rng.IntN(50)
						next.Gate = func() {
							if next.Count == arrive {
								f.memory.Land()
							}
						}
						err = f.start(next, f.job(2, 3))
						f.judge(next, err)
						if err != nil {
							t.Fatalf("after %s, which arrived at request %d: %v", p.Op, arrive, err)
						}
						f.finish()
					}
				}
			})
		})
	}
}

// Runners die, lose answers, are held up for longer than anything and wake, two or three at once, with what the dead
// sent arriving at any time. TORTURE=n in the environment makes it n times as many seeds.
func TestObjects_RandomSequences(t *testing.T) {
	seeds := 250
	if testing.Short() {
		seeds = 50
	}
	if n, err := strconv.Atoi(os.Getenv("TORTURE")); err == nil {
		seeds *= max(n, 1)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(seed), 9))
				f := newFleet(t)
				for range 1 + rng.IntN(5) {
					if rng.IntN(4) == 0 {
						f.age += 25 * time.Hour
					}
					n := 1 + rng.IntN(3)
					processes, jobs, held := make([]*storetest.Process, n), make([]job, n), map[int]bool{}
					for i := range n {
						p := f.memory.NewProcess()
						if rng.IntN(3) > 0 {
							p.At, p.Kind = rng.IntN(60), storetest.RemoteKind(rng.IntN(int(storetest.Delay)+1))
						}
						processes[i], jobs[i], held[i] = p, f.anyJob(rng), rng.IntN(3) == 0
					}
					for i, err := range f.together(rng, true, held, processes, jobs) {
						f.judge(processes[i], err)
					}
				}
				f.finish()
			})
		})
	}
}

// Of two that start at the same time with nothing one buys, one completes, and the other ends with ErrLocked or finds
// the run complete.
func TestObjects_Races(t *testing.T) {
	for i := range 200 {
		f := newFleet(t)
		rng := rand.New(rand.NewPCG(uint64(i), 4))
		processes := []*storetest.Process{f.memory.NewProcess(), f.memory.NewProcess()}
		errs := make([]error, len(processes))
		var all sync.WaitGroup
		start := make(chan struct{})
		for k, p := range processes {
			j := f.anyJob(rng)
			all.Go(func() {
				<-start
				errs[k] = f.start(p, j)
			})
		}
		close(start)
		all.Wait()
		for k, err := range errs {
			f.judge(processes[k], err)
		}
		if errs[0] != nil && errs[1] != nil {
			t.Fatalf("race %d: nobody came through: %v; %v", i, errs[0], errs[1])
		}
		if n := f.posts.Load(); n != 1 {
			t.Fatalf("race %d: bought %d times", i, n)
		}
		f.job(3, 5).checkWhole(t, f.memory)
		f.finish()
	}
}

// A runner that is held up at any of its requests, while another one does the whole run, can at worst fail to publish.
func TestObjects_PausedAtEveryRequest(t *testing.T) {
	for at := 0; ; at++ {
		f := newFleet(t)
		paused := f.memory.NewProcess()
		woken := false
		paused.Gate = func() {
			if paused.Count == at && !woken {
				woken = true
				other := f.memory.NewProcess()
				err := f.start(other, f.job(2, 3))
				if f.judge(other, err); err != nil {
					t.Fatalf("beside one that is held up at request %d: %v", at, err)
				}
				f.age += 1000 * time.Hour
			}
		}
		err := f.start(paused, f.job(3, 5))
		f.judge(paused, err)
		if !woken {
			if at < 40 {
				t.Fatalf("only %d requests: the loop ended early", at)
			}
			return
		}
		f.job(3, 5).checkWhole(t, f.memory)
		f.finish()
	}
}

// The same on what all object stores share, with the answers of every kind of request lost, and requests refused for a
// while. Nothing is left that nobody sees.
func TestRun_OnBuckets(t *testing.T) {
	j := tortureJob()
	for _, op := range []string{"", "PutObject", "GetObject", "ListObjectsV2", "ListMultipartUploads", "DeleteObject"} {
		synctest.Test(t, func(t *testing.T) {
			b := storetest.NewBucket()
			b.Page = 3
			turn := 0
			b.After = func(_ context.Context, asked, key string) error {
				if turn++; asked == op && turn%2 == 0 {
					return storetest.Unreachable(asked, key)
				}
				return nil
			}
			b.Before = func(_ context.Context, asked, key string) error {
				if asked == op && turn%3 == 0 {
					turn++
					return storetest.SlowDown(asked, key)
				}
				return nil
			}
			for range 2 {
				s := object.New(t.Context(), b, "", object.Config{})
				o, err := j.openOn(s)
				if err != nil {
					t.Fatal(op, err)
				}
				if err := j.runOn(o, nil); err != nil {
					t.Fatal(op, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				j.checkComplete(t, b)
			}
			if open := b.Open(); len(open) > 0 {
				t.Errorf("%s: uploads were left: %q", op, open)
			}
		})
	}
}

// What a start costs, in requests: on an empty prefix, with the probe, and on a run that is complete.
func TestOpen_RequestsOnBuckets(t *testing.T) {
	j := tortureJob()
	b := storetest.NewBucket()
	s := object.New(t.Context(), b, "", object.Config{})
	for i := range 2500 {
		b.Replace(fmt.Sprintf("%s/part-other-%05d.parquet", testPartition, i), "of another run")
	}
	for _, most := range []int{12, 12} {
		before := b.Sent()
		o, err := j.openOn(s)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.Sent() - before; n > most {
			t.Errorf("%d requests, want at most %d: %v", n, most, b.Requests)
		}
		if err := j.runOn(o, nil); err != nil {
			t.Fatal(err)
		}
	}
}
