package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAfter is the longest Retry-After that is told apart: what is longer is longer than this package ever waits.
const maxAfter = 365 * 24 * time.Hour

// pacer knows how long to wait, and what for.
type pacer struct {
	clock  Clock
	server *serverTime
	factor float64 // WaitScale
	log    *slog.Logger
}

func (p *pacer) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * p.factor)
}

func (p *pacer) sleep(ctx context.Context, d time.Duration) error {
	return p.clock.Sleep(ctx, p.scaled(d))
}

// asked notes in err, if it is an *Error, how long the answer with header h asked to be left alone.
func (p *pacer) asked(err error, h http.Header) error {
	var e *Error
	if errors.As(err, &e) {
		e.after = p.retryAfter(h)
	}
	return err
}

// retryAfter is what Retry-After says (RFC 9110, 10.2.3): seconds, or a date, which is compared with the
// answer's own Date, since both are by the server's clock. What says neither counts as not sent.
func (p *pacer) retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(maxAfter/time.Second) {
			return maxAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = p.server.now()
	}
	return min(max(at.Sub(now), 0), maxAfter)
}

// pauseFor says how long to wait before the next attempt, ok = false when there is none left. spent is what
// the call has waited and tried so far.
func (p *pacer) pauseFor(e *Error, attempt int, spent time.Duration, limit *limiter) (pause time.Duration, ok bool) {
	switch {
	case e.retry == retryNever:
		return 0, false
	case e.retry == retryBackoff && e.after == 0:
		return backoff(attempt, time.Second, time.Minute), attempt+1 < callAttempts
	case spent >= p.scaled(limitBudget) || !p.bearable(e, spent):
		return 0, false
	}
	pause = cmp.Or(e.after, limitPause)
	limit.pause(p.scaled(pause))
	// A server that asks for seconds, again and again, is asked less and less often all the same.
	return max(pause+backoff(attempt, time.Second, 15*time.Second), backoff(attempt, time.Second, time.Minute)), true
}

// bearable tells whether the wait that the server asked for fits into what is left of the budget. If not,
// the hint says when to come back.
func (p *pacer) bearable(e *Error, spent time.Duration) bool {
	if p.scaled(e.after) <= p.scaled(limitBudget)-spent {
		return true
	}
	e.Hint = fmt.Sprintf("the server asks for a pause of %s, longer than this program waits; run again after that", e.after.Round(time.Second))
	return false
}

// again tells of a wait. One that the server asked for is told to everybody: nothing else happens meanwhile.
func (p *pacer) again(op string, e *Error, pause time.Duration) {
	tell, message := p.log.Debug, "trying again"
	if e.after > 0 {
		tell, message = p.log.Warn, "the server asks to wait"
	}
	tell(message, "op", op, "error", e.Message, "code", e.Code, "http", e.HTTP, "pause", pause.Round(time.Millisecond))
}

// backoff doubles from first to at most limit; the upper half of each step is random, so that windows
// exported side by side do not come back together.
func backoff(attempt int, first, limit time.Duration) time.Duration {
	d := first << min(attempt, 20)
	if d <= 0 || d > limit {
		d = limit
	}
	return d/2 + rand.N(d/2+1)
}
