package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/table"
)

// intent is what a record says of a step.
func (t *Table) intent(c *candidate, done bool) table.IcebergIntent {
	i := table.IcebergIntent{Catalog: t.cfg.Catalog, Name: t.cfg.name(), Properties: map[string]string{}, Table: t.cfg.Table, UUID: t.uuid(), Manifest: c.k, Files: len(c.files), Time: t.cfg.Now().UTC().Format(time.RFC3339)}
	for _, key := range table.PlainProperties {
		if value := t.cfg.Properties[key]; value != "" {
			i.Properties[key] = value
		}
	}
	if s := t.now.CurrentSnapshot(); s != nil && !done {
		i.Snapshot = &s.SnapshotID
	} else if done && c.result.Version >= 0 {
		i.Snapshot = &c.result.Version
	}
	return i
}

// dataFile is a file of a manifest.
type dataFile struct {
	Name  string
	Bytes int64
}

// candidate is a run on its way into the table.
type candidate struct {
	*dataset.Run
	k       int
	files   []dataFile
	records []table.IcebergRecord
	since   []table.IcebergIntent // of those that say that it was begun
	result  table.Result
}

// candidate is nil for a run that is not complete, or is being dropped.
func (t *Table) candidate(ctx context.Context, r *dataset.Run) (*candidate, error) {
	begun, ended := r.Dropped()
	k, complete := r.ManifestNumber()
	if begun || ended || !complete {
		return nil, nil
	}
	c := &candidate{Run: r, k: k, records: table.IcebergRecords(r, t.uuid()), result: table.Result{Run: r.ID, Version: -1}}
	if c.has(true, k) {
		c.result.Outcome = table.Known
		return c, nil
	}
	m, err := r.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		c.files = append(c.files, dataFile{f.Name, f.Bytes})
	}
	c.result.Files, c.result.Rows = len(c.files), m.Rows
	for _, record := range c.records {
		if record.Registered {
			continue
		}
		i, err := table.ReadIceberg(ctx, r, record.Name)
		if err != nil {
			return nil, err
		}
		c.since = append(c.since, i)
	}
	return c, nil
}

func (c *candidate) has(done bool, k int) bool {
	return slices.ContainsFunc(c.records, func(r table.IcebergRecord) bool { return r.Registered == done && r.Manifest == k })
}

// begun tells whether a start has written down that it registers this manifest.
func (c *candidate) begun() bool { return c.has(false, c.k) }

// summary is the run as a snapshot's summary names it.
func (c *candidate) summary() string {
	if c.k == 0 {
		return c.ID
	}
	return fmt.Sprintf("%s/%d", c.ID, c.k)
}

// history is what the snapshots say that lead to the current one.
type history struct {
	runs  map[string]int   // the highest manifest of each run
	since map[string]int64 // the snapshot that says so
	seen  map[int64]bool   // the snapshots
	whole bool             // back to the first

	dropped map[string]bool // runs whose files were taken out
}

func historyOf(t *icebergtable.Table) history {
	h := history{runs: map[string]int{}, since: map[string]int64{}, seen: map[int64]bool{}, dropped: map[string]bool{}}
	s := t.CurrentSnapshot()
	h.whole = s == nil
	for s != nil && !h.seen[s.SnapshotID] {
		h.seen[s.SnapshotID] = true
		h.take(s)
		if s.ParentSnapshotID == nil {
			h.whole = true
			break
		}
		s = t.SnapshotByID(*s.ParentSnapshotID)
	}
	return h
}

func (h *history) take(s *icebergtable.Snapshot) {
	if s.Summary == nil {
		return
	}
	h.takeDropped(s)
	for name := range strings.SplitSeq(s.Summary.Properties[summaryKey], ",") {
		run, number, _ := strings.Cut(name, "/")
		k, err := strconv.Atoi(number)
		if run == "" || err != nil && number != "" {
			continue
		}
		if before, ok := h.runs[run]; !ok || k > before {
			h.runs[run], h.since[run] = k, s.SnapshotID
		}
	}
}

// reaches tells whether everything is known that was committed after a start had read the table.
func (h *history) reaches(i table.IcebergIntent) bool {
	return h.whole || i.Snapshot != nil && h.seen[*i.Snapshot]
}

// look finds out which runs the table lacks.
func (t *Table) look(ctx context.Context, todo []*candidate) (pending []*candidate, err error) {
	if err := t.files.list(ctx, t.now); err != nil {
		return nil, t.refused("read the table "+t.cfg.Table, err)
	}
	h := historyOf(t.now)
	var doubts []error
	for _, c := range todo {
		if c.result.Outcome != "" {
			continue
		}
		lacks, err := t.lacks(c, &h)
		if err != nil {
			doubts = append(doubts, err)
		} else if lacks {
			pending = append(pending, c)
		}
	}
	return pending, firstOf(doubts)
}

// firstOf is an error of several that tells the others by number only.
func firstOf(all []error) error {
	if len(all) == 0 {
		return nil
	}
	var e *table.Error
	if !errors.As(all[0], &e) || len(all) == 1 {
		return all[0]
	}
	first := *e
	first.Message += fmt.Sprintf("; and the same of %d more runs", len(all)-1)
	return &first
}

// lacks finds out whether the table lacks the run.
func (t *Table) lacks(c *candidate, h *history) (bool, error) {
	if k, ok := h.runs[c.ID]; ok && k >= c.k {
		c.result.Outcome, c.result.Version = table.Found, h.since[c.ID]
		return false, nil
	}
	there, replaces := 0, 0
	for _, f := range c.files {
		switch {
		case t.files.active[base(f.Name)] != "":
			there++
		case len(t.files.replaced(f.Name)) > 0:
			replaces++
		}
	}
	// An earlier manifest was in the table, so its files are, too, unless another writer has rewritten them.
	_, before := h.runs[c.ID]
	before = before || slices.ContainsFunc(c.records, func(r table.IcebergRecord) bool { return r.Registered })
	switch {
	case len(c.files) == 0, there == len(c.files):
		c.result.Outcome = table.Found
		return false, nil
	case there+replaces == len(c.files):
		return true, nil
	case before || there+replaces > 0:
		return t.assume(c, table.Rewritten, fmt.Sprintf("another writer of the Iceberg table %s has put the rows of run %s into files of its own, so the files that were written again cannot replace what was there", t.cfg.Table, c.ID),
			"run again with --assume registered if the rows in the table are good; else delete them there first, then use --assume missing")
	}
	for _, i := range c.since {
		if !h.reaches(i) {
			return t.assume(c, table.Doubt, fmt.Sprintf("nobody can tell whether the rows of run %s are in the Iceberg table %s: snapshots have expired since an earlier start began to register it", c.ID, t.cfg.Table),
				"look into the table, then run again with --assume registered, or with --assume missing")
		}
	}
	return true, nil
}

// assume asks what a person says.
func (t *Table) assume(c *candidate, reason table.Reason, message, hint string) (lacks bool, err error) {
	switch t.cfg.Assume {
	case table.AssumeRegistered:
		c.result.Outcome = table.Found
		return false, nil
	case table.AssumeMissing:
		return true, nil
	}
	return false, &table.Error{Reason: reason, Message: message, Hint: hint}
}

// base is how a file is recognised, wherever the table says that it lies: its name holds the run.
func base(name string) string { return path.Base(name) }

// jsonText is a line of JSON. People read it, too: <, > and & stay as they are.
func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
