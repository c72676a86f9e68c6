package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"go.uber.org/goleak"

	"tw2parquet/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// feed hands out batches of made-up results; every third batch has no offset, and every seventh
// result is broken.
type feed struct {
	batches, size int
	given         int
	fail          error // after the last batch, instead of the end
	cancelAt      int   // the batch during which cancel is called
	cancel        func()
}

func (f *feed) Next(ctx context.Context, b *source.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.given == f.batches {
		if f.fail != nil {
			return f.fail
		}
		return io.EOF
	}
	b.First = int64(f.given * f.size)
	for i := range f.size {
		n := int(b.First) + i
		text := fmt.Sprintf(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/%d","reach":%d}}}}`, n, n)
		if broken(n) {
			text = text[:len(text)-3]
		}
		start := len(b.Raw)
		b.Raw = append(b.Raw, text...)
		b.Chunks = append(b.Chunks, source.Chunk{Start: start, End: len(b.Raw), Position: int64(n)})
	}
	f.given++
	if f.given%3 != 0 || f.given == f.batches {
		b.Offset = fmt.Sprint("offset-", f.given)
	}
	if f.given == f.cancelAt {
		f.cancel()
	}
	return nil
}

func broken(n int) bool { return n%7 == 3 }

// memory is a sink that keeps what it is given and checks the contract while it does.
type memory struct {
	t        *testing.T
	tasks    int
	ordinals []int64
	reaches  []int64
	rejects  []int64
	marks    []string
	appends  atomic.Int32
	failAt   int // append that fails, from 1
}

var errFull = errors.New("disk full")

func (m *memory) Encode(rec arrow.RecordBatch) ([]func() error, func(context.Context) error) {
	column := func(name string) *array.Int64 { return rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.Int64) }
	parts := make([][2][]int64, m.tasks)
	var tasks []func() error
	rows := int(rec.NumRows())
	for i := range m.tasks {
		tasks = append(tasks, func() error {
			lo, hi := rows*i/m.tasks, rows*(i+1)/m.tasks
			for r := lo; r < hi; r++ {
				parts[i][0] = append(parts[i][0], column("_ordinal").Value(r))
				parts[i][1] = append(parts[i][1], column("reach").Value(r))
			}
			return nil
		})
	}
	return tasks, func(context.Context) error {
		if n := m.appends.Add(1); m.failAt > 0 && int(n) == m.failAt {
			return errFull
		}
		for _, p := range parts {
			m.ordinals = append(m.ordinals, p[0]...)
			m.reaches = append(m.reaches, p[1]...)
		}
		return nil
	}
}

func (m *memory) Reject(_ context.Context, ordinal, position int64, reason string, raw []byte) error {
	if position != ordinal || reason == "" || len(raw) == 0 {
		m.t.Errorf("reject %d has position %d, reason %q and %d bytes", ordinal, position, reason, len(raw))
	}
	m.rejects = append(m.rejects, ordinal)
	return nil
}

func (m *memory) Mark(_ context.Context, offset string, next int64, _ map[string]string) (bool, error) {
	if got := int64(len(m.ordinals) + len(m.rejects)); got != next {
		m.t.Errorf("mark %s says that %d is next after %d results", offset, next, got)
	}
	m.marks = append(m.marks, offset)
	return len(m.marks)%2 == 0, nil
}

