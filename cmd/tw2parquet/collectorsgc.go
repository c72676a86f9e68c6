package main

import (
	"context"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

type collectorGCCmd struct {
	shown
	Out      string `arg:"" name:"out" help:"The output whose collectors are meant: its directory or URL."`
	Yes      bool   `name:"yes" help:"Delete what is listed for it."`
	Complete bool   `name:"complete" help:"Also collectors of complete runs whose results can still be read. Nobody can read them again then, into no output."`
	DryRun   bool   `name:"dry-run" help:"Only list, also with --yes."`
}

// Help is the long form of --help.
func (collectorGCCmd) Help() string {
	return `Lists the account's collectors that have a name of this program (tw2p-…), and says of each whether it can go. With --yes
those are deleted. Only one can go whose run is complete in OUT, or was dropped from it, 8 days after its export task ended
by the server's clock: by then its results have expired. Collectors of runs that are not at their end stay, and so do those
of other outputs, those with a query of their own, and those that somebody else has used since. The calls are free.

A complete run needs its collector no more: export finds it covered, and buys nothing. Run it as often as you like; one
that is stopped is finished by the next.

Example:
  tw2parquet collectors gc lake
  tw2parquet collectors gc s3://bucket/lake --yes --complete

Exit codes: 0 ok, 2 usage (no such output), 10 auth, 12 rejected, 20 unavailable (retry helps), 50 storage, 130 and 143 stopped.
See also: money, stores`
}

// leftoverStatus is a collector as `collectors gc --output json` prints it.
type leftoverStatus struct {
	Collector string    `json:"collector"`
	Run       string    `json:"run,omitempty"` // in the output
	Start     time.Time `json:"start,omitzero"`
	Stop      time.Time `json:"stop,omitzero"`
	Ended     time.Time `json:"task_ended,omitzero"` // at the latest
	What      string    `json:"what"`                // delete, deleted or keep
	Why       string    `json:"why,omitempty"`       // it is kept
	Until     time.Time `json:"keep_until,omitzero"`
}

// Run lists collectors, and deletes those that nobody needs.
func (c *collectorGCCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	there, accounts, err := takeStock(ctx, a, c.Out)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer there.Close()
	for _, p := range there.problems {
		a.log.Warn("cannot read all that this output holds", "error", p)
	}
	cleanup := &pipeline.Cleanup{API: api, Young: c.Complete, Whole: func(run string) bool {
		held := there.Run(run)
		if held == nil {
			return false
		}
		missing, err := held.Missing(ctx)
		return err == nil && len(missing) == 0
	}}
	found, err := cleanup.Find(ctx, accounts)
	if err != nil {
		return interrupted(ctx, err)
	}
	all := make([]leftoverStatus, len(found))
	for i, l := range found {
		all[i] = newLeftoverStatus(l)
	}
	if c.Yes && !c.DryRun {
		err = c.delete(ctx, a, cleanup, found, all)
	}
	if perr := c.print(a, all, api.ServerTime()); err == nil {
		err = perr
	}
	return err
}

// delete deletes what was found, and says so in all.
func (c *collectorGCCmd) delete(ctx context.Context, a *app, cleanup *pipeline.Cleanup, found []pipeline.Leftover, all []leftoverStatus) error {
	for i, l := range found {
		if l.Keep != "" {
			continue
		}
		if err := cleanup.Delete(ctx, l); err != nil {
			return interrupted(ctx, err)
		}
		all[i].What = "deleted"
		a.log.Info("deleted", "collector", l.Collector)
	}
	return nil
}

func newLeftoverStatus(l pipeline.Leftover) leftoverStatus {
	s := leftoverStatus{Collector: l.Collector, Ended: l.Ended, What: "delete", Why: l.Keep}
	if a := l.Account; a != nil {
		s.Run, s.Start, s.Stop = a.Run, a.Start.UTC(), a.Stop.UTC()
	}
	if l.Keep != "" {
		s.What, s.Until = "keep", l.Until
	}
	return s
}

func (c *collectorGCCmd) print(a *app, all []leftoverStatus, now time.Time) error {
	if c.Output == "json" {
		return a.indented(all)
	}
	rows, left := make([][]string, len(all)), 0
	for i, l := range all {
		why := l.Why
		if d := l.Until.Sub(now); !l.Until.IsZero() && d > 0 {
			why += ", " + daysText(d) + " left"
		}
		if l.What == "delete" {
			left++
		}
		rows[i] = []string{l.Collector, windowMoment(l.Start), l.What, why}
	}
	if err := a.table([]heading{{name: "collector"}, {name: "window from"}, {name: "what"}, {name: "why", prose: true}}, rows); err != nil || left == 0 || c.Yes && !c.DryRun {
		return err
	}
	return a.write("\n" + facts([]string{"Add --yes to delete what is marked so, for good."}))
}
