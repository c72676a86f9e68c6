package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink/store"
)

type convertCmd struct {
	Paths []string `arg:"" name:"path" help:"Recorded streams: files, objects, globs of either, or - for standard input; plain, gzip or zstd."`
	Out   string   `name:"out" required:"" placeholder:"OUT" help:"Output: a directory, or a URL: file://, s3://bucket/prefix, gs://…, azblob://… (tw2parquet help stores)." group:"Writing"`
	writing
	AllowCut bool `name:"allow-cut" help:"Accept recordings that are cut: empty, or not ended by a control chunk." group:"Running"`
	telling
	SkipEmpty bool `name:"skip-empty" help:"Exit 99 instead of 0 if there was nothing to convert." group:"Running"`
}

// Help is the long form of --help.
func (convertCmd) Help() string {
	return `Turns recorded result streams (what the API's results call sends) into the same Parquet files, offline, through the
same code as export.

Each input is a recording and a run of its own. Recordings may lie in a bucket, as OUT may. Pieces of one recording
belong together: cat rec.a? | tw2parquet convert -. A recording is known by the results it begins with, not by its name or compression. One that OUT holds already is not
converted again; where it has grown, or a conversion was stopped, only the rest is converted.

A recording that is empty, ends in the middle of a chunk, or has control chunks and does not end with one is cut. What it
holds is converted, without a manifest, and the exit code is 21. Run again once it is whole: nothing will be there twice.
With --allow-cut it counts as complete. Results without any control chunk, such as filtered lines, are converted with a
warning. The other inputs are converted in any case.

Example:
  tw2parquet convert 'archive/*.ndjson.zst' --out lake
  zcat recording.ndjson.gz | tw2parquet convert - --out lake
  tw2parquet convert 's3://raw/2024-*.ndjson.zst' --out s3://bucket/lake

` + exitTable(exitOK, exitUsage, exitStream, exitLocked, exitMismatch, exitStorage, exitForeign, exitData, exitBug, exitEmpty, exitInterrupt, exitTerminate) + "\nSee also: files, exit-codes, stores"
}

// Run converts every input, each into a run of its own.
func (c *convertCmd) Run(ctx context.Context, a *app) error {
	a.result.Out = publicName(c.Out)
	codec, err := c.validate()
	if err != nil {
		return err
	}
	out, err := outPlace(c.Out)
	if err != nil {
		return err
	}
	from := &buckets{how: a.opening(1)}
	defer from.Close()
	inputs, err := expand(ctx, from, c.Paths)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer func() {
		for _, in := range inputs {
			_ = in.Close() // only read from
		}
	}()
	if err := inspectInputs(ctx, inputs, a.stdin); err != nil {
		return interrupted(ctx, err)
	}
	to := &destination{place: out, how: a.opening(1), unsafe: c.UnsafeOverwrite}
	defer to.Close()
	runs, err := knownRuns(ctx, to)
	if err != nil {
		return interrupted(ctx, err)
	}
	c.limitMemory(a, 1, out, inputs...)
	p := a.newProgress(len(inputs))
	defer p.run()()
	v := &conversion{convertCmd: c, app: a, to: to, encoder: c.encoder(codec), pool: pipeline.NewPool(c.Workers), progress: p, runs: runs, reported: map[string]bool{}, drift: &schema.Drift{}}
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

// expand turns globs into recordings, in order.
func expand(ctx context.Context, from *buckets, args []string) ([]*input, error) {
	var inputs []*input
	stdin := false
	for _, arg := range args {
		if arg == stdinName {
			if stdin {
				return nil, usagef("standard input can be read only once")
			}
			stdin = true
			inputs = append(inputs, &input{name: "standard input"})
			continue
		}
		at, err := locate(arg)
		if err != nil {
			return nil, usagef("%s: %w", publicName(arg), err)
		}
		if at.remote() {
			objects, err := from.recordings(ctx, at)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, objects...)
			continue
		}
		arg = at.path
		found := []string{arg}
		if _, err := os.Stat(arg); err != nil && strings.ContainsAny(arg, "*?[") {
			if found, err = filepath.Glob(arg); err != nil {
				return nil, usagef("%s is not a pattern: %w", arg, err)
			}
			if len(found) == 0 {
				return nil, usagef("no file matches %s", arg)
			}
		}
		for _, name := range found {
			info, err := os.Stat(name)
			switch {
			case err != nil:
				return nil, usagef("%s cannot be read: %w", name, store.Cause(err))
			case info.IsDir():
				return nil, usagef("%s is a directory; name its files, such as %s", name, filepath.Join(name, "*"))
			}
			inputs = append(inputs, &input{name: name, path: name})
		}
	}
	return inputs, nil
}
