package sink

import (
	"io"
	"slices"
	"strings"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// This file is what readers of a finished output need to know of it: names, and what a file says
// about itself. Like the footer's key-values, none of it is trusted: nothing is allocated by a length
// that the file only claims.

// StateDir is the directory of an output that holds everything that is not data.
const StateDir = store.StateDir

// DeltaLog is the directory of an output that makes it a Delta table. Its checkpoints are Parquet files, and no data.
const DeltaLog = "_delta_log"

// IcebergDir is the directory of an output that holds the metadata of Iceberg tables, and what other writers of theirs add.
const IcebergDir = "_iceberg"

// MaxManifestBytes bounds what is read of a manifest.
const MaxManifestBytes = maxManifestBytes

// Published is what a data file says about itself. Name and Bytes are for the caller to fill in.
type Published struct {
	File
	Run           string
	SchemaVersion string
	DataBytes     int64  // how much lies before the footer
	DataSHA256    string // the checksum of that, in hex
}

// ReadPublished reads the footer of a data file of this package.
func ReadPublished(r io.ReaderAt, size int64) (Published, error) {
	footer, err := parquet.ReadFooter(r, size)
	if err != nil {
		return Published{}, err
	}
	f, run, version, err := fileOf(footer)
	return Published{File: f, Run: run, SchemaVersion: version, DataBytes: f.dataBytes, DataSHA256: f.dataSHA256}, err
}

// ValidRun tells whether a name can be a run's.
func ValidRun(name string) bool { return runPattern.MatchString(name) }

// RunDir is the directory of a run's records, relative to the output; of "" the one that holds them all.
func RunDir(run string) string { return layout{run: run}.runDir() }

// StateName takes apart a name in an output that is not data: the run, and the name of one of its records.
// Both are "" for the state directory itself, and record for a run's directory. ok is false for what lies
// elsewhere.
func StateName(name string) (run, record string, ok bool) {
	name, below := strings.CutPrefix(name, StateDir+"/")
	run, record, _ = strings.Cut(name, "/")
	if !below {
		return "", "", name == StateDir
	}
	return run, record, true
}

// BelowState tells whether a name lies in the state directory of an output, or in that of another output
// below it.
func BelowState(name string) bool { return slices.Contains(strings.Split(name, "/"), StateDir) }

// Private tells whether a name in an output is for its owner alone, whatever the umask: everything in the
// directory of a run except its manifests. Logs are not.
func Private(name string) bool {
	dir, record, ok := StateName(name)
	if !ok || record == "" || strings.HasPrefix(dir, logPrefix) {
		return false
	}
	_, manifest := layout{}.manifestNumber(record)
	return !manifest
}

// PartName is the name of a run's data file in its directory. Files that were written again have a
// revision above 0.
func PartName(run string, seq, revision int) string { return layout{run: run}.part(seq, revision) }

// PartPrefix begins the names of all data files of a run.
func PartPrefix(run string) string { return layout{run: run}.partPrefix() }

// PartOf is the inverse of PartName; ok is false for names of other files.
func PartOf(base string) (run string, seq, revision int, ok bool) {
	run, found := strings.CutPrefix(base, "part-")
	run, _, dashed := strings.Cut(run, "-")
	if !found || !dashed || !ValidRun(run) {
		return "", 0, 0, false
	}
	seq, revision, ok = layout{run: run}.partOf(base)
	return run, seq, revision, ok
}

// RejectNames are the two files of a data file's rejects, relative to the output. ok is false for a stem
// that cannot be that of file number seq.
func RejectNames(run string, seq int, stem string) (index, raw string, ok bool) {
	index, raw = layout{run: run}.rejects(stem)
	return index, raw, validStem(stem, seq)
}

// IsRejects tells whether a name in a run's directory is one of RejectNames.
func IsRejects(base string) bool {
	_, ok := rejectsOf(base)
	return ok
}

// ManifestPath is the name of a run's manifest number k, relative to the output.
func ManifestPath(run string, k int) string { return layout{run: run}.manifest(k) }

// ManifestNumber tells which manifest of its run a name is; the highest number counts.
func ManifestNumber(base string) (k int, ok bool) { return layout{}.manifestNumber(base) }
