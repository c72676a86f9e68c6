package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"tw2parquet/sink/store"
)

const (
	// A request has a minute, and the time its body takes at 100 KB/s. Libraries of stores wait for ever.
	requestTime  = time.Minute
	slowestBytes = 100_000 // per second
	// leastTime is what waits are not shortened below: a busy machine may keep even its own server waiting.
	leastTime = 20 * time.Second

	firstPause = 200 * time.Millisecond
	// longestPause is what S3's own clients wait at most; it is short against patience.
	longestPause = 20 * time.Second
	// fewTries is how often a request is tried whose credentials expired or whose time is off. The library gets new
	// ones, or learns the store's time, with the first answer.
	fewTries = 3
)

// try sends a request until it gets an answer that will stay. unclear tells that a request may have been
// executed whose answer said otherwise or was lost; the last answer then may be due to that.
func (s *objects) try(ctx context.Context, size int, request func(context.Context) error) (unclear bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if s.work.Err() != nil {
		return false, context.Cause(s.work)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.work, func() { cancel(context.Cause(s.work)) })()
	begun := time.Now()
	for n := 1; ; n++ {
		err = s.once(ctx, size, request)
		if err == nil {
			s.reached()
			return unclear, nil
		}
		unclear = unclear || !refused(err)
		if ctx.Err() != nil {
			return unclear, context.Cause(ctx)
		}
		pause := s.scaled(pauseAfter(n))
		if took := time.Since(begun); !s.worthwhile(err, n, took+pause) {
			if n > 1 && !refused(err) {
				err = fmt.Errorf("gave up after %d tries in %s: %w", n, took.Round(time.Second), err)
			}
			return unclear, err
		}
		if n == 3 { // a pause in between is nothing to tell a person about
			s.log.Warn("the store is not available; trying again", "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return unclear, context.Cause(ctx)
		}
	}
}

func (s *objects) once(ctx context.Context, size int, request func(context.Context) error) error {
	limit := requestTime + time.Duration(size)*time.Second/slowestBytes
	limit = min(limit, max(leastTime, s.scaled(limit)))
	late := fmt.Errorf("no answer within %s", limit.Round(time.Second))
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	err := request(ctx)
	var remote *store.RemoteError
	if refused(err) || errors.As(err, &remote) && remote.Status != 0 || err != nil && errors.Is(context.Cause(ctx), late) {
		s.reached() // whoever takes a connection and keeps silent is there: libraries give up connecting before
	}
	return err
}

// refused tells whether an error says that the store did not do what it was asked.
func refused(err error) bool {
	var remote *store.RemoteError
	if errors.As(err, &remote) { // whatever broke the connection
		return remote.Status >= 400 && remote.Status < 500
	}
	for _, said := range []error{fs.ErrExist, fs.ErrNotExist, io.ErrUnexpectedEOF, ErrConflict, ErrNoUpload, ErrChanged} {
		if errors.Is(err, said) {
			return true
		}
	}
	return false
}

// worthwhile tells whether the next answer may be another one.
func (s *objects) worthwhile(err error, tries int, took time.Duration) bool {
	limit := patience
	if !s.wasReached() {
		limit = firstPatience
	}
	limit = s.scaled(limit)
	if s.work.Err() != nil {
		return false
	}
	if errors.Is(err, ErrConflict) {
		return took < limit
	}
	var remote *store.RemoteError
	if !errors.As(err, &remote) {
		return false
	}
	switch remote.Class {
	case store.Unavailable:
		return took < limit
	case store.Expired, store.Skew:
		return tries < fewTries
	}
	return false
}

// pauseAfter doubles, up to a limit, and is scattered so that many processes do not come back at once.
func pauseAfter(tries int) time.Duration {
	pause := min(firstPause<<min(tries-1, 10), longestPause)
	return pause/2 + rand.N(pause/2)
}

func (s *objects) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * s.scale) }

func (s *objects) reached() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
}

func (s *objects) wasReached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}
