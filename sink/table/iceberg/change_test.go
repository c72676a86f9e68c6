package iceberg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/table"
)

// dir is the directory of an output on a disk.
func (l *lake) dir() string { return strings.TrimPrefix(l.cfg.Root, "file://") }

// compact is what another writer does: rows of all files of the table are in one file of its own by now.
func (l *lake) compact() {
	l.t.Helper()
	l.change(func(ctx context.Context, t *icebergtable.Table, txn *icebergtable.Transaction) error {
		tasks, err := t.Scan().PlanFiles(ctx)
		l.must(err)
		var out []string
		for _, task := range tasks {
			out = append(out, task.File.FilePath())
		}
		text, err := os.ReadFile(strings.TrimPrefix(out[0], "file://"))
		l.must(err)
		merged := filepath.Join(l.dir(), Dir, fmt.Sprintf("compacted-%d.parquet", len(t.Metadata().Snapshots())))
		l.must(os.WriteFile(merged, text, 0o600))
		return txn.ReplaceDataFiles(ctx, out, []string{"file://" + merged}, nil)
	})
}

// expire forgets all snapshots but the current one.
func (l *lake) expire() {
	l.t.Helper()
	l.change(func(_ context.Context, _ *icebergtable.Table, txn *icebergtable.Transaction) error {
		return txn.ExpireSnapshots(icebergtable.WithOlderThan(0), icebergtable.WithRetainLast(1))
	})
}

// inTable are the base names of the files of the table.
func (l *lake) inTable() (names []string) {
	l.t.Helper()
	t, err := l.open(nil)
	l.must(err)
	defer t.Close()
	tasks, err := t.now.Scan().PlanFiles(l.t.Context())
	l.must(err)
	for _, task := range tasks {
		names = append(names, filepath.Base(task.File.FilePath()))
	}
	slices.Sort(names)
	return names
}

func reasonOf(err error) table.Reason {
	var e *table.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// After rewriting and expiry nothing is added, and nothing of a commit whose answer was lost either.
func TestRegister_AddsNothingAfterRewritingAndExpiry(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 1)
	l.write(2, 1)
	l.expect("first", nil, table.Added, table.Added)
	l.compact()
	l.expire()
	l.expect("after it", nil, table.Known, table.Known)

	l.write(3, 1)
	lost := &failing{at: 4, how: "after"}
	if _, err := l.register(fails(lost)); err == nil || lost.names[3] != "commit" {
		t.Fatalf("%v, %q", err, lost.names)
	}
	l.compact() // the snapshot that names the run is still there
	l.expect("a commit whose answer was lost", nil, table.Known, table.Known, table.Found)

	l.write(4, 1)
	lost = &failing{at: 4, how: "after"}
	if _, err := l.register(fails(lost)); err == nil || lost.names[3] != "commit" {
		t.Fatalf("%v, %q", err, lost.names)
	}
	l.compact()
	l.expire()
	before := l.inTable()
	if _, err := l.register(nil); reasonOf(err) != table.Doubt || !strings.Contains(err.Error(), runID(4)) {
		t.Errorf("the table cannot tell: %v", err)
	}
	l.expect("a person says so", func(c *Config) { c.Assume = table.AssumeRegistered }, table.Known, table.Known, table.Known, table.Found)
	if after := l.inTable(); !slices.Equal(after, before) {
		t.Errorf("%q, before %q", after, before)
	}

	// A start that died before its commit is certain as long as the history is whole.
	l.write(5, 1)
	lost = &failing{at: 4, how: "before"}
	if _, err := l.register(fails(lost)); err == nil {
		t.Fatal("nobody heard of it")
	}
	l.compact()
	l.expect("a commit that did not take place", nil, table.Known, table.Known, table.Known, table.Known, table.Added)

	l.write(6, 1)
	lost = &failing{at: 4, how: "before"}
	if _, err := l.register(fails(lost)); err == nil {
		t.Fatal("nobody heard of it")
	}
	l.compact()
	l.expire()
	if _, err := l.register(nil); reasonOf(err) != table.Doubt {
		t.Errorf("the table cannot tell: %v", err)
	}
	got := l.expect("it is missing", func(c *Config) { c.Assume = table.AssumeMissing }, table.Known, table.Known, table.Known, table.Known, table.Known, table.Added)
	if len(got) != 6 || got[5].Files != 2 {
		t.Errorf("%+v", got)
	}
}

// A table that was dropped and made again has nothing, and begins anew.
func TestRegister_ATableThatWasMadeAgain(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 1)
	l.expect("first", nil, table.Added)
	l.must(os.Remove(strings.TrimPrefix(l.cfg.Catalog, "sql:sqlite:///")))
	l.expect("again", nil, table.Added)
	l.expectOnce("again")
}

