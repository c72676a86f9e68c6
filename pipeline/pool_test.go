package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/schema"
	"tw2parquet/source"
)

// census counts what flows have at once.
type census struct{ now, most atomic.Int64 }

func (c *census) enter() {
	for n := c.now.Add(1); ; {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			return
		}
	}
}

func (c *census) leave() { c.now.Add(-1) }

// watched is a sink whose page tasks and records are counted.
type watched struct {
	*memory
	tasks   *census // that run
	records *census // between Encode and append
}

func (w watched) Encode(rec arrow.RecordBatch) ([]func() error, func(context.Context) error) {
	tasks, add := w.memory.Encode(rec)
	w.records.enter()
	for i, run := range tasks {
		tasks[i] = func() error {
			w.tasks.enter()
			defer w.tasks.leave()
			return run()
		}
	}
	return tasks, func(ctx context.Context) error {
		w.records.leave()
		return add(ctx)
	}
}

// gated holds its last batches back until the gate is open.
type gated struct {
	*feed
	from int
	gate <-chan struct{}
}

func (g gated) Next(ctx context.Context, b *source.Batch) error {
	if g.given >= g.from {
		select {
		case <-g.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.feed.Next(ctx, b)
}

func (m *memory) complete(t *testing.T, results int) {
	t.Helper()
	all := slices.Concat(m.ordinals, m.rejects)
	slices.Sort(all)
	for i, n := range all {
		if int64(i) != n {
			t.Fatalf("result %d is in the place of %d", n, i)
		}
	}
	if len(all) != results || !slices.IsSorted(m.ordinals) || !slices.Equal(m.ordinals, m.reaches) {
		t.Errorf("%d results, want %d in their order", len(all), results)
	}
}

// Flows that run at once have the workers of one, and one batch and one encoder each beside those of one. One whose source
// is silent, with a record begun, holds nobody up; one that fails takes nothing along.
func TestPool_FlowsShareWorkersAndMemory(t *testing.T) {
	const flows, workers = 6, 2
	pool := NewPool(workers)
	tasks, records := &census{}, &census{}
	gate := make(chan struct{})
	var encoders, batches atomic.Int64
	makeEncoder, makeBatch := pool.encoders.make, pool.batches.make
	pool.encoders.make = func() *schema.Encoder { encoders.Add(1); return makeEncoder() }
	pool.batches.make = func() *source.Batch { batches.Add(1); return makeBatch() }
	sinks := make([]*memory, flows)
	run := func(i int, b Batches) error {
		_, err := (&Flow{Batches: b, Sink: watched{sinks[i], tasks, records}, Pool: pool, Records: Records{Bytes: 4 << 10}}).Run(t.Context())
		return err
	}
	for i := range sinks {
		sinks[i] = &memory{t: t, tasks: 5}
	}
	sinks[1].failAt = 4
	var silent, others sync.WaitGroup
	silent.Go(func() {
		if err := run(0, gated{&feed{batches: 10, size: 3}, 5, gate}); err != nil {
			t.Error(err)
		}
	})
	for i := 1; i < flows; i++ {
		others.Go(func() {
			if err := run(i, &feed{batches: 60, size: 20}); err != nil && !(i == 1 && errors.Is(err, errFull)) {
				t.Error(err)
			}
		})
	}
	others.Wait()
	close(gate)
	silent.Wait()
	sinks[0].complete(t, 30)
	for _, m := range sinks[2:] {
		m.complete(t, 60*20)
	}
	if n := tasks.most.Load(); n > workers {
		t.Errorf("%d tasks ran at once, on %d workers", n, workers)
	}
	if n := records.most.Load(); n > flows+1 {
		t.Errorf("%d records were on their way at once", n)
	}
	// The flow that failed left its own to the collector.
	if e, b := encoders.Load(), batches.Load(); e > flows+1+2 || b > flows+1+2 {
		t.Errorf("%d encoders and %d batches were made for %d flows", e, b, flows)
	}
	if pool.encoders.lent != 0 || pool.batches.lent != 0 || len(pool.encoders.idle) > inFlight || len(pool.batches.idle) > inFlight {
		t.Errorf("%d encoders and %d batches are out, %d and %d idle, after all flows", pool.encoders.lent, pool.batches.lent, len(pool.encoders.idle), len(pool.batches.idle))
	}
}

// Flows one after the other work with the same two encoders and batches. One that was made large is not kept.
func TestPool_HandsOn(t *testing.T) {
	pool := NewPool(2)
	made := 0
	makeEncoder := pool.encoders.make
	pool.encoders.make = func() *schema.Encoder { made++; return makeEncoder() }
	for range 50 {
		m := &memory{t: t, tasks: 2}
		if _, err := (&Flow{Batches: &feed{batches: 8, size: 10}, Sink: m, Pool: pool, Records: Records{Bytes: 1 << 10}}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.complete(t, 80)
	}
	if made > inFlight {
		t.Errorf("%d encoders were made", made)
	}
	b := pool.batches.join()
	huge, err := b.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	huge.bytes = 1 << 30
	b.give(huge, 1<<30)
	if b.leave(1 << 20); slices.Contains(pool.batches.idle, huge) {
		t.Error("a huge batch is kept for good")
	}
}

// A borrower that has nothing gets one at once; one that has something waits for one to come back, or for its context.
func TestDepot_LendsTheFirstAtOnce(t *testing.T) {
	d := &depot[int]{make: func() int { return 0 }}
	a, b := d.join(), d.join()
	var loans []loan[int]
	for _, x := range []*borrower[int]{a, a, b} {
		l, err := x.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		loans = append(loans, l)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a fourth one for two borrowers: %v", err)
	}
	got := make(chan error)
	go func() {
		_, err := b.take(t.Context())
		got <- err
	}()
	a.give(loans[0], 1)
	if err := <-got; err != nil {
		t.Error(err)
	}
	c := d.join()
	if _, err := c.take(ended); err != nil {
		t.Errorf("the first of a borrower: %v", err)
	}
	for _, x := range []*borrower[int]{a, b, c} {
		x.leave(1)
	}
	if d.lent != 0 || d.borrowers != 0 {
		t.Errorf("%d lent to %d borrowers when all have left", d.lent, d.borrowers)
	}
}
