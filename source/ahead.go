package source

import (
	"context"
	"errors"
	"io"

	"tw2parquet/pipeline/bug"
)

const (
	// aheadBlocks blocks of aheadSize bytes are inflated ahead of the one being read: enough to keep
	// both sides busy, and all that a bomb can make of itself.
	aheadBlocks = 3
	aheadSize   = readSize
)

// ahead reads a source on a goroutine of its own. Inflating costs more than all the rest of a read; done
// beside the framing, it does not add to it. The goroutine ends with the source, or with ctx.
type ahead struct {
	ctx  context.Context // of the reading that it belongs to
	full chan block
	free chan []byte
	rest []byte // of last, not handed out yet
	last block
}

// block is what one read brought.
type block struct {
	data []byte
	err  error // behind data
}

func readAhead(ctx context.Context, source io.Reader) *ahead {
	a := &ahead{ctx: ctx, full: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks)}
	for range aheadBlocks {
		a.free <- make([]byte, aheadSize)
	}
	go func() {
		if err := bug.Guard(func() error { a.run(source); return nil }); err != nil {
			a.full <- block{nil, err} // never blocks: its block is lost
		}
	}()
	return a
}

func (a *ahead) run(source io.Reader) {
	source = fullReader{source}
	for {
		select {
		case buf := <-a.free:
			n, err := source.Read(buf[:aheadSize])
			a.full <- block{buf[:n], err} // never blocks: there are no more blocks than room
			if err != nil {
				return
			}
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if caught := (*bug.Error)(nil); errors.As(a.last.err, &caught) {
			panic(caught) // as an error it would be taken for one of the network, and read again
		}
		if a.last.err != nil {
			return 0, a.last.err
		}
		if a.last.data != nil {
			a.free <- a.last.data // never blocks
		}
		select {
		case a.last = <-a.full:
			a.rest = a.last.data
		case <-a.ctx.Done():
			return 0, context.Cause(a.ctx)
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}
