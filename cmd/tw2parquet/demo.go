package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"tw2parquet/pipeline/bug"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

type demoCmd struct {
	Out string `name:"out" default:"tw2parquet-demo" placeholder:"OUT" help:"Output: a directory or a URL (default ${default})."`
	unsafely
	telling
}

// Help is the long form of --help.
func (demoCmd) Help() string {
	return `Starts the emulator of the API inside the process, exports three monthly windows through it, and prints what it did,
the files, the bill, and queries to paste. It needs no token and no network. A second run finds the export complete.

Example:
  tw2parquet demo
  tw2parquet demo --out demo-lake && tw2parquet report demo-lake

` + exitTable(exitOK, exitUsage, exitLocked, exitStorage, exitForeign, exitBug, exitInterrupt, exitTerminate) + "\nSee also: files, report"
}

// The demo's account: 91 days at 220 documents are some 20,000, and an export takes long enough to be
// watched.
const (
	demoPerDay   = 220
	demoTask     = 1500 * time.Millisecond
	demoScale    = 0.02 // of every wait
	demoFileRows = 2500
)

// Run shows the main job, end to end.
func (c *demoCmd) Run(ctx context.Context, a *app) error {
	a.result.Out = publicName(c.Out)
	out, err := outPlace(c.Out)
	if err != nil {
		return err
	}
	server, err := emulator.New(emulator.Config{
		Seed: 1, DocumentsPerDay: demoPerDay, TaskDuration: demoTask, LimitBatch: 500, ControlEvery: 250,
		Minute: time.Duration(demoScale * float64(time.Minute)),
	})
	if err != nil {
		return fmt.Errorf("start the emulator: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the emulator: %w", err)
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- bug.Guard(func() error { return server.Serve(serving, ln) }) }()
	err = c.export(ctx, a, server, "http://"+ln.Addr().String())
	stop()
	if serr := <-served; err == nil {
		err = serr
	}
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return nil // nothing but the line is wanted
	}
	return c.explain(a, server, out)
}

func (c *demoCmd) export(ctx context.Context, a *app, server *emulator.Server, url string) error {
	a.log.Info("the emulator of the API is up", "url", url)
	a.globals.BaseURL = url
	a.account = &account{token: source.NewToken(server.Token()), scale: demoScale}
	a.hide(a.account.token)
	job := exportCmd{
		selection: selection{
			Project: server.Projects()[0], Limit: 20000, Generation: 1,
			Start: instant{time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}, Stop: until{instant: instant{time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC)}},
		},
		Out: c.Out, Split: "month", Parallel: 1,
		IdleTimeout: 90 * time.Second, heartbeat: 400 * time.Millisecond,
		writing: writing{
			unsafely: c.unsafely,
			FileSize: 256 << 20, FileRows: demoFileRows, RowGroupSize: 1 << 20, Compression: "zstd:3", MaxDocumentSize: 64 << 20,
		},
	}
	return job.run(ctx, a)
}

// explain says in words what the result line says in JSON.
func (c *demoCmd) explain(a *app, server *emulator.Server, out place) error {
	w := a.stdout
	r := a.result
	r.explained = true
	where := out.path
	glob := filepath.Join(out.path, "window_start=*", "*.parquet")
	if out.remote() {
		where, glob = out.name, out.name+"/window_start=*/*.parquet"
	}
	glob = sqlQuote(glob)
	fmt.Fprintf(w, "\n%s documents of three months in %d files (%s) under %s:\n\n", countText(r.Rows), r.Files, bytesText(r.Bytes), where)
	for _, win := range r.Windows {
		for _, f := range win.Files {
			fmt.Fprintf(w, "  %s\n", filepath.FromSlash(f))
		}
	}
	fmt.Fprintf(w, "\nThe bill: %s results exported, %s credits spent in this run.\n", countText(r.Credits), countText(server.Ledger().Credits()))
	fmt.Fprintf(w, "\nAsk DuckDB (or: make query SQL=\"…\"):\n\n")
	for _, q := range []string{ // a screen is 80 columns wide
		"SELECT window_start, source_type[1] AS source, count(*) AS documents\n  FROM " + glob + "\n  GROUP BY ALL ORDER BY ALL;",
		"SELECT lang, count(*) AS documents, round(avg(sentiment), 2) AS sentiment,\n    sum(engagement) AS engagement\n  FROM " + glob + "\n  GROUP BY ALL ORDER BY documents DESC LIMIT 10;",
		"SELECT topic.title, count(*) AS matches\n  FROM (SELECT unnest(h.matched.project_profiles) AS topic\n    FROM (SELECT unnest(highlighted_data) AS h\n      FROM " + glob + "))\n  GROUP BY ALL ORDER BY matches DESC;",
	} {
		fmt.Fprintf(w, "  %s\n\n", q)
	}
	fmt.Fprintf(w, "See it all on one page: tw2parquet report %s\n\n", quote(named(c.Out, "")))
	return nil
}
