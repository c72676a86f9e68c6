package source

import (
	"context"
	"sync"
	"time"
)

// StreamStats counts what a stream did.
type StreamStats struct {
	Bytes    int64 // received, after decompression
	Results  int64 // in the run so far, StreamConfig.Results and rejects included
	Reads    int64 // connections that were answered
	Cuts     int64 // of these, broken ones
	Retries  int64 // reads that the server refused, or the network, and that were tried again
	Controls int64 // control chunks
	Unknown  int64 // chunks of a type that nobody knows, skipped
	Dropped  int64 // results thrown away after a break, and read again
	Replayed int64 // results that the server sent again unasked, dropped

	// Waits are pauses that the stream made: for its task or for results, and before it tried again.
	// Pauses are those that a rate limit demanded: the one that is kept to, or the server's own word.
	Waits, Pauses  int64
	Waited, Paused time.Duration
}

// progress is what may be asked of a stream from any goroutine.
type progress struct {
	clock Clock

	mu    sync.Mutex
	task  Task
	stats StreamStats
}

// Task is the task as it was last seen.
func (p *progress) Task() Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.task
}

// Stats counts what was done so far.
func (p *progress) Stats() StreamStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

func (p *progress) saw(t Task) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.task = t
}

func (p *progress) tally(count func(*StreamStats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count(&p.stats)
}

// wait sleeps for d, already scaled.
func (p *progress) wait(ctx context.Context, d time.Duration) error {
	took, err := p.sleep(ctx, d)
	p.tally(func(n *StreamStats) { n.Waits, n.Waited = n.Waits+1, n.Waited+took })
	return err
}

// pause is wait where a rate limit demands it.
func (p *progress) pause(ctx context.Context, d time.Duration) error {
	took, err := p.sleep(ctx, d)
	p.paused(took)
	return err
}

func (p *progress) paused(took time.Duration) {
	p.tally(func(n *StreamStats) { n.Pauses, n.Paused = n.Pauses+1, n.Paused+took })
}

func (p *progress) sleep(ctx context.Context, d time.Duration) (took time.Duration, err error) {
	began := p.clock.Now()
	err = p.clock.Sleep(ctx, d)
	return p.clock.Now().Sub(began), err
}
