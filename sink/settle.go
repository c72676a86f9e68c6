package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"tw2parquet/sink/store"
)

// waits are the pauses between attempts at a step whose outcome is unclear: a minute in all. A request that was
// lost on the way may still arrive meanwhile.
var waits = [...]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}

// settle takes a conditional step until it is known what became of it. "Taken" and "unclear" are the same here:
// a client that repeats a request whose answer was lost finds the name taken by itself. Both lead to a look at
// what has the name. look returns nil if that is what the step meant to put there, fs.ErrNotExist if nothing
// is there yet, and whatever is to be told otherwise.
func (o *Output) settle(ctx context.Context, name string, step, look func(context.Context) error) error {
	return settle(ctx, o.store, o.log, name, step, look)
}

func settle(ctx context.Context, s store.Store, log *slog.Logger, name string, step, look func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := step(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, store.ErrUnclear) {
			return err
		}
		found := look(ctx)
		switch {
		case found == nil:
			return nil
		case !errors.Is(found, fs.ErrNotExist):
			return found
		case attempt == len(waits):
			return &store.Error{Op: "publish", Path: s.Path(name), Err: fmt.Errorf("%w: %w", store.ErrUnclear, err),
				Hint: "the store kept its answer open; run again: the next start finds out what is there"}
		}
		log.Debug("the store's answer left it open whether a name is there; trying again", "name", name, "error", err)
		if err := pause(ctx, waits[attempt]); err != nil {
			return fmt.Errorf("publish %s: %w", store.Printable(s.Path(name)), err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
