package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// While a task runs it is asked for after pollFirst, then less and less often.
	pollFirst, pollLast = 5 * time.Second, time.Minute

	// maxStandstill is how long a task may show no change at all before waiting is given up. How long
	// tasks wait or run is not documented.
	maxStandstill = 6 * time.Hour
)

// Ending says when a stream has been read to its end: TaskDone, OffsetReached, Quiet or Peek. It is a
// setting, and may be used for many streams.
type Ending interface {
	// of is the ending at work on one stream.
	of(s *Stream) ending
}

// ending decides for one stream when it is read to its end. Its methods are called from within Next.
type ending interface {
	// more waits until another read is worth its call; false says that everything was read. last is the
	// read before.
	more(ctx context.Context, last lastRead) (bool, error)
	// reached is asked at every control chunk: whether the stream ends right there.
	reached() bool
	// verdict is why the stream ended, once it has: io.EOF if everything is there.
	verdict() error
	// owed tells whether results are known to exist, so that a collector that is gone has lost them.
	owed() bool
}

// lastRead is how the latest read ended.
type lastRead struct {
	state readState
	fresh int64 // results that it brought, covered by an offset
}

type readState int

const (
	unread readState = iota // there was none
	broken                  // it did not begin, or not end as it should
	whole                   // it ended behind a control chunk
)

// TaskDone ends a stream once the export task that fills its collector has ended and all its results are
// read.
type TaskDone struct {
	ID string
	// OnTask, if set, is called with every status of the task, from within Next.
	OnTask func(Task)
	// Until, if set, is how long a task that still runs is waited for. What has been exported by then is read, and
	// the stream ends with an error of ClassPending.
	Until time.Time
}

func (t TaskDone) of(s *Stream) ending {
	s.task.ID = t.ID
	return &taskDone{TaskDone: t, s: s}
}

type taskDone struct {
	TaskDone
	s       *Stream
	polls   int
	movedAt time.Time // when the task last changed
	ended   bool      // the task had ended before the last read began
	empty   int       // whole reads in a row, begun after the task's end, that brought nothing
	late    bool      // the last read of a task that still runs was begun after Until
}

// more: everything was read by the task's own count at the end of a whole read that began after the task's
// end (before it, results of a second task in the same collector could make up the number), or because
// reads that began after it brought nothing. One such read is enough unless the task counted more: an
// answer that was cut right behind its first control chunk, by a connection without framing, looks just
// like it.
func (e *taskDone) more(ctx context.Context, last lastRead) (bool, error) {
	switch {
	case last.fresh > 0:
		e.empty = 0
	case last.state == whole && e.ended:
		e.empty++
	}
	if last.state == broken {
		e.ended = e.s.Task().Status.Terminal()
		return true, nil // go on at once
	}
	if running, err := e.wait(ctx, last.state == unread); running || err != nil {
		return running, err
	}
	before := e.ended
	e.ended = true
	switch t := e.s.Task(); {
	case last.state == unread:
		return true, nil
	case e.s.covered < t.Count():
		return e.empty < 2, nil
	case e.s.covered == t.Count() && before && t.Status != StatusGone:
		return false, nil
	}
	return e.empty < 1, nil
}

// wait asks for the task until it has ended, or until it is running and has counted results that were not
// read. These are read after a pause only, unless atOnce: reading costs one of five calls a minute.
func (e *taskDone) wait(ctx context.Context, atOnce bool) (running bool, err error) {
	for paused := false; !e.s.Task().Status.Terminal(); paused = true {
		over, left := e.over()
		switch {
		case paused && over && (e.late || e.s.Task().Count() <= e.s.covered):
			return false, e.pending()
		case paused && !over:
			if err := e.s.wait(ctx, min(e.s.c.scaled(interval(e.polls)), left)); err != nil {
				return false, fmt.Errorf("wait for the export: %w", err)
			}
		}
		if err := e.poll(ctx); err != nil {
			return false, err
		}
		if t := e.s.Task(); !t.Status.Terminal() && (paused || atOnce) && t.Count() > e.s.covered {
			e.late = over
			return true, nil
		}
	}
	return false, nil
}

// over tells whether the time to wait is over, else how much is left.
func (e *taskDone) over() (bool, time.Duration) {
	if e.Until.IsZero() {
		return false, pollLast
	}
	left := e.Until.Sub(e.s.c.clock.Now())
	return left <= 0, left
}

// pending says that the task is not waited for any longer, and when it may be worth another look: from its
// progress where it tells any, else after half of its age.
func (e *taskDone) pending() error {
	const soonest, latest = time.Minute, time.Hour
	t, c := e.s.Task(), e.s.c
	age, doing := soonest, ""
	if !t.Created.IsZero() {
		age = c.server.now().Sub(t.Created)
	}
	look := age / 2
	if t.Progress > 0 && t.Progress < 1 {
		look = time.Duration(float64(age) * (1 - t.Progress) / t.Progress)
		doing = fmt.Sprintf(", %.0f %% of it done", 100*t.Progress)
	}
	look = min(max(look, soonest), latest).Round(time.Minute)
	return &Error{Class: ClassPending, Retryable: true,
		Message: fmt.Sprintf("the export task %s is still %s%s; %d results are read so far", t.ID, printable(string(t.Status), 60), doing, e.s.covered),
		Hint:    fmt.Sprintf("run the same command again in %d minutes or so; it goes on where this one ended, and does not buy this export again", max(2, int(look.Minutes())))}
}

