package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// fewResults is how many results of one read are not worth another one at once. Reading a collector takes one
	// of the account's five calls a minute, which exports need as well.
	fewResults = 1000

	// busy is how long a stream that never runs dry is read before what it brings counts as new.
	busy = 10 * time.Minute
)

// CaughtUp ends the stream of a collector that may be fed for ever, once what it held is read: when two reads in a row
// brought nothing, or so little that it must have arrived meanwhile. An answer that was cut right behind its first
// control chunk looks empty, so one is not enough.
type CaughtUp struct{}

func (CaughtUp) of(s *Stream) ending { return &caughtUp{s: s, began: s.c.clock.Now()} }

type caughtUp struct {
	s       *Stream
	began   time.Time
	largest int64 // results of a read
	low     int   // reads in a row that brought next to nothing
}

func (e *caughtUp) more(ctx context.Context, last lastRead) (bool, error) {
	if last.state != whole {
		return true, nil // go on at once
	}
	e.largest = max(e.largest, last.fresh)
	late := e.s.c.clock.Now().Sub(e.began) > e.s.c.scaled(busy) && last.fresh < fewResults
	if last.fresh*10 > e.largest && !late {
		e.low = 0
		return true, nil
	}
	if e.low++; e.low > 1 {
		return false, nil
	}
	if err := e.s.wait(ctx, e.s.c.scaled(pollFirst)); err != nil {
		return false, fmt.Errorf("wait for results: %w", err)
	}
	return true, nil
}

func (e *caughtUp) reached() bool  { return false }
func (e *caughtUp) verdict() error { return readOrExpired(e.s) }
func (e *caughtUp) owed() bool     { return e.s.cfg.Results > 0 }

// Follow reads for as long as it takes: it outlasts a server or a network that is away for days, with a call a
// minute. It ends at the first control chunk, or pause between reads, once For has passed since the stream's first
// new result. Then it is for its consumer to keep what it has, and to open the next stream from there. A stream
// without a result does not end.
type Follow struct{ For time.Duration }

func (f Follow) of(s *Stream) ending {
	s.endless = true
	return &follow{Follow: f, s: s, first: s.count}
}

type follow struct {
	Follow
	s     *Stream
	first int64     // results before the stream's first
	since time.Time // when that arrived
}

func (e *follow) more(ctx context.Context, last lastRead) (bool, error) {
	switch {
	case e.reached():
		return false, nil
	case last.state != whole, last.fresh >= fewResults:
		return true, nil
	}
	pause := e.s.c.scaled(pollLast)
	if !e.since.IsZero() {
		pause = min(pause, e.s.c.scaled(e.For)-e.s.c.clock.Now().Sub(e.since))
	}
	if err := e.s.wait(ctx, pause); err != nil {
		return false, fmt.Errorf("wait for results: %w", err)
	}
	return !e.reached(), nil
}

func (e *follow) reached() bool {
	if e.s.covered <= e.first {
		return false
	}
	now := e.s.c.clock.Now()
	if e.since.IsZero() {
		e.since = now
	}
	return now.Sub(e.since) >= e.s.c.scaled(e.For)
}

func (e *follow) verdict() error { return io.EOF }
func (e *follow) owed() bool     { return e.first > 0 }

// Latest is where a new result of a collector would come next. Results that arrive while it is asked for may lie
// before it.
func (c *Client) Latest(ctx context.Context, collector string) (offset string, err error) {
	s := c.Stream(StreamConfig{Collector: collector, From: latest})
	for b := (&Batch{}); err == nil; {
		err = s.Next(ctx, b)
	}
	_ = s.Close() // only read from
	switch {
	case !errors.Is(err, io.EOF):
		return "", err
	case s.offset == latest || s.offset == earliest:
		return "", &Error{Class: ClassUnavailable, Op: "GET " + resultsTemplate, Retryable: true,
			Message: "the server does not tell where the latest result is", Hint: "run again, or begin at the earliest result"}
	}
	return s.offset, nil
}

// CheckOffset finds out whether the server can read a collector from an offset: nil if so.
func (c *Client) CheckOffset(ctx context.Context, collector, offset string) error {
	s := c.Stream(StreamConfig{Collector: collector, From: offset, Ending: Peek{}})
	err := s.Next(ctx, &Batch{})
	_ = s.Close() // only read from
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// CheckCollector refuses an id that no collector can have.
func CheckCollector(id string) error { return checkID(clientID, "collector", id) }
