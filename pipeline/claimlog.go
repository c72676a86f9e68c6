package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"tw2parquet/source"
)

// The log of a source says who is about to buy what of it, so that two machines cannot buy what overlaps. It is a row of
// small records, each put if absent under the next number; who loses a number reads again. A record holds what changed,
// and every checkpointEvery-th all there is, so that a start reads that many at most.
//
// The truth is in the records of the runs. The log may lag behind them, and never leads: what it says of a run without
// a directory is that somebody wants to buy it, and no more.

// checkpointEvery is from which record to which one holds everything. With one request for each record that is read, a
// start over windows that are complete takes 20 besides its listing.
const checkpointEvery = 16

const logFormat = 1

// logRecord is one record of the log. The standing of a run only moves on, so that records can be
// applied from the newest to the oldest.
type logRecord struct {
	Format  int      `json:"format"`
	Number  int      `json:"number"`
	Attempt string   `json:"attempt"` // random: an answer that was lost is settled by reading
	Source  Asked    `json:"source"`
	Whole   bool     `json:"checkpoint,omitempty"`
	Runs    []logRun `json:"runs,omitempty"`
	// Others are runs of other sources, whose records need not be read again.
	Others []string `json:"others,omitempty"`
}

// logRun is what the log says of a run.
type logRun struct {
	Run        string    `json:"run"`
	Start      time.Time `json:"start"`
	Stop       time.Time `json:"stop"`
	Limit      int       `json:"limit"`
	Generation int       `json:"generation"`
	Standing   Standing  `json:"standing"` // claimed, complete, dropped or void
	Owner      string    `json:"for,omitempty"`
	Rows       int64     `json:"rows,omitempty"`
	Rejected   int64     `json:"rejected,omitempty"`
	Truncated  bool      `json:"truncated,omitempty"`
	*Brief               // of a complete run
}

func (h *Holding) logged() logRun {
	r := logRun{h.Run, h.Start.UTC(), h.Stop.UTC(), h.Limit, h.Generation, h.Standing, h.Owner, h.Rows, h.Rejected, h.Truncated, nil}
	if h.Standing == RunComplete {
		brief := h.Brief
		r.Brief = &brief
	}
	return r
}

func (r logRun) holding() *Holding {
	h := &Holding{r.Run, r.Start, r.Stop, r.Limit, max(r.Generation, 1), r.Standing, r.Owner, r.Rows, r.Rejected, r.Truncated, Brief{}}
	if r.Brief != nil {
		h.Brief = *r.Brief
	}
	return h
}

// rank orders standings by how final they are.
func (s Standing) rank() int {
	return slices.Index([]Standing{RunClaimed, RunBegun, RunComplete, RunVoid, RunDropping, RunDropped}, s)
}

// Archive is an output, as far as claims need it.
type Archive interface {
	// Look lists the output.
	Look(ctx context.Context) (Listing, error)
	// PutLog puts record n of a source's log: errors.Is(err, fs.ErrExist) if others have the number.
	PutLog(ctx context.Context, source string, n int, data []byte) error
	// ReadLog reads one; errors.Is(err, fs.ErrNotExist) if there is none.
	ReadLog(ctx context.Context, source string, n int) ([]byte, error)
	// HasLog tells whether record n is there, with these bytes.
	HasLog(ctx context.Context, source string, n int, data []byte) (bool, error)
	// PutRun puts a record into the directory of a run: errors.Is(err, fs.ErrExist) if the name is taken. Any
	// other error is told for what it is; one of a run that is open concerns that run alone.
	PutRun(ctx context.Context, run, name string, data []byte) error
}

// Listing is an output as one look found it.
type Listing interface {
	Runs() []string
	Run(id string) HeldRun // nil if there is none
	Sources() []string     // that have a log
	Log(source string) []int
	ReadLog(ctx context.Context, source string, n int) ([]byte, error)
}

// HeldRun is a run of a Listing.
type HeldRun interface {
	Records() []string
	Finished() bool               // it has a manifest
	Dropped() (begun, ended bool) // it is being dropped, or was
	Record(ctx context.Context, name string, limit int64) ([]byte, error)
	Report(ctx context.Context) ([]byte, error) // of the manifest
	Listed(ctx context.Context) (string, error) // the seal of the files that the manifest lists
	Found() string                              // the seal of those that are there
}

