package pipeline

import (
	"context"
	"slices"
	"time"

	"tw2parquet/source"
)

// Beside is what another source of the same project holds of the time of windows that are to be bought.
type Beside struct {
	Source      Asked
	Start, Stop time.Time // of what is common
	Windows     int
	Credits     int64 // that they may cost
}

// Beside finds other sources, by their logs, that may bring the same documents as the windows. All of them belong to the
// ask.
func (c *Claims) Beside(ctx context.Context, from Listing, buy []Window) (all []Beside, err error) {
	ours := buy[0].Asking().Asked.Source()
	if ours.Kind != source.KindProject {
		return nil, nil
	}
	for _, id := range from.Sources() {
		if id == ours.SourceID() {
			continue
		}
		log := &claimLog{id: id, runs: map[string]*Holding{}, others: map[string]bool{}}
		if err := log.read(ctx, from); err != nil {
			return all, err
		}
		if !log.source.meets(ours) {
			continue
		}
		b := Beside{Source: log.source}
		for _, w := range buy {
			start, stop := w.Request.Start, w.Request.Stop
			common := false
			for _, h := range log.runs {
				if h.Standing == RunComplete && h.overlaps(start, stop) {
					common = true
					from, to := later(h.Start, start), earlier(h.Stop, stop)
					if b.Windows == 0 && b.Stop.IsZero() {
						b.Start, b.Stop = from, to
					}
					b.Start, b.Stop = earlier(b.Start, from), later(b.Stop, to)
				}
			}
			if common {
				b.Windows++
				b.Credits += int64(w.Request.Limit)
			}
		}
		if b.Windows > 0 {
			all = append(all, b)
		}
	}
	return all, nil
}

// meets tells whether two sources of one project may bring the same documents: neither topics nor datasets keep them
// apart.
func (a Asked) meets(b Asked) bool {
	common := func(x, y []string) bool {
		return len(x) == 0 || len(y) == 0 || slices.ContainsFunc(x, func(id string) bool { return slices.Contains(y, id) })
	}
	return a.Host == b.Host && a.Kind == b.Kind && a.Project == b.Project && common(a.Topics, b.Topics) && common(a.Datasets, b.Datasets)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
