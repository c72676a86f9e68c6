package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// Config says what an Output writes and where. Store, Run, Schema and SchemaVersion are required.
type Config struct {
	// Store is the output. Several runs may share it; the caller closes it after the last.
	Store store.Store
	// Run names the run: lower-case letters and digits, the same for the same request.
	Run string
	// Partition is the slash-separated directory of the output that the files go to, such as
	// "window_start=2024-01-01"; "" is the output itself.
	Partition string
	// Schema is the schema of every file. SchemaVersion is its version, a decimal number: files of
	// a newer one are not continued.
	Schema        *arrow.Schema
	SchemaVersion string
	// Meta are further footer key-values of every file, without the "tw2parquet." prefix.
	Meta map[string]string
	// MaxFileBytes and MaxFileRows are the sizes at which a file is closed, at the first mark from
	// there on; 0 is unlimited. The bytes are those before the footer, pages that wait for their row group to be
	// complete included.
	MaxFileBytes int64
	MaxFileRows  int64
	Compression  parquet.Compression
	Encodings    parquet.Encodings
	// Encoder, if set, is used instead of one with this Compression and these Encodings. It was made of Schema. Outputs that
	// share it share its buffers.
	Encoder *parquet.Encoder
	// RowGroup says how many records make a row group; the zero value makes one of each.
	RowGroup parquet.RowGroupLimits
	// SkipEmpty makes Finish publish nothing when there was no result at all. Otherwise one file
	// without rows tells readers the schema.
	SkipEmpty bool
	// Refetch opens a run whose files are missing or damaged, so that they can be written again (Damage,
	// Mend, Gap). It reads every byte of the run to find them. Otherwise such a run is a *DamageError.
	Refetch bool
	// Begin, if set, is the record of the journal that begins the run. It says that nothing of the run was there when
	// its caller claimed it, by a listing made before. On a store without exclusive holds Open then puts the record, and
	// asks nothing more, unless somebody else has put one: see Output.Fresh. Elsewhere it is left to the caller.
	Begin *store.Record
	// Tail says that of what is published only the end matters, for a run that goes on for ever. Of the files before the last
	// one only the names are looked at: Files has those with name, number and size alone. A start then costs no more reads,
	// however many files there are.
	Tail bool
	// Probes is shared by the runs of one store, so that they probe it once where once is enough; nil probes for
	// this run alone.
	Probes *Probes
	// Logger receives debug messages and warnings; nil discards them.
	Logger *slog.Logger
}

var (
	runPattern       = regexp.MustCompile(`^[a-z0-9]{1,64}$`)
	keyPattern       = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	partitionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9=._%+-]{0,199}$`)
)

// validate names every bad field at once.
func (c *Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Store == nil {
		bad("store: required")
	}
	if !runPattern.MatchString(c.Run) {
		bad("run %q: use 1 to 64 lower-case letters and digits", c.Run)
	}
	if c.Partition != "" {
		for dir := range strings.SplitSeq(c.Partition, "/") {
			if !partitionPattern.MatchString(dir) {
				bad("partition %q: %q is not a directory name of letters, digits and =._%%+-", c.Partition, dir)
			}
		}
	}
	if c.Schema == nil || c.Schema.NumFields() == 0 {
		bad("schema: needs at least one field")
	}
	if _, err := ParseVersion(c.SchemaVersion); err != nil {
		bad("schema version %q: use a decimal number", c.SchemaVersion)
	}
	for k := range c.Meta {
		if err := checkKey(k); err != nil {
			errs = append(errs, err)
		}
	}
	if c.MaxFileBytes < 0 || c.MaxFileRows < 0 {
		bad("file limits of %d bytes and %d rows: must not be negative", c.MaxFileBytes, c.MaxFileRows)
	}
	for _, err := range []error{c.Compression.Validate(), c.Encodings.Validate()} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("configure the output: %w", errors.Join(errs...))
	}
	return nil
}

// Probes remembers that a store was probed. A disk is probed for every run all the same: each of its directories
// may lie on a file system of its own. The zero value is ready to be used.
type Probes struct {
	mu     sync.Mutex
	passed bool
}

func (p *Probes) probe(ctx context.Context, h store.Hold, dir string, there *store.Record) error {
	if p == nil || h.Exclusive() {
		return h.Probe(ctx, dir, there)
	}
	p.mu.Lock() // whoever comes second waits for the answer
	defer p.mu.Unlock()
	if p.passed {
		return nil
	}
	err := h.Probe(ctx, dir, there)
	p.passed = err == nil
	return err
}

func (c *Config) log() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

// checkKey refuses footer keys that would hide the ones recovery depends on.
func checkKey(k string) error {
	if !keyPattern.MatchString(k) || reservedKey(k) {
		return fmt.Errorf("footer key %q: use lower-case letters, digits and _, but not the sink's own keys", k)
	}
	return nil
}

// ParseVersion reads the version of a schema, which is a decimal number.
func ParseVersion(s string) (int, error) { return strconv.Atoi(s) }
