package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tw2parquet/source"
)

// leftoverAfter is how long after the end of its task a collector is deleted: its results live for seven days, the last
// ones to be written a little longer, and a clock may differ.
const leftoverAfter = source.Retention + 24*time.Hour

// sameTime is how far two times of the server may differ that are of the same moment: its Date header has whole seconds.
const sameTime = time.Minute

// CollectorAPI is what finding and deleting collectors needs of the API; *source.Client is it. None of it costs credits.
type CollectorAPI interface {
	StreamInfo(ctx context.Context) (source.Info, error)
	Tasks(ctx context.Context) ([]source.Task, error)
	Task(ctx context.Context, id string) (source.Task, error)
	Collector(ctx context.Context, id string) (source.Collector, error)
	DeleteCollector(ctx context.Context, id string) (source.Collector, error)
	ServerTime() time.Time
}

// Leftover is a collector that is named as if this program had made it.
type Leftover struct {
	Collector string
	Account   *Account  // of the run in the output, nil if there is none
	Ended     time.Time // its task, at the latest; zero if that was not asked
	// Until is when it may be deleted in any case, by the server's clock.
	Until time.Time
	// Keep is why it is not to be deleted, "" if it is.
	Keep string
}

// Cleanup finds the collectors of an output's runs that nobody needs any more.
type Cleanup struct {
	API CollectorAPI
	// Young also takes collectors of complete runs whose results can still be read.
	Young bool
	// Whole tells whether the files of a complete run are there, so that nobody has to read its results again.
	Whole func(run string) bool
}

// Find judges every collector of the account that has a name of ours. It changes nothing. Only one whose run is complete
// here, or was dropped, can go, and only if nobody else has used it.
func (c *Cleanup) Find(ctx context.Context, accounts []Account) ([]Leftover, error) {
	info, err := c.API.StreamInfo(ctx)
	if err != nil {
		return nil, err
	}
	tasks, err := c.API.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	byCollector := map[string]*Account{}
	for i := range accounts {
		if a := &accounts[i]; a.Exported() {
			byCollector[source.CollectorID(a.Run)] = a
		}
	}
	var all []Leftover
	for _, listed := range info.Collectors {
		if !strings.HasPrefix(listed.ID, source.CollectorID("")) || strings.EqualFold(listed.State, "deleted") {
			continue
		}
		l := Leftover{Collector: listed.ID, Account: byCollector[listed.ID]}
		filling := slices.DeleteFunc(slices.Clone(tasks), func(t source.Task) bool { return t.Target != listed.ID })
		if err := c.judge(ctx, &l, filling); errors.Is(err, source.ErrNotFound) {
			continue // somebody deleted it meanwhile
		} else if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// judge decides about one collector. What can be told without a call is told first.
func (c *Cleanup) judge(ctx context.Context, l *Leftover, tasks []source.Task) error {
	a := l.Account
	switch {
	case a == nil:
		l.Keep = "no run of this output"
		return nil
	case a.Trouble != nil:
		l.Keep = "the run's records cannot be read"
		return nil
	case a.Standing != RunComplete && a.Standing != RunDropped:
		l.Keep = "the run is not finished"
		return nil
	}
	if err := c.ended(ctx, l, tasks); err != nil || l.Keep != "" {
		return err
	}
	l.Until = l.Ended.Add(leftoverAfter)
	switch {
	case !c.API.ServerTime().Before(l.Until):
	case a.Standing != RunComplete || !c.Young:
		l.Keep = "too young"
	case !c.Whole(a.Run):
		l.Keep = "files are missing"
	}
	if l.Keep != "" {
		return nil
	}
	got, err := c.API.Collector(ctx, l.Collector)
	switch {
	case err != nil:
		return err
	case got.Live:
		l.Keep = "it has a query of its own"
	case got.Created.After(l.Ended.Add(sameTime)):
		l.Keep = "made again by somebody"
	}
	return nil
}

// ended finds out when the collector's task ended, or keeps the collector. The API does not say it, so that of a complete
// run is when this program saw it first; where that was not written down, when the task began.
func (c *Cleanup) ended(ctx context.Context, l *Leftover, tasks []source.Task) error {
	a := l.Account
	l.Ended = later(a.Ended, a.Bought)
	known := a.TaskID == "" || a.Standing == RunComplete
	for _, t := range tasks {
		switch {
		case !t.Status.Terminal():
			l.Keep = "a task still fills it"
			return nil
		case t.ID == a.TaskID:
			known = true
			if a.Ended.IsZero() {
				l.Ended = later(l.Ended, t.Created)
			}
		case a.Ended.IsZero() || t.Created.After(a.Ended.Add(sameTime)): // one from before is a purchase too many of this run's own
			l.Keep = "somebody else's task filled it"
			return nil
		}
	}
	if !known {
		t, err := c.API.Task(ctx, a.TaskID)
		switch {
		case errors.Is(err, source.ErrNotFound):
		case err != nil:
			return err
		case !t.Status.Terminal():
			l.Keep = "a task still fills it"
			return nil
		default:
			l.Ended = later(l.Ended, t.Created)
		}
	}
	if l.Ended.IsZero() {
		l.Keep = "no record of its task's end"
	}
	return nil
}

// Delete deletes one that is not kept. It may be called again.
func (c *Cleanup) Delete(ctx context.Context, l Leftover) error {
	if l.Keep != "" {
		return fmt.Errorf("delete collector %s: it is kept: %s", l.Collector, l.Keep)
	}
	_, err := c.API.DeleteCollector(ctx, l.Collector)
	return err
}
