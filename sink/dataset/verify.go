package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// Config says what is verified and how.
type Config struct {
	// Store is the output.
	Store store.Store
	// Reader is the command that runs CheckFiles on its HandedFiles; the numbers of bytes and of
	// seconds that CheckFiles wants are added as arguments, and the number of files.
	Reader []string
	// Workers is how many files are read at the same time; 0: one for each CPU.
	Workers int
	// Memory is what one reading process may take; 0: DefaultMemory.
	Memory int64
	// Deadline is how long reading a file of a size may take; nil: Deadline.
	Deadline func(size int64) time.Duration

	read reader // nil: Reader, in a process
}

// reader reads the values of open files, at least one. An error is not about a file.
type reader func(ctx context.Context, files []opened) ([]Reading, error)

// Verified is what was found of a run.
type Verified struct {
	Run         string `json:"run"`
	WindowStart string `json:"window_start"`
	WindowStop  string `json:"window_stop"`
	State       State  `json:"state"`
	Files       int    `json:"files"` // found
	Rows        int64  `json:"rows"`
	Rejected    int64  `json:"rejected"`
	Bytes       int64  `json:"bytes"`
	Problems    int    `json:"problems"`
}

// Problem names a file and what is wrong with it.
type Problem struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
	Run    string `json:"run,omitempty"`
}

// Report is what Verify found.
type Report struct {
	Out      string     `json:"out"`
	OK       bool       `json:"ok"` // no problems
	Runs     []Verified `json:"runs"`
	Files    int        `json:"files"`
	Rows     int64      `json:"rows"`
	Rejected int64      `json:"rejected"`
	Bytes    int64      `json:"bytes"`
	Problems []Problem  `json:"problems"`
	// Unchecked are files that only the user who wrote them may read: rejects. They are not a problem.
	Unchecked []string `json:"unchecked,omitempty"`
}

// ErrNoOutput says that a directory holds neither runs nor Parquet files.
var ErrNoOutput = errors.New("not an output: it has no directory _tw2parquet")

// verifier holds an output while it is verified.
type verifier struct {
	cfg    Config
	store  store.Store
	read   reader
	runs   []*run
	again  map[string]map[string]seen // what second looks found, by prefix
	report *Report
}

// seen is how a listing showed a name.
type seen struct {
	entry store.Entry
	err   error
}

