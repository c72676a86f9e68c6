package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// selection is what is asked for, and where from: the flags that plan and export have in common.
type selection struct {
	Project    string           `name:"project" placeholder:"ID" help:"Export from a project." group:"What"`
	Topics     []string         `name:"topic" placeholder:"ID" sep:"none" help:"Only documents of this topic of the project; repeatable." group:"What"`
	Datasets   []string         `name:"dataset" placeholder:"ID" sep:"none" help:"Only this dataset of the project; repeatable." group:"What"`
	Stream     string           `name:"stream" placeholder:"ID" help:"Export from a stream." group:"What"`
	Query      string           `name:"query" placeholder:"Q" help:"ANDed with the above; alone: export by query." group:"What"`
	Start      instant          `name:"start" required:"" placeholder:"T" help:"Start of the range (inclusive): YYYY-MM-DD (UTC), RFC 3339 or epoch milliseconds." group:"What"`
	Stop       until            `name:"stop" required:"" placeholder:"T" help:"End of the range (exclusive), same formats as --start; or now: the end of the last whole window of --split (of a day for auto) that is over." group:"What"`
	Lag        time.Duration    `name:"lag" default:"0s" placeholder:"D" help:"With --stop now: a window counts as over only this long after its end, because documents arrive late (default ${default})." group:"What"`
	Generation int              `name:"generation" default:"1" placeholder:"N" help:"Buy the same export again, on purpose (default ${default})." group:"What"`
	Limit      int              `name:"limit" default:"1000000" placeholder:"N" help:"Results per task (default ${default})." group:"Money"`
	clock      func() time.Time // the local one; nil: time.Now
}

type exportCmd struct {
	selection
	Split          string `name:"split" enum:"none,day,week,month,auto" default:"month" help:"One export task per calendar window: none, day, week or month; or auto: ask the histogram, and cut into the fewest windows that stay under 90 % of --limit." group:"What"`
	MaxCredits     *int64 `name:"max-credits" placeholder:"N" help:"Refuse before buying if the run could cost more: for each window to buy its --limit, and 1000 more. Of a project, the limits are lowered by the histogram's counts to fit." group:"Money"`
	MinCreditsLeft *int64 `name:"min-credits-left" placeholder:"N" help:"Refuse before buying if the run could leave the account fewer credits." group:"Money"`
	DryRun         bool   `name:"dry-run" help:"Print what would be bought and written; no call that costs or changes anything." group:"Money"`

	Out string `name:"out" required:"" placeholder:"OUT" help:"Output: a directory, or a URL: file://, s3://bucket/prefix, gs://…, azblob://… (tw2parquet help stores)." group:"Writing"`
	writing
	Parallel      int            `name:"parallel" default:"1" placeholder:"N" help:"Windows exported at the same time (default ${default})." group:"Running"`
	Strict        bool           `name:"strict" help:"Fail if the results are more or fewer than the task counted." group:"Running"`
	IdleTimeout   time.Duration  `name:"idle-timeout" default:"90s" placeholder:"D" help:"Treat a stream as cut after this long without data (default ${default})." group:"Running"`
	MaxWait       *time.Duration `name:"max-wait" placeholder:"D" help:"Wait at most this long, from the start of the command, for export tasks that still run; then exit 31, and the next start goes on. 0: take what is there." group:"Running"`
	AbortOnCancel bool           `name:"abort-on-cancel" help:"On SIGTERM or SIGINT also abort the (paid) export task." group:"Running"`
	Accept        []string       `name:"accept" placeholder:"CODES" complete:"40,41,43" help:"Of 40, 41 and 43: windows that end so count as covered with what they have; exit 0." group:"Running"`
	Register      bool           `name:"register" help:"Make each window known to a table when it is complete; run again, and it does what is left." group:"Running"`
	tableFlags
	assuming
	Refetch   bool `name:"refetch" help:"Read missing or damaged files again from the collector, for free, while it lives; nothing is bought." group:"Running"`
	heartbeat time.Duration
	registrar *registrar // nil without --register
	telling
	SkipEmpty bool  `name:"skip-empty" help:"Exit 99 instead of 0 if nothing was exported." group:"Running"`
	asked     int64 // credits that counting took
	balance   *balance
	comparing bool // see compareBalance
	first     bool // no run of this source was there
	compose   composer
	api       *source.Client
}

