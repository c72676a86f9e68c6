package pipeline

import (
	"context"
	"errors"
	"fmt"

	"tw2parquet/source"
)

// refetch writes the files that are missing or damaged again. Each hole in the chain lies between two
// offsets: what the collector gives from the one to the other are the rows that were there, though not
// always in the same order. It is free, and nothing is bought for it.
func (j *Job) refetch(ctx context.Context, w Window, out Output, r *Report, a source.Acquired, damage error) error {
	j.log().Warn("reading results again", "run", w.Run, "because", damage)
	if err := out.Mend(); err != nil {
		return err
	}
	for {
		offset, next, ok := out.Gap()
		if !ok {
			return r.tally(out)
		}
		o := Outcome{Offset: offset, Next: next}
		if _, from := out.Position(); next > from {
			var err error
			_, o, err = j.flow(ctx, w, out, source.StreamConfig{Ending: source.OffsetReached{Offset: offset, Results: next}, Expires: a.Expires})
			if err != nil {
				return r.gone(damage, err) // what was appended is discarded: it would be no whole file
			}
		}
		if err := j.finish(ctx, w, out, o); err != nil {
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
		return fmt.Errorf("%w; the same request into another output reads all of it again, for free; here it is about: %s", err, damage.Error())
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
