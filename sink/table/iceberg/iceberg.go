package iceberg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	lib "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	"tw2parquet/sink/table"
)

// Dir is the directory of an output that holds the metadata of tables for which the catalog names no other place.
const Dir = dataset.IcebergDir

// summaryKey is the entry of a snapshot's summary that names the runs of its commit: ID or ID/NUMBER of the manifest, with
// commas between.
const summaryKey = "tw2parquet.run"

// attempts is how often a commit is tried that others are faster than.
const attempts = 100

// Config is a registrar's.
type Config struct {
	table.Config
	Settings
	// Root is the output as other programs find it: file:///…, s3://…
	Root string
	// Open opens a place outside of the output, where a catalog may want metadata.
	Open func(ctx context.Context, location string) (store.Store, error)
	// Put puts a file of a table's metadata into a store, once.
	Put func(ctx context.Context, s store.Store, name string, data []byte) error
	// Timeout bounds each call of a catalog. 0: a minute.
	Timeout time.Duration

	wrap func(catalogue) catalogue // of tests; nil: none
}

// Table is an Iceberg table, and what it takes to register runs there. It is for one goroutine at a time.
type Table struct {
	cfg     Config
	catalog catalogue
	files   *places
	ident   []string
	now     *icebergtable.Table // as it was read last
	fresh   bool                // and that was for what comes next
}

// Open reads the table, and makes it if it is not there.
func Open(ctx context.Context, cfg Config) (*Table, error) { return open(ctx, cfg, true) }

// Find reads the table with a uuid.
func Find(ctx context.Context, cfg Config, uuid string) (*Table, error) {
	t, err := open(ctx, cfg, false)
	if err == nil && t.uuid() != uuid {
		t.Close()
		err = catalog.ErrNoSuchTable
	}
	if errors.Is(err, catalog.ErrNoSuchTable) {
		return nil, &table.Error{Reason: table.Missing, Err: err, Message: fmt.Sprintf("the Iceberg table %s in the catalog %s is not there, or is another one by now", cfg.Table, cfg.Catalog),
			Hint: "if it has moved, say where with --catalog and --table; if it was dropped for good, use --assume missing"}
	}
	return t, err
}

// prepare is a table whose catalog is not open yet.
func prepare(cfg Config) (*Table, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Table{cfg: cfg, files: newPlaces(cfg), ident: strings.Split(cfg.Table, ".")}, nil
}

func open(ctx context.Context, cfg Config, create bool) (*Table, error) {
	t, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	if t.catalog, err = t.connect(ctx); err != nil {
		return nil, t.refused("open the catalog", err)
	}
	if cfg.wrap != nil {
		t.catalog = cfg.wrap(t.catalog)
	}
	err = t.load(ctx)
	if errors.Is(err, catalog.ErrNoSuchTable) && create {
		err = t.create(ctx)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close lets the catalog go. It may be called again.
func (t *Table) Close() {
	t.catalog.close()
	t.files.close()
}

func (t *Table) load(ctx context.Context) error {
	now, err := t.catalog.LoadTable(ctx, t.ident)
	if err != nil {
		return t.refused("read the table "+t.cfg.Table, err)
	}
	t.now, t.fresh = now, true
	return nil
}

// create makes the table. Whoever makes it at the same time is as good.
func (t *Table) create(ctx context.Context) error {
	schema, err := ourSchema()
	if err != nil {
		return err
	}
	err = t.catalog.create(ctx, t.ident, schema, lib.Properties{})
	if err != nil && !errors.Is(err, catalog.ErrTableAlreadyExists) {
		// The answer may have been lost.
		if lerr := t.load(ctx); lerr == nil {
			return nil
		}
		return t.refused("create the table "+t.cfg.Table, err)
	}
	if err := t.load(ctx); !errors.Is(err, catalog.ErrNoSuchTable) {
		return err
	}
	return &table.Error{Reason: table.Catalog, Again: true, Message: fmt.Sprintf("the catalog says that the table %s is there, and that it is not", t.cfg.Table), Hint: "run again; if it stays so, look into the catalog"}
}

func (t *Table) uuid() string { return t.now.Metadata().TableUUID().String() }

// Register makes runs known to the table. Runs that are not complete are left out. Several runs become one commit.
func (t *Table) Register(ctx context.Context, runs []*dataset.Run) ([]table.Result, error) {
	if !t.fresh {
		if err := t.load(ctx); err != nil {
			return nil, err
		}
	}
	t.fresh = false
	var all, todo []*candidate
	for _, r := range runs {
		c, err := t.candidate(ctx, r)
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, c)
		}
		if c != nil && c.result.Outcome == "" {
			todo = append(todo, c)
		}
	}
	var err error
	if len(todo) > 0 {
		err = t.register(ctx, todo)
	}
	var results []table.Result
	for _, c := range all {
		if c.result.Outcome != "" {
			results = append(results, c.result)
		}
	}
	return results, err
}

