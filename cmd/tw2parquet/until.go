package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// until is the end of a range: an instant, or now, which is resolved once.
type until struct {
	instant
	now bool
}

// UnmarshalText reads one.
func (u *until) UnmarshalText(text []byte) error {
	*u = until{}
	if strings.TrimSpace(string(text)) == "now" {
		u.now = true
		return nil
	}
	return u.instant.UnmarshalText(text)
}

// localNow is the local clock, which tests set.
func (c *selection) localNow() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}

// checkUntil refuses flags that do not go with --stop.
func (c *selection) checkUntil(split pipeline.Split) error {
	switch {
	case c.Lag < 0:
		return usagef("--lag is %v; it must be 0 or more", c.Lag)
	case c.Lag > 0 && !c.Stop.now:
		return usagef("--lag goes with --stop now only")
	case c.Stop.now && split == pipeline.SplitNone:
		return usagef("--stop now needs a --split by days, weeks or months, or auto: without windows there is none that is over")
	}
	return nil
}

// resolve says when --stop now is: the end of the last whole window that is over for --lag, by the earlier of the local and
// the server's clock. An answer of the server tells its clock, so a free call is made: ask. nothing: not even the first window
// is over.
func (c *selection) resolve(ctx context.Context, log *slog.Logger, api *source.Client, r *source.Request, split pipeline.Split, ask func(context.Context) (source.Credits, error)) (nothing bool, err error) {
	if !c.Stop.now {
		return false, nil
	}
	if _, err := ask(ctx); err != nil {
		return false, err
	}
	now := c.localNow()
	if skew, ok := api.Skew(); ok {
		if server := time.Now().Add(-skew); server.Before(now) {
			now = server
		}
	}
	if r.Stop, err = split.Last(now.Add(-c.Lag)); err != nil {
		return false, err
	}
	log.Info("the range ends with the last window that is over", "stop", rfc3339(r.Stop), "lag", c.Lag.String())
	return !r.Start.Before(r.Stop), nil
}
