package pipeline

import (
	"context"

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
	Batches   Batches   // continues where the output ends
	Recorded  *Recorded // complete once Batches has ended
	Output    Output    // only its Sink, Chain and Manifest
	Records   Records
	Pool      *Pool             // nil: one of its own
	Labels    map[string]string // stand in the manifest
	Observers []Observer
}

// Run converts to the end and leaves the manifest. Nothing is published twice when it is run again
// behind the same output.
func (c *Conversion) Run(ctx context.Context, w Window) (Report, error) {
	r := Report{Run: w.Run, Drift: &schema.Drift{}, UnsafeOverwrite: c.Output.UnsafeOverwrite}
	err := c.run(ctx, w, &r)
	observers(c.Observers).end(w, r, err)
	return r, err
}

func (c *Conversion) run(ctx context.Context, w Window, r *Report) (err error) {
	m := mover{window: w, sink: c.Output.Sink, chain: c.Output.Chain, records: c.Records, pool: c.Pool, observers: c.Observers}
	m.begin()
	if err := r.tally(c.Output.Chain.Files()); err != nil {
		return err
	}
	if r.Complete, err = r.recall(c.Output.Manifest); err != nil || r.Complete {
		return err
	}
	o, err := m.flow(ctx, c.Batches)
	err = m.end(ctx, o, err)
	if terr := r.tally(c.Output.Chain.Files()); err == nil {
		err = terr
	}
	if err != nil {
		return err
	}
	r.Recorded, r.Labels = c.Recorded, c.Labels
	return r.complete(ctx, c.Output)
}
