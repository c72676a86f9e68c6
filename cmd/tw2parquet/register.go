package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	tables "tw2parquet/sink/table"
)

type registerCmd struct {
	shown
	Out    string   `arg:"" name:"out" help:"The output: its directory or URL."`
	Runs   []string `arg:"" name:"run" optional:"" help:"The runs to register; all complete ones if none is named. The first 8 characters will do where they are unique."`
	Format string   `name:"format" enum:"iceberg,delta,ducklake" required:"" help:"iceberg (a table in a catalog), delta (a log beside the files), or ducklake (prints SQL for DuckDB)."`
	Table  string   `name:"table" placeholder:"NAME" help:"With iceberg: NAMESPACE.NAME. With ducklake: CATALOG.TABLE; lake.documents if not given."`
	catalogFlags
	assuming
}

// assuming is what register and export have in common.
type assuming struct {
	Assume string `name:"assume" placeholder:"WHAT" complete:"registered,missing" help:"Of runs of which the table cannot tell whether it has them: registered, or missing." group:"Running"`
}

func (c assuming) check() error {
	switch tables.Assume(c.Assume) {
	case tables.AssumeNothing, tables.AssumeRegistered, tables.AssumeMissing:
		return nil
	}
	return usagef("--assume %q: use registered or missing", c.Assume)
}

// Help is the long form of --help.
func (registerCmd) Help() string {
	return `Makes complete runs known to a table, where their files lie. Call it as often as you like: a run is registered once,
whatever dies in between, and two calls at a time do no harm.

iceberg adds them to a table in a catalog: a REST one (--catalog rest:https://…) or a database (--catalog
sql:sqlite:////srv/catalog.db, sql:postgresql://USER@HOST/DATABASE). The table is made, unpartitioned, if it is not there. Spark,
Trino, PyIceberg and DuckDB read it. Columns that a newer version brings are added, and files that were written again replace
those that the table has. Secrets come from variables as PyIceberg reads them: PYICEBERG_CATALOG__DEFAULT__TOKEN, …__CREDENTIAL;
with --catalog-property name=NAME those of NAME. For PostgreSQL: PGPASSWORD.

delta makes the output a Delta table: a log in its folder _delta_log, partitioned by window_start, which Spark, Databricks,
Trino, delta-rs, polars and DuckDB read. Columns that a newer version brings are added. Files that were written again
(--refetch) replace those that the table has.

ducklake prints SQL that does the same in DuckDB; run it twice, and it adds nothing twice.

A run that is not complete is left out: register it later. export --register does it after each window. tw2parquet help
lakes has what a table's other writers have to know.

Example:
  tw2parquet register lake --format iceberg --table docs.talkwalker \
    --catalog sql:sqlite:////srv/catalog.db
  tw2parquet register lake --format delta
  tw2parquet register lake --format ducklake --table lake.documents > register.sql

Exit codes: 0 ok, 2 usage (no such output or run), 30 a run is being written (later), 50 storage, 54 the table cannot take
them (the files are safe), 130 and 143 stopped.
See also: lakes`
}

// registration is what `register --output json` prints.
type registration struct {
	Format string          `json:"format"`
	Table  string          `json:"table"`
	Runs   []tables.Result `json:"runs"`
}

// Run registers.
func (c *registerCmd) Run(ctx context.Context, a *app) error {
	at, err := locateOutput(c.Out)
	if err != nil {
		return usagef("%s: %w", publicName(c.Out), err)
	}
	if err := c.check(); err != nil {
		return err
	}
	iceberg, err := c.target()
	if err != nil {
		return err
	}
	to := &destination{place: at, how: a.opening(1)}
	defer to.Close()
	if _, err := to.use(ctx, false); errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no output at %s", publicName(c.Out))
	}
	there, err := openHoldings(ctx, to)
	if err == nil {
		err = there.err
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	runs := there.Runs
	if len(c.Runs) > 0 {
		runs = nil
		for _, id := range c.Runs {
			id, err := whole(there, id)
			if err != nil {
				return usagef("%s %w", publicName(c.Out), err)
			}
			runs = append(runs, there.Run(id))
		}
	}
	if c.Format == "ducklake" {
		return c.printDuckLake(ctx, a, to, runs)
	}
	said := registration{Format: c.Format, Table: publicName(c.Out), Runs: []tables.Result{}}
	if iceberg != nil {
		said.Table = iceberg.Table
	}
	table, err := openTable(ctx, a, to, c.assuming, iceberg)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer table.Close()
	results, err := table.Register(ctx, runs)
	said.Runs = append(said.Runs, results...)
	if shown := c.show(a, said); shown != nil {
		return shown
	}
	return interrupted(ctx, err)
}

