package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/dataset"
	tables "tw2parquet/sink/table"
	"tw2parquet/source"
)

// statusOf is the state of a run in `status`.
type statusOf string

const (
	statusPlanned    statusOf = "planned"
	statusBought     statusOf = "bought"
	statusReading    statusOf = "reading"
	statusComplete   statusOf = "complete"
	statusTruncated  statusOf = "truncated"
	statusPartial    statusOf = "partial"
	statusFailed     statusOf = "failed"
	statusAtRisk     statusOf = "at risk"
	statusDropping   statusOf = "dropping"
	statusDropped    statusOf = "dropped"
	statusVoid       statusOf = "void"
	statusUnreadable statusOf = "unreadable"
)

// runStatus is a run as `status --output json` prints it.
type runStatus struct {
	Run        string    `json:"run"`
	Source     string    `json:"source,omitempty"` // the id of its source; none of what is not an export
	Start      time.Time `json:"start,omitzero"`
	Stop       time.Time `json:"stop,omitzero"`
	Limit      int       `json:"limit,omitempty"`
	Generation int       `json:"generation,omitempty"`
	State      statusOf  `json:"state"`
	Reason     string    `json:"reason,omitempty"` // why it is partial or unreadable, or failed
	Rows       int64     `json:"rows"`
	Rejected   int64     `json:"rejected"`
	Credits    *int64    `json:"credits"` // null if not known
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Tables     []string  `json:"tables,omitempty"`        // that have the run
	Missing    []string  `json:"missing_files,omitempty"` // the manifest lists them, and they are not there as it says
	Collector  string    `json:"collector,omitempty"`
	TaskID     string    `json:"task_id,omitempty"`
	TaskStatus string    `json:"task_status,omitempty"`
	Expires    time.Time `json:"expires,omitzero"`
	Left       *int64    `json:"seconds_left,omitempty"` // until then; not below 0
	Estimated  bool      `json:"estimated,omitempty"`    // the server was not asked
	Gone       bool      `json:"collector_gone,omitempty"`
	Command    string    `json:"command,omitempty"` // finishes it
	Choices    []string  `json:"choices,omitempty"` // where a person must decide: commands that end it, one way or another

	account *pipeline.Account
	parts   []string   // of Command
	choices [][]string // the same of Choices
}

func newRunStatus(a *pipeline.Account) *runStatus {
	r := &runStatus{Run: a.Run, Start: a.Start.UTC(), Stop: a.Stop.UTC(), Limit: a.Asked.Limit, Generation: a.Asked.Generation, Reason: a.Partial,
		Rows: a.Rows, Rejected: a.Rejected, TaskID: a.TaskID, TaskStatus: a.TaskStatus, Collector: a.Collector, account: a}
	if a.Exported() {
		r.Source = a.Asked.SourceID()
		known := a.Credits
		if a.TaskStatus != "" || a.Standing == pipeline.RunClaimed || a.Standing == pipeline.RunVoid {
			r.Credits = &known
		}
	}
	if a.Standing == pipeline.RunBegun && a.Failure != nil {
		r.Reason = oneLine(a.Failure.Message)
	}
	if a.Trouble != nil {
		r.Reason = oneLine(a.Trouble.Error())
	}
	return r
}

func (r *runStatus) measure(ctx context.Context, held *dataset.Run) error {
	if has, _ := tables.Delta(held); has {
		r.Tables = append(r.Tables, "delta")
	}
	for _, name := range tables.Iceberg(held) {
		r.Tables = append(r.Tables, "iceberg "+name)
	}
	r.Files = len(held.Files)
	for _, e := range held.Files {
		r.Bytes += e.Size
	}
	switch {
	case r.account.Standing == pipeline.RunComplete && r.account.Trouble == nil:
		m, err := held.Manifest(ctx)
		if err != nil {
			return err
		}
		r.Files, r.Bytes = len(m.Files), m.Bytes
		r.Missing, err = held.Missing(ctx)
		return err
	case r.account.Standing == pipeline.RunDropped || len(held.Files) == 0:
		return nil
	}
	rows, rejected, err := held.Published(ctx)
	if ctx.Err() != nil {
		return err
	}
	r.Rows, r.Rejected = rows, rejected
	if err != nil {
		r.Reason = cmp.Or(r.Reason, oneLine(err.Error()))
	}
	return nil
}

