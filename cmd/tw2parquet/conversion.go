package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// conversion moves recordings into an output, one after the other.
type conversion struct {
	*convertCmd
	app      *app
	to       *destination
	encoder  *parquet.Encoder // of all recordings
	pool     *pipeline.Pool   // likewise
	progress *progress
	runs     map[string]bool // that the output has
	reported map[string]bool // runs that are in the result
	drift    *schema.Drift

	judgement error // of the first run whose data is safe and that fails all the same
}

// inputError is a recording that cannot be converted to its end. What came before it is converted.
type inputError struct {
	err       error
	code      int
	hint      string
	name      string // finer than the exit code's; or ""
	retryable bool
}

// unreadable is the error of a recording that cannot be read on. Where the store that holds it says why, that decides.
func unreadable(err error, kept, hint string) *inputError {
	if refused := (*objectError)(nil); errors.As(err, &refused) {
		o := refused.outcome
		return &inputError{err: err, code: o.Code, name: o.Name, retryable: o.Retryable, hint: kept + "; " + o.Hint}
	}
	return &inputError{err: err, code: exitStream, hint: kept + "; " + hint}
}

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// ofOneRecording tells trouble with one recording or its run from what concerns all.
func ofOneRecording(err error) bool {
	var (
		input   *inputError
		foreign *sink.ForeignError
		damage  *sink.DamageError
	)
	return errors.As(err, &input) || errors.As(err, &foreign) || errors.As(err, &damage) || errors.Is(err, sink.ErrLocked)
}

// headBytes is how much of a recording may count for its name.
const headBytes = 1 << 20

// input converts one recording.
func (v *conversion) input(ctx context.Context, in *input) error {
	defer func() { _ = in.Close() }() // only read from
	err := in.recognise(ctx)
	if err == nil {
		err = in.open(ctx, v.app.stdin)
	}
	if err != nil {
		return unreadable(fmt.Errorf("%s cannot be read: %w", in.name, store.Cause(err)), "nothing was converted", "run again once it can be read")
	}
	in.fill(headBytes)
	run, err := v.find(ctx, in)
	if err != nil {
		return err
	}
	r := &reading{Recording: source.NewRecording(in, int64(v.MaxDocumentSize), v.records().Batches()), input: in, allowCut: v.AllowCut, accepted: -1}
	r.recorded.File = in.file
	for run != "" && err == nil {
		run, err = v.run(ctx, r, run)
	}
	if n := r.Stats().Unknown; n > 0 {
		v.app.log.Warn("skipped chunks that are neither results nor offsets; their content is not in any file", "input", in.name, "chunks", n)
	}
	// What was read could not be published: that concerns all.
	if storage := (*store.Error)(nil); errors.As(err, &storage) {
		return storage
	}
	return err
}

// knownRuns names the runs that an output has, complete or not. Where that cannot be told, opening it tells why.
func knownRuns(ctx context.Context, to *destination) (map[string]bool, error) {
	there, err := openHoldings(ctx, to)
	if err != nil {
		return nil, err
	}
	runs := map[string]bool{}
	for _, r := range there.Runs {
		runs[r.ID] = true
	}
	return runs, nil
}

// find names the run that a recording begins with. A run has the name of all results that the head of its
// recording held; where that was cut, they are the first ones of the whole recording.
func (v *conversion) find(ctx context.Context, in *input) (run string, err error) {
	beginnings, err := source.Beginnings(ctx, in.head)
	if err != nil {
		return "", err
	}
	for i := len(beginnings) - 1; i >= 0; i-- {
		if run = runID("recording", beginnings[i][:]); v.runs[run] {
			return run, nil
		}
	}
	if n := len(beginnings); n > 0 {
		return runID("recording", beginnings[n-1][:]), nil
	}
	sum := sha256.Sum256(in.head)
	return runID("no results", sum[:]), nil
}

// runID is as long as the ids of exports: 130 bits.
func runID(kind string, of []byte) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %x", kind, of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

