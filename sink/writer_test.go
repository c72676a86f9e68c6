package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// sizes are the results per published file.
func sizes(o *Output) []int64 {
	var s []int64
	for _, f := range o.Files() {
		s = append(s, f.NextOrdinal-f.FirstOrdinal)
	}
	return s
}

func mustOpen(t *testing.T, j job, fsys store.FS) *Output {
	t.Helper()
	o, err := j.open(fsys, "/out")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, o)
	return o
}

// append feeds the results first to next-1 without a mark.
func mustFeed(t *testing.T, j job, o *Output, first, next int64) {
	t.Helper()
	if err := j.feed(o, first, next); err != nil {
		t.Fatal(err)
	}
}

func TestRun_PublishesEveryResultOnce(t *testing.T) {
	for _, j := range []job{
		{total: 50, group: 3},
		{total: 50, group: 3, reject: 7},
		{total: 50, group: 3, reject: 1}, // nothing but rejects
		{total: 1, group: 1},
		{total: 0, group: 1},
	} {
		t.Run(fmt.Sprintf("%+v", [3]int64{j.total, j.group, j.reject}), func(t *testing.T) {
			dir := t.TempDir()
			for range 3 { // the second and third find it complete
				if err := j.run(nil, dir, nil); err != nil {
					t.Fatal(err)
				}
				j.checkComplete(t, dirTree(dir))
			}
		})
	}
}

func TestMark_CutsAtTheRowLimit(t *testing.T) {
	for _, c := range []struct {
		limit, group int64
		want         string
	}{
		{limit: 6, group: 2, want: "[6 6]"},   // exactly at the limit
		{limit: 5, group: 2, want: "[6 6]"},   // the first mark after it
		{limit: 7, group: 2, want: "[8 4]"},   // one row short of it at the third mark
		{limit: 1, group: 4, want: "[4 4 4]"}, // every mark
		{limit: 12, group: 4, want: "[12]"},   // at the very end: Finish has nothing left
		{limit: 0, group: 4, want: "[12]"},    // no limit
	} {
		t.Run(fmt.Sprintf("%d rows in groups of %d", c.limit, c.group), func(t *testing.T) {
			j := job{total: 12, group: c.group, config: func(cfg *Config) { cfg.MaxFileRows = c.limit }}
			disk := storetest.NewMemFS()
			finish(t, j, disk)
			if got := fmt.Sprint(sizes(mustOpen(t, j, disk))); got != c.want {
				t.Fatalf("files of %s results, want %s", got, c.want)
			}
		})
	}
}

