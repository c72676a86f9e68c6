package pipeline

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tw2parquet/pipeline/bug"
	"tw2parquet/source"
)

// Account is what the records of an output say of one run.
type Account struct {
	Report
	// Standing is "" of what was not bought and is not complete, such as a conversion that was stopped. Of such runs
	// Asked.Kind is "" too.
	Standing Standing
	// Failed says that the run ended in a way that a retry does not mend.
	Failed bool
	// Bought is when its export task was created, by the server's clock; zero if that is not written down, or not needed
	// because Ended is.
	Bought time.Time
	// Trouble is why not all of this could be read.
	Trouble error
}

// Exported tells whether the run is one of an export.
func (a *Account) Exported() bool { return a.Asked.Kind != "" }

// holding is the account as coverage takes it.
func (a *Account) holding() *Holding {
	h := holdingOf(Asking{a.Start, a.Stop, a.Run, a.Asked}, a.Standing)
	h.Rows, h.Rejected, h.Truncated = a.Rows, a.Rejected, a.Truncated
	return h
}

// accountants is how many runs are read at the same time: each takes a request or two of a store that may be far away.
const accountants = 16

// Census gives the accounts of all runs of a listing, by source, start and generation, and of those that somebody is about
// to buy and that have no directory yet. One of which not all can be read says so, and so do the errors about whole logs.
// err is for a context that ended, and for a bug.
func Census(ctx context.Context, from Listing) (all []Account, logs []error, err error) {
	ids := from.Runs()
	all = make([]Account, len(ids))
	var group errgroup.Group
	group.SetLimit(accountants)
	for i, id := range ids {
		held := from.Run(id)
		group.Go(func() error {
			return bug.Guard(func() error {
				all[i] = accountOf(ctx, id, held)
				return nil
			})
		})
	}
	if err := group.Wait(); err != nil { // a bug: the accounts have the errors
		return nil, nil, err
	}
	for _, id := range from.Sources() {
		log := &claimLog{id: id, runs: map[string]*Holding{}, others: map[string]bool{}}
		if err := log.read(ctx, from); err != nil {
			logs = append(logs, err)
		}
		for run, h := range log.runs {
			switch {
			case from.Run(run) != nil:
			case h.Standing == RunClaimed:
				asked := log.source
				asked.Limit, asked.Generation = h.Limit, h.Generation
				all = append(all, Account{Standing: RunClaimed, Report: Report{Run: run, Start: h.Start, Stop: h.Stop, Asked: asked, Collector: source.CollectorID(run)}})
			case h.Standing == RunComplete:
				logs = append(logs, fmt.Errorf("run %s was complete, and is not in the output any more: its time counts as a gap", run))
			}
		}
	}
	slices.SortFunc(all, func(a, b Account) int {
		return cmp.Or(strings.Compare(sourceOrder(a), sourceOrder(b)), a.Start.Compare(b.Start), cmp.Compare(a.Asked.Generation, b.Asked.Generation), strings.Compare(a.Run, b.Run))
	})
	return all, logs, context.Cause(ctx)
}

// sourceOrder puts the runs of a source together, and those that have none last.
func sourceOrder(a Account) string {
	if !a.Exported() {
		return "~"
	}
	return a.Asked.SourceID()
}

func accountOf(ctx context.Context, id string, held HeldRun) (a Account) {
	a.Run = id
	if held.Finished() {
		text, err := held.Report(ctx)
		if err == nil {
			err = json.Unmarshal(text, &a.Report)
		}
		a.Trouble = err
	}
	if !held.Finished() || a.Trouble != nil {
		r, err := askingOf(ctx, id, held)
		a.Report, a.Trouble = r, errors.Join(a.Trouble, err)
	}
	a.Run, a.Drift = id, nil
	switch {
	case asked(held):
		standing, _, err := standingOf(ctx, held)
		a.Standing, a.Trouble = standing, errors.Join(a.Trouble, err)
		a.Collector = source.CollectorID(id)
	case held.Finished():
		a.Standing = RunComplete
	}
	if a.Standing != RunBegun && !a.Ended.IsZero() {
		return a
	}
	records := held.Records()
	if a.Standing == RunBegun && slices.Contains(records, FailureRecord) {
		a.Failed = true
		a.Trouble = errors.Join(a.Trouble, readInto(ctx, held, FailureRecord, &a.Report))
		a.Run, a.Drift = id, nil
	}
	if slices.Contains(records, source.TaskRecord) {
		text, err := held.Record(ctx, source.TaskRecord, maxRecordBytes)
		if err == nil {
			var t source.Task
			t, err = source.BoughtAs(text)
			a.TaskID, a.Bought = cmp.Or(a.TaskID, t.ID), t.Created
		}
		a.Trouble = errors.Join(a.Trouble, err)
	}
	return a
}

// readInto reads a record over what is known already.
func readInto(ctx context.Context, held HeldRun, name string, into any) error {
	text, err := held.Record(ctx, name, maxRecordBytes)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

// Coverage is what an output covers of one source.
type Coverage struct {
	Source Asked
	ID     string
	// Start and Stop are those of all its runs, dropped ones too.
	Start, Stop time.Time
	// Pieces leave nothing of that out: runs that are complete cover a piece, or are begun or claimed, or it is a gap.
	Pieces []Piece
}

// Coverages say of each source of the accounts, which are sorted, what is covered of it.
func Coverages(all []Account) (sources []Coverage) {
	var holdings []*Holding
	end := func() {
		if len(holdings) == 0 {
			return
		}
		c := &sources[len(sources)-1]
		c.Pieces = Cover([]source.Request{{Start: c.Start, Stop: c.Stop, Generation: 1}}, holdings, func(*Holding) bool { return true })
		holdings = nil
	}
	for i := range all {
		a := &all[i]
		if !a.Exported() || !a.Start.Before(a.Stop) || a.Standing == RunVoid {
			continue
		}
		id := a.Asked.SourceID()
		if len(sources) == 0 || sources[len(sources)-1].ID != id {
			end()
			sources = append(sources, Coverage{Source: a.Asked.Source(), ID: id, Start: a.Start, Stop: a.Stop})
		}
		c := &sources[len(sources)-1]
		c.Start, c.Stop = earlier(c.Start, a.Start), later(c.Stop, a.Stop)
		holdings = append(holdings, a.holding())
	}
	end()
	return sources
}
