package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	tables "tw2parquet/sink/table"
	"tw2parquet/source"
)

type dropCmd struct {
	Out        string   `arg:"" name:"out" help:"The output: its directory or URL."`
	Runs       []string `arg:"" name:"run" optional:"" help:"The runs to drop, as the result line, status and verify name them; the first 8 characters will do where they are unique."`
	Before     instant  `name:"before" placeholder:"T" help:"Drop every run whose window ends at or before this time: YYYY-MM-DD (UTC), RFC 3339 or epoch milliseconds."`
	Unregister bool     `name:"unregister" help:"Take runs that a table has out of it first."`
	Catalog    string   `name:"catalog" placeholder:"KIND:ADDRESS" help:"With --unregister: where the catalog of the Iceberg table is, if that is not where the run was registered."`
	Table      string   `name:"table" placeholder:"NAMESPACE.NAME" help:"With --unregister: what the Iceberg table is called by now."`
	assuming
	consent
	DryRun bool `name:"dry-run" help:"Only show what would be dropped."`
}

// Help is the long form of --help.
func (dropCmd) Help() string {
	return `Removes runs from an output for good: their files, manifests and journals. First it shows them, and asks on a terminal;
elsewhere it needs --yes. A record of each run stays (dropped.json) and says what it was.

A dropped run's time is not covered any more: the next export of it buys it again, in the next generation. So this is a
way out of a window that cannot be finished or ended at its limit. Until drop is done, the time counts as covered. If it is stopped, the next
drop of the same output finishes what was begun. Collectors and export tasks stay as they are, and nothing is refunded.
A run that is registered in an Iceberg or Delta table is dropped with --unregister only, which takes it out of the table first. If another
writer of the table has rewritten its rows, delete them there, and say so with --assume missing.

Example:
  tw2parquet drop lake iojrxdnb4thruqdc6oehhqev7k
  tw2parquet drop lake --before 2023-01-01 --dry-run

Exit codes: 0 ok, 2 usage (no such run, or nobody said yes), 30 a run is being written (later), 50 storage,
54 the table does not let go of the run, 130 and 143 stopped.
See also: files, money, lakes`
}

// doomed is a run that is to be dropped.
type doomed struct {
	*dataset.Run
	note  pipeline.Report
	raw   []byte
	files int
	bytes int64
	begun bool // an earlier drop did not end
}

// Run drops.
func (c *dropCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	at, err := locateOutput(c.Out)
	if err != nil {
		return usagef("%s: %w", publicName(c.Out), err)
	}
	to := &destination{place: at, how: a.opening(1)}
	defer to.Close()
	there, err := openHoldings(ctx, to)
	if err != nil {
		return interrupted(ctx, err)
	}
	doomed, err := c.choose(ctx, there)
	if err != nil {
		return err
	}
	if err := show(a, doomed); err != nil {
		return err
	}
	if c.DryRun || len(doomed) == 0 {
		return nil
	}
	for _, d := range doomed {
		if d.begun || c.Unregister {
			continue
		}
		if tables.AnyDelta(d.Run) {
			return usagef("run %s is registered in the Delta table of %s, whose readers would miss its files; with --unregister it is taken out of the table first", d.ID, publicName(c.Out))
		}
		if names := tables.AnyIceberg(d.Run); len(names) > 0 {
			return usagef("run %s is registered in the Iceberg table %s, whose readers would miss its files; with --unregister it is taken out of the table first", d.ID, strings.Join(names, " and "))
		}
	}
	if err := c.ask(a, fmt.Sprintf("Drop %d of them for good?", len(doomed)), "drop them", "nothing was dropped"); err != nil {
		return err
	}
	for _, d := range doomed {
		if err := d.drop(ctx, a, to, c); err != nil {
			return interrupted(ctx, err)
		}
		a.log.Info("dropped", "run", d.ID)
	}
	return nil
}

// choose finds the runs that are meant, and those that an earlier drop has begun with.
func (c *dropCmd) choose(ctx context.Context, there *holdings) (all []doomed, err error) {
	if len(c.Runs) == 0 && c.Before.IsZero() {
		return nil, usagef("name the runs to drop, or use --before")
	}
	if len(c.Runs) > 0 && !c.Before.IsZero() {
		return nil, usagef("name runs, or use --before, but not both")
	}
	for i, id := range c.Runs {
		if c.Runs[i], err = whole(there, id); err != nil {
			return nil, usagef("%s %w", publicName(c.Out), err)
		}
	}
	for _, r := range there.Runs {
		begun, ended := r.Dropped()
		named := slices.Contains(c.Runs, r.ID)
		if ended && !begun || !begun && !named && c.Before.IsZero() {
			continue
		}
		d := doomed{Run: r, begun: begun}
		if d.raw, err = noteOf(ctx, r); err != nil {
			return nil, err
		}
		if json.Unmarshal(d.raw, &d.note) != nil && !named {
			continue
		}
		if !begun && !named && (d.note.Stop.IsZero() || d.note.Stop.After(c.Before.Time)) {
			continue
		}
		for _, e := range r.Files {
			d.files++
			d.bytes += e.Size
		}
		all = append(all, d)
	}
	slices.SortStableFunc(all, func(x, y doomed) int {
		return cmp.Or(x.note.Start.Compare(y.note.Start), strings.Compare(x.ID, y.ID))
	})
	return all, nil
}

