package sink

import (
	"context"
	"path"

	"tw2parquet/sink/store"
)

// runDir is a run's directory as one listing found it: one request, where each of these would take its own.
type runDir struct {
	manifest store.Entry // the one that counts
	number   int         // of it; -1: there is none
	rejects  map[string]store.Entry
	dropped  string // the record that says so, if the run is being dropped or was
}

func (o *Output) listDir(ctx context.Context) (*runDir, error) {
	d := &runDir{number: -1, rejects: map[string]store.Entry{}}
	for e, err := range o.store.List(ctx, o.layout.runDir()+"/") {
		base := path.Base(e.Name)
		k, manifest := o.layout.manifestNumber(base)
		_, rejects := rejectsOf(base)
		in := path.Dir(e.Name) == o.layout.runDir()
		if err != nil && in && !manifest && !rejects && base != DroppingRecord && base != DroppedRecord {
			continue // a name that is not looked for cannot be looked at
		}
		switch {
		case err != nil:
			return nil, err
		case in && (base == DroppedRecord || base == DroppingRecord && d.dropped == ""):
			d.dropped = e.Name
		case in && manifest && k > d.number:
			d.manifest, d.number = e, k
		case in && rejects && e.Regular:
			d.rejects[e.Name] = e
		}
	}
	return d, nil
}
