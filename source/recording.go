package source

import (
	"context"
	"fmt"
	"io"
	"strconv"
)

// Recording cuts a recorded results stream into batches, with the same framing as a live one. A
// recording may be several reads put together, so the offsets of its control chunks mean nothing: the
// position is the byte position, as "byte:<n>". It is for one goroutine.
type Recording struct {
	feed  *feed
	base  int64
	count int64
	stats StreamStats
	done  bool
}

// NewRecording reads r, from its beginning. maxDocument = 0 is 64 MiB. With a BatchLimits of zero its
// defaults hold.
func NewRecording(r io.Reader, maxDocument int64, limits BatchLimits) *Recording {
	if maxDocument <= 0 {
		maxDocument = defaultMaxDocument
	}
	return &Recording{feed: newFeed(fullReader{r}.Read, limits.orDefault(), int(maxDocument))}
}

// Continue tells that the reader starts at byte position of the recording, after results results. It must
// be called before the first Next.
func (r *Recording) Continue(position, results int64) {
	r.base, r.count = position, results
	r.feed.framer.base = position
}

// Next fills b with the next results; every batch has an offset. After the last one it returns io.EOF with
// an empty batch. What the end of the recording breaks off is a reject.
func (r *Recording) Next(ctx context.Context, b *Batch) error {
	b.Reset()
	b.First = r.count
	if r.done {
		return io.EOF
	}
	r.feed.attach(b)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fr, err := r.feed.next(b)
		switch {
		case cleanEnd(err):
			r.done = true
			return r.finish(b)
		case err != nil:
			return fmt.Errorf("read recording at byte %d: %w", r.base+r.feed.bytes, err)
		}
		reject := fr.reject
		if !fr.result && reject == "" {
			switch inspect(b.Raw[fr.start:fr.end]) {
			case kindResult:
			case kindControl:
				r.stats.Controls++
				continue
			case kindError, kindUnknown:
				r.stats.Unknown++
				continue
			case kindEnvelope:
				reject = "an answer of the API without a chunk_type"
			default:
				reject = "no chunk_type"
			}
		}
		b.add(fr, reject)
		r.count++
		if l := r.feed.limits; l.wanted(b.end(), len(b.Chunks)) {
			return r.finish(b)
		}
	}
}

func (r *Recording) finish(b *Batch) error {
	r.stats.Bytes, r.stats.Results = r.feed.bytes, r.count
	r.feed.detach(b)
	if len(b.Chunks) == 0 {
		return io.EOF
	}
	// After detach the buffer begins with the first byte that is not part of the batch.
	b.Offset = "byte:" + strconv.FormatInt(r.feed.framer.base, 10)
	return nil
}

// Stats counts what was read so far. Offsets are not trusted, so nothing is ever read twice.
func (r *Recording) Stats() StreamStats { return r.stats }

// fullReader never returns 0, nil for long: a reader that does not move is an error, not a loop.
type fullReader struct{ r io.Reader }

func (f fullReader) Read(p []byte) (int, error) {
	for range 100 {
		if n, err := f.r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