// claimLog is the log as far as it was read.
type claimLog struct {
	source Asked
	id     string
	last   int    // its highest number
	text   []byte // of that
	runs   map[string]*Holding
	others map[string]bool
}

func newClaimLog(source Asked) *claimLog {
	return &claimLog{source: source.Source(), id: source.SourceID(), runs: map[string]*Holding{}, others: map[string]bool{}}
}

// read reads the newest records, down to one that holds everything.
func (l *claimLog) read(ctx context.Context, from Listing) error {
	for i, n := range from.Log(l.id) {
		data, err := from.ReadLog(ctx, l.id, n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the log was lost since
		}
		if err != nil {
			return fmt.Errorf("read record %d of the log of source %s: %w", n, l.id, err)
		}
		r, err := l.apply(n, data, false)
		if err != nil {
			return err
		}
		if i == 0 {
			l.last, l.text = n, data
		}
		if r.Whole {
			break
		}
	}
	return nil
}

// apply takes in a record: one that is later than all before it, or earlier.
func (l *claimLog) apply(n int, data []byte, later bool) (r logRecord, err error) {
	err = json.Unmarshal(data, &r)
	if err != nil || r.Format < 1 || r.Format > logFormat || r.Number != n || r.Source.SourceID() != l.id {
		return r, &source.Error{Class: source.ClassForeign, Message: fmt.Sprintf("record %d of the log of source %s cannot be read, or was written by a newer version", n, l.id),
			Hint: "while nothing else runs, remove the directory source-" + l.id + " of _tw2parquet: the log is rebuilt from the runs"}
	}
	l.source = r.Source
	for _, run := range r.Runs {
		l.merge(run, later)
	}
	for _, id := range r.Others {
		l.others[id] = true
	}
	return r, nil
}

// merge takes in what a record says of a run. Of two that say the same standing the later one counts.
func (l *claimLog) merge(r logRun, later bool) {
	if have := l.runs[r.Run]; have == nil || have.Standing.rank() < r.Standing.rank() || later && have.Standing == r.Standing {
		l.runs[r.Run] = r.holding()
	}
}

// record is what record n is to say: the changes, or all there is.
func (l *claimLog) record(n int, changes []logRun, others []string) ([]byte, error) {
	r := logRecord{Format: logFormat, Number: n, Attempt: rand.Text(), Source: l.source, Runs: changes, Others: others}
	if n%checkpointEvery == 0 {
		all := newClaimLog(l.source)
		maps.Copy(all.runs, l.runs)
		maps.Copy(all.others, l.others)
		for _, c := range changes {
			all.merge(c, true)
		}
		for _, id := range others {
			all.others[id] = true
		}
		r.Whole, r.Runs, r.Others = true, nil, slices.Sorted(maps.Keys(all.others))
		for _, h := range all.runs {
			r.Runs = append(r.Runs, h.logged())
		}
		slices.SortFunc(r.Runs, func(a, b logRun) int { return strings.Compare(a.Run, b.Run) })
	}
	data, err := jsonText(r)
	if err != nil {
		return nil, fmt.Errorf("encode a record of the log: %w", err)
	}
	return append(data, '\n'), nil
}

// put puts the next record: errors.Is(err, fs.ErrExist) if somebody else has its number.
func (l *claimLog) put(ctx context.Context, to Archive, changes []logRun, others []string) error {
	n := l.last + 1
	data, err := l.record(n, changes, others)
	if err != nil {
		return err
	}
	if err := to.PutLog(ctx, l.id, n, data); err != nil {
		return err
	}
	l.last, l.text = n, data
	for _, c := range changes {
		l.merge(c, true)
	}
	for _, id := range others {
		l.others[id] = true
	}
	return nil
}

// add puts a record that depends on nothing that others put meanwhile.
func (l *claimLog) add(ctx context.Context, to Archive, changes []logRun) error {
	for {
		err := l.put(ctx, to, changes, nil)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		data, err := to.ReadLog(ctx, l.id, l.last+1)
		if err != nil {
			return err
		}
		if _, err := l.apply(l.last+1, data, true); err != nil {
			return err
		}
		l.last, l.text = l.last+1, data
	}
}
