package main

import (
	"context"
	"encoding/json"
	"errors"

	"tw2parquet/source"
)

type collectorsCmd struct {
	List   collectorListCmd   `cmd:"" help:"List the account's collectors."`
	Get    collectorGetCmd    `cmd:"" help:"Show one collector."`
	Create collectorCreateCmd `cmd:"" help:"Create an empty collector; one that exists is not touched."`
	Pause  collectorPauseCmd  `cmd:"" help:"Pause a collector."`
	Resume collectorResumeCmd `cmd:"" help:"Resume a collector. One with a live query collects, and bills, from then on."`
	Delete collectorDeleteCmd `cmd:"" help:"Delete a collector and the results it holds."`
}

// Help is the long form of --help.
func (collectorsCmd) Help() string {
	return "Lists, shows or changes collectors. A collector holds the results of an export for 7 days.\n\nExample:\n  tw2parquet collectors get tw2p-…" + apiHelp
}

type collectorID struct {
	shown
	ID string `arg:"" help:"The collector's id."`
}

// with runs one call on a collector and shows its answer.
func (c *collectorID) with(a *app, call func(*source.Client) (source.Collector, error)) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	got, err := call(api)
	if err != nil {
		return err
	}
	return c.collectors(a, []source.Collector{got})
}

func (s *shown) collectors(a *app, cs []source.Collector) error {
	if s.Output == "json" {
		return a.indented(raws(cs, func(c source.Collector) json.RawMessage { return c.Raw }))
	}
	rows := make([][]string, len(cs))
	for i, c := range cs {
		live := ""
		if c.Live {
			live = "yes"
		}
		rows[i] = []string{c.ID, c.State, day(c.Created), live}
	}
	return a.table([]string{"collector", "state", "created", "live query"}, rows)
}

type collectorListCmd struct{ shown }

// Run prints the collectors.
func (c *collectorListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	info, err := api.StreamInfo(ctx)
	if err != nil {
		return err
	}
	return c.collectors(a, info.Collectors)
}

type collectorGetCmd struct{ collectorID }

// Run prints one collector.
func (c *collectorGetCmd) Run(ctx context.Context, a *app) error {
	return c.with(a, func(api *source.Client) (source.Collector, error) { return api.Collector(ctx, c.ID) })
}

type collectorCreateCmd struct{ collectorID }

// Run creates an empty collector. What replacing one does to its results is not documented, so an
// existing one is only shown.
func (c *collectorCreateCmd) Run(ctx context.Context, a *app) error {
	return c.with(a, func(api *source.Client) (source.Collector, error) {
		if got, err := api.Collector(ctx, c.ID); err == nil || !errors.Is(err, source.ErrNotFound) {
			return got, err
		}
		return api.CreateCollector(ctx, c.ID)
	})
}

type collectorPauseCmd struct{ collectorID }

// Run pauses a collector.
func (c *collectorPauseCmd) Run(ctx context.Context, a *app) error {
	return c.with(a, func(api *source.Client) (source.Collector, error) { return api.PauseCollector(ctx, c.ID) })
}

type collectorResumeCmd struct{ collectorID }

// Run resumes a collector.
func (c *collectorResumeCmd) Run(ctx context.Context, a *app) error {
	return c.with(a, func(api *source.Client) (source.Collector, error) { return api.ResumeCollector(ctx, c.ID) })
}

type collectorDeleteCmd struct{ collectorID }

// Run deletes a collector.
func (c *collectorDeleteCmd) Run(ctx context.Context, a *app) error {
	return c.with(a, func(api *source.Client) (source.Collector, error) { return api.DeleteCollector(ctx, c.ID) })
}
