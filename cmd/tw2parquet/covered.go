package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	tables "tw2parquet/sink/table"
	"tw2parquet/source"
)

// archive is an output as claims need it. Its first look is the listing that was made anyway.
type archive struct {
	to    *destination
	first *dataset.Dataset
}

func (a *archive) Look(ctx context.Context) (pipeline.Listing, error) {
	if d := a.first; d != nil {
		a.first = nil
		return listing{d}, nil
	}
	s, err := a.to.use(ctx, false)
	if errors.Is(err, fs.ErrNotExist) {
		return listing{&dataset.Dataset{}}, nil
	}
	if err != nil {
		return nil, err
	}
	d, err := dataset.Open(ctx, s)
	return listing{d}, err
}

func (a *archive) records(ctx context.Context) (sink.Records, error) {
	s, err := a.to.use(ctx, true)
	return sink.Records{Store: s, Log: a.to.how.log}, err
}

func (a *archive) PutLog(ctx context.Context, source string, n int, data []byte) error {
	r, err := a.records(ctx)
	if err != nil {
		return err
	}
	return r.PutLog(ctx, source, n, data)
}

func (a *archive) ReadLog(ctx context.Context, source string, n int) ([]byte, error) {
	r, err := a.records(ctx)
	if err != nil {
		return nil, err
	}
	return r.ReadLog(ctx, source, n)
}

func (a *archive) HasLog(ctx context.Context, source string, n int, data []byte) (bool, error) {
	r, err := a.records(ctx)
	if err != nil {
		return false, err
	}
	return r.HasLog(ctx, source, n, data)
}

func (a *archive) PutRun(ctx context.Context, run, name string, data []byte) error {
	r, err := a.records(ctx)
	if err != nil {
		return err
	}
	return r.PutRun(ctx, run, name, data)
}

// listing is a dataset as claims read it.
type listing struct{ *dataset.Dataset }

func (l listing) Runs() []string {
	ids := make([]string, len(l.Dataset.Runs))
	for i, r := range l.Dataset.Runs {
		ids[i] = r.ID
	}
	return ids
}

func (l listing) Run(id string) pipeline.HeldRun {
	if r := l.Dataset.Run(id); r != nil {
		return r
	}
	return nil
}

// work is what an export has to do: windows to run, and those that nothing has to be done for.
type work struct {
	windows []pipeline.Window
	held    []held // of each
	covered []covered
	twice   [][]string // of each window: runs of earlier generations that hold its time as well
	sealed  []sealed
	claims  *pipeline.Claims
}

// sealed is a window whose own run is complete, as the log and the listing say, so that it need not be opened.
type sealed struct {
	window  pipeline.Window
	holding *pipeline.Holding
	files   []store.Entry
	twice   []string
}

// covered is a part of a window that complete runs hold.
type covered struct {
	window pipeline.Window
	runs   []*pipeline.Holding
}

// arrange turns pieces into work. A window whose own run is complete is run again: it is judged, and its files are
// compared with its manifest, which costs nothing. So is all that is there with --refetch.
func (c *exportCmd) arrange(claims *pipeline.Claims, there *holdings, pieces []pipeline.Piece) work {
	var w work
	seen := map[string]bool{}
	add := func(x pipeline.Window) {
		if !seen[x.Run] {
			seen[x.Run] = true
			x.Fresh = there.untouched(x.Run)
			w.windows = append(w.windows, x)
			w.twice = append(w.twice, claims.Twice(x))
		}
	}
	for _, p := range pieces {
		r := claims.Ask.Windows[p.Window]
		own := r.Run(claims.Ask.Host)
		var others []*pipeline.Holding
		for _, h := range p.Runs {
			if h.Run == own || c.Refetch || p.Standing != pipeline.RunComplete {
				add(claims.Ask.Of(h))
			} else {
				others = append(others, h)
			}
		}
		r.Start, r.Stop = p.Start, p.Stop
		switch {
		case len(p.Runs) == 0:
			r.Limit, r.Generation = p.Limit, p.Generation
			add(windowOf(claims.Ask.Host, r))
		case len(others) == len(p.Runs):
			w.covered = append(w.covered, covered{windowOf(claims.Ask.Host, r), others})
		}
	}
	w.held = there.of(w.windows)
	return w
}

// recognize takes out of the work what the listing shows to be as the log says: complete, with all of its files and no
// others, and nothing that was left behind. It opens no run. What covers a window and is not so is run: opening it finds out what happened.
func (c *exportCmd) recognize(claims *pipeline.Claims, there *holdings, w work, pieces []pipeline.Piece) work {
	sound := map[string]*pipeline.Holding{}
	runs := map[string]bool{}
	for _, x := range w.windows {
		runs[x.Run] = true
	}
	for _, p := range pieces {
		if p.Standing != pipeline.RunComplete {
			continue
		}
		for _, h := range p.Runs {
			if held := there.Run(h.Run); held != nil && h.Standing == pipeline.RunComplete && h.Seal != "" && h.Seal == held.Found() && !tables.SwapPending(held) && !held.Littered() {
				sound[h.Run] = h
			} else if x := claims.Ask.Of(h); !runs[h.Run] && h.Standing == pipeline.RunComplete {
				runs[h.Run] = true
				w.windows, w.twice = append(w.windows, x), append(w.twice, claims.Twice(x))
			}
		}
	}
	left := work{covered: w.covered, claims: claims}
	for i, x := range w.windows {
		h := sound[x.Run]
		if h == nil {
			left.windows, left.twice = append(left.windows, x), append(left.twice, w.twice[i])
			continue
		}
		left.sealed = append(left.sealed, sealed{x, h, there.Run(x.Run).Files, w.twice[i]})
	}
	left.held = there.of(left.windows)
	return left
}

