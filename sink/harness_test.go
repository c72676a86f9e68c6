package sink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"go.uber.org/goleak"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

const (
	testRun       = "abcdefghij234567abcdefghij"
	testPartition = "window_start=2024-01-01"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SINK_TEST_HOLD_LOCK"); dir != "" {
		os.Exit(holdLock(dir))
	}
	if umask := os.Getenv("SINK_TEST_UMASK"); umask != "" {
		os.Exit(runUnder(umask, os.Getenv("SINK_TEST_OUT")))
	}
	goleak.VerifyTestMain(m)
}

// stride is the step of a loop over operations or seeds: 1, and n in the quick run, which so takes one of n.
func stride(n int) int {
	if testing.Short() {
		return n
	}
	return 1
}

func testSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "_ordinal", Type: arrow.PrimitiveTypes.Int64},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
}

// text is the value of a row; every third is null.
func text(ordinal int64) (string, bool) {
	return fmt.Sprintf("result %d", ordinal), ordinal%3 != 0
}

// closeAtEnd is for what a test opens: closing it must succeed as well.
func closeAtEnd(t testing.TB, c io.Closer) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// record holds the given ordinals.
func record(schema *arrow.Schema, ordinals ...int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, n := range ordinals {
		b.Field(0).(*array.Int64Builder).Append(n)
		if s, ok := text(n); ok {
			b.Field(1).(*array.StringBuilder).Append(s)
		} else {
			b.Field(1).AppendNull()
		}
	}
	return b.NewRecordBatch()
}

// job is a run over a queue of results, as the pipeline would do it: results 0 to total-1, a mark
// after every group of them, every reject'th result unreadable (0: none).
type job struct {
	total, group, reject int64
	config               func(*Config)
}

func (j job) rejected(n int64) bool { return j.reject > 0 && n%j.reject == j.reject-1 }

func (j job) offset(next int64) string { return fmt.Sprintf("offset/%d=", next) }

func (j job) open(fsys store.FS, root string) (*Output, error) {
	s, err := store.OpenLocal(store.LocalConfig{Root: root, FS: fsys})
	if err != nil {
		return nil, err
	}
	return j.openOn(s)
}

func (j job) openOn(s store.Store) (*Output, error) {
	cfg := Config{
		Store: s, Run: testRun, Partition: testPartition, Schema: testSchema(), SchemaVersion: "1",
		Meta: map[string]string{"writer": "test"}, Compression: parquet.Compression{Codec: parquet.None}, MaxFileRows: 8,
	}
	if j.config != nil {
		j.config(&cfg)
	}
	return Open(context.Background(), cfg)
}

// run does the whole job, continuing where an earlier start ended. published is called with the
// position after every cut.
func (j job) run(fsys store.FS, root string, published func(next int64)) error {
	o, err := j.open(fsys, root)
	if err != nil {
		return err
	}
	return j.runOn(o, published)
}

func (j job) runOn(o *Output, published func(next int64)) (err error) {
	ctx := context.Background()
	defer func() {
		if cerr := o.Close(); err == nil {
			err = cerr
		}
	}()
	if _, next := o.Position(); published != nil {
		published(next)
	}
	if m, err := o.Manifest(); m != nil || err != nil {
		return err
	}
	if err := o.Journal().Put(ctx, "intent-1", []byte("{}")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	o.SetMeta("task_id", "task")
	_, next := o.Position()
	for next < j.total {
		first := next
		next = min(j.total, (first/j.group+1)*j.group)
		if err := j.feed(o, first, next); err != nil {
			return err
		}
		notes := map[string]string{"drift": fmt.Sprint(next)}
		cut, err := o.Mark(ctx, j.offset(next), next, notes)
		if err != nil {
			return err
		}
		if cut && published != nil {
			published(next)
		}
	}
	if err := o.Finish(ctx, j.offset(next), next, map[string]string{"drift": fmt.Sprint(next)}); err != nil {
		return err
	}
	if published != nil {
		published(next)
	}
	return o.Complete(ctx, []byte(`{"task":"task"}`))
}

// feed appends the results first to next-1 as one record and its rejects.
func (j job) feed(o *Output, first, next int64) error {
	var ordinals []int64
	for n := first; n < next; n++ {
		if !j.rejected(n) {
			ordinals = append(ordinals, n)
		}
	}
	rec := record(testSchema(), ordinals...)
	tasks, appendGroup := o.Encode(rec)
	for _, t := range tasks {
		if err := t(); err != nil {
			return err
		}
	}
	rec.Release()
	if err := appendGroup(context.Background()); err != nil {
		return err
	}
	for n := first; n < next; n++ {
		if j.rejected(n) {
			if err := o.Reject(context.Background(), n, 10*n, "broken", []byte(fmt.Sprintf("raw %d\n", n))); err != nil {
				return err
			}
		}
	}
	return nil
}

// tree reads the output as a stranger would.
type tree interface {
	// files returns every regular file's bytes by name, relative to the root.
	Files() map[string][]byte
}

type dirTree string

func (d dirTree) Files() map[string][]byte {
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(string(d)), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		all[name], err = os.ReadFile(path.Join(string(d), name))
		return err
	})
	if err != nil {
		panic(err)
	}
	return all
}

