package object

import (
	"context"
	"sync"
)

// buffers are the parts of all uploads of a store. An upload may always have the one it fills, so that
// uploads never wait for each other's; how many are on their way is bounded.
type buffers struct {
	part    int           // bytes of each; PartSize but in tests
	sending chan struct{} // one for each part on its way
	mu      sync.Mutex
	free    [][]byte
}

func newBuffers(part, sending int) *buffers {
	return &buffers{part: part, sending: make(chan struct{}, sending)}
}

// smallest is what an upload begins with. Most have few bytes: rejects, and files of short windows.
const smallest = 64 << 10

// grow makes a buffer larger: in few steps, or at once to what a part has if that is going to be needed.
func (b *buffers) grow(buf []byte, part bool) []byte {
	if part || cap(buf) >= b.part/16 {
		return append(b.take(), buf...)
	}
	return append(make([]byte, 0, min(b.part, max(smallest, 4*cap(buf)))), buf...)
}

func (b *buffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		buf := b.free[n-1]
		b.free = b.free[:n-1]
		return buf
	}
	return make([]byte, 0, b.part)
}

// give takes a buffer back, of which nothing is read any more.
func (b *buffers) give(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cap(buf) == b.part && len(b.free) <= cap(b.sending) {
		b.free = append(b.free, buf[:0])
	}
}

// enter waits until one more part may be on its way.
func (b *buffers) enter(ctx context.Context) error {
	select {
	case b.sending <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *buffers) leave() { <-b.sending }
