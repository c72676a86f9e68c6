package source

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
)

// A fake clock moves only when somebody sleeps, so what a stream waited and paused is all the time there is.
func TestStream_StatsAddUp(t *testing.T) {
	refuse := func(times, status int, text string) func(int, []byte) (int, []byte) {
		return func(read int, body []byte) (int, []byte) {
			if read <= times {
				return status, []byte(text)
			}
			return 200, body
		}
	}
	for name, tt := range map[string]struct {
		prepare func(q *queue)
		want    StreamStats
		pauses  bool // how many depends on when they began
	}{
		"undisturbed":  {func(*queue) {}, StreamStats{Reads: 1}, false},
		"a rate limit": {func(q *queue) { q.spoil = refuse(2, 401, envelopeText(8, "limit", "")) }, StreamStats{Reads: 1, Retries: 2}, true},
		"a server that asks to wait": {func(q *queue) {
			q.script = func(_ *http.Request, w http.ResponseWriter) bool {
				w.Header().Set("Retry-After", "7")
				return false
			}
			q.spoil = refuse(1, 503, "busy")
		}, StreamStats{Reads: 1, Retries: 1}, true},
		"a failing server": {func(q *queue) { q.spoil = refuse(2, 502, "<html>") }, StreamStats{Reads: 1, Retries: 2, Waits: 2}, false},
		"breaks with progress, faster than the limit allows": {func(q *queue) {
			q.spoil = func(_ int, body []byte) (int, []byte) { return 200, body[:min(len(body), 1300)] }
		}, StreamStats{}, true},
		"breaks without progress": {func(q *queue) { q.spoil = refuse(3, 200, "") }, StreamStats{Reads: 4, Cuts: 3, Waits: 3}, false},
		"a task that runs": {func(q *queue) {
			*q = *runningQueue(t, 20*time.Second, 50, documents(0, 50)...)
		}, StreamStats{Reads: 1, Waits: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, 50, 5)
			tt.prepare(q)
			began := q.clock.Now()
			s := q.client(t, nil).Stream(q.config())
			defer func() { _ = s.Close() }()
			var b Batch
			err := s.Next(t.Context(), &b)
			for ; err == nil; err = s.Next(t.Context(), &b) {
			}
			n := s.Stats()
			if !errors.Is(err, io.EOF) || n.Results != 50 {
				t.Fatalf("%v, %+v", err, n)
			}
			if tt.want != (StreamStats{}) && (n.Reads != tt.want.Reads || n.Retries != tt.want.Retries || n.Cuts != tt.want.Cuts || n.Waits != tt.want.Waits) {
				t.Errorf("%+v, want %+v", n, tt.want)
			}
			if n.Reads+n.Retries != int64(q.reads) {
				t.Errorf("%d reads and %d retries, the server was asked %d times", n.Reads, n.Retries, q.reads)
			}
			if (n.Pauses > 0) != tt.pauses || (n.Paused > 0) != tt.pauses || (n.Waited > 0) != (n.Waits > 0) {
				t.Errorf("%+v", n)
			}
			if all := q.clock.Now().Sub(began); n.Waited+n.Paused != all || all > 10*time.Minute {
				t.Errorf("waited %s, paused %s, in %s", n.Waited, n.Paused, all)
			}
		})
	}
}
