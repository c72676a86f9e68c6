package source

import (
	"context"
	"errors"
	"time"
)

const (
	// earliest is the offset of the first result a collector holds.
	earliest = "earliest"

	// latest is the offset behind the last one.
	latest = "latest"

	// stuckReads reads in a row that bring nothing which lasts are the end.
	stuckReads = 5
)

// StreamConfig says what is read and from where.
type StreamConfig struct {
	Collector string
	From      string // offset that covers all results had so far; "" = earliest
	Results   int64  // how many these are, rejects included
	Limits    BatchLimits

	// Ending says when everything is read; nil = Quiet{}.
	Ending Ending
	// Expires is when the collector loses its results, by the server's clock; zero if unknown.
	Expires time.Time
}

// Stream reads a collector to its end, over as many reads and breaks as it takes. Next and Close are for
// one goroutine; Task and Stats may be called from any.
type Stream struct {
	c        *Client
	cfg      StreamConfig
	ending   ending
	deadline deadline
	read     *reading // nil between reads
	last     lastRead
	cursor
	progress

	endless bool // trouble that may pass never ends it

	final error // what Next returns from now on

	stuck    int                 // broken reads in a row without progress
	failed   int                 // reads in a row that did not begin
	failedAt time.Time           // the first of them
	started  map[string]struct{} // offsets whose reads brought results
}

// Stream prepares reading; nothing is called before the first Next.
func (c *Client) Stream(cfg StreamConfig) *Stream {
	cfg.Limits = cfg.Limits.orDefault()
	if cfg.From == "" {
		cfg.From = earliest
	}
	if cfg.Ending == nil {
		cfg.Ending = Quiet{}
	}
	s := &Stream{c: c, cfg: cfg, deadline: deadline{at: cfg.Expires}, cursor: newCursor(cfg.From, cfg.Results), started: map[string]struct{}{}}
	s.clock, s.stats.Results = c.clock, cfg.Results
	s.ending = cfg.Ending.of(s)
	if err := checkID(clientID, "collector", cfg.Collector); err != nil {
		s.final = err
	}
	return s
}

// Close ends a read that is under way. It may be called more than once.
func (s *Stream) Close() error {
	s.endRead()
	if s.final == nil {
		s.final = errClosed
	}
	return nil
}

var errClosed = errors.New("the stream is closed")

// Next empties b and fills it with the results that follow. It returns
//   - nil: b holds results, or only an offset for those of the batch before;
//   - io.EOF: everything was delivered, and the last batch had an offset;
//   - ErrRewind: the connection broke after a batch without an offset: everything since the last
//     batch with one must be discarded, and a new Stream opened from there;
//   - ctx's error, wrapped: the stream has ended;
//   - *Error for all else.
//
// Before any of these errors but ErrRewind, what is covered by an offset is handed out, with nil. After
// an error, Next returns that error again.
func (s *Stream) Next(ctx context.Context, b *Batch) error {
	b.Reset()
	b.First = s.handed
	if s.read != nil {
		s.read.feed.attach(b)
	}
	for s.final == nil {
		var full bool
		var err error
		if s.read == nil {
			if err = s.begin(ctx); s.read != nil {
				s.read.feed.attach(b)
			}
		} else {
			full, err = s.fill(ctx, b)
		}
		switch {
		case err != nil:
			return s.stop(b, err)
		case full:
			s.read.feed.detach(b)
			s.hand(b)
			return nil
		}
	}
	return s.stop(b, s.final)
}

// stop ends the stream with err, after a last batch of what is covered by an offset.
func (s *Stream) stop(b *Batch, err error) error {
	s.endRead()
	s.final = err
	if errors.Is(err, ErrRewind) {
		b.truncate(0)
		return err
	}
	if s.handLast(b) {
		return nil
	}
	return err
}
