package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tw2parquet/source"
)

// Window is one export: what is asked for, of which API host, the run's id, and the hive partition its files go
// to.
type Window struct {
	Request   source.Request
	Host      string
	Run       string
	Partition string
}

// Output is one run's place beside its data: where files are published, where intents are kept, and
// what an earlier start left there.
type Output interface {
	Sink
	source.Journal
	// SetMeta adds a footer key-value to every file published from now on.
	SetMeta(key, value string)
	// Position is where the published files end; "", 0 before the first.
	Position() (offset string, next int64)
	// Files are the published files, in order.
	Files() []File
	// Damage names the files that have to be written again; nil if there are none.
	Damage() error
	// Mend begins to write them again. From here on Gap tells where what is missing ends.
	Mend() error
	// Gap is the next place in the chain of files that misses some: what lies between Position and
	// (offset, next). ok is false when nothing is missing.
	Gap() (offset string, next int64, ok bool)
	// Finish publishes what was appended up to the mark (offset, next), which must be the last one, or
	// the end of the gap. What becomes of a run without any result is the output's choice.
	Finish(ctx context.Context, offset string, next int64, notes map[string]string) error
	// Rewind discards whatever was appended since the last published file.
	Rewind() error
	// Manifest is the report that Complete stored, nil before; the files were compared with it.
	Manifest() ([]byte, error)
	// Complete stores the report, a JSON object, durably and last.
	Complete(ctx context.Context, report []byte) error
	// Close releases the run; what was not published is gone.
	Close() error
}

// File is a published file.
type File struct {
	Name     string // slash-separated, relative to the output
	Rows     int64
	Rejected int64
	Bytes    int64
	Notes    map[string]string
}

// Exporter is what an export needs of the API; *source.Client is it.
type Exporter interface {
	Acquire(ctx context.Context, run string, r source.Request, j source.Journal) (source.Acquired, error)
	Find(ctx context.Context, run string, r source.Request, j source.Journal) (source.Acquired, error)
	Stream(cfg source.StreamConfig) *source.Stream
	AbortTask(ctx context.Context, id string) (source.Task, error)
}

// Job exports windows. It may run several at the same time.
type Job struct {
	API           Exporter
	Open          func(ctx context.Context, w Window) (Output, error)
	RowGroup      RowGroup
	Workers       int
	Strict        bool // fewer results than the task's count are an error, not a warning
	AbortOnCancel bool // abort the task if the context ends because of ErrStopped
	Refetch       bool // read missing and damaged files again; nothing is ever bought then
	// Final, if set, tells whether an error concerns the window alone and stays when it is run again.
	Final   func(error) bool
	Log     *slog.Logger
	Observe func(Event) // called from one goroutine per window
}

// Event tells what an export is doing, for people who watch.
type Event struct {
	Window   Window
	Acquired *source.Acquired // the task is ours
	Task     *source.Task     // its state
	Counts   *Counts          // moved since the start of this process
	File     *File            // published
}

// ErrStopped matches the cause of a context that ended because a person or a scheduler asked the process to stop.
// A context that ended for any other reason was ended by this program, for instance because another window failed.
var ErrStopped = errors.New("asked to stop")

// rewinds is how often a stream may break behind results that no offset covers, without a file
// being published in between, before the run gives up. Each costs a read from the last file.
const rewinds = 5

// quiet is how long a collector whose task is not known must bring nothing new before its end is
// believed.
const quiet = time.Minute

// sealTime bounds the publishing of what is left when a run is interrupted. Kubernetes kills 30 s
// after its SIGTERM.
const sealTime = 10 * time.Second

// abortTime bounds aborting the task, after that.
const abortTime = 5 * time.Second

// Export runs one window to its end. The report is valid whatever the error and tells what is
// published.
func (j *Job) Export(ctx context.Context, w Window) (Report, error) {
	r := newReport(w)
	out, err := j.Open(ctx, w)
	if err != nil {
		return r, err
	}
	err = j.export(ctx, w, out, &r)
	if err != nil && !r.Complete && j.Final != nil && j.Final(err) {
		if werr := write(context.WithoutCancel(ctx), out, FailureRecord, &r); werr != nil {
			j.log().Warn("that the window failed could not be written down; the next start tries it in its order", "run", w.Run, "error", werr)
		}
	}
	return r, errors.Join(err, out.Close())
}

