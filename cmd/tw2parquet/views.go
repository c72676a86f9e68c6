package main

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink/dataset"
)

type viewsCmd struct {
	Out     string `arg:"" name:"out" help:"The output: its directory or URL."`
	Dialect string `name:"dialect" enum:"duckdb" default:"duckdb" help:"duckdb."`
	Schema  string `name:"schema" placeholder:"NAME" help:"Put the views into this schema, which is created if it is not there."`
}

// Help is the long form of --help.
func (viewsCmd) Help() string {
	return `Prints SQL that creates views over the files of an output. It can be run again, and replaces its own views.

  documents  every row, with _run, _source, window_start and window_stop
  latest     one row for each document of a source: the copy with metrics, then the newest
  matches    one row for each topic, rule or query that matched
  images     one row for each image
  entities   one row for each entity given at import
  authors    one row for each author
  daily      documents for each day, source and language
  extras     what has no column, with a column for each known path
  runs       what each run was asked for

Files are looked for each time a view is read: new windows need no new views. Print the views again to let runs, _source
and window_stop know the new windows, and extras the new members. A condition on window_start, _run or the columns that
the files have statistics of skips whole files. Rows of runs that are not complete are in the views, too; "status"
lists them. DuckDB needs its own access to a bucket (CREATE SECRET).

Example:
  tw2parquet views lake | duckdb lake.db
  tw2parquet views s3://bucket/lake --schema talkwalker > views.sql

Exit codes: 0 ok, 2 usage (no such output, or no files in it), 50 storage, 130 and 143 stopped.
See also: lakes, files`
}

// Run prints the views.
func (c *viewsCmd) Run(ctx context.Context, a *app) error {
	there, accounts, err := takeStock(ctx, a, c.Out)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer there.Close()
	for _, p := range there.problems {
		a.log.Warn("not all of the output can be read", "problem", p)
	}
	v := &dataset.Views{Schema: c.Schema, Folders: there.Folders()}
	if v.Root, err = engineRoot(there.place); err != nil {
		return err
	}
	if len(v.Folders) == 0 {
		return usagef("%s holds no files of a run yet", publicName(c.Out))
	}
	paths := map[string]bool{}
	for i := range accounts {
		r := there.Run(accounts[i].Run)
		if r == nil || len(r.Files) == 0 {
			continue
		}
		v.Runs = append(v.Runs, viewedRun(&accounts[i]))
		if err := collectPaths(ctx, r, paths); err != nil {
			return interrupted(ctx, err)
		}
	}
	v.Paths = slices.Sorted(maps.Keys(paths))
	return a.write(v.DuckDB())
}

func viewedRun(a *pipeline.Account) dataset.ViewedRun {
	r := dataset.ViewedRun{Run: a.Run, Kind: string(a.Asked.Kind), Project: a.Asked.Project, Stream: a.Asked.Stream, Query: a.Asked.Query,
		Topics: a.Asked.Topics, Datasets: a.Asked.Datasets, Generation: a.Asked.Generation, Start: a.Start, Stop: a.Stop}
	if a.Exported() {
		r.Source = a.Asked.SourceID()
	}
	return r
}

// collectPaths adds the members that the drift report of a complete run names.
func collectPaths(ctx context.Context, r *dataset.Run, paths map[string]bool) error {
	text, err := r.Report(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var report struct{ Drift *schema.Drift }
	if err != nil || json.Unmarshal(text, &report) != nil || report.Drift == nil {
		return nil // there is no manifest, or the census has said what is wrong with it
	}
	for p := range report.Drift.Unknown {
		paths[p] = true
	}
	for p := range report.Drift.Coerced {
		paths[p] = true
	}
	return nil
}

// engineSchemes are the URL schemes that engines know under another name.
var engineSchemes = map[string]string{"azblob": "az"}

// engineRoot is how other programs find an output, wherever they are started.
func engineRoot(p place) (string, error) {
	if !p.remote() {
		return filepath.Abs(p.path)
	}
	return cmp.Or(engineSchemes[p.url.Scheme], p.url.Scheme) + "://" + p.url.Host + "/" + strings.Trim(p.key(), "/"), nil
}
