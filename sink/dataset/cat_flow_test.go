package dataset

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
)

// failing is a place to write to that fails after some bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestCat_StopsWhenNobodyReads(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 500)}.write(t, root)
	for _, left := range []int{0, 300 << 10, 1 << 20} {
		w := &failing{left: left, err: io.ErrClosedPipe}
		var write *WriteError
		if err := Cat(context.Background(), w, Print{Inputs: these(t, root), Limit: -1}); !errors.As(err, &write) || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after %d bytes: %v", left, err)
		}
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	if err := Cat(ctx, io.Discard, Print{Inputs: these(t, root), Limit: -1}); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

// peak watches the heap while documents pass.
type peak struct{ writes, most uint64 }

func (p *peak) Write(b []byte) (int, error) {
	if p.writes++; p.writes%16 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapAlloc)
	}
	return len(b), nil
}

// What is held are pages, and those have a size of their own: many rows take no more than fewer.
func TestCat_MemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run: memory over long streams")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // so that the heap is what is in use
	var peaks []uint64
	for _, n := range []int{5_000, 20_000} {
		root := t.TempDir()
		job{run: runA, chunks: corpus(t, n), groupRows: n, codec: "snappy"}.write(t, root) // one row group
		runtime.GC()
		p := &peak{}
		if err := Cat(context.Background(), p, Print{Inputs: these(t, root), Limit: -1}); err != nil {
			t.Fatal(err)
		}
		peaks = append(peaks, p.most)
	}
	t.Logf("peak heap: %d and %d MiB", peaks[0]>>20, peaks[1]>>20)
	if peaks[1] > 2*peaks[0] {
		t.Errorf("peak heap of %v bytes for 1 and 4 times the documents", peaks)
	}
}
