package pipeline

import (
	"context"
	"runtime"
	"sync"

	"tw2parquet/schema"
	"tw2parquet/source"
)

// Pool is what flows share that run at the same time or after one another: workers, and the memory that records are read
// and decoded into. Any number of flows is as fast as one on a machine whose CPUs are busy, and takes little more
// memory: their records are smaller, so that all that are on their way have as many bytes as those of one flow.
type Pool struct {
	slots    chan struct{} // a worker has one while it decodes, encodes or appends
	batches  depot[*source.Batch]
	encoders depot[*schema.Encoder]
}

// NewPool returns a pool of as many workers; 0 is one per CPU.
func NewPool(workers int) *Pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &Pool{
		slots:    make(chan struct{}, workers),
		batches:  depot[*source.Batch]{make: func() *source.Batch { return &source.Batch{} }},
		encoders: depot[*schema.Encoder]{make: schema.NewEncoder},
	}
}

// inFlight is the number of batches, and of encoders, of a flow that runs alone: one being filled while the other
// is decoded; one being decoded while the other is encoded and appended. Each further flow adds one.
const inFlight = 2

// depot lends what is expensive to make. A borrower that has nothing gets one at once, whatever the others do: all of them
// can go on. Beside those, one more is lent in all. So what is on loan and what is idle is at most one more than there
// are borrowers.
type depot[T any] struct {
	make func() T

	mu        sync.Mutex
	borrowers int
	idle      []loan[T]
	lent      int
	more      int           // lent to borrowers that had some: inFlight-1 at most
	changed   chan struct{} // closed when something comes back, or may be lent
}

// loan is a thing with what it was used for, for its memory is as large.
type loan[T any] struct {
	thing T
	bytes int
}

// borrower is one flow's side of a depot.
type borrower[T any] struct {
	depot *depot[T]
	held  int // under the depot's lock
}

// join adds a borrower.
func (d *depot[T]) join() *borrower[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.borrowers++
	d.wake()
	return &borrower[T]{depot: d}
}

// wake has those who wait look again.
func (d *depot[T]) wake() {
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

// take waits until the borrower may have one more.
func (b *borrower[T]) take(ctx context.Context) (t loan[T], err error) {
	for {
		t, changed := b.try()
		if changed == nil {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// try lends one, or says what to wait for.
func (b *borrower[T]) try() (t loan[T], changed <-chan struct{}) {
	d := b.depot
	d.mu.Lock()
	defer d.mu.Unlock()
	if b.held > 0 && d.more >= inFlight-1 {
		if d.changed == nil {
			d.changed = make(chan struct{})
		}
		return t, d.changed
	}
	if b.held > 0 {
		d.more++
	}
	b.held++
	d.lent++
	if n := len(d.idle); n > 0 {
		t = d.idle[n-1]
		d.idle = d.idle[:n-1]
		return t, nil
	}
	return loan[T]{thing: d.make()}, nil
}

// give takes one back, unless it is larger than usual.
func (b *borrower[T]) give(t loan[T], usual int) {
	d := b.depot
	d.mu.Lock()
	defer d.mu.Unlock()
	b.held--
	d.lent--
	if b.held > 0 {
		d.more--
	}
	if t.bytes <= usual && len(d.idle) < d.most()-d.lent {
		d.idle = append(d.idle, t)
	}
	d.wake()
}

// leave ends the borrower. What it still holds is the collector's, and what is idle and larger than usual too.
func (b *borrower[T]) leave(usual int) {
	d := b.depot
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lent -= b.held
	d.more -= max(b.held-1, 0)
	d.borrowers--
	b.held = 0
	kept := d.idle[:0]
	for _, t := range d.idle {
		if t.bytes <= usual && len(kept) < d.most()-d.lent {
			kept = append(kept, t)
		}
	}
	clear(d.idle[len(kept):])
	d.idle = kept
	d.wake()
}

// most is how many there are to be, idle ones included. What the last flow leaves is for the next.
func (d *depot[T]) most() int { return max(d.borrowers-1, 0) + inFlight }

// flows are how many there are.
func (d *depot[T]) flows() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.borrowers
}

// do runs a step of a flow when a worker is free.
func (p *Pool) do(ctx context.Context, step func() error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	return step()
}

// records are those of a flow that is about to begin; of no pool, as they are.
func (p *Pool) records(r Records) Records {
	if p == nil {
		return r
	}
	return r.beside(p.batches.flows())
}
