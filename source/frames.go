package source

import (
	"context"
	"errors"
	"fmt"
)

// fill frames what the open read brings into b, until b is full or the read has ended.
func (s *Stream) fill(ctx context.Context, b *Batch) (full bool, err error) {
	r := s.read
	release := context.AfterFunc(ctx, func() { r.cancel(context.Cause(ctx)) })
	defer release()
	for s.read == r && !full && err == nil {
		fr, ended := r.feed.next(b)
		if ended != nil {
			return false, s.inputEnded(ctx, b, ended)
		}
		full, err = s.take(ctx, b, fr)
	}
	return full, err
}

// inputEnded ends the open read, of which no more comes.
func (s *Stream) inputEnded(ctx context.Context, b *Batch, err error) error {
	r := s.read
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", r.op, ctx.Err())
	case cleanEnd(err) && r.last:
		return s.finishRead()
	case cleanEnd(err):
		return s.cut(b, errors.New("the answer ended without a control chunk"))
	}
	return s.cut(b, r.failure(err))
}

// take takes one frame of the open read.
func (s *Stream) take(ctx context.Context, b *Batch, fr frame) (full bool, err error) {
	r, text := s.read, b.Raw[fr.start:fr.end]
	switch {
	case fr.reject != "" && r.frames == 0 && text[0] != '{':
		return false, s.trouble(ctx, b, classify(r.op, 200, -1, "the answer is not JSON"))
	case fr.cut:
		r.last = false // the end comes next, and is not a clean one
		return false, nil
	}
	r.frames++
	switch frameKind(&fr, text) {
	case kindResult:
		return s.result(b, fr, text)
	case kindControl:
		return s.control(b, text)
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
			e = classify(r.op, 200, -1, "an answer without results")
		}
		return false, s.trouble(ctx, b, e)
	}
	return false, nil
}

// frameKind is what a frame is. What cannot be told, and what framing gave up, is a result to be rejected:
// it may have been one.
func frameKind(fr *frame, text []byte) chunkKind {
	if fr.reject != "" || fr.result {
		return kindResult
	}
	kind := inspect(text)
	if kind == kindBroken {
		kind, fr.reject = kindResult, "no chunk_type"
	}
	return kind
}

// result adds a result to b, unless it was there before.
func (s *Stream) result(b *Batch, fr frame, text []byte) (full bool, err error) {
	r, seen := s.read, s.past.fingerprint(text)
	switch r.replay.judge(seen) {
	case again:
		s.tally(func(n *StreamStats) { n.Replayed++ })
		r.last = false
		return false, nil
	case misjudged:
		return false, s.cut(b, errors.New("new results began like earlier ones and were mistaken for them"))
	case restarted:
		return false, s.cut(b, errors.New("the server started over at the first result, ignoring the offset"))
	}
	if fr.reject != "" {
		s.c.token.mask(text) // what is not a result may be a page that quotes our request
	}
	s.add(seen)
	b.add(fr, fr.reject)
	r.last = false
	return s.cfg.Limits.capped(b.end(), len(b.Chunks)), nil
}

// control takes a control chunk for a point that can be resumed from. One that repeats the last offset
// though results came since covers nothing: resuming there would bring them again. The batch is full there
// if it is large enough.
func (s *Stream) control(b *Batch, chunk []byte) (full bool, err error) {
	r := s.read
	s.tally(func(n *StreamStats) { n.Controls, n.Results = n.Controls+1, s.count })
	offset, problem := controlOffset(chunk)
	if problem == "" && s.c.token.Scrub(offset) != offset {
		problem = "a control chunk's offset holds the access token" // offsets are written into every file
	}
	if problem != "" {
		return false, s.cut(b, errors.New(problem))
	}
	part := s.count - s.covered // results since the last one, which the next one's will be as many as
	switch {
	case r.replay.undecided():
		r.last = false
	case offset == s.offset && s.count > s.covered:
		r.last, r.standing = false, true
	default:
		s.cover(offset)
		r.last = true
	}
	if s.ending.reached() {
		return false, s.ending.verdict()
	}
	return s.covered == s.count && len(b.Chunks) > 0 && (s.waiting(b) || s.cfg.Limits.closest(b.end(), len(b.Chunks), int(part))), nil
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
