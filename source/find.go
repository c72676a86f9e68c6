package source

import (
	"context"
	"errors"
	"fmt"
)

// Find is Acquire for reading again what was bought before: it never buys and creates nothing. If the
// collector is gone or holds nothing it is ClassExpired, and says what buying again would cost.
func (c *Client) Find(ctx context.Context, run string, req Request, j Journal) (Acquired, error) {
	a := &acquisition{c: c, run: run, id: CollectorID(run), req: req, journal: j}
	got, err := a.find(ctx)
	if err != nil {
		return Acquired{}, err
	}
	got.expire()
	return got, nil
}

func (a *acquisition) find(ctx context.Context) (Acquired, error) {
	var err error
	if a.history, err = readHistory(ctx, a.journal); err != nil {
		return Acquired{}, err
	}
	a.collector, err = a.c.Collector(ctx, a.id)
	switch {
	case errors.Is(err, ErrNotFound):
		if err := a.refuseRepurchase(ctx); err != nil {
			return Acquired{}, err
		}
		return Acquired{}, a.nothing("its collector " + a.id + " does not exist")
	case err != nil:
		return Acquired{}, err
	case a.collector.Live:
		return Acquired{}, a.foreign()
	}
	if got, found, err := a.known(ctx); err != nil || found {
		return got, err
	}
	filled, err := a.peek(ctx)
	if err != nil {
		return Acquired{}, fmt.Errorf("look into the collector: %w", err)
	}
	if !filled {
		return Acquired{}, a.nothing("its collector " + a.id + " is empty, and no task fills it")
	}
	return Acquired{Collector: a.collector, Adopted: true}, nil
}

func (a *acquisition) nothing(why string) *Error {
	return &Error{Class: ClassExpired, Message: "there is nothing to read again: " + why,
		Hint: fmt.Sprintf("if this export was never bought, buy it without --refetch; if it was, %s", a.again(int64(a.req.Limit)))}
}
