package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"tw2parquet/bench/lakes/servers"
)

// at does something to the process before, or after, its n-th request that counts is forwarded. It must be told of the
// process once that is started.
func at(n int64, counts func(*http.Request) bool, after bool, do func(*started)) (hook servers.Fault, tell func(*started), settled func() bool) {
	var seen atomic.Int64
	process, done := make(chan *started, 1), make(chan struct{})
	var reached atomic.Bool
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if !counts(r) || seen.Add(1) != n {
				forward.ServeHTTP(w, r)
				return
			}
			reached.Store(true)
			defer close(done)
			r = detached(r)
			if after {
				forward.ServeHTTP(httptest.NewRecorder(), r)
				do(<-process)
			} else {
				do(<-process)
				forward.ServeHTTP(httptest.NewRecorder(), r) // what was sent may still arrive
			}
			panic(http.ErrAbortHandler)
		}, func(p *started) { process <- p }, func() bool {
			if reached.Load() {
				<-done
			}
			return reached.Load()
		}
}

// detached is a request that goes on when its sender is gone.
func detached(r *http.Request) *http.Request {
	body, _ := io.ReadAll(r.Body) // what is cut stays so
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// killed runs an export that is killed at a request, and again until it is complete.
func killed(t *testing.T, big bool, n int64, counts func(*http.Request) bool, after bool) (reached bool) {
	t.Helper()
	l, a, args := trial(t, big)
	hook, tell, settled := at(n, counts, after, (*started).kill)
	l.proxy.Hook(hook)
	p := a.launch(args...)
	tell(p)
	p.end()
	l.proxy.Hook(nil)
	reached = settled()
	a.expectBeginning(l)
	left := l.uploads()
	e := a.through(args...)
	a.expectWhole(l, e)
	// Nobody can tell a dead process's upload from a living one's before a day is over.
	for _, upload := range left {
		if !slices.Contains(l.uploads(), upload) {
			t.Errorf("the upload of %s was aborted", upload)
		}
	}
	return reached
}

// A process that is killed at any of its requests loses nothing, and nothing is bought or written twice.
func TestKill_AtEveryRequest(t *testing.T) {
	step := int64(1)
	if testing.Short() {
		step = 7
	}
	var most atomic.Int64
	t.Run("all", func(t *testing.T) {
		for n := int64(1); n <= 45; n += step {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				if killed(t, false, n, func(*http.Request) bool { return true }, n%2 == 0) {
					most.Store(max(most.Load(), n))
				}
			})
		}
	})
	if most.Load() < 15 {
		t.Errorf("no process was killed after request %d", most.Load())
	}
}

func TestKill_WithinUploads(t *testing.T) {
	for name, c := range map[string]struct {
		kind  string
		n     int64
		after bool
	}{
		"before the first part": {"part", 1, false},
		"between parts":         {"part", 1, true},
		"after the last part":   {"part", 2, true},
		"before the complete":   {"complete", 1, false},
		"after the complete":    {"complete", 1, true},
		"after the begin":       {"begin", 1, true},
		"after the third part":  {"part", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !killed(t, true, c.n, func(r *http.Request) bool { return ofData(r) && kind(r) == c.kind }, c.after) {
				t.Error("it was not killed")
			}
		})
	}
}

// The commit of a killed process may land when its successor has looked, and before that publishes. It is taken as it is.
func TestKill_CommitLandsLate(t *testing.T) {
	for _, big := range []bool{false, true} {
		t.Run(map[bool]string{false: "put", true: "complete"}[big], func(t *testing.T) {
			t.Parallel()
			l, a, args := trial(t, big)
			commit := map[bool]string{false: "put", true: "complete"}[big]
			process, looked, landed := make(chan *started, 1), make(chan struct{}), make(chan struct{})
			var commits atomic.Int64
			l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if !ofData(r) || kind(r) != commit {
					forward.ServeHTTP(w, r)
					return
				}
				switch commits.Add(1) {
				case 1:
					defer close(landed)
					r = detached(r)
					(<-process).kill()
					select {
					case <-looked:
					case <-t.Context().Done():
					}
					forward.ServeHTTP(httptest.NewRecorder(), r)
					panic(http.ErrAbortHandler)
				case 2:
					close(looked)
					<-landed
				}
				forward.ServeHTTP(w, r)
			})
			p := a.launch(args...)
			process <- p
			p.end()
			a.expectWhole(l, a.through(args...))
			if commits.Load() < 2 {
				t.Error("the successor did not publish after the first commit was sent")
			}
			a.run(0, "verify", l.out)
		})
	}
}

// Of runners with nothing on their own disk one buys. The others give way, or find everything done.
func TestRaces(t *testing.T) {
	for i := range times(t, 200, 3) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l, a, args := trial(t, i%3 == 0)
			first, second := a.launch(args...), a.launch(args...)
			for _, p := range []*started{first, second} {
				if e := p.end(); e.code != 0 && e.code != 30 {
					t.Errorf("a runner ended otherwise than with 0 or 30: %s", e)
				}
			}
			a.expectBeginning(l)
			a.expectWhole(l, a.through(args...))
			a.run(0, "verify", l.out)
		})
	}
}

// A runner that is stopped in an upload and wakes when another has finished can at worst not publish.
func TestStopped_WakesTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		n    int64
	}{"in a part": {"part", 2}, "at the complete": {"complete", 1}, "at the begin": {"begin", 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a, args := trial(t, true)
			stopped, woken := make(chan struct{}), make(chan struct{})
			var once sync.Once
			process := make(chan *started, 1)
			var seen atomic.Int64
			l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if ofData(r) && kind(r) == c.kind && seen.Add(1) == c.n {
					once.Do(func() {
						p := <-process
						if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
							t.Error(err)
						}
						close(stopped)
						<-woken
					})
				}
				forward.ServeHTTP(w, r)
			})
			p := a.launch(args...)
			process <- p
			select {
			case <-stopped:
			case <-p.over:
				close(woken)
				t.Fatalf("it was not stopped: %s", p.end())
			}
			e := a.launch(args...).end()
			for range restarts {
				if e.code == 0 {
					break
				}
				e = a.launch(args...).end()
			}
			finished := e
			if err := p.Process.Signal(syscall.SIGCONT); err != nil {
				t.Error(err)
			}
			close(woken)
			if e := p.end(); e.code != 30 && e.code != 0 {
				t.Errorf("it woke and ended with: %s", e)
			}
			if finished.code != 0 {
				t.Fatalf("the other could not finish: %s", finished)
			}
			a.expectWhole(l, finished)
			a.run(0, "verify", l.out)
		})
	}
}