// whole is the id of the one run whose id is this, or begins with at least as much of it as status shows.
func whole(there *holdings, id string) (string, error) {
	if there.Run(id) != nil {
		return id, nil
	}
	var found []string
	for _, r := range there.Runs {
		if len(id) >= shortRun && strings.HasPrefix(r.ID, id) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 0:
		err := fmt.Errorf("holds no run %q", id)
		if question := didYouMean(id, listing{there.Dataset}.Runs()); question != "" {
			err = fmt.Errorf("%w; %s", err, question)
		}
		return "", err
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("holds %d runs that begin with %q; use more of the id", len(found), id)
}

// noteOf is what is known of a run, as a report.
func noteOf(ctx context.Context, r *dataset.Run) ([]byte, error) {
	if text, err := r.Report(ctx); err == nil {
		return append(text, '\n'), nil
	}
	for _, name := range []string{sink.DroppingRecord, sink.DroppedRecord, pipeline.FailureRecord, pipeline.RequestRecord, pipeline.ReadingRecord} {
		text, err := r.Record(ctx, name, maxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || name != pipeline.RequestRecord && name != pipeline.ReadingRecord {
			return text, err
		}
		var note pipeline.Report
		if json.Unmarshal(text, &note) != nil {
			break // dropping it may be the way to be rid of it
		}
		if task, err := r.Record(ctx, source.TaskRecord, maxRecord); err == nil {
			var known struct{ ID string }
			_ = json.Unmarshal(task, &known) // without it the note says less
			note.TaskID = known.ID
		}
		if rows, rejected, err := r.Published(ctx); err == nil { // what cannot be read goes all the same
			note.Rows, note.Rejected = rows, rejected
		}
		return jsonText(note, "")
	}
	return jsonText(pipeline.Report{Run: r.ID}, "")
}

func show(a *app, all []doomed) error {
	rows := make([][]string, len(all))
	for i, d := range all {
		state := "incomplete"
		switch {
		case d.begun:
			state = "dropping"
		case d.Finished():
			state = "complete"
		case d.Has(sink.ReadingRecord):
			state = "reading"
		}
		collector := ""
		if d.note.Asked.Kind == "" {
			collector = d.note.Collector
		}
		what := strings.Join(slices.DeleteFunc([]string{string(d.note.Asked.Kind), d.note.Asked.Project, d.note.Asked.Stream,
			strings.Join(d.note.Asked.Topics, ","), strings.Join(d.note.Asked.Datasets, ","), d.note.Asked.Query, collector}, func(s string) bool { return s == "" }), " ")
		rows[i] = []string{d.ID, what, when(d.note.Start), when(d.note.Stop), state, countText(d.note.Rows), countText(int64(d.files)), bytesText(d.bytes)}
	}
	return a.table([]heading{{name: "run"}, {name: "source", prose: true}, {name: "start"}, {name: "stop"}, {name: "state"}, {name: "rows", right: true}, {name: "files", right: true}, {name: "size", right: true}}, rows)
}

func (d *doomed) drop(ctx context.Context, a *app, to *destination, c *dropCmd) error {
	s, err := to.use(ctx, false)
	if err != nil {
		return err
	}
	dirs := map[string]bool{}
	if !d.note.Start.IsZero() {
		dirs["window_start="+pipeline.PartitionName(d.note.Start)] = true
	}
	for _, e := range d.Files {
		dirs[path.Dir(e.Name)] = true
	}
	drop := sink.Drop{Store: s, Log: a.log, Run: d.ID, Note: d.raw}
	for dir := range dirs {
		drop.Dirs = append(drop.Dirs, dir)
	}
	drop.First = func(ctx context.Context) error { return d.unregister(ctx, a, to, c) } // an earlier drop that did not end was allowed to
	if d.note.Asked.Kind != "" {
		asking := pipeline.Asking{Start: d.note.Start, Stop: d.note.Stop, Run: d.ID, Asked: d.note.Asked}
		drop.Between = func(ctx context.Context) error { return pipeline.WriteDropped(ctx, &archive{to: to}, asking) }
	}
	return drop.Do(ctx)
}

// unregister takes the run out of the tables that may have it.
func (d *doomed) unregister(ctx context.Context, a *app, to *destination, c *dropCmd) error {
	cfg, err := tableConfig(ctx, a, to, c.assuming)
	if err != nil {
		return err
	}
	if tables.AnyDelta(d.Run) {
		if err := tables.UnregisterDelta(ctx, cfg, d.Run); err != nil {
			return err
		}
	}
	homes, err := tables.IcebergHomes(ctx, d.Run, false)
	if err != nil {
		return err
	}
	for _, h := range homes {
		s, err := homeSettings(h, &icebergSettings{Catalog: c.Catalog}, os.Environ())
		if err != nil {
			return err
		}
		s.Table = cmp.Or(c.Table, s.Table)
		t, err := findHome(ctx, a, to, cfg, s, h.UUID)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		err = t.Unregister(ctx, d.Run)
		t.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
