package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// DeltaLog is the directory of the log of the Delta table that an output may be. What lies in it is not data.
const DeltaLog = sink.DeltaLog

// IcebergDir is the directory of the Iceberg tables over an output that have no other place. What lies in it is not data of ours.
const IcebergDir = sink.IcebergDir

// parquetSuffix is what engines glob for, in any case to be safe.
const parquetSuffix = ".parquet"

// Dataset is an output as one listing of its store found it. It is not for concurrent use; its runs are, each by one
// goroutine at a time.
type Dataset struct {
	// Runs are sorted by ID. A run is there as soon as it has a directory, or any record in it.
	Runs []*Run
	// Strays are the Parquet files that belong to none of Runs, by name. A query over the folder reads those
	// that lie outside the state directory all the same.
	Strays []store.Entry
	// Trouble is what could not be looked at, and what stands where a directory belongs, by name.
	Trouble []Trouble

	logs  map[string]map[int]store.Entry // records of what is covered, by source and number
	store store.Store
	state bool // there is a state directory
	byID  map[string]*Run
	data  []store.Entry // the Parquet files outside the state directory
}

// Trouble is a name that a listing could not look at.
type Trouble struct {
	Name string
	Err  error
}

var (
	errNoRunDir = errors.New("not a directory; expected a run directory")
	errNoState  = errors.New("not a directory; expected the directory of the runs' records")
)

// Open lists an output, once. It reads no file. An error is a listing that failed as a whole.
func Open(ctx context.Context, s store.Store) (*Dataset, error) {
	d := &Dataset{store: s, byID: map[string]*Run{}}
	if err := d.list(ctx, "", d.take); err != nil {
		return nil, err
	}
	if err := d.assign(ctx); err != nil {
		return nil, err
	}
	d.Runs = slices.SortedFunc(maps.Values(d.byID), func(a, b *Run) int { return strings.Compare(a.ID, b.ID) })
	for _, r := range d.Runs {
		slices.SortFunc(r.Files, byRun)
	}
	slices.SortFunc(d.Strays, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(d.Trouble, func(a, b Trouble) int { return strings.Compare(a.Name, b.Name) })
	d.Trouble = slices.CompactFunc(d.Trouble, func(a, b Trouble) bool { return a.Name == b.Name })
	return d, nil
}

// Run is the run with an id, nil if the output has none.
func (d *Dataset) Run(id string) *Run { return d.byID[id] }

// Seen is Run, and an error where a record that could not be looked at may be the run's.
func (d *Dataset) Seen(id string) (*Run, error) {
	for _, t := range d.Trouble {
		if of, _, ok := sink.StateName(t.Name); ok && (of == "" || of == id) {
			return nil, t.Err
		}
	}
	return d.byID[id], nil
}

// Files are all Parquet files outside of any state directory, whether they belong to a run or not, in the
// order of their directories, runs and numbers.
func (d *Dataset) Files() []store.Entry {
	files := slices.DeleteFunc(slices.Clone(d.data), func(e store.Entry) bool { return sink.BelowState(path.Dir(e.Name)) })
	slices.SortFunc(files, byRun)
	return files
}

// list takes everything under a prefix.
func (d *Dataset) list(ctx context.Context, prefix string, take func(e store.Entry)) error {
	for e, err := range d.store.List(ctx, prefix) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && e.Name == "":
			return fmt.Errorf("list the output: %w", err)
		case err != nil:
			d.note(e.Name, err)
		default:
			take(e)
		}
	}
	return nil
}

// note keeps an error of a name, unless it says nothing about what was published.
func (d *Dataset) note(name string, err error) {
	if errors.Is(err, fs.ErrNotExist) || withheld(name, err) {
		return
	}
	if id, _, ok := sink.StateName(name); ok {
		d.state = true
		if sink.ValidRun(id) {
			d.run(id).shut = true
		}
	}
	d.Trouble = append(d.Trouble, Trouble{name, err})
}

func (d *Dataset) log(source string) map[int]store.Entry {
	if d.logs[source] == nil {
		if d.logs == nil {
			d.logs = map[string]map[int]store.Entry{}
		}
		d.logs[source] = map[int]store.Entry{}
	}
	return d.logs[source]
}

// Sources are those that have a log of what is covered.
func (d *Dataset) Sources() []string { return slices.Sorted(maps.Keys(d.logs)) }