// sealedEnd is a complete window as if it had been opened.
func (c *exportCmd) sealedEnd(ctx context.Context, claims *pipeline.Claims, job *pipeline.Job, x sealed) windowEnd {
	e := windowEnd{begun: true, report: claims.Ask.ReportOf(x.holding), twice: x.twice, unknown: x.holding.Unknown, coerced: x.holding.Coerced}
	for _, f := range x.files {
		e.report.Files, e.report.Bytes = append(e.report.Files, f.Name), e.report.Bytes+f.Size
	}
	e.err = job.Judge(e.report)
	return c.judged(ctx, x.window, e)
}

// warnOfCoverage tells, before anything is bought, what would be there twice, though it is not the same source or not
// the same generation.
func (c *exportCmd) warnOfCoverage(ctx context.Context, log *slog.Logger, claims *pipeline.Claims, there *holdings, w work) {
	if c.Refetch { // which never buys
		return
	}
	var buy []pipeline.Window
	for i, x := range w.windows {
		if w.held[i].complete || w.held[i].bought {
			continue
		}
		buy = append(buy, x)
		if len(w.twice[i]) > 0 {
			log.Warn("this time is bought again in a later generation; until `tw2parquet drop` removes the earlier run, its rows are there twice",
				"window", pipeline.PartitionName(x.Request.Start), "stop", rfc3339(x.Request.Stop), "generation", x.Request.Generation, "runs", w.twice[i], "max_credits", x.Request.Limit+batch)
		}
	}
	if len(buy) == 0 {
		return
	}
	if there.err != nil {
		log.Warn("cannot read all that this output holds, so some of it may be bought again", "error", there.err)
	}
	beside, err := claims.Beside(ctx, listing{there.Dataset}, buy)
	if err != nil {
		log.Warn("cannot tell what other sources of this output hold of the same project", "error", err)
	}
	slices.SortFunc(beside, func(x, y pipeline.Beside) int { return x.Start.Compare(y.Start) })
	for _, b := range beside {
		log.Warn("this output holds results of another source of the same project and time; what both bring is bought again, and is there twice",
			"topics", b.Source.Topics, "datasets", b.Source.Datasets, "query", b.Source.Query, "start", rfc3339(b.Start), "stop", rfc3339(b.Stop),
			"windows_to_buy", b.Windows, "max_credits", b.Credits)
	}
}

// warnOfOthers tells, before the first purchase of a source, that the server lists exports of this program that the output does
// not know: it may be the wrong output. A task does not say which project it is of.
func (c *exportCmd) warnOfOthers(ctx context.Context, log *slog.Logger, there *holdings, w work) {
	if !c.first || c.Refetch {
		return
	}
	tasks, err := c.api.TasksOnce(ctx)
	if err != nil {
		log.Debug("cannot tell what other outputs bought", "error", err)
		return
	}
	own := map[string]bool{}
	for _, x := range w.windows { // which may be adopted
		own[source.CollectorID(x.Run)] = true
	}
	for _, r := range there.Runs {
		own[source.CollectorID(r.ID)] = true
	}
	others, results := 0, int64(0)
	var last source.Task
	for _, t := range tasks {
		if strings.HasPrefix(t.Target, source.CollectorID("")) && !own[t.Target] {
			others, results = others+1, results+t.Count()
			if t.Created.After(last.Created) || last.ID == "" {
				last = t
			}
		}
	}
	if others > 0 {
		log.Warn("the account has exports of this program that this output does not know; if any is of the same source, its results are in another output, "+
			"and buying them here pays twice", "exports", others, "results", results, "newest", last.ID, "created", rfc3339(last.Created), "collector", last.Target)
	}
}

// coveredEnd is a covered part as if it had been run to its end.
func (c *exportCmd) coveredEnd(x covered, counted map[string]bool) windowEnd {
	e := windowEnd{begun: true, report: pipeline.Report{Start: x.window.Request.Start, Stop: x.window.Request.Stop, Asked: x.window.Asking().Asked}}
	for _, h := range x.runs {
		e.covered = append(e.covered, h.Run)
		if counted[h.Run] {
			continue
		}
		counted[h.Run] = true
		e.report.Rows += h.Rows
		e.report.Rejected += h.Rejected
		e.report.Truncated = e.report.Truncated || h.Truncated
		one := pipeline.Report{Run: h.Run, Rows: h.Rows, Rejected: h.Rejected, Truncated: h.Truncated}
		if err := c.judge(one); err != nil && e.err == nil {
			e.err = err
		}
		bought := x.window
		bought.Run = h.Run
		bought.Request.Start, bought.Request.Stop, bought.Request.Limit, bought.Request.Generation = h.Start, h.Stop, h.Limit, h.Generation
		if h.Truncated && e.err == nil && !c.accepts(exitTruncated) {
			e.err = &statusError{exitTruncated, "run " + h.Run + " covers this time, and ended at its limit", c.hintTruncated(bought, one)}
		}
	}
	return e
}
