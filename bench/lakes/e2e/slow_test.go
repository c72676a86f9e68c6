package e2e

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/bench/lakes/servers"
)

// Requests that never end are given up after their time, which is a fifth of the usual one here, and made again.
const slowScale = "TW2PARQUET_WAIT_SCALE=0.2"

// trickle takes a byte of a request a minute.
func trickle(released <-chan struct{}) servers.Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		each := time.NewTicker(time.Minute)
		defer each.Stop()
		for one := make([]byte, 1); ; {
			if _, err := r.Body.Read(one); err != nil {
				return
			}
			select {
			case <-each.C:
			case <-released:
				panic(http.ErrAbortHandler)
			}
		}
	}
}

// unanswered takes a request and says nothing.
func unanswered(released <-chan struct{}) servers.Fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-released
		panic(http.ErrAbortHandler)
	}
}

// endless forwards a request, and never ends the answer.
func endless(released <-chan struct{}) servers.Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		forward.ServeHTTP(&unending{ResponseWriter: w}, r)
		<-released
		panic(http.ErrAbortHandler)
	}
}

// unending promises more bytes than come.
type unending struct{ http.ResponseWriter }

func (u *unending) WriteHeader(status int) {
	u.Header().Set("Content-Length", "1000000")
	u.ResponseWriter.WriteHeader(status)
	if f, ok := u.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (u *unending) Write(p []byte) (int, error) {
	n, err := u.ResponseWriter.Write(p)
	if f, ok := u.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
	return n, err
}

// A request that hangs costs its time and is made again, whichever end it hangs at. A run that reads what is there is
// no exception.
func TestSlow(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		what func(<-chan struct{}) servers.Fault
		read bool // in a run of what is complete
	}{
		"a part, a byte a minute": {"part", trickle, false},
		"a part, unanswered":      {"part", unanswered, false},
		"a complete, unanswered":  {"complete", unanswered, false},
		"a part, endless answer":  {"part", endless, false},
		"a read, endless answer":  {"get", endless, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a, args := trial(t, true)
			a.env = append(a.env, slowScale)
			released := make(chan struct{})
			t.Cleanup(func() { close(released) })
			if c.read {
				a.expectWhole(l, a.run(0, args...))
			}
			var seen atomic.Int64
			what := c.what(released)
			l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
				if kind(r) == c.kind && seen.Add(1) == 1 {
					what(w, r, forward)
					return
				}
				forward.ServeHTTP(w, r)
			})
			if c.read {
				args = []string{"verify", l.out}
			}
			e := a.run(0, args...)
			if seen.Load() < 2 {
				t.Errorf("it was sent %d times: %s", seen.Load(), e)
			}
			if !c.read {
				a.expectWhole(l, e)
			}
		})
	}
}