func (j *Job) export(ctx context.Context, w Window, out Output, r *Report) error {
	if err := r.tally(out); err != nil {
		return err
	}
	complete, err := r.recall(out)
	if err != nil {
		return err
	}
	damage := out.Damage()
	if complete && damage == nil {
		r.Complete = true
		return j.judge(r)
	}
	if err := write(ctx, out, RequestRecord, w.Asking()); err != nil {
		return err
	}
	acquire := j.API.Acquire
	if j.Refetch {
		acquire = j.API.Find
	}
	acquired, err := acquire(ctx, w.Run, w.Request, out)
	if err != nil {
		if j.AbortOnCancel && !j.Refetch && errors.Is(context.Cause(ctx), ErrStopped) {
			j.log().Warn("stopped before the export task was known; if it was bought it goes on, and costs, and the next start reads it", "run", w.Run)
		}
		return r.gone(damage, err)
	}
	if complete {
		out.SetMeta("task_id", r.TaskID)
		if err := j.refetch(ctx, w, out, r, acquired, damage); err != nil {
			return err
		}
		if err := r.complete(ctx, out); err != nil {
			return err
		}
		return j.judge(r)
	}
	r.task(acquired.Task)
	out.SetMeta("task_id", r.TaskID)
	j.observe(Event{Window: w, Acquired: &acquired})
	if damage != nil {
		err = j.refetch(ctx, w, out, r, acquired, damage)
	}
	task := acquired.Task
	if err == nil {
		task, err = j.move(ctx, w, out, acquired)
	}
	if task.ID != "" {
		r.task(task)
	}
	if terr := r.tally(out); err == nil {
		err = terr
	}
	if err != nil {
		if j.AbortOnCancel && errors.Is(context.Cause(ctx), ErrStopped) && !task.Status.Terminal() {
			j.abort(ctx, acquired)
		}
		return err
	}
	return j.conclude(ctx, out, r)
}

// move reads on from the last file to the stream's end. It publishes what can be published whatever
// happens, and returns the task's last known state.
func (j *Job) move(ctx context.Context, w Window, out Output, a source.Acquired) (source.Task, error) {
	var ending source.Ending = source.Quiet{For: quiet}
	if a.Task.ID != "" {
		ending = source.TaskDone{ID: a.Task.ID, OnTask: func(t source.Task) { j.observe(Event{Window: w, Task: &t}) }}
	}
	task, o, err := j.flow(ctx, w, out, source.StreamConfig{Ending: ending, Expires: a.Expires})
	if err != nil {
		_, published := out.Position()
		return task, errors.Join(err, j.seal(ctx, w, out, o, published))
	}
	return task, j.finish(ctx, w, out, o)
}

// flow moves what a stream brings from the output's position on, again where the stream breaks behind
// results that no offset covers. What is appended at its end is not published yet.
func (j *Job) flow(ctx context.Context, w Window, out Output, cfg source.StreamConfig) (source.Task, Outcome, error) {
	cfg.Collector, cfg.Limits = source.CollectorID(w.Run), j.RowGroup.Batches()
	for broken := 0; ; broken++ {
		from, next := out.Position()
		cfg.From, cfg.Results = from, next
		stream := j.API.Stream(cfg)
		flow := &Flow{
			Batches: stream, Sink: out, RowGroup: j.RowGroup, Workers: j.Workers, From: from, Next: next,
			OnAppend: func(c Counts) { j.observe(Event{Window: w, Counts: &c}) },
			OnCut:    func() { j.observeFile(w, out) },
		}
		o, err := flow.Run(ctx)
		task := stream.Task()
		if cerr := stream.Close(); err == nil {
			err = cerr
		}
		if !errors.Is(err, source.ErrRewind) {
			return task, o, err
		}
		if ctx.Err() != nil {
			return task, o, ctx.Err() // and not the break, which a further read would mend
		}
		if err := out.Rewind(); err != nil {
			return task, o, err
		}
		if _, reached := out.Position(); reached > next {
			broken = 0
		}
		if broken >= rewinds {
			return task, o, fmt.Errorf("give up after %d attempts without a published file: %w", broken+1, err)
		}
		j.log().Warn("the stream broke behind results without an offset; reading again from the last file", "run", w.Run, "attempt", broken+1)
	}
}

// finish publishes what a flow appended, which ended where it should.
func (j *Job) finish(ctx context.Context, w Window, out Output, o Outcome) error {
	files := len(out.Files())
	if err := out.Finish(ctx, o.Offset, o.Next, o.Notes); err != nil {
		return err
	}
	if len(out.Files()) > files {
		j.observeFile(w, out)
	}
	return nil
}

// seal publishes what a broken flow had appended and marked, so that the next start need not read
// it again. It runs although ctx may be cancelled.
func (j *Job) seal(ctx context.Context, w Window, out Output, o Outcome, published int64) error {
	if !o.Sealed || o.Next == published {
		return nil // Close discards it; reading again is free
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealTime)
	defer cancel()
	if err := j.finish(ctx, w, out, o); err != nil {
		return fmt.Errorf("publish what was read: %w", err)
	}
	return nil
}

// abort ends the task, which nobody waits for any more.
func (j *Job) abort(ctx context.Context, a source.Acquired) {
	if a.Task.ID == "" {
		j.log().Warn("the export task cannot be aborted: the server lists none for this collector; if it still runs, it goes on, and costs",
			"collector", a.Collector.ID, "hint", "look for it with `tw2parquet tasks list`")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if _, err := j.API.AbortTask(ctx, a.Task.ID); err != nil {
		j.log().Warn("the export task could not be aborted; it goes on, and costs", "task", a.Task.ID, "error", err)
	}
}

func (j *Job) observe(e Event) {
	if j.Observe != nil {
		j.Observe(e)
	}
}

func (j *Job) observeFile(w Window, out Output) {
	files := out.Files()
	j.observe(Event{Window: w, File: &files[len(files)-1]})
}

func (j *Job) log() *slog.Logger {
	if j.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return j.Log
}
