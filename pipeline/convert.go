package pipeline

import (
	"context"
	"errors"
	"fmt"

	"tw2parquet/schema"
)

// Recorded says of a complete conversion what it was made from.
type Recorded struct {
	// File is a hash of the file's path, size and time, "" for a pipe: while it stays the same, so does the
	// recording. The path itself may hold a token, where a program named the file after a URL.
	File string `json:"file,omitempty"`
	From string `json:"from,omitempty"` // the position where an earlier run ends, which this one continues
	To   string `json:"to"`             // the position up to which it was read
	Cut  string `json:"cut,omitempty"`  // why it was not whole, and was accepted
}

// Conversion moves one recorded stream into an output, offline.
type Conversion struct {
	Batches  Batches   // continues where the output ends
	Recorded *Recorded // complete once Batches has ended
	Output   Output
	RowGroup RowGroup
	Workers  int
	Observe  func(Event)
}

// Run converts to the end and leaves the manifest. Nothing is published twice when it is run again
// behind the same output.
func (c *Conversion) Run(ctx context.Context, w Window) (Report, error) {
	r := Report{Run: w.Run, Drift: &schema.Drift{}}
	if err := r.tally(c.Output); err != nil {
		return r, err
	}
	var err error
	if r.Complete, err = r.recall(c.Output); err != nil || r.Complete {
		return r, err
	}
	j := Job{Observe: c.Observe}
	from, next := c.Output.Position()
	flow := &Flow{
		Batches: c.Batches, Sink: c.Output, RowGroup: c.RowGroup, Workers: c.Workers, From: from, Next: next,
		OnAppend: func(n Counts) { j.observe(Event{Window: w, Counts: &n}) },
		OnCut:    func() { j.observeFile(w, c.Output) },
	}
	o, err := flow.Run(ctx)
	files := len(c.Output.Files())
	switch {
	case err != nil:
		err = errors.Join(err, j.seal(ctx, w, c.Output, o, next))
	default:
		if err = c.Output.Finish(ctx, o.Offset, o.Next, o.Notes); err == nil && len(c.Output.Files()) > files {
			j.observeFile(w, c.Output)
		}
	}
	if terr := r.tally(c.Output); err == nil {
		err = terr
	}
	if err != nil {
		return r, err
	}
	r.Recorded = c.Recorded
	return r, r.complete(ctx, c.Output)
}

// complete checks that nothing was lost between the stream and the files, and leaves the manifest.
func (r *Report) complete(ctx context.Context, out Output) error {
	if _, next := out.Position(); next != r.Rows+r.Rejected {
		return fmt.Errorf("%w: the files end at result %d, and hold %d rows and %d rejects", ErrConservation, next, r.Rows, r.Rejected)
	}
	report, err := jsonText(r)
	if err != nil {
		return fmt.Errorf("encode the manifest's report: %w", err)
	}
	if err := out.Complete(ctx, report); err != nil {
		return err
	}
	r.Complete = true
	return nil
}
