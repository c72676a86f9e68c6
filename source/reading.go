package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const resultsTemplate = "/api/v3/stream/c/{id}/results"

// reading is one answer of the results endpoint. It outlives the call of Next that opened it, so its
// context is its own; every Next ties it to that call's for as long as it runs.
type reading struct {
	op     string
	feed   *feed
	body   io.Closer
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   Timer

	replay   replay
	covered  int64 // results covered when it began
	from     string
	frames   int
	last     bool // the last chunk was a control chunk that can be resumed from
	standing bool // an offset came again after results

	unknown     int64  // chunks of types that nobody knows
	unknownType string // of the first of them
}

// openRead starts a read. end_behaviour=stop always: the default keeps the connection for ever, and only
// a read that is asked to stop says with a last control chunk that it is complete.
func (c *Client) openRead(ctx context.Context, collector, offset string, limits BatchLimits, done *progress) (*reading, error) {
	k := call{method: http.MethodGet, path: "/api/v3/stream/c/" + collector + "/results", template: resultsTemplate,
		query: url.Values{"resume_offset": {offset}, "end_behaviour": {"stop"}}, limit: c.limits.reads}
	answered, held, err := k.limit.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op(), err)
	}
	if held > 0 {
		done.paused(held)
	}
	r := &reading{op: k.op(), from: offset}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, func() { r.cancel(context.Cause(ctx)) })
	defer release()
	idle := c.scaled(c.idle)
	r.idle = c.clock.AfterFunc(idle, func() { r.cancel(errIdle) })

	resp, err := c.send(r.ctx, k) //nolint:bodyclose // the reading owns the body, and closes it with itself
	if err != nil {
		r.release()
		return nil, c.failed(ctx, r.ctx, r.op, err)
	}
	answered()
	r.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		defer r.release()
		if resp.StatusCode >= 300 && resp.StatusCode < 400 {
			return nil, classify(r.op, resp.StatusCode, -1, "")
		}
		text, err := readAll(resp)
		if err != nil {
			return nil, c.asked(c.failed(ctx, r.ctx, r.op, err), resp.Header)
		}
		if _, err = c.envelope(r.op, resp.StatusCode, text); err == nil {
			err = classify(r.op, resp.StatusCode, -1, "an answer without results")
		}
		return nil, c.asked(err, resp.Header)
	}
	body, err := decoded(resp)
	if err != nil {
		r.release()
		return nil, c.failed(ctx, r.ctx, r.op, err)
	}
	if _, compressed := body.(*inflater); compressed {
		body = readAhead(r.ctx, body)
	}
	r.idle.Stop()
	// The timer runs while bytes are waited for, and not while the consumer takes its time.
	r.feed = newFeed(func(p []byte) (int, error) {
		r.idle.Reset(idle)
		n, err := fullReader{body}.Read(p)
		r.idle.Stop()
		done.tally(func(s *StreamStats) { s.Bytes += int64(n) })
		return n, err
	}, limits, c.maxDoc)
	return r, nil
}

func (r *reading) release() {
	r.idle.Stop()
	r.cancel(context.Canceled)
	if r.body != nil {
		r.body.Close()
	}
}

// failure is why reading ended: the idle timer's reason is told instead of the cancellation it caused.
func (r *reading) failure(err error) error {
	if cause := context.Cause(r.ctx); cause != nil {
		return cause
	}
	return err
}

// begin opens the next read, once there is something to read; s.read stays nil when it has to be tried
// again. io.EOF says that all was read.
func (s *Stream) begin(ctx context.Context) error {
	more, err := s.ending.more(ctx, s.last)
	if err != nil {
		return err
	}
	if !more {
		return s.ending.verdict()
	}
	if s.stuck > 0 {
		if err := s.wait(ctx, s.c.scaled(backoff(s.stuck-1, pollFirst/5, pollLast))); err != nil {
			return fmt.Errorf("GET %s: %w", resultsTemplate, err)
		}
	}
	s.last = lastRead{state: broken}
	r, err := s.c.openRead(ctx, s.cfg.Collector, s.offset, s.cfg.Limits, &s.progress)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return err
		}
		return s.trouble(ctx, nil, e)
	}
	r.covered, r.replay = s.covered, replay{past: &s.past, at: -1}
	s.read = r
	s.deadline.watch(s.c, s.cfg.Collector, s.Task())
	s.tally(func(n *StreamStats) { n.Reads++ })
	return nil
}