// Log are the numbers of the records of what is covered of a source, the newest first.
func (d *Dataset) Log(source string) []int {
	numbers := slices.Sorted(maps.Keys(d.logs[source]))
	slices.Reverse(numbers)
	return numbers
}

// ReadLog reads one of them.
func (d *Dataset) ReadLog(ctx context.Context, source string, n int) ([]byte, error) {
	return readSmall(ctx, d.store, d.logs[source][n], sink.MaxLogBytes)
}

func (d *Dataset) run(id string) *Run {
	r := d.byID[id]
	if r == nil {
		r = &Run{ID: id, store: d.store, number: -1, records: map[string]store.Entry{}}
		d.byID[id] = r
	}
	return r
}

func (d *Dataset) take(e store.Entry) {
	id, record, state := sink.StateName(e.Name)
	parquet := !e.Dir && strings.EqualFold(path.Ext(e.Name), parquetSuffix)
	if !state {
		if parquet && !strings.HasPrefix(e.Name, DeltaLog+"/") && !strings.HasPrefix(e.Name, IcebergDir+"/") {
			d.data = append(d.data, e)
		}
		return
	}
	d.state = true
	if parquet { // nothing in here may be called so
		d.Strays = append(d.Strays, e)
	}
	switch {
	case id == "":
		if !e.Dir {
			d.Trouble = append(d.Trouble, Trouble{e.Name, errNoState})
		}
	case !sink.ValidRun(id):
		if source, n, ok := sink.LogOf(e.Name); ok {
			d.log(source)[n] = e
		}
	case record == "":
		if !e.Dir {
			d.Trouble = append(d.Trouble, Trouble{e.Name, errNoRunDir})
		} else {
			d.run(id)
		}
	default:
		d.run(id).add(record, e)
	}
}

// assign gives each data file to its run.
func (d *Dataset) assign(ctx context.Context) error {
	left := d.data
	for again := false; ; again = true {
		var unknown []store.Entry
		for _, e := range left {
			id, _, _, part := sink.PartOf(path.Base(e.Name))
			switch r := d.byID[id]; {
			case !part || r == nil && again:
				d.Strays = append(d.Strays, e)
			case r == nil:
				unknown = append(unknown, e)
			default:
				r.Files = append(r.Files, e)
			}
		}
		if len(unknown) == 0 {
			return nil
		}
		left = unknown
		// A run may have begun, and published, after its directory's turn in the listing.
		known := maps.Clone(d.byID)
		for _, prefix := range stateOf(unknown) {
			err := d.list(ctx, prefix, func(e store.Entry) {
				id, _, _ := sink.StateName(e.Name)
				meant := prefix == sink.RunDir(id) || prefix == sink.RunDir("")+"/" // stray1 also lists stray10
				if meant && known[id] == nil && sink.ValidRun(id) {
					d.take(e)
				}
			})
			if err != nil {
				return err
			}
		}
	}
}

// fewRuns may each be looked for by themselves: one request is less than all pages of the state directory.
const fewRuns = 8

// stateOf are the prefixes under which the directories of the files' runs are listed.
func stateOf(files []store.Entry) (prefixes []string) {
	for _, e := range files {
		id, _, _, _ := sink.PartOf(path.Base(e.Name))
		if prefix := sink.RunDir(id); !slices.Contains(prefixes, prefix) {
			prefixes = append(prefixes, prefix)
		}
		if len(prefixes) > fewRuns {
			return []string{sink.RunDir("") + "/"}
		}
	}
	return prefixes
}

// withheld tells whether err only says that a part of the output is private to another user: it is not
// published, and no query of this user can find it.
func withheld(name string, err error) bool {
	return sink.Private(name) && errors.Is(err, store.ErrWithheld)
}

// byRun orders data files by directory, then run and number, other names among them.
func byRun(a, b store.Entry) int {
	if c := strings.Compare(path.Dir(a.Name), path.Dir(b.Name)); c != 0 {
		return c
	}
	runA, seqA, revisionA, okA := sink.PartOf(path.Base(a.Name))
	runB, seqB, revisionB, okB := sink.PartOf(path.Base(b.Name))
	if okA && okB && runA == runB {
		return cmp.Or(seqA-seqB, revisionA-revisionB)
	}
	return strings.Compare(path.Base(a.Name), path.Base(b.Name))
}
