package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// Recording cuts a recorded results stream into batches, with the same framing as a live one. A
// recording may be several reads put together, so the offsets of its control chunks mean nothing: the
// position is that of a byte. It is for one goroutine.
type Recording struct {
	in     io.Reader
	feed   *feed
	max    int
	limits BatchLimits
	base   int64 // where feed began
	count  int64
	sum    uint32 // of the results counted
	stats  StreamStats
	last   chunkKind // of the latest chunk that is known
	torn   int64     // where an object begins that never ended; -1: none
	err    error     // why reading ended, unless at the end of the input

	done, skipping bool
}

// NewRecording reads r, from its beginning. maxDocument = 0 is 64 MiB. With a BatchLimits of zero its
// defaults hold.
func NewRecording(r io.Reader, maxDocument int64, limits BatchLimits) *Recording {
	if maxDocument <= 0 {
		maxDocument = defaultMaxDocument
	}
	rec := &Recording{in: r, max: int(maxDocument), limits: limits.orDefault(), last: kindUnknown}
	rec.begin(r, 0)
	return rec
}

func (r *Recording) begin(in io.Reader, position int64) {
	r.feed = newFeed(fullReader{in}.Read, r.limits, r.max)
	r.feed.framer.base, r.base = position, position
	r.done, r.torn, r.err = false, -1, nil
}

// Position is a place in a recording: behind the last of its results so far. The sum tells whether another
// recording holds the same results up to there.
type Position struct {
	Byte int64
	Sum  uint32 // CRC-32C of the results
}

// String is how a position is stored, as the offset of batches for example.
func (p Position) String() string { return fmt.Sprintf("byte:%d:%08x", p.Byte, p.Sum) }

// ParsePosition is the inverse of String.
func ParsePosition(s string) (p Position, err error) {
	digits, sum, ok := strings.Cut(strings.TrimPrefix(s, "byte:"), ":")
	if p.Byte, err = strconv.ParseInt(digits, 10, 64); err != nil || p.Byte < 0 || !ok {
		return Position{}, fmt.Errorf("%q is not a position in a recording", s)
	}
	n, err := strconv.ParseUint(sum, 16, 32)
	if p.Sum = uint32(n); err != nil || p.String() != s {
		return Position{}, fmt.Errorf("%q is not a position in a recording", s)
	}
	return p, nil
}

// ErrOther says that a recording is not the one that a position was taken from.
var ErrOther = errors.New("the recording holds other results")

// Skip passes over the results up to a position that an earlier reading of the recording reached, and holds
// them against it: ErrOther if they are not the same. results is their number since the last Restart. It may
// be called before the first Next.
func (r *Recording) Skip(ctx context.Context, to Position, results int64) error {
	begun := r.base
	r.begin(io.LimitReader(r.in, to.Byte-begun), begun)
	r.skipping = true
	defer func() { r.skipping = false }()
	var b Batch
	err := r.Next(ctx, &b)
	for err == nil {
		err = r.Next(ctx, &b)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if r.feed.bytes != to.Byte-begun || r.count != results || r.sum != to.Sum {
		return ErrOther
	}
	r.begin(r.in, to.Byte)
	return nil
}

// Restart counts and sums up what follows from nothing.
func (r *Recording) Restart() { r.count, r.sum = 0, 0 }

// Next fills b with the next results; every batch has an offset, a Position. After the last one it returns
// with an empty batch why reading ended: io.EOF at the end of the recording, of which Cut tells whether it is
// whole, or what else the reader said.
func (r *Recording) Next(ctx context.Context, b *Batch) error {
	b.Reset()
	b.First = r.count
	if r.done {
		return r.end()
	}
	r.feed.attach(b)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fr, err := r.feed.next(b)
		if err != nil {
			r.done = true
			if !cleanEnd(err) {
				r.err = err
			}
			return r.finish(b)
		}
		if fr.cut && !r.skipping {
			r.torn = fr.position
			continue
		}
		reject := fr.reject
		if !fr.result && reject == "" {
			switch kind := inspect(b.Raw[fr.start:fr.end]); kind {
			case kindResult:
			case kindControl:
				r.stats.Controls++
				r.last = kind
				continue
			case kindError:
				r.stats.Unknown++
				r.last = kind
				continue
			case kindUnknown:
				r.stats.Unknown++
				continue
			case kindEnvelope:
				reject = "an answer of the API without a chunk_type"
			default:
				reject = "no chunk_type"
			}
		}
		b.add(fr, reject)
		r.tally(b.Raw[fr.start:fr.end])
		r.last = kindResult
		if l := r.feed.limits; l.wanted(b.end(), len(b.Chunks)) {
			return r.finish(b)
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tally counts a result.
func (r *Recording) tally(chunk []byte) {
	r.count++
	r.sum = crc32.Update(r.sum, castagnoli, chunk)
}

func (r *Recording) finish(b *Batch) error {
	r.stats.Bytes, r.stats.Results = r.feed.bytes, r.count
	r.feed.detach(b)
	if len(b.Chunks) == 0 {
		return r.end()
	}
	b.Offset = r.Position().String()
	return nil
}

// Position is where reading goes on: behind everything that was returned, and before an object that never
// ended.
func (r *Recording) Position() Position {
	// After detach the buffer begins with the first byte that is not part of the batch.
	p := Position{Byte: r.feed.framer.base, Sum: r.sum}
	if r.torn >= 0 {
		p.Byte = r.torn
	}
	return p
}

// end is how reading ended. Data that stops too early is the end of a recording that is cut.
func (r *Recording) end() error {
	if r.err == nil || errors.Is(r.err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return fmt.Errorf("read recording at byte %d: %w", r.base+r.feed.bytes, r.err)
}

// Cut says why a recording that was read to its end is not whole, "" if it is. Results without any control
// chunk, such as filtered lines, are whole as far as anybody can tell.
func (r *Recording) Cut() string {
	switch {
	case r.err != nil:
		return r.err.Error()
	case r.torn >= 0:
		return fmt.Sprintf("it ends in the middle of a chunk that begins at byte %d", r.torn)
	case r.last == kindUnknown:
		return "it is empty: neither results nor control chunks"
	case r.last == kindError:
		return "it ends with an error of the API"
	case r.last == kindResult && r.stats.Controls > 0:
		return "no control chunk follows its last results"
	}
	return ""
}

// Stats counts what was read so far. Offsets are not trusted, so nothing is ever read twice.
func (r *Recording) Stats() StreamStats { return r.stats }

// Beginnings returns a fingerprint for each number of results that a recording begins with, as far as head
// goes: what was recorded of the same stream, for however long, has the first ones in common.
func Beginnings(ctx context.Context, head []byte) ([][sha256.Size]byte, error) {
	r := NewRecording(bytes.NewReader(head), 0, BatchLimits{})
	h := sha256.New()
	var list [][sha256.Size]byte
	var b Batch
	for {
		if err := r.Next(ctx, &b); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		for _, c := range b.Chunks {
			fmt.Fprintf(h, "%d ", c.End-c.Start)
			h.Write(b.Raw[c.Start:c.End])
			list = append(list, [sha256.Size]byte(h.Sum(nil)))
		}
	}
}

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
