package iceberg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"
	"go.uber.org/goleak"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
	"tw2parquet/sink/store/storetest"
	"tw2parquet/sink/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runID is the id of run n.
func runID(n int) string { return fmt.Sprintf("run%02d%s", n, strings.Repeat("a", 21)) }

// lake is an output and a catalog for a table over it.
type lake struct {
	t     *testing.T
	store store.Store
	cfg   Config
}

// places of an output that tests run on.
var outputs = map[string]func(t *testing.T) *lake{
	"disk": func(t *testing.T) *lake {
		dir := t.TempDir()
		s, err := store.OpenLocal(store.LocalConfig{Root: dir})
		if err != nil {
			t.Fatal(err)
		}
		return newLake(t, s, "file://"+dir)
	},
	"bucket": func(t *testing.T) *lake {
		return newLake(t, object.New(t.Context(), storetest.NewBucket(), "lake/", object.Config{}), "s3://bucket/lake")
	},
}

func newLake(t *testing.T, s store.Store, root string) *lake {
	t.Cleanup(func() { _ = s.Close() })
	return &lake{t: t, store: s, cfg: Config{
		Config:   table.Config{Store: s, Records: sink.Records{Store: s}, Writer: "test"},
		Settings: Settings{Catalog: "sql:sqlite:///" + filepath.Join(t.TempDir(), "catalog.db"), Table: "docs.talkwalker"},
		Root:     root,
		Put: func(ctx context.Context, s store.Store, name string, data []byte) error {
			return sink.Records{Store: s}.PutIceberg(ctx, name, data)
		},
	}}
}