// settle says what state the run is in at a time.
func (r *runStatus) settle(now time.Time) {
	a := r.account
	left := time.Duration(0)
	switch {
	case a.Standing == pipeline.RunComplete && !a.Ended.IsZero():
		r.Expires = a.Ended.Add(source.Retention)
	case (a.Standing == pipeline.RunComplete || a.Standing == pipeline.RunBegun) && !a.Bought.IsZero():
		r.Expires = a.Bought.Add(source.Retention) // the first results; when the task ended is not known
	}
	if !r.Expires.IsZero() {
		r.Expires = r.Expires.UTC().Truncate(time.Second)
		left = max(r.Expires.Sub(now), 0)
		seconds := int64(left / time.Second)
		r.Left = &seconds
	} else {
		r.Estimated = false
	}
	risk := r.Gone || r.Left != nil && left < source.RetentionWarning
	switch {
	case a.Trouble != nil:
		r.State = statusUnreadable
	case a.Standing == pipeline.RunClaimed:
		r.State = statusPlanned
	case a.Standing == pipeline.RunBegun && a.Failed:
		r.State = statusFailed
	case a.Standing == pipeline.RunBegun && risk:
		r.State = statusAtRisk
	case a.Standing == pipeline.RunBegun && r.Files == 0:
		r.State = statusBought
	case a.Standing == pipeline.RunComplete && a.Partial != "":
		r.State = statusPartial
	case a.Standing == pipeline.RunComplete && a.Truncated:
		r.State = statusTruncated
	case a.Standing == pipeline.RunComplete:
		r.State = statusComplete
	case a.Standing == pipeline.RunDropping, a.Standing == pipeline.RunDropped, a.Standing == pipeline.RunVoid:
		r.State = statusOf(a.Standing)
	default: // an unfinished conversion as well
		r.State = statusReading
	}
}

// lost tells whether the results cannot be read any more, as far as that is known.
func (r *runStatus) lost() bool { return r.Gone || r.Left != nil && *r.Left == 0 }

// advise says which commands bring the run to its end.
func (r *runStatus) advise(c composer) {
	a := r.account
	if r.State == statusDropping {
		r.parts = append(c.drop(r.Run), "--yes")
	}
	if a.Exported() && a.Start.Before(a.Stop) {
		asked := a.Asked
		request := source.Request{Kind: asked.Kind, Project: asked.Project, Stream: asked.Stream, Topics: asked.Topics, Datasets: asked.Datasets, Query: asked.Query,
			Start: a.Start, Stop: a.Stop, Limit: asked.Limit, Generation: asked.Generation}
		c.unsafe = a.UnsafeOverwrite
		export := c.finish(asked.Host, request)
		letGo := c.drop(r.Run)
		accept := append(slices.Clone(export), "--accept 40,43")
		switch r.State {
		case statusPlanned, statusBought, statusReading:
			r.parts = export
		case statusAtRisk:
			if r.parts = export; r.lost() {
				r.parts, r.choices = nil, [][]string{accept, letGo}
			}
		case statusFailed:
			r.choices = [][]string{letGo}
			if f := a.Failure; f == nil || f.Code == exitTask || f.Code == exitExpired { // nil: earlier versions did not say why
				r.choices = [][]string{accept, letGo}
			}
		case statusComplete, statusTruncated, statusPartial:
			if len(r.Missing) > 0 && !r.lost() {
				r.parts = append(export, "--refetch")
			} else if len(r.Missing) > 0 {
				r.choices = [][]string{letGo}
			}
		}
	}
	r.Command = commandText(r.parts)
	for _, c := range r.choices {
		r.Choices = append(r.Choices, commandText(c))
	}
}
