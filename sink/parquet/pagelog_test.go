package parquet

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
)

// spills makes files for what waits, in the test's own directory, and knows which are open.
type spills struct {
	t     *testing.T
	room  int64 // bytes that each takes; 0: all
	blind bool  // they cannot be read back
	made  int
	open  int
}

var errSpill = errors.New("no such luck")

func (s *spills) file() (Spill, error) {
	f, err := os.CreateTemp(s.t.TempDir(), "")
	if err != nil {
		return nil, err
	}
	s.made++
	s.open++
	return &spilled{f, s}, nil
}

type spilled struct {
	*os.File
	of *spills
}

func (s *spilled) WriteAt(b []byte, at int64) (int, error) {
	if s.of.room > 0 && at+int64(len(b)) > s.of.room {
		n, _ := s.File.WriteAt(b[:len(b)/2], at) // as a full disk does
		return n, errSpill
	}
	return s.File.WriteAt(b, at)
}

func (s *spilled) ReadAt(b []byte, at int64) (int, error) {
	if s.of.blind {
		return 0, errSpill
	}
	return s.File.ReadAt(b, at)
}

func (s *spilled) Close() error {
	s.of.open--
	return s.File.Close()
}

// Whatever a log was told, it tells again, piece by piece and as a whole, from memory, from a file, and from both.
func TestPageLog_KeepsPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spill *spills
		waits bool
		most  int64 // bytes in memory
	}{
		"of a record":              {&spills{}, false, 1 << 40},
		"no file":                  {nil, true, 1 << 40},
		"a file":                   {&spills{}, true, slabsAhead * slabBytes},
		"a file that becomes full": {&spills{room: 7*slabBytes + 5}, true, 1 << 40},
		"a file that is full":      {&spills{room: 1}, true, 1 << 40},
	} {
		pool := &slabPool{}
		if c.spill != nil {
			c.spill.t = t
			pool.spill = c.spill.file
		}
		l := pageLog{pool: pool, waits: c.waits}
		for range 2 { // its memory is used again
			var want []byte
			random := rand.New(rand.NewPCG(1, 2))
			for i := range 40 {
				p := page{header: bytes.Repeat([]byte{'h'}, i), body: make([]byte, 100_000*i%1_500_000)}
				for i := range p.body {
					p.body[i] = byte(random.Uint32())
				}
				text := slices.Concat(p.header, p.body)
				l.keep(&p)
				want = append(want, text...)
				if got := read(t, &l, p.at, p.bytes); !bytes.Equal(got, text) || p.headerBytes != i || p.body != nil {
					t.Fatalf("%s: page %d of %d bytes is not what it was", name, i, len(text))
				}
				if l.held() > c.most || l.held() < 0 {
					t.Fatalf("%s: %d bytes are in memory", name, l.held())
				}
			}
			if got := read(t, &l, 0, int(l.size)); !bytes.Equal(got, want) {
				t.Fatalf("%s: the log is not its pages", name)
			}
			for range 200 {
				at := random.IntN(len(want))
				n := random.IntN(min(len(want)-at, 3*slabBytes))
				if !bytes.Equal(read(t, &l, int64(at), n), want[at:at+n]) {
					t.Fatalf("%s: %d bytes from %d on are others", name, n, at)
				}
			}
			l.reset()
		}
		if c.spill != nil && (c.spill.open != 0 || (c.spill.made > 0) != c.waits) {
			t.Errorf("%s: %d files were made, %d are open", name, c.spill.made, c.spill.open)
		}
		l.add(make([]byte, 3*MaxWaitingBytes))
		l.reset()
		if kept := int64(len(pool.free)) * slabBytes; kept > MaxWaitingBytes/8*9 || pool.waiting != 0 || pool.logs != 0 {
			t.Errorf("%s: %d bytes are kept, %d slabs of %d logs wait", name, kept, pool.waiting, pool.logs)
		}
	}
}

func read(t *testing.T, l *pageLog, at int64, n int) (got []byte) {
	t.Helper()
	if err := l.pieces(at, n, func(b []byte) { got = append(got, b...) }); err != nil {
		t.Fatal(err)
	}
	return got
}

