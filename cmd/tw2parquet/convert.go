package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

type convertCmd struct {
	Paths []string `arg:"" name:"path" help:"Recorded streams: files, globs, or - for standard input; plain, gzip or zstd."`
	Out   string   `name:"out" required:"" placeholder:"DIR" help:"Output directory, or file:// URL with # and ? escaped." group:"Writing"`
	writing
	SkipEmpty bool `name:"skip-empty" help:"Exit 99 instead of 0 if there was nothing to convert." group:"Running"`
}

// Help is the long form of --help.
func (convertCmd) Help() string {
	return `Turns recorded result streams (what the API's results call sends) into the same Parquet files, offline, through the
same code as export. Several inputs are one stream, in the order given. The same files, unchanged, are the same run: a
conversion that was stopped continues, one that is complete is not repeated. Each start from standard input is a run
of its own.

Example:
  curl -s … | tw2parquet convert - --out lake
  tw2parquet convert 'archive/*.ndjson.zst' --out lake

Environment: TW2PARQUET_LOG_FORMAT, TW2PARQUET_LOG_LEVEL, TW2PARQUET_RESULT_FILE, GOMEMLIMIT.

` + exitTable()
}

// Run converts every input into one run.
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
	run, err := conversionRun(names)
	if err != nil {
		return err
	}
	c.limitMemory(a, 1)
	out, err := c.open(ctx, a, target{root: root, run: run, skipEmpty: c.SkipEmpty, codec: codec})
	if err != nil {
		return err
	}
	report, err := c.convert(ctx, a, out, run, names)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	a.result.add(window(report))
	a.result.drift(report.Drift)
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := c.judge(report); err != nil {
		return err
	}
	return a.judgeEmpty(c.SkipEmpty)
}

func (c *convertCmd) convert(ctx context.Context, a *app, out output, run string, names []string) (pipeline.Report, error) {
	in := newInputs(names, a.stdin)
	defer func() { _ = in.Close() }() // only read from
	recording := source.NewRecording(in, int64(c.MaxDocumentSize), c.rowGroup().Batches())
	w := pipeline.Window{Run: run}
	if offset, next := out.Position(); offset != "" {
		at, err := recordedPosition(offset)
		if err != nil {
			return pipeline.Report{Run: run}, err
		}
		if _, err := io.CopyN(io.Discard, in, at); err != nil {
			return pipeline.Report{Run: run}, &inputError{fmt.Errorf("skip what was converted before: %w", err)}
		}
		recording.Continue(at, next)
	}
	p := a.newProgress(1)
	defer p.run()()
	job := &pipeline.Conversion{Batches: recording, Output: out, RowGroup: c.rowGroup(), Workers: c.Workers, Observe: p.observe}
	report, err := job.Run(ctx, w)
	if n := recording.Stats().Unknown; n > 0 {
		a.log.Warn("chunks that are neither results nor offsets were skipped; what they hold is in no file", "chunks", n)
	}
	return report, err
}

// recordedPosition reads back the byte position that a recording's batches carry as their offset.
func recordedPosition(offset string) (int64, error) {
	digits, ok := strings.CutPrefix(offset, "byte:")
	at, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || at < 0 {
		return 0, fmt.Errorf("the files end at %q, which is no position in a recording", offset)
	}
	return at, nil
}

// stdinName is what stands for standard input.
const stdinName = "-"

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
				return nil, usagef("%s is no pattern: %w", arg, err)
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
			return nil, usagef("%s cannot be read: %w", name, cause(err))
		case info.IsDir():
			return nil, usagef("%s is a directory; give its files, such as %s", name, filepath.Join(name, "*"))
		}
	}
	if stdin > 1 {
		return nil, usagef("standard input can be read once only")
	}
	return names, nil
}

// conversionRun names the run: the same files, unchanged, are the same run.
func conversionRun(names []string) (string, error) {
	h := sha256.New()
	for _, name := range names {
		if name == stdinName {
			fmt.Fprintf(h, "stdin %s\n", rand.Text())
			continue
		}
		path, err := filepath.Abs(name)
		if err != nil {
			return "", usagef("%s: %w", name, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", usagef("%s cannot be read: %w", name, cause(err))
		}
		fmt.Fprintf(h, "file %q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	}
	// As long as the runs of exports: 130 bits.
	return strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)))[:26], nil
}

// inputError is a recording that cannot be read on; what came before it is converted.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }
