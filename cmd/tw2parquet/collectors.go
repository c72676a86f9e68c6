package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tw2parquet/sink/store"
	"tw2parquet/source"
)

type collectorsCmd struct {
	List   collectorListCmd   `cmd:"" help:"List the account's collectors."`
	Get    collectorGetCmd    `cmd:"" help:"Show one collector."`
	Create collectorCreateCmd `cmd:"" help:"Create an empty collector; one that exists is not touched."`
	Pause  collectorPauseCmd  `cmd:"" help:"Pause a collector."`
	Resume collectorResumeCmd `cmd:"" help:"Resume a collector. One with a live query collects, and bills, from then on."`
	Delete collectorDeleteCmd `cmd:"" help:"Delete a collector and the results it holds."`
	GC     collectorGCCmd     `cmd:"" name:"gc" uses:"api,store" help:"List, or delete, the collectors that an output's runs no longer need."`
}

// Help is the long form of --help.
func (collectorsCmd) Help() string {
	return "Lists, shows or changes collectors. A collector holds the results of an export for 7 days.\n\nExample:\n  tw2parquet collectors list\n  tw2parquet collectors get my-collector" + apiHelp
}

type collectorID struct {
	shown
	ID string `arg:"" help:"The collector's id."`
}

// with runs one call on a collector and shows its answer.
func (c *collectorID) with(ctx context.Context, a *app, call func(*source.Client) (source.Collector, error)) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	got, err := call(api)
	if err != nil {
		return nearCollector(ctx, api, c.ID, err)
	}
	return c.collectors(a, []source.Collector{got})
}

func (s *shown) collectors(a *app, cs []source.Collector) error {
	if s.Output == "json" {
		return a.indented(raws(cs, func(c source.Collector) json.RawMessage { return c.Raw }))
	}
	head := []heading{{name: "collector"}, {name: "state"}}
	rows := make([][]string, len(cs))
	for i, c := range cs {
		rows[i] = []string{c.ID, c.State}
	}
	if !slices.ContainsFunc(cs, func(c source.Collector) bool { return c.Live || !c.Created.IsZero() }) {
		return a.table(head, rows) // the account's list does not tell more
	}
	for i, c := range cs {
		live := "no"
		if c.Live {
			live = "yes"
		}
		rows[i] = append(rows[i], minute(c.Created), live)
	}
	return a.table(append(head, heading{name: "created (UTC)"}, heading{name: "live query"}), rows)
}

type collectorListCmd struct{ shown }

// Help is the long form of --help.
func (collectorListCmd) Help() string {
	return "Lists the collectors of the account, with what the list tells of each; free.\n\nExample:\n  tw2parquet collectors list\n  tw2parquet collectors list --output json | jq -r '.[].collector_id'" + apiHelp
}

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

// Help is the long form of --help.
func (collectorGetCmd) Help() string {
	return "Shows whether a collector is there, its state, and the live query it may have; free.\n\nExample:\n  tw2parquet collectors get my-collector\n  tw2parquet collectors get my-collector --output json" + apiHelp
}

// Run prints one collector.
func (c *collectorGetCmd) Run(ctx context.Context, a *app) error {
	return c.with(ctx, a, func(api *source.Client) (source.Collector, error) { return api.Collector(ctx, c.ID) })
}

type collectorCreateCmd struct{ collectorID }

// Help is the long form of --help.
func (collectorCreateCmd) Help() string {
	return "Creates a collector without a query, which costs nothing: export tasks and streams fill it. Ids that begin with tw2p- are those\nof export.\n\nExample:\n  tw2parquet collectors create my-collector\n  tw2parquet collectors create my-collector --output json" + apiHelp
}

// Run creates an empty collector. What replacing one does to its results is not documented, so an
// existing one is only shown.
func (c *collectorCreateCmd) Run(ctx context.Context, a *app) error {
	return c.with(ctx, a, func(api *source.Client) (source.Collector, error) {
		if got, err := api.Collector(ctx, c.ID); err == nil || !errors.Is(err, source.ErrNotFound) {
			return got, err
		}
		return api.CreateCollector(ctx, c.ID)
	})
}

type collectorPauseCmd struct{ collectorID }

// Help is the long form of --help.
func (collectorPauseCmd) Help() string {
	return "Stops a collector with a live query from collecting, and from billing. What it holds stays readable for 7 days.\n\nExample:\n  tw2parquet collectors pause my-collector\n  tw2parquet collectors pause my-collector --output json" + apiHelp
}

// Run pauses a collector.
func (c *collectorPauseCmd) Run(ctx context.Context, a *app) error {
	return c.with(ctx, a, func(api *source.Client) (source.Collector, error) { return api.PauseCollector(ctx, c.ID) })
}

type collectorResumeCmd struct{ collectorID }

// Help is the long form of --help.
func (collectorResumeCmd) Help() string {
	return "Lets a paused collector go on.\n\nExample:\n  tw2parquet collectors resume my-collector\n  tw2parquet collectors resume my-collector --output json" + apiHelp
}

// Run resumes a collector.
func (c *collectorResumeCmd) Run(ctx context.Context, a *app) error {
	return c.with(ctx, a, func(api *source.Client) (source.Collector, error) { return api.ResumeCollector(ctx, c.ID) })
}

type collectorDeleteCmd struct {
	collectorID
	consent
}

// Help is the long form of --help.
func (collectorDeleteCmd) Help() string {
	return `Deletes a collector and the results it holds, read or not. They are paid, and only another purchase brings them back. The API
does not tell what has been read: look whether verify finds the run complete. On a terminal it shows the collector, and asks;
elsewhere it needs --yes.

Example:
  tw2parquet collectors delete tw2p-iojrxdnb4thruqdc6oehhqev7k
  tw2parquet collectors delete tw2p-iojrxdnb4thruqdc6oehhqev7k --yes --output json` + apiHelp
}

// Run deletes a collector.
func (c *collectorDeleteCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	if err := c.asked(ctx, a, api); err != nil {
		return err
	}
	return c.with(ctx, a, func(api *source.Client) (source.Collector, error) { return api.DeleteCollector(ctx, c.ID) })
}

// asked shows a person what is deleted, and asks. Whether it was read nobody can tell from the API.
func (c *collectorDeleteCmd) asked(ctx context.Context, a *app, api *source.Client) error {
	const what = "delete the collector"
	if err := c.askable(a, what); c.Yes || err != nil {
		return err
	}
	got, err := api.Collector(ctx, c.ID)
	if err != nil {
		return nearCollector(ctx, api, c.ID, err)
	}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "- Collector %s, %s, created %s UTC. It goes with all results it holds, whether they were read or not.\n", c.ID, store.Printable(got.State), minute(got.Created))
	if got.Live {
		b.WriteString("- It has a live query, and collects.\n")
	}
	for _, t := range tasks {
		if t.Target == c.ID {
			fmt.Fprintf(&b, "- Task %s (%s) has exported %s results into it. They are paid; after this, only another purchase brings them back.\n",
				store.Printable(t.ID), store.Printable(string(t.Status)), countText(t.Count()))
		}
	}
	fmt.Fprint(a.stderr, wrap(b.String(), min(terminalColumns(a.screen.w), maxProse)))
	return c.ask(a, "Delete it for good?", what, "the collector was not deleted")
}