// A row group comes out the same, wherever it waited, and a file that cannot be made or written costs nothing but memory.
func TestWriter_SpillsWhatWaits(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{required("s", arrow.BinaryTypes.String), required("n", arrow.PrimitiveTypes.Int64)}, nil)
	var records []arrow.RecordBatch
	for i := range uint64(6) {
		records = append(records, makeRecord(schema, i, 4000, 9000, nil))
	}
	limits := RowGroupLimits{Rows: 20_000, Bytes: 1 << 40}
	want := encodeGroups(t, NewEncoder(schema, Compression{Codec: None}, Broad), limits, nil, records...)
	if rows := rowsOfGroups(t, want); !slices.Equal(rows, []int64{20_000, 4000}) || len(want) < 3*slabsAhead*slabBytes {
		t.Fatalf("row groups of %v rows, %d bytes", rows, len(want))
	}
	checkFile(t, want, records...)
	none := func() (Spill, error) { return nil, errSpill }
	good, short := &spills{t: t}, &spills{t: t, room: 2*slabBytes + 1}
	for name, file := range map[string]func() (Spill, error){"a file": good.file, "a file that is soon full": short.file, "no file": none} {
		e := NewEncoder(schema, Compression{Codec: None}, Broad)
		e.SpillTo(file)
		if got := encodeGroups(t, e, limits, nil, records...); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are not the %d of a writer that spills nothing", name, len(got), len(want))
		}
	}
	if good.made != 2 || good.open != 0 || short.made != 1 || short.open != 0 { // after the first that is full there is none
		t.Errorf("%+v, %+v", good, short)
	}
}

// What cannot be read back is an error of the file, and a file that is given up leaves none open.
func TestWriter_SpilledPagesThatAreLost(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{required("s", arrow.BinaryTypes.String)}, nil)
	files := &spills{t: t, blind: true}
	e := NewEncoder(schema, Compression{Codec: None}, Broad)
	e.SpillTo(files.file)
	for range 2 {
		f := NewWriter(io.Discard, e, together)
		for i := range uint64(4) {
			if err := f.Append(encodeAll(t, e, makeRecord(schema, i, 4000, 9000, nil))); err != nil {
				t.Fatal(err)
			}
		}
		if files.open != 1 {
			t.Fatalf("%d files are open", files.open)
		}
		if _, err := f.Finish(Metadata{}); !errors.Is(err, errSpill) || !strings.Contains(err.Error(), "read back") {
			t.Errorf("finish: %v", err)
		}
		if f.Discard(); files.open != 0 {
			t.Errorf("%d files are open", files.open)
		}
	}
}

// However many files are open at once, what waits on a disk ends no row group, and takes little memory.
func TestWriter_ManyFilesSpill(t *testing.T) {
	t.Parallel()
	const files = 20
	schema := arrow.NewSchema([]arrow.Field{required("s", arrow.BinaryTypes.String)}, nil)
	rec := makeRecord(schema, 1, 600, 9000, nil)
	on := &spills{t: t}
	e := NewEncoder(schema, Compression{Codec: None}, Broad)
	e.SpillTo(on.file)
	var writers []*Writer
	for range files {
		writers = append(writers, NewWriter(io.Discard, e, together))
	}
	most := 0
	for range 7 {
		for _, f := range writers {
			if err := f.Append(encodeAll(t, e, rec)); err != nil {
				t.Fatal(err)
			}
			most = max(most, e.slabs.waiting*slabBytes)
		}
	}
	for i, f := range writers {
		if size := f.waiting.pages.size; len(f.groups) > 0 || size <= SpillAhead {
			t.Errorf("file %d ended %d row groups; one of %d bytes waits", i, len(f.groups), size)
		}
		if _, err := f.Finish(Metadata{}); err != nil {
			t.Error(err)
		}
	}
	if on.made != files || on.open != 0 || most >= 2*MaxWaitingBytes {
		t.Errorf("%d files made, %d open; %d MiB waited in memory", on.made, on.open, most>>20)
	}
}

// Files that are written at once are what each of them is alone, wherever their row groups wait.
func TestWriter_FilesAtOnceSpill(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{required("s", arrow.BinaryTypes.String), required("n", arrow.PrimitiveTypes.Int64)}, nil)
	var records []arrow.RecordBatch
	for i := range uint64(5) {
		records = append(records, makeRecord(schema, i, 3000, 9000, nil))
	}
	limits := RowGroupLimits{Rows: 12_000, Bytes: 1 << 40}
	want := encodeGroups(t, NewEncoder(schema, Compression{Codec: None}, Broad), limits, nil, records...)
	e := NewEncoder(schema, Compression{Codec: None}, Broad)
	var made atomic.Int64
	e.SpillTo(func() (Spill, error) {
		if made.Add(1) > 5 {
			return nil, errSpill
		}
		return os.CreateTemp(t.TempDir(), "")
	})
	var files sync.WaitGroup
	for range 4 {
		files.Go(func() {
			for range 2 {
				if got := encodeGroups(t, e, limits, nil, records...); !bytes.Equal(got, want) {
					t.Errorf("%d bytes are not the %d of a file alone", len(got), len(want))
				}
			}
		})
	}
	files.Wait()
	if e.slabs.waiting != 0 || e.slabs.logs != 0 || made.Load() < 6 {
		t.Errorf("%d slabs of %d row groups wait in the end, %d files were asked for", e.slabs.waiting, e.slabs.logs, made.Load())
	}
}