// Small row groups are for readers of a single file.
func TestOpen_OnlyTheFirstFileBeginsWithSmallRowGroups(t *testing.T) {
	j := job{total: 24, group: 2, config: func(c *Config) {
		c.MaxFileRows, c.RowGroup = 12, parquet.RowGroupLimits{Rows: 100, Bytes: 1 << 30, EarlyRows: 4, EarlyBytes: 1 << 20}
	}}
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	for next := int64(2); next <= 24; next += 2 {
		mustFeed(t, j, o, next-2, next)
		if next == 14 { // a run that goes on has its files before it
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			o = mustOpen(t, j, disk)
			mustFeed(t, j, o, 12, 14)
		}
		if want := map[int64]int{12: 3, 24: 1}[next]; want > 0 && o.open.writer.RowGroups() != want {
			t.Errorf("%d row groups after %d rows, want %d", o.open.writer.RowGroups(), next, want)
		}
		if _, err := o.Mark(t.Context(), j.offset(next), next, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMark_CutsAtTheByteLimit(t *testing.T) {
	for name, rowGroup := range map[string]parquet.RowGroupLimits{"written": {}, "waiting": {Bytes: 1 << 30}} {
		t.Run(name, func(t *testing.T) { cutsAtTheByteLimit(t, rowGroup) })
	}
}

func cutsAtTheByteLimit(t *testing.T, rowGroup parquet.RowGroupLimits) {
	// The size of one and of two records before the footer decides the limits to try.
	measure := job{total: 100, group: 2, config: func(c *Config) { c.MaxFileRows, c.RowGroup = 0, rowGroup }}
	o := mustOpen(t, measure, storetest.NewMemFS())
	mustFeed(t, measure, o, 0, 2)
	mustFeed(t, measure, o, 2, 4)
	two := o.open.writer.Size()
	for _, c := range []struct {
		limit int64
		cuts  bool
	}{{two - 1, true}, {two, true}, {two + 1, false}} {
		j := job{total: 100, group: 2, config: func(cfg *Config) { cfg.MaxFileRows, cfg.MaxFileBytes, cfg.RowGroup = 0, c.limit, rowGroup }}
		o := mustOpen(t, j, storetest.NewMemFS())
		mustFeed(t, j, o, 0, 2)
		if cut, err := o.Mark(t.Context(), "a", 2, nil); cut || err != nil {
			t.Fatalf("limit %d, first mark: cut %v, %v", c.limit, cut, err)
		}
		mustFeed(t, j, o, 2, 4)
		if cut, err := o.Mark(t.Context(), "b", 4, nil); cut != c.cuts || err != nil {
			t.Fatalf("limit %d of %d bytes: cut %v, %v", c.limit, two, cut, err)
		}
	}
}

// A footer of more row groups would be larger than what is read of one.
func TestMark_CutsAtTheRowGroupLimit(t *testing.T) {
	j := job{total: parquet.MaxRowGroups + 3, group: 1, config: func(cfg *Config) { cfg.MaxFileRows = 0 }}
	disk := storetest.NewMemFS()
	finish(t, j, disk)
	if got, want := fmt.Sprint(sizes(mustOpen(t, j, disk))), fmt.Sprint([]int64{parquet.MaxRowGroups, 3}); got != want {
		t.Fatalf("files of %s results, want %s", got, want)
	}
}

func TestMark_NeverCutsBetweenMarks(t *testing.T) {
	j := job{total: 100, group: 2}
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	for n := int64(0); n < 40; n += 2 { // five times the limit
		mustFeed(t, j, o, n, n+2)
	}
	if len(o.Files()) != 0 {
		t.Fatal("a file was cut without a mark")
	}
	if cut, err := o.Mark(t.Context(), "x", 40, nil); !cut || err != nil {
		t.Fatal(cut, err)
	}
	if offset, next := o.Position(); offset != "x" || next != 40 {
		t.Fatal(offset, next)
	}
	j.checkPrefix(t, disk, 40)
}

func TestRewind_DiscardsWhatIsNotPublished(t *testing.T) {
	j := job{total: 30, group: 4, reject: 6}
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	mustFeed(t, j, o, 0, 12)
	if cut, err := o.Mark(t.Context(), j.offset(12), 12, nil); !cut || err != nil {
		t.Fatal(cut, err)
	}
	mustFeed(t, j, o, 12, 18) // no mark follows: the stream broke
	rec := record(testSchema(), 18)
	tasks, late := o.Encode(rec)
	for _, task := range tasks {
		if err := task(); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Rewind(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := late(t.Context()); !errors.Is(err, ErrMisuse) {
		t.Fatalf("a row group from before the rewind was appended: %v", err)
	}
	j.checkPrefix(t, disk, 12)
	for name := range disk.Files() {
		if strings.Contains(name, "/staging/") {
			t.Fatalf("left %s", name)
		}
	}
	mustFeed(t, j, o, 12, 20)
	if err := o.Finish(t.Context(), j.offset(20), 20, nil); err != nil {
		t.Fatal(err)
	}
	j.checkPrefix(t, disk, 20)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mustOpen(t, j, disk).Files(); len(got) != 2 || got[1].Rejected != 1 {
		t.Fatalf("recovered %+v", got)
	}
}

func TestFinish_EmptyRun(t *testing.T) {
	for _, skip := range []bool{false, true} {
		j := job{group: 1, config: func(c *Config) { c.SkipEmpty = skip }}
		disk := storetest.NewMemFS()
		o := mustOpen(t, j, disk)
		for range 2 { // the second has nothing to do
			if err := o.Finish(t.Context(), "earliest", 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		want := 1
		if skip {
			want = 0
		}
		if got := o.Files(); len(got) != want || want == 1 && (got[0].Rows != 0 || got[0].ToOffset != "earliest") {
			t.Fatalf("skip %v: files %+v", skip, got)
		}
		j.checkPrefix(t, disk, 0)
		if err := o.Complete(t.Context(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		if m, err := mustOpen(t, j, disk).Manifest(); string(m) != "{}" || err != nil {
			t.Fatalf("manifest %q, %v", m, err)
		}
	}
}

func TestOutput_HoldsItsCallersToTheContract(t *testing.T) {
	j := job{total: 10, group: 2}
	o := mustOpen(t, j, storetest.NewMemFS())
	ctx := t.Context()
	mustFeed(t, j, o, 0, 4)
	for what, err := range map[string]error{
		"a mark that skips a result": func() error { _, err := o.Mark(ctx, "x", 5, nil); return err }(),
		"a mark that doubles one":    func() error { _, err := o.Mark(ctx, "x", 3, nil); return err }(),
		"no offset":                  func() error { _, err := o.Mark(ctx, "", 4, nil); return err }(),
		"a reserved note":            o.Finish(ctx, "x", 4, map[string]string{"seq": "1"}),
		"complete with open rows":    o.Complete(ctx, []byte(`{}`)),
		"another schema": func() error {
			_, appendGroup := o.Encode(record(arrow.NewSchema(append(testSchema().Fields(), arrow.Field{Name: "x", Type: arrow.Null}), nil)))
			return appendGroup(context.Background())
		}(),
	} {
		if !errors.Is(err, ErrMisuse) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := o.Finish(ctx, "x", 4, nil); err != nil {
		t.Fatal(err)
	}
	if err := o.Complete(ctx, []byte(`[]`)); !errors.Is(err, ErrMisuse) {
		t.Errorf("a report that is not an object: %v", err)
	}
	if err := o.Complete(ctx, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if err := o.Complete(ctx, []byte(`{"a":2}`)); !errors.Is(err, ErrMisuse) {
		t.Errorf("complete twice: %v", err)
	}
	for range 2 {
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"Reject": o.Reject(ctx, 0, 0, "", nil), "Rewind": o.Rewind(context.Background()), "Finish": o.Finish(ctx, "x", 4, nil),
		"Put": o.Journal().Put(ctx, "a", nil), "Manifest": func() error { _, err := o.Manifest(); return err }(),
	} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

func TestOpen_NamesEveryBadField(t *testing.T) {
	_, err := Open(t.Context(), Config{
		Run: "../x", Partition: "a/../b", SchemaVersion: "one", MaxFileRows: -1,
		Meta: map[string]string{"rows": "1"}, Compression: parquet.Compression{Codec: parquet.Snappy, Level: 1}, Encodings: 7,
	})
	for _, want := range []string{"store:", "../x", `".."`, "schema:", "one", "must not be negative", `"rows"`, "no levels", "unknown choice 7"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in: %v", want, err)
		}
	}
}

// A failed sync gives up the file; its rows are read again into another one. MemFS panics if the
// file is ever synced again.
func TestFinish_FailedSyncIsFinalForTheFile(t *testing.T) {
	j := job{total: 10, group: 2}
	disk := storetest.NewMemFS()
	f := &syncFS{FS: disk}
	o := mustOpen(t, j, f)
	mustFeed(t, j, o, 0, 4)
	f.fail = true
	err := o.Finish(t.Context(), "x", 4, nil)
	if !errors.Is(err, syscall.EIO) || f.syncs != 1 {
		t.Fatalf("%d syncs, %v", f.syncs, err)
	}
	if err := o.Finish(t.Context(), "x", 4, nil); !errors.Is(err, errDiscarded) || f.syncs != 1 {
		t.Fatalf("%d syncs, %v", f.syncs, err)
	}
	f.fail = false
	if err := o.Rewind(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustFeed(t, j, o, 0, 4)
	if err := o.Finish(t.Context(), "x", 4, nil); err != nil {
		t.Fatal(err)
	}
	j.checkPrefix(t, disk, 4)
}

// syncFS fails to sync files as long as fail is set.
type syncFS struct {
	store.FS
	fail  bool
	syncs int // that failed
}

func (f *syncFS) Create(name string, perm fs.FileMode) (store.Handle, error) {
	h, err := f.FS.Create(name, perm)
	return syncHandle{h, f}, err
}

type syncHandle struct {
	store.Handle
	fs *syncFS
}

func (h syncHandle) Sync() error {
	if !h.fs.fail {
		return h.Handle.Sync()
	}
	h.fs.syncs++
	return syscall.EIO
}

func TestFinish_CancelledBeforeItBegins(t *testing.T) {
	j := job{total: 10, group: 2}
	o := mustOpen(t, j, storetest.NewMemFS())
	mustFeed(t, j, o, 0, 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Finish(ctx, "x", 4, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// Nothing was given up: what is marked can still be sealed on the way out.
	if err := o.Finish(context.WithoutCancel(ctx), "x", 4, nil); err != nil {
		t.Fatal(err)
	}
}
