package source

import (
	"context"
	"sync"
	"time"
)

// Clock is time as this package sees it. Durations handed to it are already scaled by WaitScale.
type Clock interface {
	Now() time.Time
	// Sleep returns nil after d, or ctx's error as soon as ctx is done.
	Sleep(ctx context.Context, d time.Duration) error
	// AfterFunc calls f on its own goroutine after d, unless stopped.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is the part of *time.Timer that is needed.
type Timer interface {
	Stop() bool
	Reset(d time.Duration) bool
}

type realClock struct{}

func (realClock) Now() time.Time                            { return time.Now() }
func (realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
func (realClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Calls a minute (Talkwalker API: collectors, credits, restrictions pages). Nothing is published for
// the rest; otherCalls stays well under every published figure for cheap calls and is still more than
// a run that reads five times a minute can use.
const (
	readCalls      = 5
	creditCalls    = 10
	infoCalls      = 10
	resourceCalls  = 20
	histogramCalls = 30
	otherCalls     = 20

	// limitWindow is a minute and a margin for a server clock that does not tick like ours.
	limitWindow = 61 * time.Second
)

// limiter lets at most n calls start in any window. The window of a call counts from the moment its
// answer began, the latest at which the server can have counted it, so that delays on the way never
// squeeze six calls into the server's minute.
type limiter struct {
	clock  Clock
	window time.Duration
	n      int

	mu    sync.Mutex
	calls []*time.Time // within the window
	hold  time.Time    // nobody starts before
}

func newLimiter(clock Clock, n int, window time.Duration) *limiter {
	return &limiter{clock: clock, n: n, window: window}
}

// wait blocks until a call may start, and tells how long that was held back. The returned function, called
// when the answer begins, moves the start of the call's window there.
func (l *limiter) wait(ctx context.Context) (answered func(), held time.Duration, err error) {
	for {
		call, delay := l.start()
		if call != nil {
			return func() {
				l.mu.Lock()
				*call = l.clock.Now()
				l.mu.Unlock()
			}, held, nil
		}
		if err := l.clock.Sleep(ctx, delay); err != nil {
			return nil, held, err
		}
		held += delay
	}
}

func (l *limiter) start() (*time.Time, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if delay := l.hold.Sub(now); delay > 0 {
		return nil, delay
	}
	kept, next := l.calls[:0], time.Duration(0)
	for _, at := range l.calls {
		left := at.Add(l.window).Sub(now)
		if left <= 0 {
			continue
		}
		kept = append(kept, at)
		if next == 0 || left < next {
			next = left
		}
	}
	clear(l.calls[len(kept):])
	l.calls = kept
	if len(l.calls) >= l.n {
		return nil, next
	}
	l.calls = append(l.calls, &now)
	return &now, 0
}

// pause keeps every call of this limit back for d: one caller was told that the limit is reached, and
// what it is told holds for all.
func (l *limiter) pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := l.clock.Now().Add(d); until.After(l.hold) {
		l.hold = until
	}
}

// limits holds a limiter per published limit, and one per endpoint without.
type limits struct {
	reads, credits, info, resources, histogram *limiter
	collector, collectorChange, streamInfo     *limiter
	tasks, task, taskChange, export            *limiter
}

func newLimits(clock Clock, scale func(time.Duration) time.Duration) limits {
	per := func(n int) *limiter { return newLimiter(clock, n, scale(limitWindow)) }
	return limits{
		reads: per(readCalls), credits: per(creditCalls), info: per(infoCalls),
		resources: per(resourceCalls), histogram: per(histogramCalls),
		collector: per(otherCalls), collectorChange: per(otherCalls), streamInfo: per(otherCalls),
		tasks: per(otherCalls), task: per(otherCalls), taskChange: per(otherCalls), export: per(otherCalls),
	}
}
