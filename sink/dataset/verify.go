package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tw2parquet/sink"
)

// Config says what is verified and how.
type Config struct {
	// Root is the output's directory.
	Root string
	// Reader is the command that runs CheckFile on its standard input; the numbers of bytes and of
	// seconds that CheckFile wants are added as arguments.
	Reader []string
	// Workers is how many files are read at the same time; 0: one for each CPU.
	Workers int
	// Memory is what one reading process may take; 0: DefaultMemory.
	Memory int64
	// Deadline is how long reading a file of a size may take; nil: Deadline.
	Deadline func(size int64) time.Duration

	read reader // nil: Reader, in a process
}

// reader reads the values of an open file. An error is none of the file's.
type reader func(ctx context.Context, f *os.File, size int64) (Reading, error)

// State is what became of a run.
type State string

// The states. A run without a manifest whose files are in order is incomplete: it was stopped, or is
// being written.
const (
	Complete   State = "complete"
	Incomplete State = "incomplete"
	Damaged    State = "damaged"
)

// Run is what was found of a run.
type Run struct {
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
	Out      string    `json:"out"`
	OK       bool      `json:"ok"` // no problems
	Runs     []Run     `json:"runs"`
	Files    int       `json:"files"`
	Rows     int64     `json:"rows"`
	Rejected int64     `json:"rejected"`
	Bytes    int64     `json:"bytes"`
	Problems []Problem `json:"problems"`
	// Unchecked are files that only the user who wrote them may read: rejects. They are no problem.
	Unchecked []string `json:"unchecked,omitempty"`
}

// ErrNoOutput says that a directory holds neither runs nor Parquet files.
var ErrNoOutput = errors.New("no output: it has no directory " + sink.StateDir)

// verifier holds an output while it is verified.
type verifier struct {
	cfg    Config
	root   *os.Root
	read   reader
	found  map[string]entry // Parquet files that no run has claimed yet
	runs   []*run
	report *Report
}

// Verify reads a whole output and reports what is not as it was published. It changes nothing. An
// error is a directory that cannot be read at all, or a reading process that does not work.
func Verify(ctx context.Context, cfg Config) (*Report, error) {
	if len(cfg.Reader) == 0 && cfg.read == nil {
		return nil, fmt.Errorf("%w: there is no command for it", ErrReader)
	}
	root, err := os.OpenRoot(cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("open the output: %w", err)
	}
	defer root.Close()
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
		cfg: cfg, root: root, read: cfg.read,
		report: &Report{Out: cfg.Root, Runs: []Run{}, Problems: []Problem{}},
	}
	// Files before runs: a run may be at work meanwhile, and the directory of a run is there before its
	// first file. What it published since the scan is looked for by name (find).
	if v.found, err = scan(ctx, root, func(name string, err error) { v.problem("", name, "%s", unreadable(err)) }); err != nil {
		return nil, err
	}
	if err := v.listRuns(ctx); err != nil {
		return nil, err
	}
	if len(v.runs) == 0 && len(v.found) == 0 && len(v.report.Problems) == 0 {
		if _, err := root.Lstat(sink.StateDir); err != nil {
			return nil, ErrNoOutput
		}
	}
	for _, r := range v.runs {
		r.claim(v)
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
	v.strays()
	v.report.OK = len(v.report.Problems) == 0
	return v.report, nil
}

func (v *verifier) problem(run, name, format string, args ...any) {
	v.report.Problems = append(v.report.Problems, Problem{
		Path: filepath.Join(v.cfg.Root, filepath.FromSlash(name)), Reason: fmt.Sprintf(format, args...), Run: run,
	})
}

func (v *verifier) unchecked(name string) {
	v.report.Unchecked = append(v.report.Unchecked, filepath.Join(v.cfg.Root, filepath.FromSlash(name)))
}

// listRuns finds the runs and reads their manifests.
func (v *verifier) listRuns(ctx context.Context) error {
	entries, err := fs.ReadDir(v.root.FS(), sink.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		v.problem("", sink.StateDir, "%s", unreadable(err))
		return nil
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case !sink.ValidRun(e.Name()):
		case !e.IsDir():
			v.problem("", path.Join(sink.StateDir, e.Name()), "not a directory; expected a run directory")
		default:
			r := &run{id: e.Name()}
			r.load(v)
			v.runs = append(v.runs, r)
		}
	}
	return nil
}

// readFiles checks every file by itself, several at the same time.
func (v *verifier) readFiles(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(v.cfg.Workers)
	for _, r := range v.runs {
		for _, p := range r.parts {
			if p.problem == "" {
				g.Go(func() error { return p.check(ctx, v) })
			}
		}
	}
	return g.Wait()
}

// strays reports the Parquet files that belong to no run.
func (v *verifier) strays() {
	for _, name := range slices.Sorted(maps.Keys(v.found)) {
		id, _, _, part := sink.PartOf(path.Base(name))
		known := slices.ContainsFunc(v.runs, func(r *run) bool { return r.id == id })
		switch {
		case strings.HasPrefix(name, sink.StateDir+"/"):
			v.problem("", name, "no Parquet file may lie in here")
		case part && known:
			v.problem(id, name, "the run is complete, and its manifest does not know this file")
		case part:
			v.problem(id, name, "its run has no directory in %s", sink.StateDir)
		default:
			v.problem("", name, "not a file of this output")
		}
	}
}

// add puts a run into the report.
func (v *verifier) add(r *run) {
	s := Run{Run: r.id, WindowStart: r.start, WindowStop: r.stop, State: Incomplete}
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
		if p.Run == r.id {
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
