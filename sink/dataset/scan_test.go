package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// taken is what a scan gave of one file.
type taken struct {
	footer   *Footer
	ordinals []int64
	authors  []string
	types    []string
	ended    *[]*taken
	bad      error
}

func (t *taken) Take(rec arrow.RecordBatch) error {
	ordinals := rec.Column(rec.Schema().FieldIndices("_ordinal")[0]).(*array.Int64)
	author := rec.Column(rec.Schema().FieldIndices("extra_author_attributes")[0]).(*array.Struct)
	if author.NumField() != 1 {
		return errors.New("more was read than asked for")
	}
	name := author.Field(0).(*array.String)
	for i := range int(rec.NumRows()) {
		t.ordinals = append(t.ordinals, ordinals.Value(i))
		t.authors = append(t.authors, name.ValueStr(i))
	}
	t.types = append(t.types, rec.Column(rec.Schema().FieldIndices("source_type")[0]).ValueStr(0))
	return nil
}

func (t *taken) End(bad error) {
	t.bad = bad
	*t.ended = append(*t.ended, t)
}

var some = []string{"_ordinal", "extra_author_attributes.name", "source_type"}

func scan(t *testing.T, s store.Store, workers int) (ended []*taken, problems []Problem, read int64) {
	t.Helper()
	d, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var files []store.Entry
	for _, r := range d.Runs {
		current, err := r.Current(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, current...)
	}
	var mu sync.Mutex
	problems, err = d.Scan(t.Context(), Scan{Files: files, Workers: workers, Columns: some,
		Begin: func(f *Footer) Rows { return &taken{footer: f, ended: &ended} },
		Read: func(n int64) {
			mu.Lock()
			defer mu.Unlock()
			read += n
		}})
	if err != nil {
		t.Fatal(err)
	}
	return ended, problems, read
}

// A scan gives every row of the columns that were asked for, file by file in order, as Cat prints them.
func TestScan_ReadsWhatIsAskedFor(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 500), codec: "zstd", groupRows: 60}.write(t, root)
	var want bytes.Buffer
	if err := Cat(t.Context(), &want, Print{Inputs: these(t, root), Limit: -1, Columns: []string{"_ordinal"}}); err != nil {
		t.Fatal(err)
	}
	for workers := range 4 {
		ended, problems, read := scan(t, at(t, root), workers)
		var got bytes.Buffer
		size := int64(0)
		named := 0
		for i, f := range ended {
			if f.footer.Seq != i || f.bad != nil {
				t.Errorf("file %d is number %d, %v", i, f.footer.Seq, f.bad)
			}
			for _, n := range f.ordinals {
				fmt.Fprintf(&got, "{\"_ordinal\":%d}\n", n)
			}
			for _, a := range f.authors {
				if a != array.NullValueStr {
					named++
				}
			}
			size += f.footer.Size
		}
		if got.String() != want.String() || len(problems) > 0 || named == 0 {
			t.Errorf("%d workers: %d rows with %d authors, %v", workers, bytes.Count(got.Bytes(), []byte("\n")), named, problems)
		}
		if read != size {
			t.Errorf("%d workers: told of %d bytes of %d", workers, read, size)
		}
	}
}

// sized counts what is read of a store.
type sized struct {
	store.Store
	mu       sync.Mutex
	requests int
	bytes    int64
}

func (s *sized) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	s.mu.Lock()
	s.requests++
	s.bytes += int64(len(p))
	s.mu.Unlock()
	return s.Store.ReadAt(ctx, name, p, off)
}