// Help is the long form of --help.
func (exportCmd) Help() string {
	return `Creates a collector and an export task for each calendar window of the time range, reads the results while
they arrive, and writes Parquet files with a manifest. Run it again after any failure: the same request is
the same run, which continues where its files end and buys nothing twice.

A failure that concerns one window alone (31, 40, 41, 42, 43, 44, 53, 54, 60) does not stop the other windows. Any other failure
ends the run and stops the windows beside it, without aborting their tasks. The exit code is that of the first window that
a retry can help, else that of the first that failed; the result has the error of every window. After a signal the code is
the signal's if a retry can help any window, and the message has the other errors too. --abort-on-cancel aborts on a
signal only.

--split auto asks the histogram (10 credits a call), and cuts into the fewest windows that stay under 90 % of --limit. Where the
limits could cost more than --max-credits, those of a project are lowered by the histogram's counts. What was decided is
written down before anything is bought, and a retry of the same command decides nothing anew.

--stop now ends the range with the last whole window that is over for --lag, by the earlier of the local and the server's
clock. If no window is over yet there is nothing to do: exit 0, or 99 with --skip-empty.

What OUT covers already for the same source is not bought again, whatever range, split or limit it was bought with: a
window shrinks to its gaps, and one without gaps is "covered" in the result. What is begun is finished first, by its own
request. --generation N looks at runs of generation N and above only. What another source of the same project may have
brought too is warned of with its price. tw2parquet help files has the rules.

Example:
  tw2parquet export --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --start 2024-01-01 --stop 2024-04-01 --limit 10000 --max-credits 33000 --out lake
  tw2parquet export --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --start 2024-01-01 --stop now --split day --lag 48h --out lake

` + exitTable() + "\nSee also: money, files, exit-codes, stores, airflow, lakes, troubleshooting"
}

// request is what the flags ask for, over the whole range.
func (c *selection) request() (source.Request, error) {
	r := source.Request{
		Kind: source.KindQuery, Project: c.Project, Stream: c.Stream, Topics: c.Topics, Datasets: c.Datasets, Query: c.Query,
		Start: c.Start.Time, Stop: c.Stop.Time, Limit: c.Limit, Generation: c.Generation,
	}
	switch {
	case c.Project != "" && c.Stream != "":
		return r, usagef("--project and --stream exclude each other")
	case c.Project != "":
		r.Kind = source.KindProject
	case c.Stream != "":
		r.Kind = source.KindStream
	case c.Query == "":
		return r, usagef("use --project, --stream or --query")
	}
	if r.Kind != source.KindProject && len(c.Topics)+len(c.Datasets) > 0 {
		return r, usagef("--topic and --dataset go with --project")
	}
	now := c.localNow()
	if c.Stop.now { // it is known later
		r.Stop = r.Start.Add(time.Millisecond)
		now = r.Stop
	}
	if err := r.Validate(now); err != nil {
		return r, &usageError{err}
	}
	return r, nil
}

// Run exports every window.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a)
}