func (t *Table) register(ctx context.Context, todo []*candidate) error {
	// Whoever cannot finish has begun nothing.
	if _, err := t.growth(); err != nil {
		return err
	}
	for _, c := range todo {
		if !c.begun() {
			if err := t.put(ctx, c, false); err != nil {
				return err
			}
		}
	}
	for range attempts {
		pending, err := t.look(ctx, todo)
		if err != nil {
			return err
		}
		if len(pending) == 0 {
			return t.finish(ctx, todo)
		}
		err = t.commit(ctx, pending)
		switch {
		case err == nil:
			return t.finish(ctx, todo)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, errConflict):
			return t.unanswered(ctx, todo, err)
		}
		t.cfg.Log.Debug("another writer of the table was faster")
		if err := t.load(ctx); err != nil {
			return err
		}
	}
	return t.contended()
}

func (t *Table) contended() error {
	return &table.Error{Reason: table.Contended, Message: fmt.Sprintf("other writers of the Iceberg table %s were faster %d times", t.cfg.Table, attempts), Hint: "run again when they are done"}
}

// unanswered looks whether a commit took place whose answer says nothing.
func (t *Table) unanswered(ctx context.Context, todo []*candidate, cause error) error {
	told := t.refused("commit to the table "+t.cfg.Table, cause)
	if err := t.load(ctx); err != nil {
		return told
	}
	if pending, err := t.look(ctx, todo); err != nil || len(pending) > 0 {
		return told
	}
	return t.finish(ctx, todo)
}

// commit tries to add the runs: errConflict if another writer was faster.
func (t *Table) commit(ctx context.Context, pending []*candidate) error {
	txn := t.now.NewTransaction()
	if err := t.grow(txn); err != nil {
		return err
	}
	var in, out, names []string
	for _, c := range pending {
		names = append(names, c.summary())
		for _, f := range c.files {
			out = append(out, t.files.replaced(f.Name)...)
			if t.files.active[base(f.Name)] == "" {
				in = append(in, t.files.uri(f.Name))
				t.files.sizes[f.Name] = f.Bytes
			}
		}
	}
	summary := lib.Properties{summaryKey: strings.Join(names, ","), "tw2parquet.writer": t.cfg.Writer}
	var err error
	if len(out) == 0 {
		err = txn.AddFiles(ctx, in, summary, false)
	} else {
		err = txn.ReplaceDataFiles(ctx, out, in, summary)
	}
	if err != nil {
		return err
	}
	now, err := txn.Commit(ctx)
	if err != nil {
		return err
	}
	t.now = now
	for _, c := range pending {
		c.result.Outcome, c.result.Version = table.Added, now.CurrentSnapshot().SnapshotID
		if len(out) > 0 && slices.ContainsFunc(c.files, func(f dataFile) bool { return len(t.files.replaced(f.Name)) > 0 }) {
			c.result.Outcome = table.Swapped
		}
	}
	return nil
}

// finish writes down which runs the table has.
func (t *Table) finish(ctx context.Context, todo []*candidate) error {
	for _, c := range todo {
		if err := t.put(ctx, c, true); err != nil {
			return err
		}
	}
	return nil
}

// put puts a record beside the manifest. Another registrar's is as good.
func (t *Table) put(ctx context.Context, c *candidate, done bool) error {
	name := table.IcebergRecordName(done, t.cfg.Table, t.uuid(), c.k)
	text, err := jsonText(t.intent(c, done))
	if err != nil {
		return err
	}
	if err := t.cfg.Records.PutRun(ctx, c.ID, name, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write down %s of run %s: %w", name, c.ID, err)
	}
	return nil
}
