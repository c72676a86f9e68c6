package main

import (
	"context"
	"errors"

	"tw2parquet/sink/store"
)

// unsafely is the flag of every command that writes to an output.
type unsafely struct {
	UnsafeOverwrite bool `name:"unsafe-overwrite" help:"Accept a store that ignores conditional writes: two runs at once may then overwrite each other's files." group:"Writing"`
}

// lenient is a store on which a run goes on though the probe found that the store ignores conditional writes.
type lenient struct {
	store.Store
	to *destination
}

func (l *lenient) Hold(ctx context.Context, dir string) (store.Hold, error) {
	h, err := l.Store.Hold(ctx, dir)
	if err != nil {
		return nil, err
	}
	return lenientHold{h, l}, nil
}

type lenientHold struct {
	store.Hold
	in *lenient
}

// Probe passes on every error but the one that was accepted.
func (h lenientHold) Probe(ctx context.Context, dir string, there *store.Record) error {
	err := h.Hold.Probe(ctx, dir, there)
	if !errors.Is(err, store.ErrWithoutConditions) {
		return err
	}
	h.in.to.gaveUp.Store(true)
	h.in.to.warned.Do(func() {
		h.in.to.how.log.Warn("the store ignores conditional writes, and --unsafe-overwrite accepts that: nothing keeps a second run of "+
			"the same request, or one that was taken for dead, from overwriting published files; see that only one runs at a time",
			"out", h.in.to.name)
	})
	return nil
}