// The table was made by another program, with some columns of ours, and one of its own.
func TestRegister_GrowsTheSchema(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 2)
	ours, err := ourSchema()
	l.must(err)
	few := append(slices.Clone(ours.Fields()[:10]), lib.NestedField{ID: 9000, Name: "of_theirs", Type: lib.PrimitiveTypes.String})
	l.precreate(lib.NewSchema(0, few...), lib.UnpartitionedSpec, func(fields []lib.MappedField) { fields[10].Names = append(fields[10].Names, "once") })
	l.expect("grown", nil, table.Added)
	l.expectOnce("grown")
	tab, err := l.open(nil)
	l.must(err)
	defer tab.Close()
	if n, want := len(tab.now.Schema().Fields()), len(ours.Fields())+1; n != want {
		t.Errorf("%d columns, want %d", n, want)
	}
	if names := tab.now.NameMapping().String(); !strings.Contains(names, "once") || !strings.Contains(names, "_extra") {
		t.Errorf("the name mapping has %s", names)
	}
	read, err := tab.now.Scan(icebergtable.WithSelectedFields("url", "published", "of_theirs")).ToArrowTable(t.Context())
	l.must(err)
	defer read.Release()
	for i, nulls := range map[string]int{"url": 0, "published": 0, "of_theirs": 4} {
		column := read.Column(read.Schema().FieldIndices(i)[0])
		if read.NumRows() != 4 || column.Data().NullN() != nulls {
			t.Errorf("%d rows; %d of %s are null", read.NumRows(), column.Data().NullN(), i)
		}
	}
	l.write(2, 1)
	l.expect("once more", nil, table.Known, table.Added)
	l.must(tab.load(t.Context()))
	if schemas := len(tab.now.Metadata().Schemas()); schemas != 2 {
		t.Errorf("%d schemas", schemas)
	}
}

func TestRegister_RefusesOtherTypesAndPartitions(t *testing.T) {
	ours, err := ourSchema()
	if err != nil {
		t.Fatal(err)
	}
	var other []lib.NestedField
	for _, f := range ours.Fields() {
		if f.Name == "published" {
			f.Type = lib.PrimitiveTypes.String
		}
		other = append(other, f)
	}
	l := outputs["disk"](t)
	l.write(1, 1)
	l.precreate(lib.NewSchema(0, other...), lib.UnpartitionedSpec, nil)
	if _, err := l.register(nil); reasonOf(err) != table.Types || !strings.Contains(err.Error(), "published is string") || !strings.Contains(err.Error(), "timestamptz in the files") {
		t.Errorf("%v", err)
	}
	if begun := table.IcebergRecords(l.listed().Run(runID(1)), ""); len(begun) != 0 {
		t.Errorf("whoever cannot finish has begun nothing: %v", begun)
	}
	l = outputs["disk"](t)
	l.write(1, 1)
	other = slices.Clone(ours.Fields())
	at := slices.IndexFunc(other, func(f lib.NestedField) bool { return f.Name == "url" })
	other[at].Name = "address"
	l.precreate(lib.NewSchema(0, other...), lib.UnpartitionedSpec, func(fields []lib.MappedField) { fields[at].Names = append(fields[at].Names, "url") })
	if _, err := l.register(nil); reasonOf(err) != table.Types || !strings.Contains(err.Error(), "url is called address") {
		t.Errorf("%v", err)
	}
	l = outputs["disk"](t)
	l.write(1, 1)
	field, _ := ours.FindFieldByName("lang")
	spec := lib.NewPartitionSpec(lib.PartitionField{SourceIDs: []int{field.ID}, FieldID: 1000, Name: "lang", Transform: lib.IdentityTransform{}})
	l.precreate(ours, &spec, nil)
	if _, err := l.register(nil); reasonOf(err) != table.Feature {
		t.Errorf("%v", err)
	}
}

// precreate makes the table as another program would.
func (l *lake) precreate(of *lib.Schema, spec *lib.PartitionSpec, mapping func([]lib.MappedField)) {
	l.t.Helper()
	of, err := lib.AssignFreshSchemaIDs(of, nil)
	l.must(err)
	properties := lib.Properties{}
	if mapping != nil {
		fields := of.NameMapping()
		mapping(fields)
		text, err := jsonText(fields)
		l.must(err)
		properties[icebergtable.DefaultNameMappingKey] = string(text)
	}
	files := newPlaces(l.cfg)
	_, dsn, _ := strings.Cut(l.cfg.Catalog, ":")
	c, err := openSQL(l.t.Context(), l.cfg, dsn, files)
	l.must(err)
	defer c.close()
	l.must(c.create(l.t.Context(), []string{"docs", "talkwalker"}, of, properties))
	if !spec.IsUnpartitioned() {
		now, err := c.LoadTable(l.t.Context(), []string{"docs", "talkwalker"})
		l.must(err)
		txn := now.NewTransaction()
		l.must(txn.UpdateSpec(true).AddField("lang", lib.IdentityTransform{}, "lang").Commit())
		_, err = txn.Commit(l.t.Context())
		l.must(err)
	}
}