func (c *exportCmd) run(ctx context.Context, a *app) error {
	a.result.Out = publicName(c.Out)
	r, err := c.request()
	if err != nil {
		return err
	}
	split := pipeline.Split(c.Split)
	if err := c.checkUntil(split); err != nil {
		return err
	}
	if split == pipeline.SplitAuto {
		if err := countable(r); err != nil {
			return err
		}
	}
	codec, err := c.validate()
	if err != nil {
		return err
	}
	out, err := outPlace(c.Out)
	if err != nil {
		return err
	}
	switch {
	case c.Parallel < 1:
		return usagef("--parallel is %d; it must be 1 or more", c.Parallel)
	case c.IdleTimeout <= 0:
		return usagef("--idle-timeout must be above 0")
	case c.MaxWait != nil && *c.MaxWait < 0:
		return usagef("--max-wait is %v; it must be 0 or more", *c.MaxWait)
	case c.MaxCredits != nil && *c.MaxCredits < 0:
		return usagef("--max-credits is %d; it must be 0 or more", *c.MaxCredits)
	case c.MinCreditsLeft != nil && *c.MinCreditsLeft < 0:
		return usagef("--min-credits-left is %d; it must be 0 or more", *c.MinCreditsLeft)
	}
	if err := c.assuming.check(); err != nil {
		return err
	}
	iceberg, err := c.target()
	if err != nil {
		return err
	}
	for _, code := range c.Accept {
		if code != "40" && code != "41" && code != "43" {
			return usagef("--accept %q: only 40, 41 and 43 can be accepted", code)
		}
	}
	api, err := a.client(source.Config{MaxDocumentBytes: int64(c.MaxDocumentSize), IdleTimeout: c.IdleTimeout})
	if err != nil {
		return err
	}
	if err := errors.Join(c.refuseTokens(a), a.refuseToken("out", c.Out)); err != nil {
		return err
	}
	c.api, c.compose = api, a.composer(c.Out)
	c.compose.unsafe = c.UnsafeOverwrite
	nothing, err := c.resolve(ctx, a.log, api, &r, split, c.spendable)
	if err != nil {
		return interrupted(ctx, err)
	}
	if c.Stop.now {
		a.result.Stop = rfc3339(r.Stop)
	}
	if nothing {
		if c.DryRun {
			a.result.Status = "planned"
			return nil
		}
		return a.judgeEmpty(c.SkipEmpty)
	}
	ranges, err := c.ranges(r, split)
	if err != nil {
		return err
	}
	to := &destination{place: out, how: a.opening(min(c.Parallel, len(ranges))), unsafe: c.UnsafeOverwrite}
	defer to.Close()
	if c.Register {
		c.registrar = &registrar{app: a, to: to, how: c.assuming, iceberg: iceberg}
		defer c.registrar.close()
	}
	there, err := openHoldings(ctx, to)
	if err != nil {
		return interrupted(ctx, err)
	}
	claims := &pipeline.Claims{Archive: &archive{to: to, first: there.Dataset}, Log: a.log, Ask: pipeline.Ask{Host: api.Host(), Range: r, Windows: ranges, Split: split}}
	if c.MaxCredits != nil {
		claims.Ask.Budget = *c.MaxCredits
	}
	todo, err := c.decide(ctx, a, api, claims, there)
	if err != nil || c.DryRun {
		return interrupted(ctx, nearSource(ctx, api, r, c.counting(err)))
	}
	windows := todo.windows
	c.limitMemory(a, min(c.Parallel, len(windows)), to.place)
	// Before anything is bought, and when the output has shown that it takes files: no call is made for one that does not.
	prepare := sync.OnceFunc(func() {
		c.warnOfOthers(ctx, a.log, there, todo)
		c.openBalance(ctx, a)
	})
	c.compareBalance(todo)
	defer c.closeBalance(ctx, a)
	p := a.newProgress(len(windows))
	if c.heartbeat > 0 {
		p.every = c.heartbeat
	}
	defer p.run()()
	encoder := c.encoder(codec)
	job := &pipeline.Job{
		API: api, Records: c.records(), Pool: pipeline.NewPool(c.Workers), Strict: c.Strict,
		AbortOnCancel: c.AbortOnCancel, Refetch: c.Refetch, Final: final, Claims: claims, Labels: a.labels(), Log: a.log, Observers: []pipeline.Observer{p.observe, c.observeBalance},
		Open: func(ctx context.Context, w pipeline.Window) (pipeline.Output, error) {
			var begin *store.Record
			if w.Fresh {
				text, err := w.Beginning()
				if err != nil {
					return pipeline.Output{}, err
				}
				begin = &store.Record{Name: pipeline.RequestRecord, Data: text}
			}
			out, err := c.open(ctx, a, target{
				to: to, run: w.Run, begin: begin, partition: w.Partition, encoder: encoder, skipEmpty: c.SkipEmpty, refetch: c.Refetch, assuming: c.assuming, iceberg: iceberg,
				meta: map[string]string{"window_start": rfc3339(w.Request.Start), "window_stop": rfc3339(w.Request.Stop)},
			})
			if err != nil {
				return pipeline.Output{}, err
			}
			prepare()
			return out.parts(), nil
		},
	}
	if c.MaxWait != nil {
		job.WaitUntil = a.result.began.Add(*c.MaxWait)
	}
	job.Accept = func(err error) bool { return c.accepts(classify(err).Code) }
	return c.exportAll(ctx, a, job, todo)
}

// decide finds out what has to be done, and claims what has to be bought. With --dry-run it only says so.
func (c *exportCmd) decide(ctx context.Context, a *app, api *source.Client, claims *pipeline.Claims, there *holdings) (work, error) {
	if c.DryRun || c.Refetch {
		pieces, err := claims.Look(ctx, listing{there.Dataset})
		if err != nil {
			return work{}, err
		}
		todo := c.arrange(claims, there, pieces)
		c.warnOfCoverage(ctx, a.log, claims, there, todo)
		if c.DryRun {
			return todo, c.plan(ctx, a, api, claims, pieces, todo)
		}
		return todo, nil
	}
	c.shape(a, api, claims, there)
	warned := false
	claims.Approve = func(pieces []pipeline.Piece) error {
		todo := c.arrange(claims, there, pieces)
		if !warned {
			c.warnOfCoverage(ctx, a.log, claims, there, todo)
			c.first, warned = claims.None(), true
		}
		return c.checkPrice(ctx, api, todo.windows, todo.held)
	}
	pieces, err := claims.Decide(ctx)
	return c.recognize(claims, there, c.arrange(claims, there, pieces), pieces), err
}

