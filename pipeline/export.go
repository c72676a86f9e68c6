package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tw2parquet/pipeline/bug"
	"tw2parquet/source"
)

// Window is one export: what is asked for, of which API host, the run's id, and the hive partition its files go
// to.
type Window struct {
	// Fresh says that nothing of the run was there before it was claimed, as far as a listing told. Open may rely on
	// that, and begin it: see Beginning.
	Fresh     bool
	Request   source.Request
	Host      string
	Run       string
	Partition string
}

// Output is one run's place beside its data, by what is done there: files are published, intents are kept,
// and what an earlier start left is found. One value may well be all of it.
type Output struct {
	Sink     Sink
	Chain    Chain
	Mending  Mending
	Manifest Manifest
	Journal  source.Journal
	// Fresh: Open began the run, and nothing else of it is there.
	Fresh bool
	// UnsafeOverwrite: the store cannot keep another writer from overwriting this run's files.
	UnsafeOverwrite bool
	// Retire, if set, lets go of the files of a complete run that were written again. It can be called again.
	Retire func(ctx context.Context) error
	// Close releases the run; what was not published is gone.
	Close func() error
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
	Records       Records
	Pool          *Pool // nil: one of its own
	Strict        bool  // fewer results than the task's count are an error, not a warning
	AbortOnCancel bool  // abort the task if the context ends because of ErrStopped
	Refetch       bool  // read missing and damaged files again; nothing is ever bought then
	// WaitUntil, if set, is how long export tasks that still run are waited for. What is there by then is published.
	WaitUntil time.Time
	// Claims, if set, is asked before a window is bought or adopted, and told of those that are complete. With Refetch
	// it is not asked.
	Claims interface {
		Confirm(ctx context.Context) error
		Done(ctx context.Context, r Report) error
	}
	// Accept, if set, tells whether a window that failed so is to count as covered with what it has: it gets a
	// manifest that says so. It is asked about errors that concern the window alone.
	Accept func(error) bool
	// Final, if set, gives a code to an error that concerns the window alone and stays when it is run again; else 0.
	Final     func(error) int
	Labels    map[string]string // stand in the manifest
	Log       *slog.Logger
	Observers []Observer
}

// ErrStopped matches the cause of a context that ended because a person or a scheduler asked the process to stop.
// A context that ended for any other reason was ended by this program, for instance because another window failed.
var ErrStopped = errors.New("asked to stop")

// quiet is how long a collector whose task is not known must bring nothing new before its end is
// believed.
const quiet = time.Minute

// abortTime bounds aborting the task, after what was read is sealed.
const abortTime = 5 * time.Second

// Export runs one window to its end. The report is valid whatever the error and tells what is
// published. A panic is an error too.
func (j *Job) Export(ctx context.Context, w Window) (Report, error) {
	r := newReport(w)
	err := bug.Guard(func() error { return j.export(ctx, w, &r) })
	observers(j.Observers).end(w, r, err)
	return r, err
}