// target checks what the flags say of the table: nil settings if it is not an Iceberg table.
func (c *registerCmd) target() (*icebergSettings, error) {
	lake, name, ok := strings.Cut(c.Table, ".")
	switch {
	case c.Format == "iceberg":
		s, err := c.settings(c.Table, os.Environ())
		return &s, err
	case c.given():
		return nil, usagef("--catalog and --catalog-property go with --format iceberg")
	case c.Table != "" && c.Format != "ducklake":
		return nil, usagef("--table goes with --format iceberg or ducklake; a Delta table is the output itself")
	case c.Table != "" && (!ok || lake == "" || name == "" || strings.Contains(name, ".")):
		return nil, usagef("--table %q: write CATALOG.TABLE, where CATALOG is the name that the DuckLake is attached by", c.Table)
	}
	return nil, nil
}

func (c *registerCmd) show(a *app, r registration) error {
	if c.Output == "json" {
		return a.indented(r)
	}
	rows := make([][]string, len(r.Runs))
	for i, x := range r.Runs {
		rows[i] = []string{x.Run, string(x.Outcome), "", "", ""}
		if x.Outcome != tables.Known {
			rows[i][2], rows[i][3] = countText(int64(x.Files)), countText(x.Rows)
		}
		if x.Version >= 0 {
			rows[i][4] = fmt.Sprint(x.Version)
		}
	}
	return a.table([]heading{{name: "run"}, {name: "outcome"}, {name: "files", right: true}, {name: "rows", right: true}, {name: "version", right: true}}, rows)
}

// tableConfig is how the tables of an output are written.
func tableConfig(ctx context.Context, a *app, to *destination, c assuming) (tables.Config, error) {
	s, err := to.use(ctx, false)
	return tables.Config{Store: s, Records: sink.Records{Store: s, Log: a.log}, Assume: tables.Assume(c.Assume), Log: a.log, Writer: "tw2parquet/" + programVersion}, err
}

// registrar registers the windows of an export as they become complete, one at a time.
type registrar struct {
	app     *app
	to      *destination
	how     assuming
	iceberg *icebergSettings // nil: the Delta table
	mu      sync.Mutex
	table   lakeTable // nil until it is needed
}

// close lets the table go.
func (r *registrar) close() {
	if r.table != nil {
		r.table.Close()
	}
}

// register makes runs known to the table, as far as they are complete.
func (r *registrar) register(ctx context.Context, ids ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.to.use(ctx, false)
	if err != nil {
		return err
	}
	there, err := dataset.Open(ctx, s)
	if err != nil {
		return err
	}
	var runs []*dataset.Run
	for _, id := range ids {
		if run := there.Run(id); run != nil {
			runs = append(runs, run)
		}
	}
	if r.table == nil {
		if r.table, err = openTable(ctx, r.app, r.to, r.how, r.iceberg); err != nil {
			r.table = nil
			return err
		}
	}
	results, err := r.table.Register(ctx, runs)
	r.tell(r.name(), results...)
	return err
}

func (r *registrar) tell(table string, results ...tables.Result) {
	for _, x := range results {
		if x.Outcome != tables.Known {
			r.app.log.Info("registered in the table", "table", table, "run", x.Run, "files", x.Files, "rows", x.Rows, "outcome", string(x.Outcome))
		}
	}
}

// swap tells the tables that have a run, which is open, that files of it were written again. A table that never had it is told nothing.
func (r *registrar) swap(ctx context.Context, run *sink.Journal) error {
	cfg, err := tableConfig(ctx, r.app, r.to, r.how)
	if err != nil {
		return err
	}
	cfg.Records = sink.Records{Store: cfg.Store, Log: r.app.log, Open: run}
	results, err := tables.SwapDelta(ctx, cfg, run.Run())
	r.tell("delta", results...)
	if err != nil {
		return err
	}
	held, err := tables.FindRun(ctx, cfg.Store, run.Run())
	if err != nil {
		return err
	}
	homes, err := tables.IcebergHomes(ctx, held, true)
	if err != nil {
		return err
	}
	for _, h := range homes {
		s, err := homeSettings(h, r.iceberg, os.Environ())
		if err != nil {
			return err
		}
		t, err := findHome(ctx, r.app, r.to, cfg, s, h.UUID)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		results, err := t.Register(ctx, []*dataset.Run{held})
		t.Close()
		r.tell(h.Table, results...)
		if err != nil {
			return err
		}
	}
	return nil
}

// name is what the table is called in the log.
func (r *registrar) name() string {
	if r.iceberg == nil {
		return "delta"
	}
	return r.iceberg.Table
}

// defaultLake is the table of a DuckLake if none is named.
const defaultLake = "lake.documents"

// printDuckLake prints SQL that registers runs.
func (c *registerCmd) printDuckLake(ctx context.Context, a *app, to *destination, runs []*dataset.Run) error {
	root, err := engineRoot(to.place)
	if err != nil {
		return err
	}
	sql, err := tables.DuckLake(ctx, root, cmp.Or(c.Table, defaultLake), duckDBColumns(schema.Arrow()), runs)
	if err != nil {
		return interrupted(ctx, err)
	}
	return a.write(sql)
}
