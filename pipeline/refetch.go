package pipeline

import (
	"context"
	"errors"
	"fmt"

	"tw2parquet/source"
)

// Mending is how an output's missing and damaged files are written again.
type Mending interface {
	// Damage names the files that have to be written again; nil if there are none.
	Damage() error
	// Mend begins to write them again. From here on Gap tells where what is missing ends.
	Mend() error
	// Gap is the next place in the chain of files that misses some: what lies between Position and
	// (offset, next). ok is false when nothing is missing.
	Gap() (offset string, next int64, ok bool)
}

// refetch writes the files that are missing or damaged again. Each hole in the chain lies between two
// offsets: what the collector gives from the one to the other are the rows that were there, though not
// always in the same order. It is free, and nothing is bought for it.
func (x *export) refetch(ctx context.Context, a source.Acquired, damage error) error {
	x.log.Warn("reading results again", "run", x.window.Run, "because", damage)
	if err := x.out.Mending.Mend(); err != nil {
		return err
	}
	for {
		offset, next, ok := x.out.Mending.Gap()
		if !ok {
			return x.tally()
		}
		o := Outcome{Offset: offset, Next: next}
		if _, from := x.out.Chain.Position(); next > from {
			var err error
			o, err = x.mover.stream(ctx, x.job.API.Stream, source.StreamConfig{Ending: source.OffsetReached{Offset: offset, Results: next}, Expires: a.Expires})
			if err != nil {
				return x.report.gone(damage, err) // what was appended is discarded: it would not be a whole file
			}
		}
		if err := x.mover.finish(ctx, o); err != nil {
			return err
		}
	}
}

// gone says of a failure to read again which files it leaves as they are, and what would help.
func (r *Report) gone(damage, err error) error {
	var e *source.Error
	switch {
	case damage == nil:
		return err
	case errors.Is(err, source.ErrReplay):
		// The damage is told, not wrapped: reading it again is what failed.
		return fmt.Errorf("%w; the same request into another output reads all of it again, for free; damaged here: %s", err, damage.Error())
	case errors.As(err, &e) && (e.Class == source.ClassExpired || e.Class == source.ClassRejected):
		lost := *e
		lost.Message += "; this cannot be read again: " + damage.Error()
		if lost.Hint == "" {
			lost.Hint = fmt.Sprintf("results are kept for 7 days; buying all of them again takes --generation %d and costs about %d credits",
				r.Asked.Generation+1, max(r.Processed, r.Rows+r.Rejected))
		}
		return &lost
	}
	return err
}
