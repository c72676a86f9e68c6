package main

import (
	"bufio"
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
	"tw2parquet/source"
)

type dropCmd struct {
	Out    string   `arg:"" name:"out" help:"The output: its directory or URL."`
	Runs   []string `arg:"" name:"run" optional:"" help:"The runs to drop, as the result line and verify name them."`
	Before instant  `name:"before" placeholder:"T" help:"Drop every run whose window ends at or before this time: YYYY-MM-DD (UTC), RFC 3339 or epoch milliseconds."`
	Yes    bool     `name:"yes" help:"Do not ask."`
	DryRun bool     `name:"dry-run" help:"Only show what would be dropped."`
}

// Help is the long form of --help.
func (dropCmd) Help() string {
	return `Removes runs from an output for good: their files, manifests and journals. First it shows them, and asks on a terminal;
elsewhere it needs --yes. A record of each run stays (dropped.json) and says what it was.

A dropped run's time is not covered any more: the next export of it buys it again, in the next generation. So this is a
way out of a window that cannot be finished or ended at its limit. Until drop is done, the time counts as covered. If it is stopped, the next
drop of the same output finishes what was begun. Collectors and export tasks stay as they are, and nothing is refunded.

Example:
  tw2parquet drop lake bom575a2jaql65gup67kjfmazy
  tw2parquet drop lake --before 2023-01-01 --dry-run

Environment: TW2PARQUET_LOG_FORMAT, TW2PARQUET_LOG_LEVEL, TW2PARQUET_RESULT_FILE, GOMEMLIMIT, and what the credential chain
of a bucket's store reads.
Exit codes: 0 ok, 2 usage (no such run, or nobody said yes), 30 a run is being written (later), 50 storage, 130 and 143 stopped.`
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
	if err := c.ask(a, len(doomed)); err != nil {
		return err
	}
	for _, d := range doomed {
		if err := d.drop(ctx, a, to); err != nil {
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
	for _, id := range c.Runs {
		if r := there.Run(id); r == nil {
			return nil, usagef("%s holds no run %q", publicName(c.Out), id)
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

// noteOf is what is known of a run, as a report.
func noteOf(ctx context.Context, r *dataset.Run) ([]byte, error) {
	if text, err := r.Report(ctx); err == nil {
		return append(text, '\n'), nil
	}
	for _, name := range []string{sink.DroppingRecord, sink.DroppedRecord, pipeline.RequestRecord} {
		text, err := r.Record(ctx, name, maxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || name != pipeline.RequestRecord {
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
		}
		what := strings.Join(slices.DeleteFunc([]string{string(d.note.Asked.Kind), d.note.Asked.Project, d.note.Asked.Stream,
			strings.Join(d.note.Asked.Topics, ","), strings.Join(d.note.Asked.Datasets, ","), d.note.Asked.Query}, func(s string) bool { return s == "" }), " ")
		rows[i] = []string{d.ID, what, rfc3339(d.note.Start), rfc3339(d.note.Stop), state, fmt.Sprint(d.note.Rows), fmt.Sprint(d.files), fmt.Sprint(d.bytes)}
	}
	return a.table([]string{"run", "source", "start", "stop", "state", "rows", "files", "bytes"}, rows)
}

func (c *dropCmd) ask(a *app, n int) error {
	if c.Yes {
		return nil
	}
	stdin, ok := a.stdin.(*os.File)
	if !ok || !isTerminal(stdin) {
		return usagef("nobody can be asked here; add --yes to drop them")
	}
	fmt.Fprintf(a.stderr, "Drop %d of them for good? [y/N] ", n)
	answer, _ := bufio.NewReader(stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return usagef("nothing was dropped")
	}
	return nil
}

func (d *doomed) drop(ctx context.Context, a *app, to *destination) error {
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
	if d.note.Asked.Kind != "" {
		asking := pipeline.Asking{Start: d.note.Start, Stop: d.note.Stop, Run: d.ID, Asked: d.note.Asked}
		drop.Between = func(ctx context.Context) error { return pipeline.WriteDropped(ctx, &archive{to: to}, asking) }
	}
	return drop.Do(ctx)
}
