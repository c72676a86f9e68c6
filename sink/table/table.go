package table

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// Records are what a registrar writes into the output. Each name is given once: errors.Is(err, fs.ErrExist) if it is taken by
// other bytes. After any other error the name may be there or not.
type Records interface {
	// PutRun puts a record beside a run's manifest.
	PutRun(ctx context.Context, run, name string, data []byte) error
	// PutDelta puts a file into the log of the Delta table.
	PutDelta(ctx context.Context, name string, data []byte) error
}

// Assume is what a person says of a run that a table cannot tell of any more.
type Assume string

// What can be assumed.
const (
	AssumeNothing    Assume = ""
	AssumeRegistered Assume = "registered"
	AssumeMissing    Assume = "missing"
)

// Config is a registrar's.
type Config struct {
	Store   store.Store
	Records Records
	Assume  Assume
	Log     *slog.Logger     // nil discards
	Writer  string           // who writes, for the table's history
	Now     func() time.Time // nil: time.Now
}

func (c *Config) fill() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Outcome is what became of a run.
type Outcome string

// The outcomes.
const (
	Added   Outcome = "added"   // by this call
	Swapped Outcome = "swapped" // by this call: files that were written again have replaced others
	Found   Outcome = "found"   // the table had it, and this call wrote that down
	Known   Outcome = "known"   // it was written down: the table was not asked
)

// Result is a run that is registered.
type Result struct {
	Run     string  `json:"run"`
	Outcome Outcome `json:"outcome"`
	Files   int     `json:"files"`
	Rows    int64   `json:"rows"`
	Version int64   `json:"version"` // of the table, since when it has the run; -1 if that is not known
}

// Error says why a table could not be brought up to date. The files are safe.
type Error struct {
	Reason  Reason
	Message string
	Hint    string
	Err     error // the cause; may be nil
	Again   bool  // running again may help; of Catalog only
}

// Reason is the kind of an Error.
type Reason string

// The reasons.
const (
	Types     Reason = "types"     // a column has another type in the table
	Feature   Reason = "feature"   // the table uses something that this program does not write
	Damaged   Reason = "damaged"   // the table's log cannot be read
	Doubt     Reason = "doubt"     // the table cannot tell whether it has a run
	Contended Reason = "contended" // others commit all the time
	Rewritten Reason = "rewritten" // another writer has put the run's rows into files of its own
	Missing   Reason = "missing"   // the table is not where the records say
	Catalog   Reason = "catalog"   // the table's catalog does not answer, or refuses
)

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Retryable tells whether running again may help.
func (e *Error) Retryable() bool { return e.Reason == Contended || e.Again }

// recordName is the name of the record of a step of a registration of manifest number k.
func recordName(step, table string, k int) string {
	if k == 0 {
		return step + "-" + table + ".json"
	}
	return fmt.Sprintf("%s-%s-%d.json", step, table, k)
}

// The steps of a registration.
const (
	registering = "registering"
	registered  = "registered"
)

// Delta is what the records of a run say of the Delta table that the output may be: whether it has the run as the manifest that
// counts lists it, and whether it was begun to tell it so.
func Delta(r *dataset.Run) (has, begun bool) {
	k, ok := r.ManifestNumber()
	if !ok {
		return false, false
	}
	return r.Has(recordName(registered, deltaName, k)), r.Has(recordName(registering, deltaName, k))
}

// SwapPending tells whether a table may still name files of the run that others have replaced.
func SwapPending(r *dataset.Run) bool {
	k, ok := r.ManifestNumber()
	has, _ := Delta(r)
	return ok && k > 0 && (!has && AnyDelta(r) || len(icebergBegun(r, true)) > 0)
}

// AnyDelta tells whether a table may hold files of the run, of whatever manifest.
func AnyDelta(r *dataset.Run) bool {
	return slices.ContainsFunc(r.Records(), func(name string) bool {
		return strings.HasPrefix(name, registered+"-"+deltaName) || strings.HasPrefix(name, registering+"-"+deltaName)
	})
}
