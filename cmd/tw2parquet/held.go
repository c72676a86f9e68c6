package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// held is what an output holds of a run.
type held struct {
	complete bool // it has a manifest
	bought   bool // for certain: its task is known
	begun    bool
	failed   bool // in a way that a retry does not mend
}

// holdings is what an output holds before a command writes to it: nothing where there is no output yet.
type holdings struct {
	*dataset.Dataset
	err error // why not all of it can be told
}

// openHoldings lists an output. What cannot be told of one on a disk is told in err, since the run may still go well.
// An object store that cannot be listed will not do.
func openHoldings(ctx context.Context, to *destination) (*holdings, error) {
	s, err := to.use(ctx, false)
	var d *dataset.Dataset
	if err == nil {
		d, err = dataset.Open(ctx, s)
	}
	switch {
	case err != nil && to.remote():
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		return &holdings{Dataset: &dataset.Dataset{}}, nil
	case err != nil:
		return &holdings{Dataset: &dataset.Dataset{}, err: err}, nil
	}
	for _, t := range d.Trouble {
		if _, _, ok := sink.StateName(t.Name); ok {
			err = errors.Join(err, t.Err)
		}
	}
	return &holdings{Dataset: d, err: err}, nil
}

// of is what the output holds of the windows' runs, from the names of their records.
func (h *holdings) of(windows []pipeline.Window) []held {
	all := make([]held, len(windows))
	for i, w := range windows {
		if r := h.Run(w.Run); r != nil {
			all[i] = heldOf(r)
		}
	}
	return all
}

// untouched tells whether the listing, which must be a whole one, shows nothing of a run.
func (h *holdings) untouched(run string) bool {
	return h.err == nil && h.Run(run) == nil && !slices.ContainsFunc(h.Strays, func(e store.Entry) bool {
		of, _, _, _ := sink.PartOf(path.Base(e.Name))
		return of == run
	})
}

func heldOf(r *dataset.Run) held {
	return held{complete: r.Finished(), bought: r.Has(source.TaskRecord), begun: r.Has(pipeline.RequestRecord), failed: r.Has(pipeline.FailureRecord)}
}

// maxRecord bounds what is read of a record; ours are shorter, whatever the query.
const maxRecord = 1 << 20

// purchases are the requests that an output has bought, complete or not. What could not be read is an error
// beside the others.
func (h *holdings) purchases(ctx context.Context) ([]pipeline.Asking, error) {
	all, bad := []pipeline.Asking{}, h.err
	for _, r := range h.Runs {
		if x := heldOf(r); !x.complete && !x.bought || !x.begun { // not begun: a conversion
			continue
		}
		var asking pipeline.Asking
		text, err := r.Record(ctx, pipeline.RequestRecord, maxRecord)
		if err == nil {
			if err = json.Unmarshal(text, &asking); err != nil {
				err = fmt.Errorf("read %s of run %s: %w", pipeline.RequestRecord, r.ID, err)
			}
		}
		switch {
		case err != nil:
			bad = errors.Join(bad, err)
		case asking.Run == r.ID:
			all = append(all, asking)
		}
	}
	return all, bad
}