func (l *lake) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// write leaves a complete run of two files with rows rows each, in a folder of its own.
func (l *lake) write(n, rows int) {
	l.t.Helper()
	ctx := l.t.Context()
	codec, err := parquet.ParseCompression("none")
	l.must(err)
	o, err := sink.Open(ctx, sink.Config{Store: l.store, Run: runID(n), Partition: fmt.Sprintf("window_start=2024-01-%02d", n), Schema: schema.Arrow(), SchemaVersion: schema.Version,
		MaxFileRows: int64(max(rows, 1)), Compression: codec})
	l.must(err)
	defer func() { l.must(o.Close()) }()
	e := schema.NewEncoder()
	for file := range 2 {
		e.Reset()
		for i := range rows {
			ordinal := file*rows + i
			l.must(e.Append(fmt.Appendf(nil, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","published":%d}}}}`, 1700000000000+ordinal), int64(ordinal)))
		}
		tasks, appendGroup := o.Encode(e.Record())
		for _, task := range tasks {
			l.must(task())
		}
		l.must(appendGroup(ctx))
		_, err := o.Mark(ctx, fmt.Sprintf("offset-%d", file), int64((file+1)*rows), nil)
		l.must(err)
	}
	l.must(o.Finish(ctx, "end", int64(2*rows), nil))
	l.must(o.Complete(ctx, []byte(`{}`)))
}

func (l *lake) listed() *dataset.Dataset {
	l.t.Helper()
	d, err := dataset.Open(l.t.Context(), l.store)
	l.must(err)
	return d
}

// open opens the table as another program would: with a configuration of its own.
func (l *lake) open(change func(*Config)) (*Table, error) {
	cfg := l.cfg
	if change != nil {
		change(&cfg)
	}
	return Open(l.t.Context(), cfg)
}

// register registers all runs.
func (l *lake) register(change func(*Config)) ([]table.Result, error) {
	l.t.Helper()
	t, err := l.open(change)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.Register(l.t.Context(), l.listed().Runs)
}

// expect registers all runs, and holds what became of them against what is expected.
func (l *lake) expect(what string, change func(*Config), want ...table.Outcome) []table.Result {
	l.t.Helper()
	got, err := l.register(change)
	if err != nil || !slices.Equal(outcomes(got), want) {
		l.t.Errorf("%s: %v, %v; want %v", what, outcomes(got), err, want)
	}
	return got
}

func outcomes(results []table.Result) (all []table.Outcome) {
	for _, r := range results {
		all = append(all, r.Outcome)
	}
	return all
}

// change commits to the table as another writer would, through the library alone.
func (l *lake) change(what func(ctx context.Context, t *icebergtable.Table, txn *icebergtable.Transaction) error) {
	l.t.Helper()
	t, err := l.open(nil)
	l.must(err)
	defer t.Close()
	txn := t.now.NewTransaction()
	l.must(what(l.t.Context(), t.now, txn))
	_, err = txn.Commit(l.t.Context())
	l.must(err)
}

// expectOnce holds the table against the manifests: each file of theirs is in it once, and nothing else; and a scan of
// the library finds each row.
func (l *lake) expectOnce(what string) {
	l.t.Helper()
	t, err := l.open(nil)
	l.must(err)
	defer t.Close()
	var want, got []string
	rows, scanned := int64(0), int64(0)
	for _, r := range l.listed().Runs {
		m, err := r.Manifest(l.t.Context())
		l.must(err)
		if m == nil {
			continue
		}
		rows += m.Rows
		for _, f := range m.Files {
			if f.Rows > 0 { // a scan leaves files without rows out
				want = append(want, l.cfg.Root+"/"+f.Name)
			}
		}
	}
	tasks, err := t.now.Scan().PlanFiles(l.t.Context())
	l.must(err)
	for _, task := range tasks {
		got = append(got, task.File.FilePath())
		scanned += task.File.Count()
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || rows != scanned {
		l.t.Errorf("%s: the table has %d rows in %q, the manifests %d in %q", what, scanned, got, rows, want)
	}
}

// failing counts what is written, and fails at one call: the answer is lost, or the process dies before it or after it.
type failing struct {
	at    int // the call that fails, from 1; 0: none
	how   string
	calls int
	dead  bool
	names []string
}

var errDead = errors.New("the process is dead")

func (f *failing) do(name string, put func() error) error {
	if f.dead {
		return errDead
	}
	f.calls++
	f.names = append(f.names, name)
	if f.calls != f.at {
		return put()
	}
	switch f.how {
	case "before":
		f.dead = true
		return errDead
	case "after":
		err := put()
		f.dead = true
		return errors.Join(errDead, err)
	}
	return errors.Join(store.ErrUnclear, put())
}

// records are those of a failing process.
type records struct {
	table.Records
	*failing
}

func (r records) PutRun(ctx context.Context, run, name string, data []byte) error {
	return r.do(name, func() error { return r.Records.PutRun(ctx, run, name, data) })
}

// catalog is that of a failing process.
type failingCatalogue struct {
	catalogue
	*failing
}

func (c failingCatalogue) create(ctx context.Context, ident []string, schema *lib.Schema, properties lib.Properties) error {
	return c.do("create", func() error { return c.catalogue.create(ctx, ident, schema, properties) })
}

func (c failingCatalogue) CommitTable(ctx context.Context, ident []string, requirements []icebergtable.Requirement, updates []icebergtable.Update) (meta icebergtable.Metadata, location string, err error) {
	err = c.do("commit", func() error {
		meta, location, err = c.catalogue.CommitTable(ctx, ident, requirements, updates)
		return err
	})
	return meta, location, err
}

// LoadTable gives tables that commit through this catalog.
func (c failingCatalogue) LoadTable(ctx context.Context, ident []string) (*icebergtable.Table, error) {
	if c.dead {
		return nil, errDead
	}
	t, err := c.catalogue.LoadTable(ctx, ident)
	if err != nil {
		return nil, err
	}
	return icebergtable.New(ident, t.Metadata(), t.MetadataLocation(), t.FS, c), nil
}

// fails lets a configuration fail as f says.
func fails(f *failing) func(*Config) {
	return func(c *Config) {
		c.Records = records{c.Records, f}
		put := c.Put
		c.Put = func(ctx context.Context, s store.Store, name string, data []byte) error {
			kind := path.Ext(name)
			return f.do(kind, func() error { return put(ctx, s, name, data) })
		}
		c.wrap = func(inner catalogue) catalogue { return failingCatalogue{inner, f} }
	}
}
