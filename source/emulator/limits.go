package emulator

import (
	"sync"
	"time"
)

// limiter counts calls in a sliding window: at most n accepted calls of a key in any minute. Refused
// calls do not count.
type limiter struct {
	mu    sync.Mutex
	calls map[string][]time.Time
}

func (l *limiter) allow(key string, n int, now time.Time, minute time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == nil {
		l.calls = map[string][]time.Time{}
	}
	recent := l.calls[key]
	for len(recent) > 0 && !recent[0].Add(minute).After(now) {
		recent = recent[1:]
	}
	if len(recent) >= n {
		l.calls[key] = recent
		return false
	}
	l.calls[key] = append(recent, now)
	return true
}
