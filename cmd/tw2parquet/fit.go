package main

import (
	"cmp"
	"slices"
)

const (
	// maxResult bounds the result line: Airflow keeps it as an XCom, a value in its database's row, and some
	// databases and sidecars take 48 KB at most (Airflow: "XComs").
	maxResult = 48_000
	// maxWindows is how many windows a result lists.
	maxWindows = 100
	// maxTold bounds a message in a result that is too long.
	maxTold = 300
)

// omitted says what a result leaves out because it would be too long; the manifests have all of it.
type omitted struct {
	Windows int            `json:"windows,omitempty"`
	Status  map[string]int `json:"windows_by_status,omitempty"` // of all windows: covered, complete, planned, or the error's code
	Files   int            `json:"files,omitempty"`             // names of files
	Drift   bool           `json:"drift,omitempty"`
}

// encode is the result as one line, short enough for whoever keeps it. What it lists first is what needs somebody's
// attention, then what was done, then what was there already.
func (r *result) encode() ([]byte, error) {
	line, err := jsonText(r, "")
	if err != nil || len(line) <= maxResult && len(r.Windows) <= maxWindows {
		return line, err
	}
	short := *r
	short.Omitted = &omitted{Windows: max(0, len(r.Windows)-maxWindows), Status: byStatus(r.Windows)}
	ordered := slices.Clone(r.Windows)
	slices.SortStableFunc(ordered, func(a, b windowResult) int { return cmp.Compare(a.rank(), b.rank()) })
	short.Windows = ordered[:min(maxWindows, len(ordered))]
	for _, shorten := range []func(*result) bool{dropFiles, dropDrift, dropWords, dropWindow} {
		for {
			if line, err = jsonText(&short, ""); err != nil || len(line) <= maxResult {
				return line, err
			}
			if !shorten(&short) {
				break
			}
		}
	}
	return line, err
}

// rank is where a window stands in a list that is too long.
func (w windowResult) rank() int {
	switch {
	case w.failed():
		return 0
	case w.Error != nil:
		return 1
	case w.Status == "covered":
		return 3
	}
	return 2
}

// byStatus counts windows by how they ended.
func byStatus(windows []windowResult) map[string]int {
	counts := map[string]int{}
	for _, w := range windows {
		status := cmp.Or(w.Planned, w.Status, "complete")
		if w.Error != nil {
			status = w.Error.Code
		}
		counts[status]++
	}
	return counts
}

// dropFiles leaves out the names of the files of the last window that has any. It is false if there was none.
func dropFiles(r *result) bool {
	for i := len(r.Windows) - 1; i >= 0; i-- {
		if n := len(r.Windows[i].Files); n > 0 {
			r.Omitted.Files += n
			r.Windows[i].Files = []string{}
			return true
		}
	}
	return false
}

func dropDrift(r *result) bool {
	there := r.Drift != nil
	r.Drift, r.Omitted.Drift = nil, there || r.Omitted.Drift
	return there
}

// dropWords shortens messages and hints of windows, and lists of runs.
func dropWords(r *result) (some bool) {
	for i := range r.Windows {
		w := &r.Windows[i]
		if len(w.Runs)+len(w.Twice) > 2 {
			w.Runs, w.Twice, some = w.Runs[:min(1, len(w.Runs))], w.Twice[:min(1, len(w.Twice))], true
		}
		if e := w.Error; e != nil && len(e.Message)+len(e.Hint) > 2*maxTold {
			w.Error = &resultError{e.Code, shortened(e.Message, maxTold), e.Retryable, shortHint(e.Hint, maxTold)}
			some = true
		}
		if len(w.Partial) > maxTold {
			w.Partial, some = shortened(w.Partial, maxTold), true
		}
	}
	if e := r.Error; e != nil && !some && len(e.Message)+len(e.Hint) > 10*maxTold {
		r.Error = &resultError{e.Code, shortened(e.Message, 5*maxTold), e.Retryable, shortHint(e.Hint, 5*maxTold)}
		some = true
	}
	return some
}

// shortHint is a hint of so many bytes at most. A command is left out as a whole: what is left of one may be another.
func shortHint(hint string, limit int) string {
	if len(hint) <= limit {
		return hint
	}
	return shortened(commandInHint.ReplaceAllString(hint, " (`tw2parquet status` prints commands)"), limit)
}

// dropWindow leaves out the last window that is listed.
func dropWindow(r *result) bool {
	n := len(r.Windows)
	if n == 0 {
		return false
	}
	r.Windows = r.Windows[:n-1]
	r.Omitted.Windows++
	return true
}
