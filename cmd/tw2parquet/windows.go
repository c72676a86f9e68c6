package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/pipeline/bug"
	"tw2parquet/schema"
	"tw2parquet/source"
)

// windowEnd is how a window ended.
type windowEnd struct {
	begun  bool
	report pipeline.Report
	err    error
	// covered are the runs that cover a part of a window; it was not run then.
	covered []string
	twice   []string // runs of earlier generations that hold the same time
	// What the log says of the drift of a window that was not opened.
	unknown int
	coerced int64
}

// siblingError ends the windows that run beside one whose failure concerns all.
type siblingError struct{ window string }

func (e *siblingError) Error() string { return "stopped because of window " + e.window }

// alone tells whether a failure concerns its window only, so that the others go on.
func (o outcome) alone() bool { return byCode(o.Code).Alone }

// final is the code of a failure that concerns its window only, and stays when it is run again; else 0.
func final(err error) int {
	if o := classify(mendable(err)); o.alone() && !o.Retryable {
		return o.Code
	}
	return exitOK
}

// exportAll runs the windows, c.Parallel at a time. A failure that concerns one window alone does not keep the
// others from running; one that concerns all ends the run.
func (c *exportCmd) exportAll(ctx context.Context, a *app, job *pipeline.Job, todo work) error {
	windows := todo.windows
	ends := make([]windowEnd, len(windows))
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan outcome)
	active, pending := 0, 0 // windows under way; windows whose tasks still run, though nobody waits for them here
	await := func() {
		active--
		if o := <-ended; o.Code == exitPending {
			pending++
		}
	}
	for _, i := range order(todo.held) {
		// What is bought already may always be looked at; a purchase waits until few enough tasks are outstanding.
		fits := func() bool {
			return active < c.Parallel && (todo.held[i].bought || active+pending < c.Parallel)
		}
		for !fits() && active > 0 {
			await()
		}
		if running.Err() != nil {
			break
		}
		if !fits() {
			continue
		}
		active++
		go func() {
			name := pipeline.PartitionName(windows[i].Request.Start)
			ends[i].twice = todo.twice[i]
			err := bug.Guard(func() error {
				c.exportOne(running, job, windows[i], &ends[i])
				return ends[i].err
			})
			ends[i].err = err // a bug ends the window, not the process
			o := classify(err)
			switch {
			case o.Code == exitOK:
			case !o.alone():
				stop(&siblingError{name})
			case o.Code == exitPending:
				a.log.Info("a window's export task still runs", "window", name, "what", oneLine(o.Message))
			case len(windows) > 1:
				a.log.Warn("a window failed; the others go on", "window", name, "code", o.Code, "error", oneLine(o.Message), "hint", o.Hint)
			}
			ended <- o
		}()
	}
	for active > 0 {
		await()
	}
	for _, x := range todo.sealed {
		e := c.sealedEnd(ctx, todo.claims, job, x)
		c.makeKnown(ctx, &e, x.window.Run)
		ends, windows = append(ends, e), append(windows, x.window)
	}
	counted := map[string]bool{} // runs whose rows the result has already
	for _, w := range windows {
		counted[w.Run] = true
	}
	for _, x := range todo.covered {
		e := c.coveredEnd(x, counted)
		c.makeKnown(ctx, &e, e.covered...)
		ends, windows = append(ends, e), append(windows, x.window)
	}
	ends, windows = inOrder(ends, windows)
	drift, unknown, coerced := &schema.Drift{}, 0, int64(0)
	for i, e := range ends {
		if !e.begun {
			a.result.add(notBegun(windows[i]))
		} else {
			a.result.add(e.result())
			drift.Merge(e.report.Drift)
			unknown, coerced = max(unknown, e.unknown), coerced+e.coerced
		}
	}
	a.result.drift(drift)
	a.result.UnknownFields = max(a.result.UnknownFields, unknown) // many of them are the same in every window
	a.result.CoercedValues += coerced
	if err := conclude(ctx, ends, windows); err != nil {
		return err
	}
	return a.judgeEmpty(c.SkipEmpty)
}

// makeKnown registers runs that are complete, with --register. That it failed is told unless there is worse.
func (c *exportCmd) makeKnown(ctx context.Context, e *windowEnd, runs ...string) {
	if c.registrar == nil || ctx.Err() != nil {
		return
	}
	if err := c.registrar.register(ctx, runs...); err != nil && e.err == nil {
		e.err = interrupted(ctx, err)
	}
}

// inOrder sorts the ends of windows by their time.
func inOrder(ends []windowEnd, windows []pipeline.Window) ([]windowEnd, []pipeline.Window) {
	indexes := make([]int, len(windows))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortStableFunc(indexes, func(i, j int) int { return windows[i].Request.Start.Compare(windows[j].Request.Start) })
	sortedEnds, sorted := make([]windowEnd, len(windows)), make([]pipeline.Window, len(windows))
	for to, from := range indexes {
		sortedEnds[to], sorted[to] = ends[from], windows[from]
	}
	return sortedEnds, sorted
}

// exportOne runs a window to its end, judges it, and registers it if that is wanted.
func (c *exportCmd) exportOne(ctx context.Context, job *pipeline.Job, w pipeline.Window, end *windowEnd) {
	report, err := job.Export(ctx, w)
	*end = c.judged(ctx, w, windowEnd{begun: true, report: report, err: err, twice: end.twice})
	if end.report.Complete {
		c.makeKnown(ctx, end, w.Run)
	}
}

