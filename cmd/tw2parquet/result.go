package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tw2parquet/pipeline"
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

	began time.Time
}

type windowResult struct {
	Start      string   `json:"start"`
	Stop       string   `json:"stop"`
	Run        string   `json:"run"`
	TaskID     string   `json:"task_id"`
	TaskStatus string   `json:"task_status"`
	Processed  int64    `json:"processed"`
	Rows       int64    `json:"rows"`
	Rejected   int64    `json:"rejected"`
	Files      []string `json:"files"`
	Bytes      int64    `json:"bytes"`
	Credits    int64    `json:"credits"`
	Truncated  bool     `json:"truncated"`
	Missing    int64    `json:"missing,omitempty"`
	Planned    string   `json:"planned,omitempty"` // with --dry-run: what would happen
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
		Credits: r.Credits, Truncated: r.Truncated, Missing: r.Missing,
	}
}

func (r *result) add(w windowResult) {
	r.Windows = append(r.Windows, w)
	r.Rows += w.Rows
	r.Rejected += w.Rejected
	r.Files += len(w.Files)
	r.Bytes += w.Bytes
	r.Credits += w.Credits
}

// close settles the status from the outcome.
func (r *result) close(o outcome) {
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
		return
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
	r.Error = &resultError{Code: o.Name, Message: oneLine(o.Message), Retryable: o.Retryable, Hint: o.Hint}
}

// writeResult prints the result as the very last line, and stores it where --result-file says.
// Commands without a result of their own store how they ended.
func (a *app) writeResult(o outcome, r *result) error {
	if r == nil && a.globals.ResultFile == "" {
		return nil
	}
	show := r != nil
	if r == nil {
		r = newResult()
		r.close(o)
	}
	line, err := jsonText(r, "")
	if err != nil {
		return err
	}
	var ferr error
	if a.globals.ResultFile != "" && !o.noResultFile {
		ferr = replaceFile(a.globals.ResultFile, a.walls[0].clean(line)) // a file is an output like the others
	}
	if show {
		if _, err := a.stdout.Write(line); err != nil {
			return err
		}
	}
	return ferr
}

// reserveResultFile finds out before anything else happens whether the result can be stored.
func (a *app) reserveResultFile() error {
	name := a.globals.ResultFile
	if name == "" {
		return nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return &resultFileError{fmt.Errorf("--result-file %s is a directory", name)}
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tw2parquet-result-*")
	if err != nil {
		return &resultFileError{fmt.Errorf("--result-file %s cannot be written: %w", name, cause(err))}
	}
	f.Close()
	return os.Remove(f.Name())
}

type resultFileError struct{ err error }

func (e *resultFileError) Error() string { return e.err.Error() }
func (e *resultFileError) Unwrap() error { return e.err }

// replaceFile writes a file so that a reader sees the old content or the new, never a part. Airflow
// reads it as another user, hence the mode.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tw2parquet-result-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already, unless something failed
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