// accepts tells whether a window that ends with a code counts as covered.
func (c *exportCmd) accepts(code int) bool { return slices.Contains(c.Accept, strconv.Itoa(code)) }

// windowOf is the window of a request.
func windowOf(host string, r source.Request) pipeline.Window {
	return pipeline.Window{Request: r, Host: host, Run: r.Run(host), Partition: "window_start=" + pipeline.PartitionName(r.Start)}
}

// mendable adds to the error of damaged files how to get them back.
func mendable(err error) error {
	if damage := (*sink.DamageError)(nil); errors.As(err, &damage) {
		return &statusError{exitForeign, damage.Error(), "run again with --refetch: it reads them again from the collector, for free, for 7 days after the export; verify lists all damage"}
	}
	return err
}

func (r *result) drift(d *schema.Drift) {
	r.UnknownFields = len(d.Unknown)
	for _, n := range d.Coerced {
		r.CoercedValues += n
	}
	if !d.Empty() {
		r.Drift = d
	}
}

// bought tells which windows need no money any more: their manifest is there, or the server knows
// an export task for their collector.
func bought(ctx context.Context, api *source.Client, windows []pipeline.Window, all []held) (map[string]string, error) {
	state := map[string]string{}
	for i, w := range windows {
		switch {
		case all[i].complete:
			state[w.Run] = "complete"
		case all[i].bought:
			state[w.Run] = "continue"
		}
	}
	if len(state) == len(windows) {
		return state, nil
	}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range windows {
		if state[w.Run] == "" && slices.ContainsFunc(tasks, func(t source.Task) bool { return t.Target == source.CollectorID(w.Run) }) {
			state[w.Run] = "adopt"
		}
	}
	return state, nil
}

// checkPrice refuses a run whose worst case costs more than --max-credits, or leaves fewer than --min-credits-left.
func (c *exportCmd) checkPrice(ctx context.Context, api *source.Client, windows []pipeline.Window, all []held) error {
	if c.MaxCredits == nil && c.MinCreditsLeft == nil || c.Refetch { // which never buys
		return nil
	}
	state, err := bought(ctx, api, windows, all)
	if err != nil {
		return err
	}
	return c.afford(ctx, len(windows)-len(state), priceOf(windows, state)+c.asked)
}

// priceOf is what the windows could cost that have no state yet.
func priceOf(windows []pipeline.Window, state map[string]string) (price int64) {
	for _, w := range windows {
		if state[w.Run] == "" {
			price += int64(w.Request.Limit + batch)
		}
	}
	return price
}

// plan is --dry-run: free calls that change nothing.
func (c *exportCmd) plan(ctx context.Context, a *app, api *source.Client, claims *pipeline.Claims, pieces []pipeline.Piece, todo work) error {
	windows := todo.windows
	state, err := bought(ctx, api, windows, todo.held)
	if err != nil {
		return err
	}
	price := priceOf(windows, state) + c.asked
	c.sayGaps(a.log, claims, pieces)
	for _, x := range todo.covered {
		a.log.Info("planned", "window", pipeline.PartitionName(x.window.Request.Start), "stop", rfc3339(x.window.Request.Stop), "what", "covered", "runs", len(x.runs))
		planned := c.coveredEnd(x, map[string]bool{}).result()
		planned.Error, planned.Planned = nil, "covered"
		a.result.add(planned)
	}
	for _, w := range windows {
		what := state[w.Run]
		if what == "" {
			what = "buy"
		}
		a.log.Info("planned", "window", pipeline.PartitionName(w.Request.Start), "stop", rfc3339(w.Request.Stop), "run", w.Run, "what", what)
		planned := window(pipeline.Report{Start: w.Request.Start, Stop: w.Request.Stop, Run: w.Run})
		planned.Planned = what
		a.result.add(planned)
	}
	toBuy := len(windows) - len(state)
	a.log.Info("this is only a plan", "windows", len(windows), "to_buy", toBuy, "max_credits", price)
	a.result.Status = "planned"
	a.result.MaxCredits = &price
	return c.affordPlanned(ctx, a.log, claims.Ask.Range, toBuy, price)
}

// target checks what the flags say of the table: nil settings if it is not an Iceberg table.
func (c *exportCmd) target() (*icebergSettings, error) {
	if !c.Register && c.Assume != "" {
		return nil, usagef("--assume goes with --register")
	}
	return c.named(c.Register)
}
