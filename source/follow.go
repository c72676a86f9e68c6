package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// prepare waits until there is something to read. more = false says that everything was read: by the
// task's own count at the end of a complete read that began after the task's end (before it, results of a
// second task in the same collector could make up the number), or because reads that began after it
// brought nothing. One such read is enough unless the task counted more: an answer that was cut right
// behind its first control chunk, by a connection without framing, looks just like it.
func (s *Stream) prepare(ctx context.Context) (more bool, err error) {
	if s.cfg.TaskID == "" {
		return s.prepareUnknown(ctx)
	}
	if s.polls > 0 && !s.complete && !s.unhurried {
		return true, nil // the last read broke: go on at once
	}
	for !s.Task().Status.Terminal() {
		if s.polls > 0 && (!s.complete || s.unhurried) {
			if err := s.c.sleep(ctx, s.interval()); err != nil {
				return false, fmt.Errorf("wait for the export: %w", err)
			}
			s.unhurried = true
		}
		if err := s.poll(ctx); err != nil {
			return false, err
		}
		if t := s.Task(); !t.Status.Terminal() && s.unhurried && t.Count() > s.covered {
			return true, nil
		}
		s.unhurried = true
	}
	switch t := s.Task(); {
	case !s.complete:
		return true, nil
	case s.covered < t.Count():
		return s.empty < 2, nil
	case s.covered == t.Count() && s.ended && t.Status != StatusGone:
		return false, nil
	}
	return s.empty < 1, nil
}

// prepareUnknown is prepare without a task to ask.
func (s *Stream) prepareUnknown(ctx context.Context) (more bool, err error) {
	if !s.complete || s.fresh > 0 {
		return true, nil
	}
	now := s.c.clock.Now()
	if s.freshAt.IsZero() {
		s.freshAt = now
	}
	left := s.c.scaled(s.cfg.Quiet) - now.Sub(s.freshAt)
	if left <= 0 {
		return false, nil
	}
	if err := s.c.clock.Sleep(ctx, min(left, s.c.scaled(s.interval()))); err != nil {
		return false, fmt.Errorf("wait for results: %w", err)
	}
	s.polls++
	return true, nil
}

// interval grows from pollFirst to pollLast.
func (s *Stream) interval() time.Duration {
	d := pollFirst
	for range min(s.polls-1, 8) {
		d = min(d*3/2, pollLast)
	}
	return d
}

// poll asks for the task. One that the server does not know any more counts as ended: its results may
// still be there.
func (s *Stream) poll(ctx context.Context) error {
	t, err := s.c.Task(ctx, s.cfg.TaskID)
	if errors.Is(err, ErrNotFound) {
		t, err = s.Task(), nil
		t.Status = StatusGone
		s.c.log.Warn("the server does not know the export task any more; its results are read all the same", "task", t.ID)
	}
	if err != nil {
		return err
	}
	if old := s.Task(); !t.Status.known() && old.Status != t.Status {
		s.c.log.Warn("the task has a status that is not documented; it counts as running", "status", printable(string(t.Status), 60))
	}
	now := s.c.clock.Now()
	if old := s.Task(); s.polls == 0 || old.Status != t.Status || old.Count() != t.Count() || old.Progress != t.Progress {
		s.movedAt = now
	}
	s.polls++
	s.mu.Lock()
	s.task = t
	s.mu.Unlock()
	s.watchRetention()
	if s.cfg.OnTask != nil {
		s.cfg.OnTask(t)
	}
	if still := now.Sub(s.movedAt); still > s.c.scaled(maxStandstill) && !t.Status.Terminal() {
		return &Error{Class: ClassUnavailable, Op: "GET " + taskTemplate, Retryable: true,
			Message: fmt.Sprintf("the export task is %s and has not moved for %s", printable(string(t.Status), 60), still.Round(time.Minute)),
			Hint:    "run again to go on waiting for it; nothing is bought twice"}
	}
	return nil
}

// watchRetention warns once when results are about to be lost.
func (s *Stream) watchRetention() {
	t := s.Task()
	if s.cfg.Expires.IsZero() && !t.Created.IsZero() {
		s.cfg.Expires = t.Created.Add(retention)
	}
	if s.cfg.Expires.IsZero() || s.warned {
		return
	}
	if left := s.cfg.Expires.Sub(s.c.serverNow()); left < retentionWarning {
		s.warned = true
		s.c.log.Warn("the collector loses its results soon", "retention_left", max(left, 0).Round(time.Minute), "collector", s.cfg.Collector, "task", t.ID)
	}
}

func (s *Stream) expired() bool {
	return !s.cfg.Expires.IsZero() && s.c.serverNow().After(s.cfg.Expires)
}

// finish decides, after the last read, whether everything was there. Fewer results than the task counted
// are the consumer's to judge, unless their time had run out.
func (s *Stream) finish() error {
	if s.cfg.Until != "" {
		return s.arrive()
	}
	if s.covered < s.Task().Count() && s.expired() {
		return s.lost("the collector holds no more")
	}
	return io.EOF
}

// arrive ends a stream that is read up to an offset: there, or where it should have been.
func (s *Stream) arrive() error {
	s.endRead()
	there := s.offset == s.cfg.Until
	switch missing := s.cfg.UntilResults - s.covered; {
	case there && missing == 0:
		return io.EOF
	case missing > 0 && s.expired():
		return s.lost("their time has run out")
	case there && missing != 0:
		return fmt.Errorf("%w: up to the same offset it were %d results, now %d", ErrReplay, s.cfg.UntilResults-s.cfg.Results, s.covered-s.cfg.Results)
	}
	return fmt.Errorf("%w: the offset at which reading should end did not come within %d results", ErrReplay, s.covered-s.cfg.Results)
}

// lost says that the collector's results are gone before all of them were read.
func (s *Stream) lost(message string) *Error {
	e := &Error{Class: ClassExpired, Op: "GET " + resultsTemplate,
		Message: fmt.Sprintf("%d results were read, and the rest is gone: %s", s.covered, message)}
	if count := s.Task().Count(); count > 0 {
		e.Message = fmt.Sprintf("%d of %d results were read, and the rest is gone: %s", s.covered, count, message)
		e.Hint = fmt.Sprintf("results are kept for 7 days; buying them again (--generation) would cost about %d credits", max(count, 0))
	}
	return e
}
