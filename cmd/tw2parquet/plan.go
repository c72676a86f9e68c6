package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

type planCmd struct {
	selection
	Split      string `name:"split" enum:"none,day,week,month,auto" default:"month" help:"One window per calendar day, week or month; none; or auto: the fewest that stay under 90 % of --limit, down to days, then hours." group:"What"`
	Late       bool   `name:"late" help:"Count what arrived since for windows that are complete in --out, and price buying those again." group:"What"`
	Free       bool   `name:"free" help:"Plan by calendar alone: no call costs anything." group:"Money"`
	Out        string `name:"out" placeholder:"OUT" help:"The output that the export is going to write to: what it holds is not planned again." group:"Writing"`
	Output     string `name:"output" enum:"table,json,airflow" default:"table" help:"table for people, json, or airflow: a list of objects whose keys are export's flags, one for each window that is left." group:"Showing"`
	MaxWindows int    `name:"max-windows" placeholder:"N" help:"At most N windows that are left, the earliest first (default: all; airflow: 1024, its most)." group:"Showing"`
}

// Help is the long form of --help.
func (planCmd) Help() string {
	return `Says what an export of the range brings, costs and leaves, before anything is bought: for each window its results,
credits and state; what the API is known not to hand over; the quota of posts on X; the credits that are left, and
their next reset; files, bytes and minutes to expect; and whether it fits. tw2parquet help money explains the figures.

Counting asks the API's histogram, for 10 credits a call: mostly one call. A line on standard error says the price first.
Nothing is asked when nothing is left to buy, or with --free. There is no histogram for streams and lone queries: they
need --free. With --late one call is made for each complete window.

Example:
  tw2parquet plan --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --start 2024-01-01 --stop 2024-04-01 --split auto
  tw2parquet plan --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --start 2024-01-01 --stop 2024-04-01 --split day --out lake --output airflow

Exit codes: 0 ok, whether it fits or not; 2 usage, 10 auth, 11 no credits for counting, 12 rejected, 20 unavailable (retry helps),
50 the output cannot be written.
See also: money, airflow`
}

// maxMapped is how many tasks Airflow maps over a list by default (core.max_map_length).
const maxMapped = 1024

func (c *planCmd) request() (source.Request, error) {
	r, err := c.selection.request()
	if err != nil {
		return r, err
	}
	if err := c.checkUntil(pipeline.Split(c.Split)); err != nil {
		return r, err
	}
	switch {
	case c.MaxWindows < 0:
		return r, usagef("--max-windows is %d; it must be 1 or more", c.MaxWindows)
	case c.Output == "airflow" && c.MaxWindows > maxMapped:
		return r, usagef("--max-windows is %d; Airflow maps over %d at most", c.MaxWindows, maxMapped)
	case c.Late && c.Free:
		return r, usagef("--late has to count, which costs; it does not go with --free")
	case c.Late && c.Out == "":
		return r, usagef("--late looks at the complete windows of an output; use --out")
	case !c.Free || pipeline.Split(c.Split) == pipeline.SplitAuto:
		return r, countable(r)
	}
	return r, nil
}

// Run plans.
func (c *planCmd) Run(ctx context.Context, a *app) error {
	r, err := c.request()
	if err != nil {
		return err
	}
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	if err := c.refuseTokens(a); err != nil {
		return err
	}
	nothing, err := c.resolve(ctx, a.log, api, &r, pipeline.Split(c.Split), api.Credits)
	if err != nil {
		return interrupted(ctx, err)
	}
	if nothing {
		return c.show(a, &pipeline.Plan{Start: r.Start, Stop: r.Start, Split: pipeline.Split(c.Split), Limit: r.Limit, Windows: []pipeline.PlannedWindow{},
			Sources: []pipeline.PlannedSource{}, Fits: true, Reasons: []string{"no window is over yet"}})
	}
	there := &holdings{}
	if c.Out != "" {
		at, err := outPlace(c.Out)
		if err != nil {
			return err
		}
		if err := a.refuseToken("out", c.Out); err != nil {
			return err
		}
		to := &destination{place: at, how: a.opening(1)}
		defer to.Close()
		if there, err = openHoldings(ctx, to); err != nil {
			return interrupted(ctx, err)
		}
	}
	owned, err := there.ownedOf(ctx, api.Host(), r)
	if err != nil {
		a.log.Warn("cannot read all that this output holds: it is planned as if it were not there", "error", err)
	}
	if c.Late {
		return c.late(ctx, a, api, r, owned)
	}
	draft, err := c.draft(ctx, a, api, r, owned)
	if err != nil {
		return nearSource(ctx, api, r, err)
	}
	if draft.Credits, err = api.Credits(ctx); err != nil {
		return err
	}
	return c.show(a, pipeline.NewPlan(draft))
}