// poll asks for the task. One that the server does not know any more counts as ended: its results may
// still be there.
func (e *taskDone) poll(ctx context.Context) error {
	c, old := e.s.c, e.s.Task()
	t, err := c.Task(ctx, e.ID)
	if errors.Is(err, ErrNotFound) {
		t, err = old, nil
		t.Status = StatusGone
		c.log.Warn("the server no longer knows the export task; reading its results anyway", "task", t.ID)
	}
	if err != nil {
		return err
	}
	if !t.Status.known() && old.Status != t.Status {
		c.log.Warn("the task has a status that is not documented; it counts as running", "status", printable(string(t.Status), 60))
	}
	now := c.clock.Now()
	if e.polls == 0 || old.Status != t.Status || old.Count() != t.Count() || old.Progress != t.Progress {
		e.movedAt = now
	}
	e.polls++
	e.s.saw(t)
	e.s.deadline.watch(c, e.s.cfg.Collector, t)
	if e.OnTask != nil {
		e.OnTask(t)
	}
	if still := now.Sub(e.movedAt); still > c.scaled(maxStandstill) && !t.Status.Terminal() {
		return &Error{Class: ClassUnavailable, Op: "GET " + taskTemplate, Retryable: true,
			Message: fmt.Sprintf("the export task is %s and has not moved for %s", printable(string(t.Status), 60), still.Round(time.Minute)),
			Hint:    "run again to keep waiting for it; nothing is bought twice"}
	}
	return nil
}

func (e *taskDone) reached() bool  { return false }
func (e *taskDone) verdict() error { return readOrExpired(e.s) }
func (e *taskDone) owed() bool     { return true }

// Quiet ends a stream whose task is not known, or that has none, once nothing new has come for as long
// as For says. With 0 the first read that brings nothing is the end.
type Quiet struct{ For time.Duration }

func (q Quiet) of(s *Stream) ending { return &quiet{Quiet: q, s: s} }

type quiet struct {
	Quiet
	s     *Stream
	since time.Time // when a read last brought results, or the first one brought none
	waits int
}

func (e *quiet) more(ctx context.Context, last lastRead) (bool, error) {
	now := e.s.c.clock.Now()
	if last.fresh > 0 {
		e.since = now
	}
	if last.state != whole || last.fresh > 0 {
		return true, nil
	}
	if e.since.IsZero() {
		e.since = now
	}
	left := e.s.c.scaled(e.For) - now.Sub(e.since)
	if left <= 0 {
		return false, nil
	}
	if err := e.s.wait(ctx, min(left, e.s.c.scaled(interval(e.waits)))); err != nil {
		return false, fmt.Errorf("wait for results: %w", err)
	}
	e.waits++
	return true, nil
}

func (e *quiet) reached() bool  { return false }
func (e *quiet) verdict() error { return readOrExpired(e.s) }
func (e *quiet) owed() bool     { return e.s.cfg.Results > 0 }

// Peek is for finding out whether a collector holds anything: the first batch is its first result, and the
// stream ends when none has come for a moment. An answer that was cut right behind its first control chunk
// looks empty, so one empty answer is not enough.
type Peek struct{}

func (Peek) of(s *Stream) ending {
	s.cfg.Limits.TargetRows, s.cfg.Limits.MaxRows = 1, 1
	return Quiet{For: pollFirst}.of(s)
}

// OffsetReached ends a stream at the control chunk with this Offset, if Results results are covered there,
// counted as StreamConfig.Results are. It ends with ErrReplay if the offset is not found or covers another
// number. There must be a result in between.
type OffsetReached struct {
	Offset  string
	Results int64
}

func (o OffsetReached) of(s *Stream) ending { return &offsetReached{OffsetReached: o, s: s} }

type offsetReached struct {
	OffsetReached
	s *Stream
}

// more: a read that brought nothing is the end.
func (e *offsetReached) more(_ context.Context, last lastRead) (bool, error) {
	return last.state != whole || last.fresh > 0, nil
}

func (e *offsetReached) reached() bool { return e.s.offset == e.Offset || e.s.covered > e.Results }
func (e *offsetReached) owed() bool    { return true }

func (e *offsetReached) verdict() error {
	s, there := e.s, e.s.offset == e.Offset
	switch missing := e.Results - s.covered; {
	case there && missing == 0:
		return io.EOF
	case missing > 0 && s.deadline.passed(s.c):
		return lost(s.covered, s.Task().Count(), "they have expired")
	case there:
		return fmt.Errorf("%w: this offset used to cover %d results; now it covers %d", ErrReplay, e.Results-s.cfg.Results, s.covered-s.cfg.Results)
	}
	return fmt.Errorf("%w: the offset at which reading should end did not come within %d results", ErrReplay, s.covered-s.cfg.Results)
}

// interval is the pause after n polls: it grows from pollFirst to pollLast.
func interval(n int) time.Duration {
	d := pollFirst
	for range min(n-1, 8) {
		d = min(d*3/2, pollLast)
	}
	return d
}
