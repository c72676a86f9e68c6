package pipeline

import (
	"fmt"
	"log/slog"
)

// Brief is what the log keeps of a complete run, so that a later start need not open it: what judges the run, what the
// result says of it, and the seal of its files.
type Brief struct {
	// Seal stands for the names and sizes of the published files. A listing with the same seal has them all, and
	// no others.
	Seal       string  `json:"seal,omitempty"`
	TaskID     string  `json:"task_id,omitempty"`
	TaskStatus string  `json:"task_status,omitempty"`
	Processed  int64   `json:"processed,omitempty"`
	Progress   float64 `json:"progress,omitempty"`
	Credits    int64   `json:"credits,omitempty"`
	Missing    int64   `json:"missing,omitempty"`
	Partial    string  `json:"partial,omitempty"`
	Unsafe     bool    `json:"unsafe_overwrite,omitempty"`
	Unknown    int     `json:"unknown_fields,omitempty"` // different paths
	Coerced    int64   `json:"coerced_values,omitempty"`
}

// complete takes over what the report of a complete run says.
func (h *Holding) complete(r Report) {
	h.Rows, h.Rejected, h.Truncated = r.Rows, r.Rejected, r.Truncated
	h.Brief = Brief{
		Seal: r.Seal, TaskID: r.TaskID, TaskStatus: r.TaskStatus, Processed: r.Processed, Progress: r.Progress, Credits: r.Credits,
		Missing: r.Missing, Partial: r.Partial, Unsafe: r.UnsafeOverwrite,
	}
	if r.Drift != nil {
		h.Unknown = len(r.Drift.Unknown)
		for _, n := range r.Drift.Coerced {
			h.Coerced += n
		}
	}
}

// ReportOf is the report of a complete run of the ask's source, as far as the log has it. Its files and its drift are left out.
func (a Ask) ReportOf(h *Holding) Report {
	r := newReport(a.Of(h))
	r.Rows, r.Rejected, r.Truncated, r.Complete = h.Rows, h.Rejected, h.Truncated, true
	r.Seal, r.TaskID, r.TaskStatus, r.Processed, r.Progress, r.Credits = h.Seal, h.TaskID, h.TaskStatus, h.Processed, h.Progress, h.Credits
	r.Missing, r.Partial, r.UnsafeOverwrite = h.Missing, h.Partial, h.Unsafe
	return r
}

// Judge holds what was delivered against the task's count, as every start does of a complete run: the same output gets
// the same answer.
func (j *Job) Judge(r Report) error { return r.judge(j.Strict, j.log()) }

// judge is Judge, with where to say what is only worth a warning.
func (r *Report) judge(strict bool, log *slog.Logger) error {
	if r.Partial != "" {
		log.Warn("this window is not complete, and was accepted so", "run", r.Run, "because", r.Partial)
		return nil
	}
	delivered := r.Rows + r.Rejected
	switch extra := delivered - r.Processed; {
	case r.TaskID == "":
		log.Warn("the server lists no task for these results; whether they are complete cannot be checked", "run", r.Run, "rows", r.Rows)
	case r.Missing > 0:
		log.Warn("the read ended before the task's count", "run", r.Run, "processed", r.Processed, "rows", r.Rows, "missing", r.Missing)
		// A few less may have been counted and not delivered; nothing at all means that something took
		// the results away, and the next run must not find this one complete.
		if strict || delivered == 0 {
			return fmt.Errorf("%w: %d of %d", ErrMissing, delivered, r.Processed)
		}
	case extra > 0:
		log.Warn("more results came than the task counted; some may be duplicates", "run", r.Run, "processed", r.Processed, "rows", r.Rows, "extra", extra)
		if strict {
			return fmt.Errorf("%w: %d of %d", ErrExtra, delivered, r.Processed)
		}
	}
	return nil
}
