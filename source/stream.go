package source

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// earliest is the offset of the first result a collector holds.
	earliest = "earliest"

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

// StreamStats counts what a stream did.
type StreamStats struct {
	Bytes    int64 // received, after decompression
	Results  int64 // in the run so far, StreamConfig.Results and rejects included
	Reads    int64 // connections that were answered
	Cuts     int64 // of these, broken ones
	Controls int64 // control chunks
	Unknown  int64 // chunks of a type that nobody knows, skipped
	Dropped  int64 // results thrown away after a break, and read again
	Replayed int64 // results that the server sent again unasked, dropped
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

	// Counts of results from the run's first on: covered <= count, sealed <= handed <= count.
	offset  string // where the next read starts; covers the first covered results
	covered int64
	count   int64 // framed so far
	handed  int64 // given to the consumer
	sealed  int64 // of these, with an offset

	past past // to know results again

	final error // what Next returns from now on

	stuck    int                 // broken reads in a row without progress
	failed   int                 // reads in a row that did not begin
	failedAt time.Time           // the first of them
	started  map[string]struct{} // offsets whose reads brought results

	mu    sync.Mutex // for what other goroutines may ask
	task  Task
	stats StreamStats
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
	s := &Stream{c: c, cfg: cfg, deadline: deadline{at: cfg.Expires}, offset: cfg.From, started: map[string]struct{}{},
		covered: cfg.Results, count: cfg.Results, handed: cfg.Results, sealed: cfg.Results, past: newPast()}
	s.stats.Results = cfg.Results
	s.ending = cfg.Ending.of(s)
	if err := checkID(clientID, "collector", cfg.Collector); err != nil {
		s.final = err
	}
	return s
}

// Task is the task as it was last seen.
func (s *Stream) Task() Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.task
}

// saw takes a newer state of the task.
func (s *Stream) saw(t Task) {
	s.mu.Lock()
	s.task = t
	s.mu.Unlock()
	s.deadline.watch(s.c, s.cfg.Collector, t)
}

// Stats counts what was done so far.
func (s *Stream) Stats() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
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
			return s.hand(b)
		}
	}
	return s.stop(b, s.final)
}

// hand gives b to the consumer.
func (s *Stream) hand(b *Batch) error {
	s.handed = b.First + int64(len(b.Chunks))
	if s.handed == s.covered {
		b.Offset, s.sealed = s.offset, s.handed
	}
	return nil
}

// stop ends the stream with err, after a last batch of what is covered by an offset.
func (s *Stream) stop(b *Batch, err error) error {
	s.endRead()
	s.final = err
	b.truncate(int(min(max(s.covered-b.First, 0), int64(len(b.Chunks)))))
	if errors.Is(err, ErrRewind) {
		b.truncate(0)
		return err
	}
	if len(b.Chunks) > 0 || s.sealed < s.handed && s.handed == s.covered {
		return s.hand(b)
	}
	return err
}

// fill frames what the open read brings into b, until b is full or the read has ended.
func (s *Stream) fill(ctx context.Context, b *Batch) (full bool, err error) {
	r := s.read
	release := context.AfterFunc(ctx, func() { r.cancel(context.Cause(ctx)) })
	defer release()
	for {
		fr, err := r.feed.next(b)
		switch {
		case err != nil && ctx.Err() != nil:
			return false, fmt.Errorf("%s: %w", r.op, ctx.Err())
		case cleanEnd(err) && r.last:
			return false, s.finishRead()
		case cleanEnd(err):
			return false, s.cut(b, errors.New("the answer ended without a control chunk"))
		case err != nil:
			return false, s.cut(b, r.failure(err))
		}
		text := b.Raw[fr.start:fr.end]
		kind := kindResult
		switch {
		case fr.reject != "" && r.frames == 0 && text[0] != '{':
			return false, s.trouble(ctx, b, classify(r.op, 200, -1, "the answer is not JSON"))
		case fr.cut:
			r.last = false // the end comes next, and is not a clean one
			continue
		case fr.reject == "" && !fr.result:
			if kind = inspect(text); kind == kindBroken {
				kind, fr.reject = kindResult, "no chunk_type"
			}
		}
		r.frames++
		switch kind {
		case kindResult:
			print := s.past.print(text)
			switch r.replay.judge(print) {
			case again:
				s.tally(func(n *StreamStats) { n.Replayed++ })
				r.last = false
				continue
			case misjudged:
				return false, s.cut(b, errors.New("results came that begin like earlier ones, and were taken for them"))
			case restarted:
				return false, s.cut(b, errors.New("the server began at the first result again, whatever offset it was given"))
			}
			s.past.add(print, s.count)
			if fr.reject != "" {
				s.c.token.mask(text) // what is no result may be a page that quotes our request
			}
			b.add(fr, fr.reject)
			s.count++
			r.last = false
			if s.cfg.Limits.capped(b.end(), len(b.Chunks)) {
				return true, nil
			}
		case kindControl:
			if err := s.control(text); err != nil {
				return false, s.cut(b, err)
			}
			if s.ending.reached() {
				return false, s.ending.verdict()
			}
			// A batch that went out without an offset waits for one: then this control chunk ends the
			// batch however small it is, or sparse ones would seal nothing for ever.
			waiting := s.sealed < b.First
			if s.covered == s.count && len(b.Chunks) > 0 && (waiting || s.cfg.Limits.wanted(b.end(), len(b.Chunks))) {
				return true, nil
			}
		case kindUnknown:
			s.tally(func(n *StreamStats) { n.Unknown++ })
			if r.unknown++; r.unknown == 1 {
				r.unknownType = s.c.clean(chunkType(text))
			}
			r.last = false
		case kindError:
			return false, s.chunkError(ctx, b, text)
		case kindEnvelope:
			_, err := s.c.envelope(r.op, 200, text)
			var e *Error
			if !errors.As(err, &e) {
				e = classify(r.op, 200, -1, "an answer without results, in the place of results")
			}
			return false, s.trouble(ctx, b, e)
		}
	}
}

// control takes a control chunk for a point that can be resumed from. One that repeats the last offset
// though results came since covers nothing: resuming there would bring them again.
func (s *Stream) control(chunk []byte) error {
	s.tally(func(n *StreamStats) { n.Controls++ })
	offset, problem := controlOffset(chunk)
	if problem == "" && s.c.token.Scrub(offset) != offset {
		problem = "a control chunk's offset holds the access token" // offsets are written into every file
	}
	if problem != "" {
		return errors.New(problem)
	}
	if s.read.replay.undecided() {
		s.read.last = false
		return nil
	}
	if offset == s.offset && s.count > s.covered {
		s.read.last = false
		s.read.standing = true
		return nil
	}
	s.offset, s.covered = offset, s.count
	s.past.cover()
	s.read.last = true
	return nil
}

// chunkError ends the read at a CT_ERROR chunk. Its shape is not documented; a code in it means what it
// means elsewhere, and without one it is a break like any other.
func (s *Stream) chunkError(ctx context.Context, b *Batch, chunk []byte) error {
	message := s.c.clean("the server sent an error: " + errorText(chunk))
	code := errorCode(chunk)
	if code <= 0 || meanings[code].class == ClassStream {
		return s.cut(b, errors.New(message))
	}
	return s.trouble(ctx, b, classify(s.read.op, 200, code, message))
}

func (s *Stream) tally(count func(*StreamStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.stats)
	s.stats.Results = s.count
}
