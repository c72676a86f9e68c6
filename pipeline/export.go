package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tw2parquet/schema"
	"tw2parquet/source"
)

// Window is one export: what is asked for, the run's id, and the hive partition its files go to.
type Window struct {
	Request   source.Request
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
	AbortOnCancel bool
	Refetch       bool // read missing and damaged files again; nothing is ever bought then
	Log           *slog.Logger
	Observe       func(Event) // called from one goroutine per window
}

// Event tells what an export is doing, for people who watch.
type Event struct {
	Window   Window
	Acquired *source.Acquired // the task is ours
	Task     *source.Task     // its state
	Counts   *Counts          // moved since the start of this process
	File     *File            // published
}

// Report is what an export leaves in its manifest and, in part, in the result line.
type Report struct {
	Start      time.Time     `json:"start"`
	Stop       time.Time     `json:"stop"`
	Run        string        `json:"run"`
	Collector  string        `json:"collector"`
	Asked      Asked         `json:"asked"`
	TaskID     string        `json:"task_id"`
	TaskStatus string        `json:"task_status"`
	Processed  int64         `json:"processed"` // results the task exported
	Rows       int64         `json:"rows"`
	Rejected   int64         `json:"rejected"`
	Credits    int64         `json:"credits"`   // one per exported result
	Truncated  bool          `json:"truncated"` // the task ended at its limit
	Missing    int64         `json:"missing"`   // processed, but never delivered
	Drift      *schema.Drift `json:"drift"`
	Files      []string      `json:"-"`
	Bytes      int64         `json:"-"`
	Complete   bool          `json:"-"`
}

// Asked is the request as the manifest keeps it.
type Asked struct {
	Kind       source.Kind `json:"kind"`
	Project    string      `json:"project,omitempty"`
	Stream     string      `json:"stream,omitempty"`
	Topics     []string    `json:"topics,omitempty"`
	Datasets   []string    `json:"datasets,omitempty"`
	Query      string      `json:"query,omitempty"`
	Limit      int         `json:"limit"`
	Generation int         `json:"generation"`
}

// ErrMissing says that a complete read brought fewer results than the task counted.
var ErrMissing = errors.New("fewer results than the task's count")

// ErrExtra says that more results came than the task counted: the server repeated some.
var ErrExtra = errors.New("more results than the task's count")

// TaskError says that the export task ended badly; what was readable is published.
type TaskError struct {
	ID     string
	Status source.Status
	Rows   int64
}

func (e *TaskError) Error() string {
	return fmt.Sprintf("export task %s ended as %s; the %d rows that could be read are published", e.ID, e.Status, e.Rows)
}

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
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return r, err
}

func newReport(w Window) Report {
	q := w.Request
	return Report{
		Start: q.Start.UTC(), Stop: q.Stop.UTC(), Run: w.Run, Collector: source.CollectorID(w.Run),
		Asked: Asked{
			Kind: q.Kind, Project: q.Project, Stream: q.Stream, Topics: q.Topics, Datasets: q.Datasets,
			Query: q.Query, Limit: q.Limit, Generation: q.Generation,
		},
		Drift: &schema.Drift{},
	}
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
		return nil
	}
	acquire := j.API.Acquire
	if j.Refetch {
		acquire = j.API.Find
	}
	acquired, err := acquire(ctx, w.Run, w.Request, out)
	if err != nil {
		return r.gone(damage, err)
	}
	if complete {
		out.SetMeta("task_id", r.TaskID)
		if err := j.refetch(ctx, w, out, r, acquired, damage); err != nil {
			return err
		}
		return r.complete(ctx, out)
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
		if ctx.Err() != nil && j.AbortOnCancel && !task.Status.Terminal() {
			j.abort(ctx, acquired.Task.ID)
		}
		return err
	}
	return j.conclude(ctx, out, r)
}

// conclude reconciles the counts and leaves the manifest.
func (j *Job) conclude(ctx context.Context, out Output, r *Report) error {
	status := source.Status(r.TaskStatus)
	switch {
	case r.TaskID == "":
		j.log().Warn("the server lists no task for these results; whether they are all cannot be checked", "run", r.Run, "rows", r.Rows)
	case status != source.StatusFinished && status != source.StatusLimitReached:
		return &TaskError{ID: r.TaskID, Status: status, Rows: r.Rows}
	}
	r.Truncated = status == source.StatusLimitReached
	if r.Missing = max(0, r.Processed-r.Rows-r.Rejected); r.Missing > 0 {
		j.log().Warn("the read ended before the task's count", "run", r.Run, "processed", r.Processed, "rows", r.Rows, "missing", r.Missing)
		// A few less may have been counted and not delivered; nothing at all means that something took
		// the results away, and the next run must not find this one complete.
		if j.Strict || r.Rows+r.Rejected == 0 {
			return fmt.Errorf("%w: %d of %d", ErrMissing, r.Rows+r.Rejected, r.Processed)
		}
	}
	if extra := r.Rows + r.Rejected - r.Processed; extra > 0 && r.TaskID != "" {
		j.log().Warn("more results came than the task counted; some may be there twice", "run", r.Run, "processed", r.Processed, "rows", r.Rows, "extra", extra)
		if j.Strict {
			return fmt.Errorf("%w: %d of %d", ErrExtra, r.Rows+r.Rejected, r.Processed)
		}
	}
	return r.complete(ctx, out)
}

// move reads on from the last file to the stream's end. It publishes what can be published whatever
// happens, and returns the task's last known state.
func (j *Job) move(ctx context.Context, w Window, out Output, a source.Acquired) (source.Task, error) {
	task, o, err := j.flow(ctx, w, out, source.StreamConfig{
		TaskID: a.Task.ID, Expires: a.Expires, Quiet: quiet,
		OnTask: func(t source.Task) { j.observe(Event{Window: w, Task: &t}) },
	})
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
		if !errors.Is(err, source.ErrRewind) || ctx.Err() != nil {
			return task, o, err
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

func (j *Job) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if _, err := j.API.AbortTask(ctx, id); err != nil {
		j.log().Warn("the export task could not be aborted; it goes on, and costs", "task", id, "error", err)
	}
}

// recall takes over what an earlier run left in its manifest, if it was complete.
func (r *Report) recall(out Output) (complete bool, err error) {
	stored, err := out.Manifest()
	if err != nil || stored == nil {
		return false, err
	}
	if err := json.Unmarshal(stored, r); err != nil {
		return false, unreadable("the report in the manifest", err)
	}
	return true, nil
}

// tally fills in what the published files hold.
func (r *Report) tally(out Output) error {
	r.Rows, r.Rejected, r.Bytes, r.Files, r.Drift = 0, 0, 0, nil, &schema.Drift{}
	for _, f := range out.Files() {
		r.Rows += f.Rows
		r.Rejected += f.Rejected
		r.Bytes += f.Bytes
		r.Files = append(r.Files, f.Name)
		if text, ok := f.Notes[driftNote]; ok {
			var d schema.Drift
			if err := json.Unmarshal([]byte(text), &d); err != nil {
				return unreadable("the drift report of "+f.Name, err)
			}
			r.Drift.Merge(&d)
		}
	}
	return nil
}

// unreadable is for a note of ours that is not as we left it.
func unreadable(what string, err error) error {
	return &source.Error{Class: source.ClassForeign, Message: fmt.Sprintf("%s cannot be read: %v", what, err),
		Hint: "nothing was touched; restore what was there, or choose another output"}
}

func (r *Report) task(t source.Task) {
	r.TaskID, r.TaskStatus, r.Processed, r.Credits = t.ID, string(t.Status), t.Processed, t.Processed
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
