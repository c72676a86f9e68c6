package pipeline

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"tw2parquet/pipeline/bug"
	"tw2parquet/schema"
	"tw2parquet/source"
)

// item is one record on its way: an encoder that batches are decoded into, then columns with
// page tasks, then pages to append.
type item struct {
	seq      int // 0, 1, 2 … in stream order
	encoder  loan[*schema.Encoder]
	bytes    int // of the batches so far; this and the next two are the reader's until the last one
	results  int
	position mark // behind the last batch
	counts   Counts
	rejects  []reject
	pending  atomic.Int64 // page tasks not yet done
	append   func(context.Context) error

	mu       sync.Mutex
	batches  []loan[*source.Batch] // read, not yet decoded
	whole    bool                  // no more batches come
	decoding bool                  // a worker has the item, or is about to
}

// add hands over a batch, without one nothing. It returns true if a worker has to be called: whoever is
// decoding the item will see the batch.
func (it *item) add(b loan[*source.Batch], whole bool) bool {
	it.mu.Lock()
	defer it.mu.Unlock()
	if b.thing != nil {
		it.batches = append(it.batches, b)
	}
	it.whole = whole
	idle := !it.decoding
	it.decoding = true
	return idle
}

// take returns the next batch to decode. With none, the worker has to let go of the item; whole
// tells whether it is complete.
func (it *item) take() (b loan[*source.Batch], whole bool) {
	it.mu.Lock()
	defer it.mu.Unlock()
	if len(it.batches) > 0 {
		b = it.batches[0]
		it.batches = slices.Delete(it.batches, 0, 1)
		return b, false
	}
	it.decoding = false
	return b, it.whole
}

// mark is the position behind an item; offset "" means that nothing covers it yet.
type mark struct {
	offset string
	next   int64
}

// reject is a result that became no row. Its bytes are a copy, since the batch goes back first.
type reject struct {
	ordinal, position int64
	reason            string
	raw               []byte
}

// task is one page task of an item.
type task struct {
	item *item
	run  func() error
}

// stages join the reader and the workers. That no batch or encoder is left to take is the back pressure.
type stages struct {
	flow     *Flow
	pool     *Pool
	batches  *borrower[*source.Batch]
	encoders *borrower[*schema.Encoder]
	decode   chan *item
	tasks    chan task
	done     chan struct{} // closed when everything read was appended
	results  int64         // results read; the reader's until it ends, as is broke
	broke    error         // why the stream ended before its end
	appender appender
}

func newStages(f *Flow, p *Pool) *stages {
	s := &stages{
		flow:     f,
		pool:     p,
		batches:  p.batches.join(),
		encoders: p.encoders.join(),
		decode:   make(chan *item, inFlight),
		// Room for the columns of two records; a full channel only means that a worker runs the
		// task itself.
		tasks: make(chan task, 1024),
		done:  make(chan struct{}),
	}
	s.appender = appender{
		flow: f, ready: map[int]*item{}, last: -1, drift: &schema.Drift{},
		outcome: Outcome{Drift: &schema.Drift{}, Offset: f.From, Next: f.Next, Sealed: true},
	}
	return s
}

// leave gives back what a flow still has, when all of it has ended.
func (s *stages) leave() {
	s.batches.leave(4 * batchBytes)
	s.encoders.leave(s.largest())
}