// draft cuts the range, and counts it where something is left of it.
func (c *planCmd) draft(ctx context.Context, a *app, api *source.Client, r source.Request, owned []owned) (pipeline.Draft, error) {
	d := pipeline.Draft{Split: pipeline.Split(c.Split), FileSize: planFileSize, Written: writtenBy(owned)}
	survey := &pipeline.Survey{API: api, Spend: saySpending(a.log)}
	split := d.Split
	nothing := coveredBy(owned, r)
	if split == pipeline.SplitAuto && (c.Free || nothing) {
		split = pipeline.SplitMonth
		if !nothing {
			sayAsking(a.log, r)
		}
	}
	var ranges []source.Request
	var err error
	if split == pipeline.SplitAuto {
		// What is there keeps its windows, and only the rest is cut: another start would cut another way.
		held, gaps := apart(owned, r)
		d.Windows = held
		for _, gap := range gaps {
			ranges, tallies, err := autoWindows(ctx, survey, gap)
			if err != nil {
				return d, err
			}
			d.Windows, d.Tallies = append(d.Windows, windowsOf(api.Host(), ranges)...), append(d.Tallies, tallies...)
		}
		slices.SortFunc(d.Windows, func(a, b pipeline.Window) int { return a.Request.Start.Compare(b.Request.Start) })
	} else {
		if ranges, err = calendar(r, split); err != nil {
			return d, err
		}
		d.Windows = windowsOf(api.Host(), ranges)
	}
	if d.States, err = windowStates(ctx, api, owned, d.Windows); err != nil {
		return d, err
	}
	if n := partly(owned, d.Windows, d.States); n > 0 {
		a.log.Warn("the output holds a part of windows that are planned to be bought; that part would be bought again, and its rows be there twice", "windows", n)
	}
	if d.Tallies == nil && !c.Free && slices.Contains(d.States, pipeline.StateToBuy) {
		if d.Tallies, err = survey.Days(ctx, r); err != nil {
			return d, err
		}
	}
	d.Calls = survey.Calls
	most := c.MaxWindows
	if c.Output == "airflow" {
		most = cmp.Or(most, maxMapped)
	}
	d.Windows, d.States, d.Omitted = earliest(d.Windows, d.States, most)
	if d.Omitted > 0 {
		a.log.Warn("more windows are left; plan again when these are done", "windows", d.Omitted)
	}
	return d, nil
}

// earliest keeps the windows up to the most-th that is left; 0: all.
func earliest(windows []pipeline.Window, states []pipeline.State, most int) ([]pipeline.Window, []pipeline.State, int) {
	left, end := 0, len(windows)
	for i, s := range states {
		if s == pipeline.StateCovered {
			continue
		}
		if left++; left == most+1 && most > 0 {
			end = i
		}
	}
	if end == len(windows) {
		return windows, states, 0
	}
	return windows[:end], states[:end], left - most
}

// planFileSize is export's default for --file-size.
const planFileSize = 256 << 20

// mapped is a window as `--output airflow` hands it to export: its keys are export's flags.
type mapped struct {
	Project    string   `json:"project"`
	Topics     []string `json:"topic,omitempty"`
	Datasets   []string `json:"dataset,omitempty"`
	Stream     string   `json:"stream,omitempty"`
	Query      string   `json:"query,omitempty"`
	Start      string   `json:"start"`
	Stop       string   `json:"stop"`
	Split      string   `json:"split"`
	Limit      int      `json:"limit"`
	Generation int      `json:"generation"`
	MaxCredits int64    `json:"max-credits"`
	Out        string   `json:"out,omitempty"`
}

func (c *planCmd) mapped(start, stop time.Time, limit, generation int, maxCredits int64) mapped {
	return mapped{c.Project, c.Topics, c.Datasets, c.Stream, c.Query, rfc3339(start), rfc3339(stop), string(pipeline.SplitNone), limit, generation, maxCredits, c.Out}
}

func (c *planCmd) show(a *app, p *pipeline.Plan) error {
	switch c.Output {
	case "json":
		return a.indented(p)
	case "airflow":
		list := []mapped{}
		for _, w := range p.Windows {
			if w.State != pipeline.StateCovered {
				list = append(list, c.mapped(w.Start, w.Stop, w.Limit, w.Generation, w.MaxCredits))
			}
		}
		return a.oneLineJSON(list)
	}
	return a.write(planTable(p))
}

// oneLineJSON prints JSON on one line: the last line is what Airflow reads, of a worker. Of a pod it is the result file.
func (a *app) oneLineJSON(v any) error {
	text, err := jsonText(v, "")
	if err != nil {
		return err
	}
	a.answer = text
	return a.write(string(text))
}