func (s *Stream) endRead() {
	if s.read != nil {
		if old := s.read.replay.old; old > 0 {
			s.c.log.Warn("the server resent results from before the requested offset; they were dropped", "results", old)
		}
		if n := s.read.unknown; n > 0 {
			s.c.log.Warn("skipped chunks of an undocumented type; their content is not in any file", "chunks", n, "type", s.read.unknownType)
		}
		s.last = lastRead{state: broken, fresh: s.covered - s.read.covered}
		s.read.release()
		s.read = nil
	}
}

// finishRead ends a whole read.
func (s *Stream) finishRead() error {
	r := s.read
	s.endRead()
	s.last.state = whole
	s.stuck, s.failed = 0, 0
	if moved := s.last.fresh > 0 || r.replay.old > 0 && s.offset != r.from; moved {
		s.started[r.from] = struct{}{}
		if _, again := s.started[s.offset]; again {
			return &Error{Class: ClassStream, Op: r.op, Retryable: true,
				Message: "the stream makes no progress: the server leads back to an offset that was read before"}
		}
	}
	return nil
}

// back throws away what came after the last offset.
func (s *Stream) back(b *Batch) error {
	dropped, err := s.rollback(b)
	s.tally(func(n *StreamStats) { n.Dropped, n.Results = n.Dropped+dropped, s.count })
	return err
}

// cut ends a read that broke; the next one goes on from the last offset. Reads in a row that bring
// nothing to keep are an error.
func (s *Stream) cut(b *Batch, reason error) error {
	r := s.read
	s.endRead()
	s.tally(func(n *StreamStats) { n.Cuts++ })
	why := s.c.describe(reason)
	if r.standing {
		why = "results arrive, but the offset does not move"
	}
	s.c.log.Debug("a read broke off", "reason", why, "results", s.covered-r.covered)
	if err := s.back(b); err != nil {
		return err
	}
	if s.covered > r.covered {
		s.started[r.from] = struct{}{}
		s.stuck, s.failed = 0, 0
		if _, again := s.started[s.offset]; !again {
			return nil
		}
	}
	if s.stuck++; s.stuck < stuckReads {
		return nil
	}
	if s.endless {
		s.c.log.Warn("no read gets anywhere; trying once a minute", "reads", s.stuck, "reason", why)
		return nil
	}
	return &Error{Class: ClassStream, Op: r.op, Retryable: true,
		Message: fmt.Sprintf("no progress in %d reads from the same offset, after %d results; the last one: %s", stuckReads, s.covered, why),
		Hint:    "what was read up to the last offset is kept; run again to continue from there"}
}

// trouble handles an answer that is an error: the read is over, and is tried again after a pause where
// that helps.
func (s *Stream) trouble(ctx context.Context, b *Batch, e *Error) error {
	s.endRead()
	if errors.Is(e, ErrNotFound) && s.ending.owed() || e.Class == ClassRejected && s.deadline.passed(s.c) {
		return lost(s.covered, s.Task().Count(), e.Message)
	}
	if e.retry == retryNever {
		return e
	}
	if err := s.back(b); err != nil {
		return err
	}
	now := s.c.clock.Now()
	if s.failed == 0 {
		s.failedAt = now
	}
	pause, ok := s.c.pauseFor(e, s.failed, now.Sub(s.failedAt), s.c.limits.reads)
	switch {
	case ok:
	case s.endless:
		pause = max(e.after, pollLast)
		s.c.log.Warn("the collector cannot be read; trying once a minute", "error", e, "since", s.failedAt.UTC())
	default:
		return e
	}
	s.failed++
	s.tally(func(n *StreamStats) { n.Retries++ })
	s.c.again(e.Op, e, pause)
	wait := s.wait
	if e.retry == retryLimited || e.after > 0 {
		wait = s.pause
	}
	if err := wait(ctx, s.c.scaled(pause)); err != nil {
		return fmt.Errorf("%s: %w", e.Op, err)
	}
	return nil
}