// Verify reads a whole output and reports what is not as it was published. It changes nothing. An
// error is a directory that cannot be read at all, or a reading process that does not work.
func Verify(ctx context.Context, cfg Config) (*Report, error) {
	if len(cfg.Reader) == 0 && cfg.read == nil {
		return nil, fmt.Errorf("%w: there is no command for it", ErrReader)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Memory <= 0 {
		cfg.Memory = DefaultMemory
	}
	if cfg.Deadline == nil {
		cfg.Deadline = Deadline
	}
	if cfg.read == nil {
		cfg.read = child{cfg.Reader, cfg.Memory, cfg.Deadline}.read
	}
	v := &verifier{
		cfg: cfg, store: cfg.Store, read: cfg.read, again: map[string]map[string]seen{},
		report: &Report{Out: cfg.Store.Path(""), Runs: []Verified{}, Problems: []Problem{}},
	}
	d, err := Open(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if len(d.Runs) == 0 && len(d.Strays) == 0 && len(d.Trouble) == 0 && !d.state {
		return nil, ErrNoOutput
	}
	for _, t := range d.Trouble {
		run, _, _ := sink.StateName(t.Name)
		if d.Run(run) == nil {
			run = ""
		}
		v.problem(run, t.Name, "%s", unreadable(t.Err))
	}
	for _, listed := range d.Runs {
		r := &run{Run: listed}
		v.runs = append(v.runs, r)
		if _, dropped := listed.Dropped(); dropped {
			r.left = map[string]store.Entry{}
			for _, e := range listed.Files {
				v.problem(listed.ID, e.Name, "its run was dropped; a query over the folder reads it: remove it")
			}
			continue
		}
		if err := r.load(ctx, v); err != nil {
			return nil, err
		}
		if err := r.claim(ctx, v); err != nil {
			return nil, err
		}
	}
	if err := v.readFiles(ctx); err != nil {
		return nil, err
	}
	for _, r := range v.runs {
		if err := r.judge(ctx, v); err != nil {
			return nil, err
		}
		v.add(r)
	}
	v.strays(d)
	v.report.OK = len(v.report.Problems) == 0
	return v.report, nil
}

func (v *verifier) problem(run, name, format string, args ...any) {
	v.report.Problems = append(v.report.Problems, Problem{Path: v.store.Path(name), Reason: fmt.Sprintf(format, args...), Run: run})
}

func (v *verifier) unchecked(name string) {
	v.report.Unchecked = append(v.report.Unchecked, v.store.Path(name))
}

// since finds a name that was not there when the output was listed. One look tells of all names beside it that
// begin with a prefix, because a manifest may name any number that never were.
func (v *verifier) since(ctx context.Context, name, prefix string) (store.Entry, error) {
	dir, _ := path.Split(name)
	prefix = dir + prefix
	if v.again[prefix] == nil {
		found := map[string]seen{}
		for e, err := range v.store.List(ctx, prefix) {
			if err != nil && e.Name == "" {
				return e, err
			}
			found[e.Name] = seen{e, err}
		}
		v.again[prefix] = found
	}
	if s, ok := v.again[prefix][name]; ok {
		return s.entry, s.err
	}
	return store.Entry{}, fs.ErrNotExist
}

// Small files share a reading process, as many as maxShared at most.
const (
	smallFile = 1 << 20
	maxShared = 16
)

// readFiles checks every file by itself, several at the same time.
func (v *verifier) readFiles(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(v.cfg.Workers)
	var small []*part
	check := func(parts ...*part) {
		g.Go(func() error { return bug.Guard(func() error { return v.checkParts(ctx, parts) }) })
	}
	for _, r := range v.runs {
		for _, p := range r.parts {
			switch {
			case p.problem != "":
			case p.entry.Size <= smallFile:
				small = append(small, p)
			default:
				check(p)
			}
		}
	}
	shared := min(maxShared, (len(small)+v.cfg.Workers-1)/v.cfg.Workers)
	for parts := range slices.Chunk(small, max(1, shared)) {
		check(parts...)
	}
	return g.Wait()
}

// strays reports the Parquet files that belong to no run, or that their run does not know.
func (v *verifier) strays(d *Dataset) {
	names := map[string]string{} // and their runs
	for _, e := range d.Strays {
		names[e.Name] = ""
		if id, _, _, part := sink.PartOf(path.Base(e.Name)); part {
			names[e.Name] = id
		}
	}
	for _, r := range v.runs {
		for name := range r.left {
			names[name] = r.ID
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch id := names[name]; {
		case inState(name):
			v.problem("", name, "no Parquet file belongs here")
		case id == "":
			v.problem("", name, "not a file of this output")
		case d.Run(id) != nil:
			v.problem(id, name, "the run is complete, and its manifest does not list this file")
		default:
			v.problem(id, name, "its run has no directory in _tw2parquet")
		}
	}
}

// add puts a run into the report.
func (v *verifier) add(r *run) {
	s := Verified{Run: r.ID, WindowStart: r.start, WindowStop: r.stop, State: r.open()}
	if begun, ended := r.Dropped(); ended {
		s.State = Dropped
	} else if begun {
		s.State = Dropping
	}
	if r.manifest != nil {
		s.State = Complete
	}
	for _, p := range r.parts {
		if f, ok := p.account(); ok {
			s.Files++
			s.Rows += f.Rows
			s.Rejected += f.Rejected
			s.Bytes += f.Bytes
		}
	}
	for _, p := range v.report.Problems {
		if p.Run == r.ID {
			s.Problems++
			s.State = Damaged
		}
	}
	v.report.Runs = append(v.report.Runs, s)
	v.report.Files += s.Files
	v.report.Rows += s.Rows
	v.report.Rejected += s.Rejected
	v.report.Bytes += s.Bytes
}