// refetch loses the first file of a run and writes it again.
func (l *lake) refetch(n int) {
	l.t.Helper()
	ctx := l.t.Context()
	m, err := l.listed().Run(runID(n)).Manifest(ctx)
	l.must(err)
	l.must(os.Remove(filepath.Join(l.dir(), m.Files[0].Name)))
	codec, err := parquet.ParseCompression("none")
	l.must(err)
	o, err := sink.Open(ctx, sink.Config{Store: l.store, Run: runID(n), Partition: fmt.Sprintf("window_start=2024-01-%02d", n), Schema: schema.Arrow(), SchemaVersion: schema.Version,
		MaxFileRows: 1, Compression: codec, Refetch: true})
	l.must(err)
	defer func() { l.must(o.Close()) }()
	l.must(o.Mend())
	e := schema.NewEncoder()
	for {
		gap, ok := o.Gap()
		if !ok {
			break
		}
		e.Reset()
		for _, at := o.Position(); at < gap.Next; at++ {
			l.must(e.Append(fmt.Appendf(nil, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","published":%d}}}}`, 1700000000000+at), at))
		}
		tasks, appendGroup := o.Encode(e.Record())
		for _, task := range tasks {
			l.must(task())
		}
		l.must(appendGroup(ctx))
		l.must(o.Finish(ctx, gap.Offset, gap.Next, nil))
	}
	l.must(o.Complete(ctx, []byte(`{}`)))
}

func TestRegister_SwapsFilesThatWereWrittenAgain(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 1)
	l.write(2, 1)
	l.expect("first", nil, table.Added, table.Added)
	l.refetch(1)
	if !table.SwapPending(l.listed().Run(runID(1))) || table.SwapPending(l.listed().Run(runID(2))) {
		t.Error("the records do not say that the table is behind")
	}
	for at := 1; ; at++ { // whatever dies
		f := &failing{at: at, how: []string{"after", "lost"}[at%2]}
		if _, err := l.register(fails(f)); f.calls < at {
			l.must(err)
			break
		}
	}
	l.expectOnce("swapped")
	l.expect("again", nil, table.Known, table.Known)
	if table.SwapPending(l.listed().Run(runID(1))) {
		t.Error("the records say that the table is behind")
	}
	l.refetch(2)
	l.expect("in one go", nil, table.Known, table.Swapped)
	l.expectOnce("in one go")
	// Rows that another writer has rewritten cannot be exchanged.
	l.compact()
	l.refetch(1)
	before := l.inTable()
	if _, err := l.register(nil); reasonOf(err) != table.Rewritten {
		t.Errorf("%v", err)
	}
	l.expect("a person says so", func(c *Config) { c.Assume = table.AssumeRegistered }, table.Found, table.Known)
	if after := l.inTable(); !slices.Equal(after, before) {
		t.Errorf("%q, before %q", after, before)
	}
}

func TestUnregister_TakesARunOut(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 1)
	l.write(2, 1)
	l.write(3, 1)
	l.expect("first", nil, table.Added, table.Added, table.Added)
	unregister := func(n int, change func(*Config)) error {
		tab, err := l.open(change)
		if err != nil {
			return err
		}
		defer tab.Close()
		return tab.Unregister(t.Context(), l.listed().Run(runID(n)))
	}
	for at := 1; ; at++ { // whatever dies
		f := &failing{at: at, how: []string{"after", "lost", "before"}[at%3]}
		if err := unregister(1, fails(f)); f.calls < at {
			l.must(err)
			break
		}
	}
	if names := l.inTable(); len(names) != 4 || strings.Contains(strings.Join(names, " "), runID(1)) {
		t.Errorf("%q", names)
	}
	l.compact()
	if err := unregister(2, nil); reasonOf(err) != table.Rewritten {
		t.Errorf("%v", err)
	}
	l.must(unregister(2, func(c *Config) { c.Assume = table.AssumeMissing }))
	l.must(unregister(1, nil))
	// One that was only begun, and never added.
	l.write(4, 1)
	f := &failing{at: 4, how: "before"}
	if _, err := l.register(fails(f)); err == nil {
		t.Error("nobody heard of it")
	}
	l.must(unregister(4, nil))
}
