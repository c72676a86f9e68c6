package main

import (
	"context"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/store"
)

// result is the last line of the commands that move data. Schedulers parse it; its members change
// only on purpose.
type result struct {
	Status        string         `json:"status"`
	Out           string         `json:"out"`
	Windows       []windowResult `json:"windows"`
	Rows          int64          `json:"rows"`
	Rejected      int64          `json:"rejected"`
	UnknownFields int            `json:"unknown_fields"`
	CoercedValues int64          `json:"coerced_values"`
	Files         int            `json:"files"`
	Bytes         int64          `json:"bytes"`
	Credits       int64          `json:"credits"`
	Seconds       float64        `json:"seconds"`
	ExitCode      int            `json:"exit_code"`
	Error         *resultError   `json:"error,omitempty"`
	Drift         any            `json:"drift,omitempty"`
	MaxCredits    *int64         `json:"max_credits,omitempty"` // with --dry-run: what it could cost
	Unsafe        bool           `json:"unsafe_overwrite,omitempty"`
	Omitted       *omitted       `json:"omitted,omitempty"`
	Stop          string         `json:"stop,omitempty"`              // with --stop now: when that was
	Account       *accountResult `json:"account,omitempty"`           // what it had before and after
	Histogram     int64          `json:"histogram_credits,omitempty"` // that counting took, beside credits

	began     time.Time
	explained bool // the command has said where the files are
}

type windowResult struct {
	Status     string       `json:"status,omitempty"` // covered, or not there
	Start      string       `json:"start"`
	Stop       string       `json:"stop"`
	Run        string       `json:"run"`
	Collector  string       `json:"collector,omitempty"` // of read
	TaskID     string       `json:"task_id"`
	TaskStatus string       `json:"task_status"`
	Processed  int64        `json:"processed"`
	Rows       int64        `json:"rows"`
	Rejected   int64        `json:"rejected"`
	Files      []string     `json:"files"`
	Bytes      int64        `json:"bytes"`
	Credits    int64        `json:"credits"`
	Truncated  bool         `json:"truncated"`
	Partial    string       `json:"partial,omitempty"`
	Missing    int64        `json:"missing,omitempty"`
	Unsafe     bool         `json:"unsafe_overwrite,omitempty"`
	Runs       []string     `json:"runs,omitempty"`    // that cover it
	Twice      []string     `json:"twice,omitempty"`   // runs of earlier generations that hold the same time
	Planned    string       `json:"planned,omitempty"` // with --dry-run: what would happen
	Error      *resultError `json:"error,omitempty"`
}

type resultError struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
	Hint      string `json:"hint"`
}

func newResult() *result {
	return &result{Windows: []windowResult{}, began: time.Now()}
}

// rfc3339 is an instant as it is printed; one that does not exist, as in a conversion, is empty.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// window is a report as the result line shows it.
func window(r pipeline.Report) windowResult {
	files := r.Files
	if files == nil {
		files = []string{}
	}
	return windowResult{
		Start: rfc3339(r.Start), Stop: rfc3339(r.Stop), Run: r.Run, TaskID: r.TaskID, TaskStatus: r.TaskStatus,
		Processed: r.Processed, Rows: r.Rows, Rejected: r.Rejected, Files: files, Bytes: r.Bytes,
		Credits: r.Credits, Truncated: r.Truncated, Partial: r.Partial, Missing: r.Missing, Unsafe: r.UnsafeOverwrite,
	}
}

func (r *result) add(w windowResult) {
	r.Windows = append(r.Windows, w)
	r.Rows += w.Rows
	r.Rejected += w.Rejected
	r.Files += len(w.Files)
	r.Bytes += w.Bytes
	r.Credits += w.Credits
	r.Unsafe = r.Unsafe || w.Unsafe
}

// settle takes the status from the outcome.
func (r *result) settle(o outcome) {
	r.ExitCode = o.Code
	r.Seconds = float64(time.Since(r.began).Milliseconds()) / 1000
	switch o.Code {
	case exitOK:
		if r.Status == "" {
			r.Status = "complete"
		}
		return
	case exitTruncated:
		r.Status = "truncated"
	case exitEmpty:
		r.Status = "empty"
		return
	case exitTask:
		r.Status = "partial"
	case exitInterrupt, exitTerminate:
		r.Status = "interrupted"
	default:
		r.Status = "failed"
	}
	r.Error = o.failure()
}

func (o outcome) failure() *resultError {
	return &resultError{Code: o.Name, Message: oneLine(o.Message), Retryable: o.Retryable, Hint: o.Hint}
}

// writeResult stores the result where --result-file says, and prints it as the very last line, or for people as a
// summary. Commands without
// a result of their own store their answer, or how they ended. Where one of the two fails, the other says so, and so does the
// outcome: line, file and exit code agree.
func (a *app) writeResult(o outcome, r *result) outcome {
	show := r != nil
	if r == nil {
		r = newResult()
	}
	file := a.file.Load() // nil also where it is the trouble
	if file == nil && !show && xcom() == "" {
		return o
	}
	people := show && a.forPeople()
	if file != nil && show && !people && file.own != nil && file.own == a.stdout {
		file = nil // the line is there already
	}
	line, err := r.line(o)
	if err != nil {
		return a.also(o, err)
	}
	if o.Code == exitOK && a.answer != nil {
		line = a.answer
	}
	if err := a.store(file, line); err != nil {
		o = a.also(o, err)
		if line, err = r.line(o); err != nil {
			return a.also(o, err)
		}
	}
	known := a.lost() != nil
	if !show || known {
		return o
	}
	shown := line
	if people {
		shown = []byte(a.summary(o, r))
	}
	_, _ = a.stdout.Write(shown) // lost tells
	lost := a.lost()
	if lost == nil {
		return o
	}
	o = a.also(o, lost)
	if line, err = r.line(o); err == nil { // what the file holds says otherwise
		err = a.store(file, line)
	}
	if err != nil {
		return a.also(o, err)
	}
	return o
}

// line is the result of an outcome, as one line.
func (r *result) line(o outcome) ([]byte, error) {
	r.settle(o)
	return r.encode()
}

// store writes the result file, if there is one. It is an output like the others.
func (a *app) store(file *resultFile, line []byte) error {
	a.offer(line)
	if file == nil {
		return nil
	}
	if err := file.write(a.redactors[0].clean(line)); err != nil {
		return &store.Error{Op: "write", Path: file.name, Err: err}
	}
	return nil
}

// also complains of an error that came while the outcome was told.
func (a *app) also(o outcome, err error) outcome {
	also := classify(err)
	a.complain(also)
	return o.and(also)
}

// reserveResultFile finds out before anything else happens whether the result can be stored.
func (a *app) reserveResultFile(ctx context.Context) error {
	if a.globals.ResultFile == "" {
		return nil
	}
	file, err := openResultFile(ctx, a.globals.ResultFile, a.own)
	if err != nil {
		return err
	}
	a.file.Store(file)
	return nil
}

func (a *app) closeResultFile() {
	if file := a.file.Load(); file != nil {
		_ = file.Close() // it was written in one piece, and what went wrong is told
	}
}