// In a bucket the texts, which are most of a file, are not read, and a row group takes a few requests.
func TestScan_LeavesTheRestInTheBucket(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 3000), codec: "zstd", groupRows: 1000}.write(t, root)
	m := storetest.NewMemory()
	disk, err := Open(t.Context(), at(t, root))
	if err != nil {
		t.Fatal(err)
	}
	size, groups := int64(0), 0
	for _, r := range disk.Runs {
		m.Plant(r.manifestName(), get(t, filepath.Join(root, r.manifestName())))
		for _, e := range r.Files {
			data := get(t, filepath.Join(root, e.Name))
			m.Plant(e.Name, data)
			size += e.Size
			g, err := parquet.ReadRowGroups(bytes.NewReader(data), e.Size)
			if err != nil {
				t.Fatal(err)
			}
			groups += len(g)
		}
	}
	s := &sized{Store: m}
	ended, problems, _ := scan(t, s, 2)
	if len(problems) > 0 || len(ended) == 0 {
		t.Fatal(problems)
	}
	if footers := int64(len(ended)) * footerBytes; s.bytes > footers+size/4 || s.requests > 3*len(ended)+5*groups {
		t.Errorf("%d bytes of %d in %d requests, %d files, %d row groups", s.bytes, size, s.requests, len(ended), groups)
	}
}

// A file that is damaged, or made to do harm, is a problem; what was read before the damage was given, and the other files
// are whole.
func TestScan_NamesDamage(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 200), codec: "zstd", groupRows: 40}.write(t, root)
	job{run: runB, chunks: corpus(t, 100), codec: "zstd", groupRows: 40}.write(t, root)
	name := sink.PartName(runA, 0, 0)
	data := get(t, filepath.Join(root, name))
	whole, _, _ := scan(t, at(t, root), 2)
	r := rand.New(rand.NewPCG(5, 6))
	damaged := 0
	for range 400 / stride(4) {
		bad := bytes.Clone(data)
		for range 1 + r.IntN(3) {
			bad[r.IntN(len(bad))] ^= byte(1 + r.IntN(255))
		}
		put(t, filepath.Join(root, name), bad)
		ended, problems, _ := scan(t, at(t, root), 2)
		if len(problems) > 0 {
			damaged++
			if len(problems) != 1 || filepath.Base(problems[0].Path) != name || problems[0].Run != runA || problems[0].Reason == "" {
				t.Fatalf("%+v", problems)
			}
		}
		for _, f := range ended {
			i := slices.IndexFunc(whole, func(w *taken) bool { return w.footer.Name == f.footer.Name })
			n := len(f.ordinals)
			if n > len(whole[i].ordinals) || !slices.Equal(f.ordinals, whole[i].ordinals[:n]) || f.footer.Run == runB && n != len(whole[i].ordinals) {
				t.Fatalf("%s: %d rows of %d", f.footer.Name, n, len(whole[i].ordinals))
			}
		}
	}
	if damaged == 0 {
		t.Error("no damage was noticed")
	}
}

// Whoever takes the rows may refuse, or give up; the scan goes on, and leaves nobody behind.
func TestScan_SurvivesWhoeverTakesTheRows(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 100), codec: "zstd", groupRows: 40}.write(t, root)
	d, err := Open(t.Context(), at(t, root))
	if err != nil {
		t.Fatal(err)
	}
	for what, take := range map[string]func(arrow.RecordBatch) error{
		"an error": func(arrow.RecordBatch) error { return io.ErrNoProgress },
		"a panic":  func(arrow.RecordBatch) error { panic("out of range") },
	} {
		problems, err := d.Scan(t.Context(), Scan{Files: d.Files(), Columns: some, Begin: func(*Footer) Rows { return takes(take) }})
		if err != nil || len(problems) != len(d.Files()) {
			t.Errorf("%s: %v, %v", what, problems, err)
		}
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err = d.Scan(ctx, Scan{Files: d.Files(), Workers: 2, Columns: some, Begin: func(*Footer) Rows {
		cancel(stop)
		return takes(func(arrow.RecordBatch) error { return nil })
	}})
	if !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
}

type takes func(arrow.RecordBatch) error

func (r takes) Take(rec arrow.RecordBatch) error { return r(rec) }
func (takes) End(error)                          {}
