package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"tw2parquet/schema"
	"tw2parquet/source"
)

// The records of a window beside those of source.Journal. Each is written once.
const (
	// RequestRecord says what is asked for, before anything is bought: an Asking.
	RequestRecord = "request.json"
	// FailureRecord says that a window failed in a way that running it again does not mend: the Report it
	// came to. It decides only which windows the next start tries last.
	FailureRecord = "failed.json"
	// DroppingRecord and DroppedRecord are a Report, as far as it is known, of a run that is being dropped, or was.
	DroppingRecord = "dropping.json"
	DroppedRecord  = "dropped.json"
)

// Report is what an export leaves in its manifest and, in part, in the result line.
type Report struct {
	Start      time.Time     `json:"start"`
	Stop       time.Time     `json:"stop"`
	Run        string        `json:"run"`
	Collector  string        `json:"collector"`
	Asked      Asked         `json:"asked"`
	TaskID     string        `json:"task_id"`
	TaskStatus string        `json:"task_status"`
	Ended      time.Time     `json:"ended,omitzero"` // when the task was first seen at its end, by the server's clock
	Processed  int64         `json:"processed"`      // results the task exported
	Progress   float64       `json:"progress"`       // the task's own word, see Matching
	Rows       int64         `json:"rows"`
	Rejected   int64         `json:"rejected"`
	Credits    int64         `json:"credits"`           // one per exported result
	Truncated  bool          `json:"truncated"`         // the task ended at its limit
	Partial    string        `json:"partial,omitempty"` // why it is not complete, where that was accepted
	Missing    int64         `json:"missing"`           // processed, but never delivered
	Failure    *Failure      `json:"failure,omitempty"` // of a FailureRecord
	Drift      *schema.Drift `json:"drift"`
	Recorded   *Recorded     `json:"recorded,omitempty"` // of a conversion
	Reading    *Reading      `json:"reading,omitempty"`  // by the start that wrote the report; not of a conversion
	// Labels say on whose behalf the start that wrote the report ran, for instance a scheduler's task.
	Labels map[string]string `json:"labels,omitempty"`
	// UnsafeOverwrite: the store ignores conditional writes, and whoever asked for the run accepted that.
	UnsafeOverwrite bool     `json:"unsafe_overwrite,omitempty"`
	Files           []string `json:"-"`
	Bytes           int64    `json:"-"`
	Seal            string   `json:"-"` // of the files of a complete run, see Brief
	Complete        bool     `json:"-"`
}

// Failure is why a run failed for good.
type Failure struct {
	Code    int    `json:"code"` // as Job.Final gives it
	Message string `json:"message"`
}

// Reading is what it took to read the results from the API, over all streams of one start.
type Reading struct {
	Reads         int64   `json:"reads"`    // connections that were answered with results
	Cuts          int64   `json:"cuts"`     // of these, broken ones
	Retries       int64   `json:"retries"`  // answers with an error, or none, after which it was tried again
	Bytes         int64   `json:"bytes"`    // received, after decompression
	Dropped       int64   `json:"dropped"`  // results thrown away after a break, and read again
	Replayed      int64   `json:"replayed"` // results that the server sent again unasked
	Waits         int64   `json:"waits"`    // for the task, for results, and before trying again
	WaitedSeconds float64 `json:"waited_seconds"`
	Pauses        int64   `json:"rate_limit_pauses"`
	PausedSeconds float64 `json:"rate_limit_seconds"`
}

func (r *Reading) add(n source.StreamStats) {
	r.Reads += n.Reads
	r.Cuts += n.Cuts
	r.Retries += n.Retries
	r.Bytes += n.Bytes
	r.Dropped += n.Dropped
	r.Replayed += n.Replayed
	r.Waits += n.Waits
	r.WaitedSeconds += n.Waited.Seconds()
	r.Pauses += n.Pauses
	r.PausedSeconds += n.Paused.Seconds()
}

// Asking is the request of a run as RequestRecord keeps it. The manifest's report has the same members.
type Asking struct {
	Start time.Time `json:"start"`
	Stop  time.Time `json:"stop"`
	Run   string    `json:"run"`
	Asked Asked     `json:"asked"`
}

// Asked is a request without its window.
type Asked struct {
	Host       string      `json:"host,omitempty"` // of the API
	Kind       source.Kind `json:"kind"`
	Project    string      `json:"project,omitempty"`
	Stream     string      `json:"stream,omitempty"`
	Topics     []string    `json:"topics,omitempty"`
	Datasets   []string    `json:"datasets,omitempty"`
	Query      string      `json:"query,omitempty"`
	Limit      int         `json:"limit"`
	Generation int         `json:"generation"`
}

// Asking is the window's request as it is written down.
func (w Window) Asking() Asking {
	q := w.Request
	return Asking{
		Start: q.Start.UTC(), Stop: q.Stop.UTC(), Run: w.Run,
		Asked: Asked{
			Host: w.Host, Kind: q.Kind, Project: q.Project, Stream: q.Stream, Topics: q.Topics, Datasets: q.Datasets,
			Query: q.Query, Limit: q.Limit, Generation: q.Generation,
		},
	}
}