// read hands batch after batch to the workers until the stream ends, well or badly. Trouble with
// the stream must not drop what it brought before: the workers finish that first.
func (s *stages) read(ctx, work context.Context) error {
	seq := 0
	var it *item // the one that is being filled
	for {
		loaned, err := s.readBatch(ctx)
		b := loaned.thing
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.broke = err
			}
			break
		}
		if it != nil && !s.records().fits(it, b) {
			s.hand(it, loan[*source.Batch]{}, true)
			it = nil
		}
		if it == nil {
			e, err := s.encoders.take(work) // what is read is moved, though ctx has ended
			if err != nil {
				return err
			}
			it = &item{seq: seq, encoder: e}
			seq++
		}
		s.results += int64(len(b.Chunks))
		it.bytes += len(b.Raw)
		it.results += len(b.Chunks)
		it.position = mark{b.Offset, b.First + int64(len(b.Chunks))}
		it.encoder.bytes = max(it.encoder.bytes, it.bytes)
		whole := s.records().complete(it, b)
		s.hand(it, loaned, whole)
		if whole {
			it = nil
		}
	}
	if it != nil {
		s.hand(it, loan[*source.Batch]{}, true)
	}
	if s.appender.end(seq - 1) {
		close(s.done)
	}
	return nil
}

// readBatch fills a batch.
func (s *stages) readBatch(ctx context.Context) (b loan[*source.Batch], err error) {
	if b, err = s.batches.take(ctx); err != nil {
		return b, err
	}
	b.thing.Reset()
	err = s.flow.Batches.Next(ctx, b.thing)
	b.bytes = cap(b.thing.Raw)
	return b, err
}

// records are those of the flow, smaller while others run beside it.
func (s *stages) records() Records { return s.flow.Records.beside(s.encoders.depot.flows() - 1) }

// largest is the record whose encoder is kept: while other flows run, none of before they did.
func (s *stages) largest() int {
	if s.encoders.depot.flows() < 2 {
		return math.MaxInt
	}
	return s.records().Bytes + 2*min(batchBytes, s.flow.Records.Bytes)
}

// hand gives a batch to whoever decodes its record.
func (s *stages) hand(it *item, b loan[*source.Batch], whole bool) {
	if it.add(b, whole) {
		s.decode <- it // never blocks: there are no more items than encoders
	}
}