// run converts what belongs to a run, and names the run that the recording goes on in, "" at its end. A run
// that is complete is never changed; where its recording has grown, another run has the rest.
func (v *conversion) run(ctx context.Context, r *reading, run string) (next string, err error) {
	if !v.runs[run] {
		// Nothing is written for a recording without anything to convert.
		if err := r.ahead(ctx); errors.Is(err, io.EOF) && r.recorded.From != "" {
			return "", nil
		} else if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
	}
	out, err := v.open(ctx, v.app, target{to: v.to, run: run, skipEmpty: v.SkipEmpty, encoder: v.encoder})
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
	}()
	v.runs[run] = true
	stored, err := out.Manifest()
	if err != nil {
		return "", err
	}
	if at, results := out.Position(); stored == nil && at != "" {
		if err := r.skip(ctx, run, at, results); err != nil {
			return "", err
		}
	}
	job := &pipeline.Conversion{Batches: r, Recorded: &r.recorded, Output: out.parts(), Records: v.records(), Pool: v.pool, Labels: v.app.labels(), Observers: []pipeline.Observer{v.progress.observe}}
	report, err := job.Run(ctx, pipeline.Window{Run: run})
	v.report(report)
	switch {
	case err != nil:
		return "", err
	case stored == nil:
		v.warn(r, report)
		return "", nil
	case report.Recorded == nil:
		return "", &inputError{err: fmt.Errorf("%s: the manifest of run %s does not say what was converted", r.input.name, run), code: exitForeign, hint: "nothing was touched; choose another output"}
	case report.Recorded.File != "" && report.Recorded.File == r.input.file:
		return "", nil // not read again
	}
	to := report.Recorded.To
	if err := r.skip(ctx, run, to, report.Rows+report.Rejected); err != nil {
		return "", err
	}
	r.Restart()
	r.recorded.From = to
	if report.Recorded.Cut != "" {
		r.accepted = r.Position().Byte
	}
	return runID("continued", []byte(run+" "+to)), nil
}

// report puts a run into the result, once.
func (v *conversion) report(r pipeline.Report) {
	if v.reported[r.Run] {
		return
	}
	v.reported[r.Run] = true
	v.app.result.add(window(r))
	v.drift.Merge(r.Drift)
	if err := v.judge(r); v.judgement == nil {
		v.judgement = err
	}
}

// warn tells of what nobody can judge, and of what was accepted.
func (v *conversion) warn(r *reading, report pipeline.Report) {
	switch {
	case r.recorded.Cut != "":
		v.app.log.Warn("accepted a recording that is cut", "input", r.input.name, "why", r.recorded.Cut)
	case r.Stats().Controls == 0 && report.Rows+report.Rejected > 0:
		v.app.log.Warn("the recording has no control chunk, so nothing tells whether it is complete", "input", r.input.name)
	}
}

// reading is a recording as the pipeline reads it: whether it may end where it ends is judged here.
type reading struct {
	*source.Recording
	input    *input
	allowCut bool
	accepted int64 // byte where an earlier run was allowed to be cut
	recorded pipeline.Recorded
	pending  *source.Batch // read ahead
}

// ahead reads the first batch.
func (r *reading) ahead(ctx context.Context) error {
	b := &source.Batch{}
	if err := r.judge(ctx, r.Recording.Next(ctx, b)); err != nil {
		return err
	}
	r.pending = b
	return nil
}

// Next fills b with the next results.
func (r *reading) Next(ctx context.Context, b *source.Batch) error {
	if r.pending != nil {
		*b, *r.pending = *r.pending, *b
		r.pending = nil
		return nil
	}
	return r.judge(ctx, r.Recording.Next(ctx, b))
}

// judge says whether the recording may end as it does.
func (r *reading) judge(ctx context.Context, err error) error {
	cut := ""
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case !errors.Is(err, io.EOF):
		return unreadable(err, r.kept(), "run again with a sound copy of the recording")
	default:
		cut = r.Cut()
	}
	r.recorded.To = r.Position().String()
	if cut != "" && !r.allowCut && r.Position().Byte != r.accepted {
		return &inputError{err: fmt.Errorf("%s is cut: %s", r.input.name, strings.TrimPrefix(cut, r.input.name+": ")), code: exitStream,
			hint: r.kept() + "; run again once the recording is whole, or accept it with --allow-cut"}
	}
	r.recorded.Cut = cut
	return err
}

// kept says what became of a recording that is not whole.
func (r *reading) kept() string {
	if r.Stats().Results == 0 && r.recorded.From == "" {
		return "nothing was converted"
	}
	return "what came before is converted and kept"
}

// skip passes over what a run holds already.
func (r *reading) skip(ctx context.Context, run, to string, results int64) error {
	p, err := source.ParsePosition(to)
	if err != nil {
		return &inputError{err: fmt.Errorf("find the end of run %s in %s: %w", run, r.input.name, err), code: exitForeign, hint: "nothing was touched; choose another output"}
	}
	err = r.Skip(ctx, p, results)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, source.ErrOther):
		return &inputError{err: fmt.Errorf("%s begins like the recording that run %s was converted from, but does not hold the same results up to byte %d", r.input.name, run, p.Byte),
			code: exitForeign, hint: "nothing more of it is converted; give the recording as it was, or choose another output"}
	}
	return unreadable(fmt.Errorf("skip what was converted before: %w", err), "what was converted before stays", "run again with a sound copy of the recording")
}
