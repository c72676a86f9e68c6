package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/dataset"
	"tw2parquet/source"
)

// owned is a run that an output has bought of a source.
type owned struct {
	pipeline.Asking
	held            *dataset.Run
	complete        bool
	rows, processed int64
	files, bytes    int64
}

// ownedOf are the runs of the request's source that the output has bought, in the request's generation or a later
// one, by their start. What could not be read is an error beside the others.
func (h *holdings) ownedOf(ctx context.Context, host string, r source.Request) ([]owned, error) {
	if h.Dataset == nil { // no output is named
		return nil, h.err
	}
	asking := pipeline.Window{Request: r, Host: host}.Asking()
	there, bad := h.purchases(ctx)
	var all []owned
	for _, p := range there {
		whole := p // the same source, at any time
		whole.Start, whole.Stop = asking.Start, asking.Stop
		if !asking.Overlaps(whole) || max(p.Asked.Generation, 1) < r.Generation {
			continue
		}
		o := owned{Asking: p, held: h.Run(p.Run)}
		m, err := o.held.Manifest(ctx)
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		if o.complete = m != nil; o.complete {
			report, err := reportOf(m.Report)
			if err != nil {
				bad = errors.Join(bad, err)
				continue
			}
			o.rows, o.processed, o.files, o.bytes = m.Rows, max(report.Processed, m.Rows+m.Rejected), int64(len(m.Files)), m.Bytes
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b owned) int {
		return cmp.Or(a.Start.Compare(b.Start), b.Stop.Compare(a.Stop), cmp.Compare(a.Asked.Generation, b.Asked.Generation))
	})
	return all, bad
}

// newest leaves out the runs whose window a later generation has bought again.
func newest(all []owned) []owned {
	return slices.DeleteFunc(slices.Clone(all), func(o owned) bool {
		return slices.ContainsFunc(all, func(n owned) bool {
			return n.complete && n.Asked.Generation > o.Asked.Generation && !n.Start.After(o.Start) && !n.Stop.Before(o.Stop)
		})
	})
}

// coveredBy tells whether complete runs, together, hold all of a range. They must be sorted by their start.
func coveredBy(all []owned, r source.Request) bool {
	at := r.Start
	for _, o := range all {
		if o.complete && !o.Start.After(at) && o.Stop.After(at) {
			at = o.Stop
		}
	}
	return !at.Before(r.Stop)
}

// windowStates tells how far each window is: covered by complete runs of the same source, begun by its own request, in
// this output or on the server, or still to buy. It is free. A window that is covered in part is to buy.
//
// This is the one place that a plan learns from what was bought.
func windowStates(ctx context.Context, api *source.Client, all []owned, windows []pipeline.Window) ([]pipeline.State, error) {
	states := make([]pipeline.State, len(windows))
	left := 0
	for i, w := range windows {
		own := slices.IndexFunc(all, func(o owned) bool { return o.Run == w.Run })
		switch {
		case coveredBy(all, w.Request):
			states[i] = pipeline.StateCovered
		case own >= 0:
			states[i] = pipeline.StateBegun
		default:
			states[i] = pipeline.StateToBuy
			left++
		}
	}
	if left == 0 {
		return states, nil
	}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	targets := map[string]bool{}
	for _, t := range tasks {
		targets[t.Target] = true
	}
	for i, w := range windows {
		if states[i] == pipeline.StateToBuy && targets[source.CollectorID(w.Run)] {
			states[i] = pipeline.StateBegun
		}
	}
	return states, nil
}

// apart are the windows of what an output has of a range, complete or begun, and the gaps between them. The
// runs must be sorted by their start; of those that overlap the first counts, which starts earliest.
func apart(all []owned, r source.Request) (held []pipeline.Window, gaps []source.Request) {
	at := r.Start
	gap := func(until time.Time) {
		if at.Before(until) {
			g := r
			g.Start, g.Stop = at, until
			gaps = append(gaps, g)
		}
	}
	for _, o := range all {
		if !o.Start.Before(r.Stop) || !o.Stop.After(at) {
			continue
		}
		w := r
		w.Start, w.Stop, w.Limit, w.Generation = o.Start, o.Stop, o.Asked.Limit, o.Asked.Generation
		held = append(held, pipeline.Window{Request: w, Host: o.Asked.Host, Run: o.Run})
		gap(o.Start)
		at = o.Stop
	}
	gap(r.Stop)
	return held, gaps
}

// partly counts the windows to buy of which an output has a part.
func partly(all []owned, windows []pipeline.Window, states []pipeline.State) int {
	n := 0
	for i, w := range windows {
		if states[i] == pipeline.StateToBuy && slices.ContainsFunc(all, func(o owned) bool {
			return o.Start.Before(w.Request.Stop) && w.Request.Start.Before(o.Stop)
		}) {
			n++
		}
	}
	return n
}

// writtenBy is what complete runs wrote.
func writtenBy(all []owned) pipeline.Written {
	var w pipeline.Written
	for _, o := range all {
		if o.complete {
			w.Add(o.rows, o.files, o.bytes)
		}
	}
	return w
}

// when is a moment, or nothing for one that does not exist.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}

// moment is an instant for people: as short as it is exact.
func moment(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.Format(time.DateOnly)
	case t.Equal(t.Truncate(time.Minute)):
		return t.Format("2006-01-02 15:04")
	}
	return t.Format("2006-01-02 15:04:05.999")
}

// reportOf is what a manifest says of a run.
func reportOf(raw json.RawMessage) (pipeline.Report, error) {
	var r pipeline.Report
	err := json.Unmarshal(raw, &r)
	return r, err
}
