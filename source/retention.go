package source

import (
	"fmt"
	"io"
	"time"
)

// Results live for seven days, and from the fifth on it is time to hurry.
const (
	// Retention is how long a collector holds a result after it was exported (Talkwalker API, collectors).
	Retention = 7 * 24 * time.Hour
	// RetentionWarning is how long before that it is time to hurry.
	RetentionWarning = 2 * 24 * time.Hour
)

// deadline is when a collector loses its results, by the server's clock.
type deadline struct {
	at     time.Time // zero if unknown
	warned bool
}

// watch warns once when results are about to be lost.
func (d *deadline) watch(c *Client, collector string, t Task) {
	if d.at.IsZero() && !t.Created.IsZero() {
		d.at = t.Created.Add(Retention)
	}
	if d.at.IsZero() || d.warned {
		return
	}
	if left := d.at.Sub(c.server.now()); left < RetentionWarning {
		d.warned = true
		c.log.Warn("the collector's results expire soon", "retention_left", max(left, 0).Round(time.Minute), "collector", collector, "task", t.ID)
	}
}

func (d *deadline) passed(c *Client) bool { return !d.at.IsZero() && c.server.now().After(d.at) }

// readOrExpired is io.EOF for a stream that was read to its end. Fewer results than the task counted are the
// consumer's to judge, unless their time had run out.
func readOrExpired(s *Stream) error {
	if count := s.Task().Count(); s.covered < count && s.deadline.passed(s.c) {
		return lost(s.covered, count, "the collector holds no more")
	}
	return io.EOF
}

// lost says that a collector's results are gone, of which so many were read and the task counted count, 0 if
// that is not known.
func lost(read, count int64, message string) *Error {
	e := &Error{Class: ClassExpired, Op: "GET " + resultsTemplate,
		Message: fmt.Sprintf("%d results were read, and the rest is gone: %s", read, message)}
	if count > 0 {
		e.Message = fmt.Sprintf("%d of %d results were read, and the rest is gone: %s", read, count, message)
		e.Hint = fmt.Sprintf("results are kept for 7 days; buying them again (--generation) would cost about %d credits", count)
	}
	return e
}
