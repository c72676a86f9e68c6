package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"tw2parquet/source"
)

// view reads the log and holds it against the runs that are there. It reads of a run only what neither its log nor the
// names of its records tell.
func (c *Claims) view(ctx context.Context, listing Listing) (*view, error) {
	v := &view{listing: listing, log: newClaimLog(Window{Request: c.Ask.Range, Host: c.Ask.Host}.Asking().Asked),
		holdings: map[string]*Holding{}, traces: map[string]source.Trace{}}
	if err := v.log.read(ctx, listing); err != nil {
		return nil, err
	}
	for _, id := range listing.Runs() {
		if v.log.others[id] {
			continue
		}
		if err := c.place(ctx, v, id, listing.Run(id)); err != nil {
			return nil, err
		}
	}
	var missing []*Holding
	for id, h := range v.log.runs {
		switch {
		case v.holdings[id] != nil:
		case h.Standing == RunComplete:
			missing = append(missing, h)
		default:
			kept := *h
			v.holdings[id] = &kept
		}
	}
	return v, c.recheck(ctx, v, missing)
}

// recheck looks again for runs that are complete by the log and were not in the listing: they may have been written
// while it was made. What is not there then was taken away by hand.
func (c *Claims) recheck(ctx context.Context, v *view, missing []*Holding) error {
	if len(missing) == 0 {
		return nil
	}
	again, err := c.Archive.Look(ctx)
	if err != nil {
		return err
	}
	for _, h := range missing {
		held := again.Run(h.Run)
		if held == nil || len(held.Records()) == 0 {
			c.logger().Warn("a run that was complete is not in the output any more, so its time counts as a gap", "run", h.Run)
			continue
		}
		if err := c.place(ctx, v, h.Run, held); err != nil {
			return err
		}
	}
	return nil
}

// place finds out how far a run is that has a directory.
func (c *Claims) place(ctx context.Context, v *view, id string, held HeldRun) error {
	logged := v.log.runs[id]
	dropping, dropped := held.Dropped()
	if logged == nil && !asked(held) {
		return nil // a conversion, or nothing yet
	}
	var h *Holding
	known := logged != nil && (logged.Standing == RunComplete && logged.Seal != "" || !held.Finished() || dropping || dropped)
	if known {
		kept := *logged
		h = &kept
	} else {
		r, err := askingOf(ctx, id, held)
		switch {
		case errors.Is(err, fs.ErrPermission):
			c.logger().Warn("cannot read what a run of another user asked for; if it is of the same source, its time is bought again", "run", id, "error", err)
		case err != nil:
			return err
		}
		if r.Run != id || r.Asked.SourceID() != v.log.id {
			if r.Run != "" {
				v.others = append(v.others, id)
			}
			return nil
		}
		h = holdingOf(Asking{r.Start, r.Stop, r.Run, r.Asked}, RunClaimed)
		if held.Finished() {
			h.complete(r)
		}
		if logged != nil {
			h.Owner = logged.Owner
		}
	}
	v.holdings[id] = h
	standing, t, err := standingOf(ctx, held)
	if err != nil {
		return err
	}
	h.Standing = standing
	if t.Next > 0 {
		v.traces[id] = t
	}
	if logged != nil && logged.Standing == h.Standing && logged.Seal != h.Seal {
		v.sealed = append(v.sealed, h.logged())
	}
	if logged == nil || logged.Standing != h.Standing && h.Standing != RunBegun && h.Standing != RunDropping {
		l := h.logged()
		if h.Standing == RunBegun || h.Standing == RunDropping {
			l.Standing = RunClaimed
		}
		v.learned = append(v.learned, l)
	}
	return nil
}

// asked tells whether a run's directory says what it was asked for.
func asked(held HeldRun) bool {
	dropping, dropped := held.Dropped()
	return dropping || dropped || slices.Contains(held.Records(), RequestRecord)
}

// standingOf is how far a run is that has a directory. The names of its records tell, except for intents: the trace is of
// those, and empty where they were not read.
func standingOf(ctx context.Context, held HeldRun) (Standing, source.Trace, error) {
	dropping, dropped := held.Dropped()
	records := held.Records()
	switch {
	case dropped:
		return RunDropped, source.Trace{}, nil
	case dropping:
		return RunDropping, source.Trace{}, nil
	case held.Finished():
		return RunComplete, source.Trace{}, nil
	case slices.Contains(records, source.TaskRecord):
		return RunBegun, source.Trace{}, nil
	case !slices.ContainsFunc(records, source.IsIntent):
		return RunClaimed, source.Trace{}, nil
	}
	t, err := trace(ctx, held)
	switch {
	case err != nil:
		return "", t, err
	case t.Begun:
		return RunBegun, t, nil
	case t.Void:
		return RunVoid, t, nil
	}
	return RunClaimed, t, nil
}

// askingOf is what a run was asked for: as its manifest says, where it has one, else as it was written down before
// anything was bought. errors.Is(err, fs.ErrPermission) for a run of another user, whose records are private: it is nobody's,
// as far as can be told.
func askingOf(ctx context.Context, id string, held HeldRun) (Report, error) {
	var r Report
	err := fs.ErrNotExist
	var text []byte
	if held.Finished() {
		if text, err = held.Report(ctx); err == nil {
			if err = json.Unmarshal(text, &r); err == nil {
				r.Seal, err = held.Listed(ctx)
			}
		}
	}
	for _, name := range []string{DroppingRecord, DroppedRecord, RequestRecord} {
		if err != nil && ctx.Err() == nil && slices.Contains(held.Records(), name) {
			r = Report{}
			if text, err = held.Record(ctx, name, maxRecordBytes); err == nil {
				err = json.Unmarshal(text, &r)
			}
		}
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return r, nil
	case errors.Is(err, fs.ErrPermission):
		return Report{}, err
	case errors.As(err, &syntax) || errors.As(err, &kind):
		return r, &source.Error{Class: source.ClassForeign, Message: fmt.Sprintf("%s of run %s cannot be read, so it cannot be told what the output covers: %v", RequestRecord, id, err),
			Hint: "nothing was bought; restore that record, or choose another output"}
	}
	return r, err
}
