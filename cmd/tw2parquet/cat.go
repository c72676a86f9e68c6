package main

import (
	"context"
	"errors"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

type catCmd struct {
	Paths   []string `arg:"" name:"path" help:"Parquet files or directories, or URLs of either; of a directory, all Parquet files below it."`
	Chunks  bool     `name:"chunks" help:"Print the whole CT_RESULT chunk around each document."`
	Limit   *int64   `name:"limit" placeholder:"N" help:"Stop after N documents."`
	Columns []string `name:"columns" placeholder:"NAME,…" help:"Print only these top-level columns; tw2parquet schema lists them."`
}

// Help is the long form of --help.
func (catCmd) Help() string {
	return `Prints the documents of Parquet files as they came from the API, one JSON object per line, rebuilt from the columns: the
same members with the same values, in the order of the stream. For a directory it prints every Parquet file below it,
except in _tw2parquet; the files of a run come in their order.

Example:
  tw2parquet cat lake --limit 3 | jq .title
  tw2parquet cat lake/window_start=2024-01-01 --columns url,published,reach
  tw2parquet cat s3://bucket/lake --limit 3
  tw2parquet cat --chunks lake | tw2parquet convert - --out copy

Exit codes: 0 ok (also if the reader of the output stops early), 2 usage (no such path or column), 50 storage, 53 a
file is damaged or not ours; what came before it is printed. 130 and 143 stopped.
See also: files, stores`
}

// Run prints the documents.
func (c *catCmd) Run(ctx context.Context, a *app) error {
	what := dataset.Print{Chunks: c.Chunks, Columns: c.Columns, Limit: -1}
	if c.Limit != nil {
		if what.Limit = *c.Limit; what.Limit < 0 {
			return usagef("--limit is %d; it must be 0 or more", what.Limit)
		}
	}
	if c.Chunks && len(c.Columns) > 0 {
		return usagef("--columns selects members of the document and does not go with --chunks")
	}
	from := &buckets{how: a.opening(1)}
	defer from.Close()
	var heard []*attentive
	for _, arg := range c.Paths {
		at, err := locate(arg)
		if err != nil {
			return usagef("%s: %w", publicName(arg), err)
		}
		if at.remote() {
			in, err := from.parquet(ctx, at)
			if err != nil {
				return interrupted(ctx, err)
			}
			listening := &attentive{Store: in.Store}
			heard = append(heard, listening)
			what.Inputs = append(what.Inputs, dataset.Input{Store: listening, Name: in.Name})
			continue
		}
		in, name, err := store.OpenPath(at.path)
		if err != nil {
			return usagef("%s: %w", at.path, store.Cause(err))
		}
		defer in.Close()
		what.Inputs = append(what.Inputs, dataset.Input{Store: in, Name: name})
	}
	err := dataset.Cat(ctx, a.lasting(), what)
	var input *dataset.InputError
	var write *dataset.WriteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &write):
		return nil // head has seen enough, or the disk is full: standard output tells
	case heardOf(heard) != nil:
		return interrupted(ctx, heardOf(heard))
	case errors.As(err, &input):
		return &usageError{err}
	}
	return interrupted(ctx, err)
}
