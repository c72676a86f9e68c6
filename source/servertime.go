package source

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// clockTolerance is how much clocks may differ without anybody being told.
const clockTolerance = time.Minute

// plausible is older than the API that is called: a server that shows an earlier date has a clock that was
// never set.
var plausible = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// serverTime keeps the server's clock.
type serverTime struct {
	clock Clock
	log   *slog.Logger

	mu     sync.Mutex
	date   time.Time // the server's, from its last answer
	seen   time.Time // ours, then
	skewed bool      // told that the local clock differs
	unset  bool      // told that the server's cannot be right
}

// now is the time by the server's Date header, which decides about retention and settling; the
// local clock only measures what has passed since. Before the first answer it is the local time.
func (s *serverTime) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if s.date.IsZero() {
		return now
	}
	return s.date.Add(now.Sub(s.seen))
}

// ServerTime is the time by the server's clock, to a second or so, by the last answer; the local time before the first.
func (c *Client) ServerTime() time.Time { return c.server.now() }

// Skew is how far the local clock is ahead of the server's, to a second or so, by the last answer; ok is false if no
// answer told.
func (c *Client) Skew() (skew time.Duration, ok bool) { return c.server.skew() }

func (s *serverTime) skew() (skew time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.Sub(s.date), !s.date.IsZero()
}

// note keeps the server's date, and tells once of one that differs from ours or cannot be right.
func (s *serverTime) note(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if date.Before(plausible) {
		if !s.unset {
			s.unset = true
			s.log.Warn("the server's clock cannot be right; using the local clock", "date", date.UTC().Format(time.RFC3339))
		}
		return
	}
	s.date, s.seen = date, s.clock.Now()
	if skew := s.seen.Sub(date); !s.skewed && skew.Abs() > clockTolerance {
		s.skewed = true
		s.log.Warn("the local clock differs from the server's; using the server's", "skew", skew.Round(time.Second))
	}
}