func TestFlow_KeepsOrderAndConservesResults(t *testing.T) {
	for workers := 1; workers <= 8; workers++ {
		for _, tasks := range []int{1, 5, 3000} { // 3000: more than the queue holds
			m := &memory{t: t, tasks: tasks}
			o, err := (&Flow{Batches: &feed{batches: 10, size: 50}, Sink: m, Pool: NewPool(workers)}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var want, bad []int64
			for n := range 500 {
				if broken(n) {
					bad = append(bad, int64(n))
				} else {
					want = append(want, int64(n))
				}
			}
			if !slices.Equal(m.ordinals, want) || !slices.Equal(m.reaches, want) || !slices.Equal(m.rejects, bad) {
				t.Fatalf("%d workers, %d tasks: rows %v, rejects %v", workers, tasks, m.ordinals, m.rejects)
			}
			if o.Results != 500 || o.Rows != int64(len(want)) || o.Rejected != int64(len(bad)) || !o.Sealed || o.Offset != "offset-10" || o.Next != 500 {
				t.Errorf("outcome %+v", o)
			}
			if wantMarks := []string{"offset-1", "offset-2", "offset-4", "offset-5", "offset-7", "offset-8", "offset-10"}; !slices.Equal(m.marks, wantMarks) {
				t.Errorf("marks %v", m.marks)
			}
		}
	}
}

// Of the batches 1 to 10, of some 5 KB, the third, sixth and ninth have no offset.
func TestFlow_JoinsBatchesIntoRecords(t *testing.T) {
	for _, c := range []struct {
		group Records
		marks []string // one per record that ends at an offset
		all   int      // records
	}{
		{Records{Bytes: 1 << 30}, []string{"offset-2", "offset-5", "offset-8", "offset-10"}, 4},
		{Records{Bytes: 1 << 30, Rows: 100}, []string{"offset-2", "offset-4", "offset-5", "offset-7", "offset-8", "offset-10"}, 6},
		{Records{Bytes: 1 << 30, Rows: 99}, []string{"offset-1", "offset-2", "offset-4", "offset-5", "offset-7", "offset-8", "offset-10"}, 10},
		{Records{Bytes: 12 << 10}, []string{"offset-2", "offset-4", "offset-5", "offset-7", "offset-8", "offset-10"}, 6}, // two are nearer than three
		{Records{Bytes: 13 << 10}, []string{"offset-2", "offset-5", "offset-8", "offset-10"}, 4},
		{Records{Bytes: 1}, []string{"offset-1", "offset-2", "offset-4", "offset-5", "offset-7", "offset-8", "offset-10"}, 10},
	} {
		for workers := 1; workers <= 8; workers++ {
			m := &memory{t: t, tasks: 3}
			o, err := (&Flow{Batches: &feed{batches: 10, size: 50}, Sink: m, Pool: NewPool(workers), Records: c.group}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(m.marks, c.marks) || int(m.appends.Load()) != c.all {
				t.Errorf("%+v, %d workers: %d records, marks %v, want %d and %v", c.group, workers, m.appends.Load(), m.marks, c.all, c.marks)
			}
			if !slices.IsSorted(m.ordinals) || int64(len(m.ordinals)) != o.Rows || o.Rows+o.Rejected != 500 || !o.Sealed || o.Next != 500 {
				t.Errorf("%+v, %d workers: outcome %+v", c.group, workers, o)
			}
		}
	}
}

func TestFlow_EmptyStream(t *testing.T) {
	o, err := (&Flow{Batches: &feed{}, Sink: &memory{t: t, tasks: 1}, From: "earliest-ish", Next: 7}).Run(t.Context())
	if err != nil || o.Offset != "earliest-ish" || o.Next != 7 || !o.Sealed || o.Results != 0 {
		t.Errorf("outcome %+v, error %v", o, err)
	}
}

func TestFlow_FirstErrorEndsEverything(t *testing.T) {
	m := &memory{t: t, tasks: 4, failAt: 3}
	o, err := (&Flow{Batches: &feed{batches: 100, size: 20}, Sink: m, Pool: NewPool(4)}).Run(t.Context())
	if !errors.Is(err, errFull) {
		t.Fatalf("error %v, want %v", err, errFull)
	}
	if n := m.appends.Load(); n != 3 {
		t.Errorf("%d records were appended behind a failed one", n-3)
	}
	if o.Offset != "offset-2" || o.Next != 40 {
		t.Errorf("outcome %+v", o)
	}
}

func TestFlow_BrokenStreamLeavesWhatItMarked(t *testing.T) {
	m := &memory{t: t, tasks: 2}
	o, err := (&Flow{Batches: &feed{batches: 4, size: 10, fail: source.ErrRewind}, Sink: m, Pool: NewPool(2)}).Run(t.Context())
	if !errors.Is(err, source.ErrRewind) {
		t.Fatalf("error %v", err)
	}
	if o.Results != 40 || o.Next != 40 || !o.Sealed || len(m.ordinals)+len(m.rejects) != 40 {
		t.Errorf("outcome %+v with %d rows: what came before the break was dropped", o, len(m.ordinals))
	}
}

func TestFlow_CancelledWhileTheSourceWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{t: t, tasks: 2}
	o, err := (&Flow{Batches: &feed{batches: 10, size: 10, cancelAt: 4, cancel: cancel}, Sink: m}).Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if o.Next > 40 || o.Results != int64(len(m.ordinals)+len(m.rejects)) {
		t.Errorf("outcome %+v", o)
	}
}
