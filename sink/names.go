package sink

import (
	"io"
	"strings"

	"tw2parquet/sink/parquet"
)

// This file is what readers of a finished output need to know of it: names, and what a file says
// about itself. Like the footer's key-values, none of it is trusted: nothing is allocated by a length
// that the file only claims.

// StateDir is the directory of an output that holds everything that is not data.
const StateDir = stateDir

// ManifestName is the name of a run's manifest in its directory below StateDir.
const ManifestName = manifestName

// MaxManifestBytes bounds what is read of a manifest.
const MaxManifestBytes = maxManifestBytes

// Rejection is one line of the index of a file's rejects.
type Rejection = rejection

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

// PartName is the name of a run's data file in its directory.
func PartName(run string, seq int) string { return layout{run: run}.part(seq) }

// PartOf is the inverse of PartName; ok is false for names of other files.
func PartOf(base string) (run string, seq int, ok bool) {
	run, found := strings.CutPrefix(base, "part-")
	run, _, dashed := strings.Cut(run, "-")
	if !found || !dashed || !ValidRun(run) {
		return "", 0, false
	}
	seq, ok = layout{run: run}.partSeq(base)
	return run, seq, ok
}

// RejectNames are the two files of a data file's rejects, relative to the output.
func RejectNames(run string, seq int) (index, raw string) { return layout{run: run}.rejects(seq) }