// Overlaps reports whether both ask the same source for documents of a common time, so that what both bring is
// there twice. Limit and generation do not matter.
func (a Asking) Overlaps(b Asking) bool {
	x, y := a.Asked, b.Asked
	return a.Start.Before(b.Stop) && b.Start.Before(a.Stop) && strings.EqualFold(x.Host, y.Host) &&
		x.Kind == y.Kind && x.Project == y.Project && x.Stream == y.Stream && x.Query == y.Query &&
		slices.Equal(distinct(x.Topics), distinct(y.Topics)) && slices.Equal(distinct(x.Datasets), distinct(y.Datasets))
}

func distinct(ids []string) []string { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func newReport(w Window) Report {
	a := w.Asking()
	return Report{Start: a.Start, Stop: a.Stop, Run: a.Run, Asked: a.Asked, Collector: source.CollectorID(w.Run), Drift: &schema.Drift{}}
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

// Matching is how many results match the request, also those beyond the limit; 0 if the task did not tell.
// Progress is the share of them that was counted, and a task that ends at its limit counts the limit, not what it
// exported beyond.
func (r *Report) Matching() int64 {
	counted := r.Processed
	if r.Truncated {
		counted = min(counted, int64(r.Asked.Limit))
	}
	matching := math.Round(float64(counted) / r.Progress)
	if !(r.Progress > 0) || !(matching < 1<<53) {
		return 0
	}
	return max(int64(matching), r.Processed, 0)
}

func (r *Report) task(t source.Task) {
	if r.Ended.IsZero() && t.Status.Terminal() && t.Status != source.StatusGone {
		r.Ended = t.Seen
	}
	r.TaskID, r.TaskStatus, r.Processed, r.Credits, r.Progress = t.ID, string(t.Status), t.Processed, t.Processed, t.Progress
}

// Manifest keeps the report of a run that is complete.
type Manifest interface {
	// Manifest is the report that Complete stored, nil before; the files were compared with it.
	Manifest() ([]byte, error)
	// Complete stores the report, a JSON object, durably and last.
	Complete(ctx context.Context, report []byte) error
	// Seal stands for the names and sizes of the files in the manifest; "" before there is one.
	Seal() string
}

// recall takes over what an earlier run left in its manifest, if it was complete.
func (r *Report) recall(m Manifest) (complete bool, err error) {
	stored, err := m.Manifest()
	if err != nil || stored == nil {
		return false, err
	}
	if err := json.Unmarshal(stored, r); err != nil {
		return false, unreadable("the report in the manifest", err)
	}
	return true, nil
}

// tally fills in what the published files hold.
func (r *Report) tally(files []File) error {
	r.Rows, r.Rejected, r.Bytes, r.Files, r.Drift = 0, 0, 0, nil, &schema.Drift{}
	for _, f := range files {
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

// unreadable is for a note that this program wrote and that has changed since.
func unreadable(what string, err error) error {
	return &source.Error{Class: source.ClassForeign, Message: fmt.Sprintf("%s cannot be read: %v", what, err),
		Hint: "nothing was touched; restore what was there, or choose another output"}
}

// conclude decides whether the window is complete, and leaves the manifest if it is.
func (x *export) conclude(ctx context.Context) error {
	r := x.report
	status := source.Status(r.TaskStatus)
	if r.TaskID != "" && status != source.StatusFinished && status != source.StatusLimitReached {
		return &TaskError{ID: r.TaskID, Status: status, Rows: r.Rows}
	}
	r.Truncated = status == source.StatusLimitReached
	r.Missing = max(0, r.Processed-r.Rows-r.Rejected)
	if err := r.judge(x.job.Strict, x.log); err != nil {
		return err
	}
	return r.complete(ctx, x.out)
}

// complete checks that nothing was lost between the stream and the files, and leaves the manifest.
func (r *Report) complete(ctx context.Context, out Output) error {
	if _, next := out.Chain.Position(); next != r.Rows+r.Rejected {
		return fmt.Errorf("%w: the files end at result %d, and hold %d rows and %d rejects", ErrConservation, next, r.Rows, r.Rejected)
	}
	report, err := jsonText(r)
	if err != nil {
		return fmt.Errorf("encode the manifest's report: %w", err)
	}
	if err := out.Manifest.Complete(ctx, report); err != nil {
		return err
	}
	r.Complete, r.Seal = true, out.Manifest.Seal()
	return nil
}

// write leaves a record that is written once; one that is there already stays.
func write(ctx context.Context, j source.Journal, record string, what any) (there bool, err error) {
	text, err := recordText(record, what)
	if err != nil {
		return false, err
	}
	err = j.Put(ctx, record, text)
	if there = errors.Is(err, fs.ErrExist); err != nil && !there {
		return false, fmt.Errorf("write %s: %w", record, err)
	}
	return there, nil
}

func recordText(record string, what any) ([]byte, error) {
	text, err := jsonText(what)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", record, err)
	}
	return append(text, '\n'), nil
}
