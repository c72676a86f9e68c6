package sink

import (
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// stateDir holds everything that is not data. Its name begins with an underscore because engines
// that read whole folders skip such names, and nothing in it ends in .parquet because some do not.
const stateDir = "_tw2parquet"

// Modes before the umask, which decides who reads the data, and the manifest: that is what readers wait
// for, and verify with. The rest of the state is nobody else's business, whatever the umask: staging,
// journal, rejects, damaged files. Files lose their write bits before they are published.
const (
	dirMode        = 0o777
	dataMode       = 0o666
	privateDirMode = 0o700
	privateMode    = 0o600
)

// layout knows every name of a run. Names are slash-separated and relative to the root.
type layout struct {
	root      string // as configured, for messages only
	run       string
	partition string // "." or a directory
}

func newLayout(c *Config) layout {
	return layout{root: c.Root, run: c.Run, partition: path.Clean(c.Partition)}
}

// path is what a person would look for.
func (l layout) path(name string) string { return filepath.Join(l.root, filepath.FromSlash(name)) }

func (l layout) runDir() string             { return path.Join(stateDir, l.run) }
func (l layout) stagingDir() string         { return path.Join(stateDir, l.run, "staging") }
func (l layout) damagedDir() string         { return path.Join(stateDir, l.run, damagedName) }
func (l layout) lock() string               { return path.Join(stateDir, l.run, lockName) }
func (l layout) manifest() string           { return path.Join(stateDir, l.run, manifestName) }
func (l layout) journal(name string) string { return path.Join(stateDir, l.run, name) }

// stagingPrefix begins the names of our staged files. The run is in them although the directory is
// the run's, so that no name of another run is ever removed, whoever put it there.
func (l layout) stagingPrefix() string { return l.run + "-" }

const stagingSuffix = ".part"

// damagedName is the directory that keeps damaged files while they are written again.
const damagedName = "damaged"

// probePrefix begins the names the preflight uses beside the data.
func (l layout) probePrefix() string { return ".tw2parquet-" + l.run + "-" }

func (l layout) partPrefix() string { return "part-" + l.run + "-" }

func (l layout) part(seq int) string {
	return path.Join(l.partition, fmt.Sprintf("%s%05d.parquet", l.partPrefix(), seq))
}

// partSeq is the inverse of part, for a name without its directory.
func (l layout) partSeq(base string) (int, bool) {
	digits, ok := strings.CutPrefix(base, l.partPrefix())
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, ".parquet")
	seq, err := strconv.Atoi(digits)
	return seq, ok && err == nil && seq >= 0 && path.Base(l.part(seq)) == base
}

const rejectsPrefix = "rejects-"

// rejects are the two files beside a data file that had rejected results.
func (l layout) rejects(seq int) (index, raw string) {
	stem := path.Join(l.runDir(), fmt.Sprintf("%s%05d", rejectsPrefix, seq))
	return stem + ".jsonl", stem + ".raw"
}

// rejectsSeq is the inverse of rejects, for a name without its directory.
func rejectsSeq(base string) (int, bool) {
	digits, ok := strings.CutPrefix(base, rejectsPrefix)
	if !ok {
		return 0, false
	}
	digits, ext, _ := strings.Cut(digits, ".")
	seq, err := strconv.Atoi(digits)
	return seq, err == nil && seq >= 0 && (ext == "jsonl" || ext == "raw")
}
