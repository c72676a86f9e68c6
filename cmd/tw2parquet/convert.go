package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"tw2parquet/schema"
	"tw2parquet/sink/store"
)

type convertCmd struct {
	Paths []string `arg:"" name:"path" help:"Recorded streams: files, globs, or - for standard input; plain, gzip or zstd."`
	Out   string   `name:"out" required:"" placeholder:"DIR" help:"Output directory, or file:// URL with # and ? escaped." group:"Writing"`
	writing
	AllowCut  bool `name:"allow-cut" help:"Accept recordings that are cut: empty, or not ended by a control chunk." group:"Running"`
	SkipEmpty bool `name:"skip-empty" help:"Exit 99 instead of 0 if there was nothing to convert." group:"Running"`
}

// Help is the long form of --help.
func (convertCmd) Help() string {
	return `Turns recorded result streams (what the API's results call sends) into the same Parquet files, offline, through the
same code as export.

Each input is a recording and a run of its own. Pieces of one recording belong together: cat rec.a? | tw2parquet convert -
A recording is known by the results it begins with, not by its name or compression. One that OUT holds already is not
converted again; where it has grown, or a conversion was stopped, only the rest is converted.

A recording that is empty, ends in the middle of a chunk, or has control chunks and does not end with one is cut. What it
holds is converted, without a manifest, and the exit code is 21. Run again once it is whole: nothing will be there twice.
With --allow-cut it counts as complete. Results without any control chunk, such as filtered lines, are converted with a
warning. The other inputs are converted in any case.

Example:
  curl -s … | tw2parquet convert - --out lake
  tw2parquet convert 'archive/*.ndjson.zst' --out lake

Environment: TW2PARQUET_LOG_FORMAT, TW2PARQUET_LOG_LEVEL, TW2PARQUET_RESULT_FILE, GOMEMLIMIT.

` + exitTable()
}

// Run converts every input, each into a run of its own.
func (c *convertCmd) Run(ctx context.Context, a *app) error {
	a.result.Out = c.Out
	codec, err := c.validate()
	if err != nil {
		return err
	}
	root, err := outDir(c.Out)
	if err != nil {
		return err
	}
	names, err := expand(c.Paths)
	if err != nil {
		return err
	}
	inputs, err := inspectInputs(names, a.stdin)
	if err != nil {
		return err
	}
	defer func() {
		for _, in := range inputs {
			_ = in.Close() // only read from
		}
	}()
	c.limitMemory(a, 1)
	p := a.newProgress(len(inputs))
	defer p.run()()
	v := &conversion{convertCmd: c, app: a, root: root, codec: codec, progress: p, runs: knownRuns(ctx, root), reported: map[string]bool{}, drift: &schema.Drift{}}
	defer func() { a.result.drift(v.drift) }()
	var first error // what concerns one recording does not keep the others from being converted
	for _, in := range inputs {
		err := v.input(ctx, in)
		p.finished()
		switch {
		case err == nil:
		case ctx.Err() != nil || !ofOneRecording(err):
			return interrupted(ctx, err)
		case first == nil:
			first = err
		default:
			a.log.Warn("another recording was converted only in part", "error", err)
		}
	}
	if first != nil {
		return first
	}
	if v.judgement != nil {
		return v.judgement
	}
	return a.judgeEmpty(c.SkipEmpty)
}

// expand turns globs into files, in order.
func expand(args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		if arg == stdinName {
			names = append(names, arg)
			continue
		}
		path, err := localPath(arg)
		if err != nil {
			return nil, usagef("%s: %w", arg, err)
		}
		arg = path
		found := []string{arg}
		if _, err := os.Stat(arg); err != nil && strings.ContainsAny(arg, "*?[") {
			if found, err = filepath.Glob(arg); err != nil {
				return nil, usagef("%s is not a pattern: %w", arg, err)
			}
			if len(found) == 0 {
				return nil, usagef("no file matches %s", arg)
			}
		}
		names = append(names, found...)
	}
	stdin := 0
	for _, name := range names {
		if name == stdinName {
			stdin++
			continue
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, usagef("%s cannot be read: %w", name, store.Cause(err))
		case info.IsDir():
			return nil, usagef("%s is a directory; name its files, such as %s", name, filepath.Join(name, "*"))
		}
	}
	if stdin > 1 {
		return nil, usagef("standard input can be read only once")
	}
	return names, nil
}
