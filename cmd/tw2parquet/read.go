package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/source"
)

type readCmd struct {
	Collector string  `name:"collector" required:"" placeholder:"ID" help:"The collector to read; it stays as it is." group:"What"`
	From      *string `name:"from" placeholder:"OFFSET" help:"Where the first start begins: earliest (default), latest, or an offset that the API gave." group:"What"`

	Out string `name:"out" required:"" placeholder:"OUT" help:"Output: a directory, or a URL: file://, s3://bucket/prefix, gs://…, azblob://… (tw2parquet help stores)." group:"Writing"`
	writing
	Follow       bool           `name:"follow" help:"Keep reading what arrives, until SIGTERM or SIGINT." group:"Running"`
	FileInterval *time.Duration `name:"file-interval" placeholder:"D" help:"With --follow: publish what was read at least so often, if anything was; 15m or more (default 15m)." group:"Writing"`
	IdleTimeout  time.Duration  `name:"idle-timeout" default:"90s" placeholder:"D" help:"Treat a stream as cut after this long without data (default ${default})." group:"Running"`
	telling
	SkipEmpty bool `name:"skip-empty" help:"Exit 99 instead of 0 if there was nothing new." group:"Running"`
}

// Help is the long form of --help.
func (readCmd) Help() string {
	return `Reads a collector that exists, one that a stream or a project feeds too, into Parquet files under collector=<ID>/. No
export task is created, nothing is bought, and the collector is never paused, deleted or changed. (A live collector bills
what it collects, whether anybody reads it or not.)

The published files say where they end, and each start goes on there: every result is in the files exactly once. --from is
for the first start only. Results are kept for 7 days, so read more often than that. Without --follow the command ends once
what the collector held is read. Run again with nothing new it writes nothing and ends with 0, or 99 with --skip-empty. The
result counts what this start published. After drop of its run, read begins again, at --from or with all that the collector
still holds.

With --follow it reads until it is stopped, with about one call a minute. A file is published when it is large enough
(--file-size, --file-rows), or --file-interval after its first result: at most 96 files a day beyond those that are full, and
none without rows. It outlasts a network or server that is away for days. SIGTERM and SIGINT publish what is read and end with
143 and 130; --max-rejects is judged then. Two readers of one collector and OUT: one of them ends with 30.

Example:
  tw2parquet read --collector my-collector --out lake
  tw2parquet read --collector my-collector --from latest --follow \
    --file-interval 1h --out s3://bucket/lake

` + exitTable(exitOK, exitUsage, exitAuth, exitCredits, exitRejected, exitUnavailable, exitStream, exitLocked, exitMismatch, exitExpired, exitStorage, exitForeign, exitData,
		exitBug, exitEmpty, exitInterrupt, exitTerminate) + "\nSee also: files, exit-codes, stores, troubleshooting"
}

// minFileInterval keeps a day's files below a hundred: lakes suffer from small ones.
const minFileInterval = 15 * time.Minute

// interval is how often files are published; 0 without --follow.
func (c *readCmd) interval() (time.Duration, error) {
	switch {
	case c.FileInterval == nil && c.Follow:
		return minFileInterval, nil
	case c.FileInterval == nil:
		return 0, nil
	case !c.Follow:
		return 0, usagef("--file-interval goes with --follow")
	case *c.FileInterval < minFileInterval:
		return 0, usagef("--file-interval is %s; it must be %s or more, so that a day has at most 96 files", *c.FileInterval, minFileInterval)
	}
	return *c.FileInterval, nil
}

// origin is where the first start begins, as the flag says; "" if it does not.
func (c *readCmd) origin() (string, error) {
	if c.From == nil {
		return "", nil
	}
	if *c.From == "" || len(*c.From) > 1000 || strings.ContainsFunc(*c.From, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usagef("--from: use earliest, latest, or an offset as the API gave it")
	}
	return *c.From, nil
}

// Run reads the collector into its run.
func (c *readCmd) Run(ctx context.Context, a *app) error {
	a.result.Out = publicName(c.Out)
	codec, err := c.validate()
	if err != nil {
		return err
	}
	follow, err := c.interval()
	if err != nil {
		return err
	}
	from, err := c.origin()
	if err != nil {
		return err
	}
	if err := source.CheckCollector(c.Collector); err != nil {
		return err
	}
	if c.IdleTimeout <= 0 {
		return usagef("--idle-timeout must be above 0")
	}
	place, err := outPlace(c.Out)
	if err != nil {
		return err
	}
	api, err := a.client(source.Config{MaxDocumentBytes: int64(c.MaxDocumentSize), IdleTimeout: c.IdleTimeout})
	if err != nil {
		return err
	}
	if err := errors.Join(a.refuseToken("collector", c.Collector), a.refuseToken("from", from), a.refuseToken("out", c.Out)); err != nil {
		return err
	}
	to := &destination{place: place, how: a.opening(1), unsafe: c.UnsafeOverwrite}
	defer to.Close()
	c.limitMemory(a, 1, place)
	p := a.newProgress(1)
	defer p.run()()
	report, err := c.read(ctx, a, target{
		to: to, tail: true, partition: "collector=" + c.Collector, encoder: c.encoder(codec),
		skipEmpty: c.SkipEmpty || follow > 0, meta: map[string]string{"collector": c.Collector},
	}, &pipeline.Read{
		API: api, Host: api.Host(), Collector: c.Collector, From: from, Follow: follow,
		Records: c.records(), Pool: pipeline.NewPool(c.Workers), Log: a.log, Observers: []pipeline.Observer{p.observe},
	})
	shown := window(report)
	shown.Collector = c.Collector
	a.result.add(shown)
	if report.Drift != nil {
		a.result.drift(report.Drift)
	}
	if errors.Is(err, pipeline.ErrBegun) {
		return usagef("--from: %w; start again without it, or choose another output", err)
	}
	if err != nil {
		return interrupted(ctx, nearCollector(ctx, api, c.Collector, err))
	}
	if err := c.judge(report); err != nil {
		return err
	}
	return a.judgeEmpty(c.SkipEmpty)
}

// read opens the run and moves what there is. The report is valid whatever the error. A run that was dropped is followed by
// one of the next generation, which begins anew.
func (c *readCmd) read(ctx context.Context, a *app, t target, job *pipeline.Read) (report pipeline.Report, err error) {
	var out output
	for generation := 1; ; generation++ {
		t.run = source.CollectorRun(job.Host, c.Collector, generation)
		report.Run = t.run
		if out, err = c.open(ctx, a, t); !errors.Is(err, sink.ErrDropped) {
			break
		}
	}
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	job.Output = out.parts()
	return job.Run(ctx, pipeline.Window{Run: t.run, Host: job.Host})
}
