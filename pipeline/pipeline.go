package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"tw2parquet/pipeline/bug"
	"tw2parquet/schema"
	"tw2parquet/source"
)

// Batches is where a flow reads: source.Stream and source.Recording satisfy it.
type Batches interface {
	// Next fills an empty batch; io.EOF (with an empty batch) after the last one.
	Next(ctx context.Context, b *source.Batch) error
}

// Sink is where a flow writes. Encode and the tasks it returns may be called from any worker; the
// other methods, and the function that appends, are called by one goroutine at a time, in the order
// of the stream.
type Sink interface {
	// Encode cuts the encoding of one record into independent tasks, heaviest first. rec stays
	// valid until all of them returned; then appendGroup adds what they made to the
	// open file, at the end of a row group or in the middle of one.
	Encode(rec arrow.RecordBatch) (tasks []func() error, appendGroup func(context.Context) error)
	// Reject keeps a result that is not a readable document. raw is only borrowed.
	Reject(ctx context.Context, ordinal, position int64, reason string, raw []byte) error
	// Mark says that offset covers everything appended so far and that the next result has the
	// ordinal next. notes describe the rows since the last cut. Only here may a file be cut, which
	// the return value tells.
	Mark(ctx context.Context, offset string, next int64, notes map[string]string) (cut bool, err error)
}

// Flow moves one stream of batches into a sink. It runs once.
type Flow struct {
	Batches Batches
	Sink    Sink
	// Pool has the workers, and may be shared; nil: one of its own, with a worker per CPU.
	Pool *Pool
	// Records says how many batches make a record; the zero value makes one of each.
	Records Records
	// From and Next are the position the stream starts at: its offset and the ordinal of its first
	// result.
	From string
	Next int64
	// OnAppend, if set, is told of every record after it was appended, in order.
	OnAppend func(Counts)
	// OnCut, if set, is told when a mark ended a file.
	OnCut func()
}

// Counts say what a flow has moved. Results = Rows + Rejected, always.
type Counts struct {
	Results  int64 // result chunks read
	Rows     int64
	Rejected int64
	Bytes    int64 // result chunks as received
}

// Outcome is what a flow has done when it ends, well or badly. Position (Offset, Next, Notes) is
// the last mark: everything before it was appended, nothing after it counts.
type Outcome struct {
	Counts
	Drift  *schema.Drift // of the rows of this flow
	Offset string
	Next   int64
	Notes  map[string]string // describe the rows between the last cut and the last mark
	Sealed bool              // nothing was appended after the last mark
}

// ErrConservation says that chunks read are not rows plus rejects: a row was lost or doubled inside
// this process. It is never expected.
var ErrConservation = errors.New("rows and rejects do not add up to the results read")

// Records says when a record is complete: with the batch that brings it closest to Bytes, if the next
// is as large, before one that would bring it above Rows or twice Bytes, and at an offset if no offset
// covers the next batch: what is read again after a break must not take what is safe along.
type Records struct {
	Bytes int // as received
	Rows  int // 0: no limit
}

// batchBytes is the size of batches: large enough that handing them over costs nothing, and small
// beside a record, of which the raw bytes then need not be in memory at once.
const batchBytes = 4 << 20

// MaxDocumentBytes bounds a document: an encoder takes a record of twice its size and one more batch with such a
// document in it.
const MaxDocumentBytes = 128 << 20

// Batches are the limits of a source whose batches make such records. Without a control chunk in
// sight a batch is cut at twice its size: memory is bounded by this, not by what the server does.
func (g Records) Batches() source.BatchLimits {
	target := min(batchBytes, g.Bytes)
	return source.BatchLimits{TargetBytes: target, MaxBytes: 2 * target, TargetRows: g.Rows / 8, MaxRows: g.Rows / 4}
}

// fits tells whether b may join the results of it.
func (g Records) fits(it *item, b *source.Batch) bool {
	if len(b.Chunks) == 0 {
		return true // an offset for those before it
	}
	return (b.Offset != "" || it.position.offset == "") && it.bytes+len(b.Raw) <= 2*g.Bytes && (g.Rows == 0 || it.results+len(b.Chunks) <= g.Rows)
}

// beside are the records of one flow among others: what all of them have in flight is as much as one alone would have.
func (g Records) beside(others int) Records {
	g.Bytes = inFlight * g.Bytes / (inFlight + max(others, 0))
	return g
}

// complete tells whether it ends with b, its latest batch. Buffers grow to what the largest record needs,
// so one must not be larger than others by a whole batch.
func (g Records) complete(it *item, b *source.Batch) bool {
	return it.bytes+len(b.Raw)/2 >= g.Bytes || len(b.Chunks) == 0
}

// Run moves the stream to its end. The outcome is valid whatever the error: it says up to where the
// sink may be sealed. When the stream fails or ctx is cancelled, what was read by then is still
// appended, which takes as long as two batches take.
func (f *Flow) Run(ctx context.Context) (Outcome, error) {
	pool := f.Pool
	if pool == nil {
		pool = NewPool(0)
	}
	group, work := errgroup.WithContext(context.WithoutCancel(ctx))
	reading, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(work, stop)() // a failure behind the reader ends the reader
	s := newStages(f, pool)
	defer s.leave()
	group.Go(func() error { return bug.Guard(func() error { return s.read(reading, work) }) })
	for range cap(pool.slots) {
		group.Go(func() error { return bug.Guard(func() error { return s.work(work) }) })
	}
	err := group.Wait()
	if err == nil {
		err = s.broke
	}
	out := s.appender.outcome
	if err == nil && (out.Results != s.results || out.Results != out.Rows+out.Rejected) {
		err = fmt.Errorf("%w: read %d, wrote %d, rejected %d", ErrConservation, s.results, out.Rows, out.Rejected)
	}
	return out, err
}

// driftNote is the note under which the drift of a file's rows is kept beside its position, so that
// a run that was interrupted reports the drift of all its rows.
const driftNote = "drift"

func driftNotes(d *schema.Drift) (map[string]string, error) {
	if d.Empty() {
		return nil, nil
	}
	text, err := jsonText(d)
	if err != nil {
		return nil, fmt.Errorf("encode the drift report: %w", err)
	}
	return map[string]string{driftNote: string(text)}, nil
}

// jsonText is JSON for files that people read too: <, > and & stay as they are.
func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