func (j *Job) export(ctx context.Context, w Window, r *Report) (err error) {
	w.Fresh = w.Fresh && !j.Refetch
	out, err := j.Open(ctx, w)
	if err != nil {
		return err
	}
	if out.Fresh {
		out.Journal = &blankJournal{Journal: out.Journal}
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	r.UnsafeOverwrite = out.UnsafeOverwrite
	x := &export{job: j, window: w, out: out, report: r, log: j.log(), mover: mover{
		window: w, sink: out.Sink, chain: out.Chain, records: j.Records, pool: j.Pool, observers: j.Observers, log: j.log(), reading: &Reading{},
	}}
	err = x.run(ctx)
	if err != nil && !r.Complete && !j.Refetch && j.Accept != nil && j.Accept(err) {
		err = x.accept(ctx, err)
	}
	if code := j.final(err); code != 0 && !r.Complete {
		r.Failure = &Failure{code, err.Error()}
		if _, werr := write(context.WithoutCancel(ctx), out.Journal, FailureRecord, r); werr != nil {
			x.log.Warn("cannot record that the window failed; the next start tries it in its usual order", "run", w.Run, "error", werr)
		}
	}
	if r.Complete && j.Claims != nil {
		if derr := j.Claims.Done(context.WithoutCancel(ctx), *r); derr != nil {
			x.log.Debug("cannot write down that the window is covered; the next start does", "run", w.Run, "error", derr)
		}
	}
	return err
}

func (j *Job) final(err error) int {
	if err == nil || j.Final == nil {
		return 0
	}
	return j.Final(err)
}

func (j *Job) log() *slog.Logger { return orDiscard(j.Log) }

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// export is one window of a job, on its way.
type export struct {
	job    *Job
	window Window
	out    Output
	mover  mover
	report *Report
	log    *slog.Logger
}

// run goes on where the output stands.
func (x *export) run(ctx context.Context) error {
	x.mover.begin()
	if err := x.tally(); err != nil {
		return err
	}
	complete, err := x.report.recall(x.out.Manifest)
	if err != nil {
		return err
	}
	switch damage := x.out.Mending.Damage(); {
	case complete:
		return x.complete(ctx, damage)
	case damage != nil || len(x.report.Files) > 0:
		return x.resume(ctx, damage)
	}
	return x.fresh(ctx)
}

// fresh is for a run of which nothing is published: the export is bought, or found, and read from its beginning.
func (x *export) fresh(ctx context.Context) error {
	a, err := x.acquire(ctx)
	if err != nil {
		return err
	}
	x.own(a)
	task, err := x.read(ctx, a)
	return x.settle(ctx, task, err)
}

// resume is for a run of which files are published: those that are damaged are written again, and the export is
// read on from the last one.
func (x *export) resume(ctx context.Context, damage error) error {
	a, err := x.acquire(ctx)
	if err != nil {
		return x.report.gone(damage, err)
	}
	x.own(a)
	task := a.Task
	if damage != nil {
		err = x.refetch(ctx, a, damage)
	}
	if err == nil {
		task, err = x.read(ctx, a)
	}
	return x.settle(ctx, task, err)
}

// complete is for a run that has a manifest: it is judged again, and only damaged files are read again.
func (x *export) complete(ctx context.Context, damage error) error {
	if damage == nil {
		x.report.Complete, x.report.Seal = true, x.out.Manifest.Seal()
		return x.retire(ctx)
	}
	a, err := x.acquire(ctx)
	if err != nil {
		return x.report.gone(damage, err)
	}
	x.out.Chain.SetMeta("task_id", x.report.TaskID)
	if err := x.refetch(ctx, a, damage); err != nil {
		return err
	}
	if err := x.report.complete(ctx, x.out); err != nil {
		return err
	}
	return x.retire(ctx)
}

// retire lets go of files that were written again, and judges the run, which is complete whatever becomes of them.
func (x *export) retire(ctx context.Context) error {
	if x.out.Retire != nil {
		if err := x.out.Retire(ctx); err != nil {
			return err
		}
	}
	return x.report.judge(x.job.Strict, x.log)
}

// accept takes what is published for all there will be. The manifest says why.
func (x *export) accept(ctx context.Context, because error) error {
	if damage := x.out.Mending.Damage(); damage != nil {
		return because // what is damaged is not what was accepted
	}
	if err := x.tally(); err != nil {
		return errors.Join(because, err)
	}
	x.report.Partial = because.Error()
	if err := x.report.complete(ctx, x.out); err != nil {
		return errors.Join(because, fmt.Errorf("accept what is there: %w", err))
	}
	x.log.Warn("accepted though it is not complete; its time counts as covered", "run", x.window.Run, "rows", x.report.Rows, "because", because)
	return nil
}

// acquire buys the export, unless it was bought before. With Refetch it is only looked for.
func (x *export) acquire(ctx context.Context) (source.Acquired, error) {
	x.report.Reading, x.report.Labels = x.mover.reading, x.job.Labels // what an earlier start took is its own
	if !x.out.Fresh {
		if _, err := write(ctx, x.out.Journal, RequestRecord, x.window.Asking()); err != nil {
			return source.Acquired{}, err
		}
	}
	if x.job.Refetch {
		return x.job.API.Find(ctx, x.window.Run, x.window.Request, x.out.Journal)
	}
	if x.job.Claims != nil {
		if err := x.job.Claims.Confirm(ctx); err != nil {
			return source.Acquired{}, err
		}
	}
	a, err := x.job.API.Acquire(ctx, x.window.Run, x.window.Request, x.out.Journal)
	if err != nil && x.job.AbortOnCancel && stopped(ctx) {
		x.log.Warn("stopped before the export task was known; if it was bought, it keeps running and costing credits, and the next start reads it", "run", x.window.Run)
	}
	return a, err
}

// own takes the acquired task for the run's.
func (x *export) own(a source.Acquired) {
	x.report.task(a.Task)
	x.out.Chain.SetMeta("task_id", x.report.TaskID)
	x.mover.observe(Acquired{a})
}

// read reads on from the last file to the stream's end. It publishes what can be published whatever
// happens, and returns the task's last known state.
func (x *export) read(ctx context.Context, a source.Acquired) (source.Task, error) {
	task := a.Task
	var ending source.Ending = source.Quiet{For: quiet}
	if task.ID != "" {
		ending = source.TaskDone{ID: task.ID, Until: x.job.WaitUntil, OnTask: func(t source.Task) {
			task = t
			x.mover.observe(TaskSeen{t})
		}}
	}
	err := x.mover.read(ctx, x.job.API.Stream, source.StreamConfig{Ending: ending, Expires: a.Expires})
	return task, err
}

// settle says how reading ended, which left the task as it was last seen. If all is there, the manifest says so.
func (x *export) settle(ctx context.Context, task source.Task, err error) error {
	if task.ID != "" {
		x.report.task(task)
	}
	if terr := x.tally(); err == nil {
		err = terr
	}
	if err == nil {
		return x.conclude(ctx)
	}
	if x.job.AbortOnCancel && stopped(ctx) && !task.Status.Terminal() {
		x.abort(ctx, task)
	}
	return err
}

// abort ends the task, which nobody waits for any more.
func (x *export) abort(ctx context.Context, task source.Task) {
	if task.ID == "" {
		x.log.Warn("the export task cannot be aborted: the server lists none for this collector; if it is still running, it keeps costing credits",
			"collector", x.report.Collector, "hint", "look for it with `tw2parquet tasks list`")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if _, err := x.job.API.AbortTask(ctx, task.ID); err != nil {
		x.log.Warn("cannot abort the export task; it keeps running and costing credits", "task", task.ID, "error", err)
	}
}

func (x *export) tally() error { return x.report.tally(x.out.Chain.Files()) }

func stopped(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrStopped) }