// visible reads all ordinals of the data files with arrow-go, in order of the names, and fails on a
// file that does not open or a value that is wrong.
func (j job) visible(t *testing.T, tr tree) []int64 {
	t.Helper()
	all := tr.Files()
	var names []string
	for name := range all {
		if strings.HasSuffix(name, ".parquet") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var ordinals []int64
	for i, name := range names {
		seq, _, ok := layout{run: testRun, partition: testPartition}.partOf(path.Base(name))
		if !ok || seq != i || path.Dir(name) != testPartition {
			t.Fatalf("visible file %q, want number %d", name, i)
		}
		got, err := readOrdinals(all[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ordinals = append(ordinals, got...)
	}
	return ordinals
}

func readOrdinals(data []byte) (ordinals []int64, err error) {
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	table, err := ar.ReadTable(context.Background())
	if err != nil {
		return nil, err
	}
	defer table.Release()
	rows := array.NewTableReader(table, 0)
	defer rows.Release()
	for rows.Next() {
		rec := rows.RecordBatch()
		ids, texts := rec.Column(0).(*array.Int64), rec.Column(1).(*array.String)
		for i := range ids.Len() {
			n := ids.Value(i)
			if want, ok := text(n); texts.IsValid(i) != ok || ok && texts.Value(i) != want {
				return nil, fmt.Errorf("row %d: text %q", n, texts.ValueStr(i))
			}
			ordinals = append(ordinals, n)
		}
	}
	return ordinals, rows.Err()
}

// wantRows are the ordinals of the rows among the first next results.
func (j job) wantRows(next int64) []int64 {
	var want []int64
	for n := range next {
		if !j.rejected(n) {
			want = append(want, n)
		}
	}
	return want
}

// checkPrefix fails unless what is visible is exactly the rows before next.
func (j job) checkPrefix(t *testing.T, tr tree, next int64) {
	t.Helper()
	if got, want := j.visible(t, tr), j.wantRows(next); !slices.Equal(got, want) {
		t.Fatalf("visible rows %v, want %v", got, want)
	}
}

// checkComplete fails unless every result is there exactly once, as a row or as a reject, the
// manifest agrees with the bytes, and nothing staged is left.
func (j job) checkComplete(t *testing.T, tr tree) {
	t.Helper()
	known := j.checkWhole(t, tr)
	for name := range tr.Files() {
		if strings.Contains(name, "/staging/") || strings.Contains(name, ".tw2parquet-") ||
			strings.Contains(name, "rejects-") && !known[name] {
			t.Fatalf("left behind: %s", name)
		}
	}
}

// checkWhole is checkComplete for a store that cannot tell what a dead process left from what a living one is
// about to use. It returns the names that the manifest lists.
func (j job) checkWhole(t *testing.T, tr tree) (known map[string]bool) {
	t.Helper()
	j.checkPrefix(t, tr, j.total)
	all := tr.Files()
	m, err := DecodeManifest(newestManifest(all))
	if err != nil {
		t.Fatal(err)
	}
	if m.Rows+m.Rejected != j.total || string(m.Report) == "" {
		t.Fatalf("manifest of %d rows and %d rejects, want %d results", m.Rows, m.Rejected, j.total)
	}
	known = map[string]bool{}
	check := func(name string, size int64, sum string) {
		known[name] = true
		if data, ok := all[name]; !ok || int64(len(data)) != size || sha256Hex(data) != sum {
			t.Fatalf("%s: %d bytes, manifest says %d with %s", name, len(data), size, sum)
		}
	}
	for _, f := range m.Files {
		check(f.Name, f.Bytes, f.SHA256)
		if f.Notes["drift"] != fmt.Sprint(f.NextOrdinal) || f.Notes["task_id"] != "task" {
			t.Fatalf("notes of %s: %v", f.Name, f.Notes)
		}
	}
	var rejected []int64
	for _, a := range m.Rejects {
		check(a.Name, a.Bytes, a.SHA256)
		if strings.HasSuffix(a.Name, ".jsonl") {
			rejected = append(rejected, readRejects(t, all[a.Name], all[strings.TrimSuffix(a.Name, ".jsonl")+".raw"])...)
		}
	}
	var want []int64
	for n := range j.total {
		if j.rejected(n) {
			want = append(want, n)
		}
	}
	if !slices.Equal(rejected, want) {
		t.Fatalf("rejects %v, want %v", rejected, want)
	}
	return known
}

// newestManifest is the manifest with the highest number; nil if there is none.
func newestManifest(all map[string][]byte) (newest []byte) {
	l := layout{run: testRun}
	for k := 0; all[l.manifest(k)] != nil; k++ {
		newest = all[l.manifest(k)]
	}
	return newest
}

func readRejects(t *testing.T, index, raw []byte) (ordinals []int64) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(index))
	for lines.Scan() {
		var x Rejection
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		if got := string(raw[x.Offset : x.Offset+int64(x.Length)]); got != fmt.Sprintf("raw %d\n", x.Ordinal) || x.Position != 10*x.Ordinal {
			t.Fatalf("reject %+v has bytes %q", x, got)
		}
		ordinals = append(ordinals, x.Ordinal)
	}
	return ordinals
}

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