// judged is the end of a window as its users see it.
func (c *exportCmd) judged(ctx context.Context, w pipeline.Window, e windowEnd) windowEnd {
	var task *pipeline.TaskError
	var api *source.Error
	switch {
	case errors.As(e.err, &task):
		e.err = &statusError{exitTask, task.Error(), c.hintFailed(w, e.report)}
		// A signal that came at the same time changes nothing: the window is at its end.
	case errors.Is(e.err, pipeline.ErrMissing) && e.report.Rows+e.report.Rejected == 0:
		e.err = &statusError{exitMismatch, e.err.Error(), fmt.Sprintf("the collector delivers none of the results that were paid for; inspect it with `%s`, and quote task %s to support "+
			"before anything is bought again", commandText(c.compose.collector(e.report.Collector)), e.report.TaskID)}
	case errors.As(e.err, &api) && (api.Class == source.ClassExpired || api.Class == source.ClassAmbiguous):
		told := *api
		told.Hint = cmp.Or(told.Hint, byCode(int(api.Class)).Hint)
		if api.Class == source.ClassExpired && !c.Refetch {
			told.Hint += fmt.Sprintf("; --accept 43 takes the %s already published as they are", rowsText(e.report.Rows))
		}
		told.Hint += "; to buy this window again: " + c.buyAgain(w)
		e.err = interrupted(ctx, &told)
	case e.err != nil:
		e.err = interrupted(ctx, mendable(nearSource(ctx, c.api, w.Request, e.err)))
	default:
		if e.err = c.judge(e.report); e.err == nil && e.report.Truncated && !c.accepts(exitTruncated) {
			e.err = &statusError{exitTruncated, fmt.Sprintf("the export ended at its limit of %d results", e.report.Asked.Limit), c.hintTruncated(w, e.report)}
		}
	}
	return e
}

// order is the order in which windows run. What was begun comes first: its results are paid for, they expire, and
// a retry may be all it needs. What failed in a way that a retry does not mend comes last.
func order(held []held) []int {
	indexes := make([]int, len(held))
	for i := range indexes {
		indexes[i] = i
	}
	rank := func(i int) int {
		switch h := held[i]; {
		case h.failed && !h.complete:
			return 2
		case h.begun && !h.complete:
			return 0
		}
		return 1
	}
	slices.SortStableFunc(indexes, func(i, j int) int { return cmp.Compare(rank(i), rank(j)) })
	return indexes
}

// result is a window of the result line.
func (e windowEnd) result() windowResult {
	w := window(e.report)
	w.Twice = e.twice
	if len(e.covered) > 0 {
		w.Status, w.Runs = "covered", e.covered
		if len(e.covered) == 1 {
			w.Run = e.covered[0]
		}
	}
	if sibling := (*siblingError)(nil); errors.As(e.err, &sibling) {
		w.Error = &resultError{Code: codeStopped, Message: sibling.Error(), Retryable: true, Hint: hintStopped}
	} else if e.err != nil {
		w.Error = classify(e.err).failure()
	}
	return w
}

// codeStopped is the code of a window that the run left, for a reason that is not its own.
const codeStopped = "stopped"

// notBegun is a window of the result line whose time is not covered, because the run ended before it came to it.
func notBegun(x pipeline.Window) windowResult {
	w := window(pipeline.Report{Start: x.Request.Start, Stop: x.Request.Stop, Run: x.Run})
	w.Error = &resultError{Code: codeStopped, Message: "not begun", Retryable: true, Hint: hintStopped}
	return w
}

// verdict is how a run of several windows ended.
type verdict struct{ outcome outcome }

func (v *verdict) Error() string { return v.outcome.Message }

// conclude settles how the run ended. If any window can advance by a retry the code is that of the first such
// window, else that of the first failed one. A signal that cut the run short is such a failure of every window that
// it stopped or kept from beginning, but not where another failure keeps them from advancing: one that concerns all
// windows and that a retry does not mend. The message has every reason.
func conclude(ctx context.Context, ends []windowEnd, windows []pipeline.Window) error {
	var failures []outcome
	cut, missing := false, false // cut: a signal stopped a window, or kept it from beginning
	var sig *signalError
	signalled := ctx.Err() != nil && errors.As(context.Cause(ctx), &sig)
	for i, e := range ends {
		var sibling *siblingError
		var alone *signalError
		var both *stoppedError
		switch {
		case !e.begun, errors.As(e.err, &alone):
			cut, missing = cut || signalled, true
			continue
		case e.err == nil, errors.As(e.err, &sibling):
			continue
		case errors.As(e.err, &both):
			cut = true
			if len(ends) > 1 {
				e.err = both.also // the signal is told once, below
			}
		}
		o := classify(e.err)
		if len(ends) > 1 {
			o.Message = "window " + pipeline.PartitionName(windows[i].Request.Start) + ": " + o.Message
		}
		failures = append(failures, o)
	}
	switch {
	case len(failures) > 0:
	case cut:
		return sig
	case missing:
		return context.Cause(ctx)
	default:
		return nil
	}
	which := slices.IndexFunc(failures, func(o outcome) bool { return o.Retryable })
	if cut && len(ends) > 1 {
		which = slices.IndexFunc(failures, func(o outcome) bool { return !o.Retryable && !o.alone() })
		if which < 0 {
			failures = slices.Insert(failures, 0, classify(sig))
			which = 0
		} else {
			failures[which].Message = sig.Error() + "; also: " + failures[which].Message
		}
	}
	which = max(which, 0)
	v := &verdict{failures[which]}
	v.outcome.Message = others(v.outcome.Message, slices.Delete(failures, which, which+1))
	return v
}

// told is how many further failures one message tells; the windows of the result have all of them.
const told = 2

func others(message string, failures []outcome) string {
	var b strings.Builder
	b.WriteString(message)
	for i, o := range failures {
		if i == told {
			fmt.Fprintf(&b, "; and %d more, see windows", len(failures)-i)
			break
		}
		b.WriteString("; also: " + o.Message)
	}
	return b.String()
}