// work takes the next batch to decode if there is one, because that feeds everybody, else a page
// task, until all is appended.
func (s *stages) work(ctx context.Context) error {
	for {
		select {
		case it := <-s.decode:
			if err := s.pool.do(ctx, func() error { return s.decodeItem(ctx, it) }); err != nil {
				return err
			}
			continue
		default:
		}
		select {
		case it := <-s.decode:
			if err := s.pool.do(ctx, func() error { return s.decodeItem(ctx, it) }); err != nil {
				return err
			}
		case t := <-s.tasks:
			if err := s.pool.do(ctx, func() error { return s.runTask(ctx, t) }); err != nil {
				return err
			}
		case <-s.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// decodeItem turns raw chunks into columns as long as there are any, gives the batches back, and
// spreads the page tasks when the record is complete.
func (s *stages) decodeItem(ctx context.Context, it *item) error {
	for {
		b, whole := it.take()
		if b.thing == nil && whole {
			return s.spread(ctx, it)
		}
		if b.thing == nil {
			return nil
		}
		if err := it.decode(b.thing); err != nil {
			return err
		}
		s.batches.give(b, math.MaxInt) // huge documents have neighbours
	}
}

// spread makes page tasks of a decoded item.
func (s *stages) spread(ctx context.Context, it *item) error {
	var tasks []func() error
	if e := it.encoder.thing; e.Rows() > 0 {
		tasks, it.append = s.flow.Sink.Encode(e.Record())
	}
	if len(tasks) == 0 {
		return s.finish(ctx, it)
	}
	it.pending.Store(int64(len(tasks)))
	for _, run := range tasks {
		t := task{it, run}
		select {
		case s.tasks <- t:
		default:
			if err := s.runTask(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (it *item) decode(b *source.Batch) error {
	for i, c := range b.Chunks {
		raw := b.Raw[c.Start:c.End]
		ordinal := b.First + int64(i)
		it.counts.Results++
		it.counts.Bytes += int64(len(raw))
		reason := c.Reject
		if reason == "" {
			err := it.encoder.thing.Append(raw, ordinal)
			if err == nil {
				it.counts.Rows++
				continue
			}
			var bad *schema.ChunkError
			if !errors.As(err, &bad) {
				return err
			}
			reason = bad.Error()
		}
		it.counts.Rejected++
		it.rejects = append(it.rejects, reject{ordinal, c.Position, reason, append([]byte(nil), raw...)})
	}
	return nil
}

func (s *stages) runTask(ctx context.Context, t task) error {
	if err := t.run(); err != nil {
		return err
	}
	if t.item.pending.Add(-1) == 0 {
		return s.finish(ctx, t.item)
	}
	return nil
}

// finish hands a complete item to the appender and gives back the encoders of whatever that
// appended.
func (s *stages) finish(ctx context.Context, it *item) error {
	all, err := s.appender.finish(ctx, it, func(e loan[*schema.Encoder]) {
		e.thing.Reset()
		s.encoders.give(e, s.largest())
	})
	if all {
		close(s.done)
	}
	return err
}

// appender restores the order of the stream: whoever completes the next item appends it, and all
// complete ones behind it.
type appender struct {
	flow *Flow

	mu    sync.Mutex
	ready map[int]*item
	next  int // seq of the item to append next
	last  int // seq of the stream's last item once ended
	ended bool
	busy  bool // somebody is appending; they will see what becomes ready meanwhile

	// These belong to whoever is appending.
	outcome Outcome
	drift   *schema.Drift // of the rows since the last cut
}

// end says that last is the stream's last item; true if all were appended already.
func (a *appender) end(last int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.ended = last, true
	return a.next > last && !a.busy
}

// finish queues a complete item and appends what is next, unless another worker is doing so. It
// returns true to exactly one caller: the one after whom nothing is left.
func (a *appender) finish(ctx context.Context, it *item, release func(loan[*schema.Encoder])) (all bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready[it.seq] = it
	if a.busy {
		return false, nil
	}
	a.busy = true
	for {
		it, ok := a.ready[a.next]
		if !ok {
			a.busy = false
			return a.ended && a.next > a.last, nil
		}
		delete(a.ready, a.next)
		a.mu.Unlock()
		err := bug.Guard(func() error { return a.place(ctx, it) }) // the lock is taken again, whatever happens
		a.mu.Lock()
		if err != nil {
			return false, err // busy stays true: nothing may be appended behind a failure
		}
		release(it.encoder)
		a.next++
	}
}

// place writes one item and marks its end.
func (a *appender) place(ctx context.Context, it *item) error {
	o := &a.outcome
	for _, r := range it.rejects {
		if err := a.flow.Sink.Reject(ctx, r.ordinal, r.position, r.reason, r.raw); err != nil {
			return err
		}
	}
	if it.append != nil {
		if err := it.append(ctx); err != nil {
			return err
		}
	}
	d := it.encoder.thing.Drift()
	a.drift.Merge(d)
	o.Drift.Merge(d)
	o.Results += it.counts.Results
	o.Rows += it.counts.Rows
	o.Rejected += it.counts.Rejected
	o.Bytes += it.counts.Bytes
	o.Sealed = o.Sealed && it.counts.Results == 0
	if it.position.offset != "" {
		if err := a.mark(ctx, it.position); err != nil {
			return err
		}
	}
	if a.flow.OnAppend != nil {
		a.flow.OnAppend(o.Counts)
	}
	return nil
}

func (a *appender) mark(ctx context.Context, m mark) error {
	notes, err := driftNotes(a.drift)
	if err != nil {
		return err
	}
	cut, err := a.flow.Sink.Mark(ctx, m.offset, m.next, notes)
	if err != nil {
		return err
	}
	o := &a.outcome
	o.Offset, o.Next, o.Notes, o.Sealed = m.offset, m.next, notes, true
	if cut {
		a.drift = &schema.Drift{}
		o.Notes = nil
		if a.flow.OnCut != nil {
			a.flow.OnCut()
		}
	}
	return nil
}
