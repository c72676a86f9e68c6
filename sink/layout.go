package sink

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"tw2parquet/sink/store"
)

// layout knows every name of a run. Names are slash-separated and relative to the output. No name is
// used twice: what replaces something gets a name of its own.
type layout struct {
	run       string
	partition string // "." or a directory
}

func newLayout(c *Config) layout {
	return layout{run: c.Run, partition: path.Clean(c.Partition)}
}

func (l layout) runDir() string             { return path.Join(store.StateDir, l.run) }
func (l layout) journal(name string) string { return path.Join(l.runDir(), name) }

// The names of manifests: the first one, and those that replaced it.
const (
	manifestStem = "manifest"
	manifestName = manifestStem + ".json"
)

// manifest is the name of a run's manifest number k: files that were written again change the manifest,
// and the highest number counts.
func (l layout) manifest(k int) string {
	if k == 0 {
		return path.Join(l.runDir(), manifestName)
	}
	return path.Join(l.runDir(), fmt.Sprintf("%s-%d.json", manifestStem, k))
}

// manifestNumber is the inverse of manifest, for a name without its directory.
func (l layout) manifestNumber(base string) (int, bool) {
	if base == manifestName {
		return 0, true
	}
	digits, ok := strings.CutPrefix(base, manifestStem+"-")
	if !ok {
		return 0, false
	}
	k, err := strconv.Atoi(strings.TrimSuffix(digits, ".json"))
	return k, err == nil && k > 0 && path.Base(l.manifest(k)) == base
}

func (l layout) partPrefix() string { return "part-" + l.run + "-" }

// parts begins the names of all data files.
func (l layout) parts() string { return path.Join(l.partition, l.partPrefix()) }

// part is the name of data file number seq. A file that is written again has a higher revision.
func (l layout) part(seq, revision int) string {
	name := fmt.Sprintf("%s%05d", l.partPrefix(), seq)
	if revision > 0 {
		name += fmt.Sprintf("-r%d", revision)
	}
	return path.Join(l.partition, name+".parquet")
}

// partOf is the inverse of part, for a name without its directory.
func (l layout) partOf(base string) (seq, revision int, ok bool) {
	rest, ok := strings.CutPrefix(base, l.partPrefix())
	if !ok {
		return 0, 0, false
	}
	rest, ok = strings.CutSuffix(rest, ".parquet")
	digits, again, revised := strings.Cut(rest, "-r")
	seq, err := strconv.Atoi(digits)
	if err == nil && revised {
		revision, err = strconv.Atoi(again)
	}
	return seq, revision, ok && err == nil && seq >= 0 && revision >= 0 && path.Base(l.part(seq, revision)) == base
}

const rejectsPrefix = "rejects-"

// rejectsStem is what the names of a data file's rejects have in common. id is random: a file that is
// given up after its rejects were published is written again with others. The data file's footer names
// the ones that belong to it.
func rejectsStem(seq int, id string) string { return fmt.Sprintf("%s%05d-%s", rejectsPrefix, seq, id) }

var rejectsPattern = regexp.MustCompile(`^` + rejectsPrefix + `(\d{5,9})-[0-9a-f]{8}$`)

// validStem tells whether a stem can be that of the rejects of file number seq. It comes from a footer.
func validStem(stem string, seq int) bool {
	m := rejectsPattern.FindStringSubmatch(stem)
	return m != nil && m[1] == fmt.Sprintf("%05d", seq)
}

// rejects are the two files of a stem.
func (l layout) rejects(stem string) (index, raw string) {
	return path.Join(l.runDir(), stem+".jsonl"), path.Join(l.runDir(), stem+".raw")
}

// rejectsOf is the inverse of rejects, for a name without its directory.
func rejectsOf(base string) (stem string, ok bool) {
	stem, ext, _ := strings.Cut(base, ".")
	return stem, rejectsPattern.MatchString(stem) && (ext == "jsonl" || ext == "raw")
}
