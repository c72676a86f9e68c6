package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"strconv"
	"time"

	"tw2parquet/sink/store"
)

// put stores a small record, and looks where the store's answer leaves it open whether it is there. The very same
// bytes are success, so that any number of lost answers is.
func put(ctx context.Context, s store.Store, hold store.Hold, log *slog.Logger, name string, data []byte, access store.Access) error {
	step := func(ctx context.Context) error { return hold.Put(ctx, name, data, access) }
	return settle(ctx, s, log, name, step, func(ctx context.Context) error {
		there, err := store.ReadRecord(ctx, s, name, max(int64(len(data)), maxJournalBytes))
		unfit := errors.Is(err, store.ErrUnfit) || errors.Is(err, fs.ErrPermission) // of another user, on a disk
		if err == nil && !bytes.Equal(there, data) || unfit {
			err = fmt.Errorf("%s: %w", path.Base(name), fs.ErrExist)
		}
		return err
	})
}

// Records puts small records into an output beside its runs, each once.
type Records struct {
	Store store.Store
	Log   *slog.Logger // nil discards
	Open  *Journal     // of a run that the caller has open, which nobody else could put records to; nil: none
}

// heldFor bounds waiting for somebody who puts a record into the same directory.
const heldFor, heldPause = 10 * time.Second, 20 * time.Millisecond

// PutLog puts record number n of a source's log: errors.Is(err, fs.ErrExist) if another one has the number.
func (r Records) PutLog(ctx context.Context, source string, n int, data []byte) error {
	return r.putPatiently(ctx, RunDir(logPrefix+source), LogName(source, n), data)
}

// PutDelta puts a file into the log of the Delta table that the output may be: errors.Is(err, fs.ErrExist) if another one
// has its name. The very same bytes are success.
func (r Records) PutDelta(ctx context.Context, base string, data []byte) error {
	return r.putPatiently(ctx, RunDir(tableDir), path.Join(DeltaLog, base), data)
}

// PutIceberg puts a file of the metadata of an Iceberg table, whose name nobody else uses.
func (r Records) PutIceberg(ctx context.Context, name string, data []byte) error {
	return r.putPatiently(ctx, RunDir(icebergDir), name, data)
}

// putPatiently waits for others that put something with the same hold.
func (r Records) putPatiently(ctx context.Context, dir, name string, data []byte) error {
	for waited := time.Duration(0); ; waited += heldPause {
		err := r.put(ctx, dir, name, data, store.Public)
		if !errors.Is(err, ErrLocked) || waited >= heldFor {
			return err
		}
		if err := pause(ctx, heldPause); err != nil {
			return fmt.Errorf("put a record: %w", err)
		}
	}
}

// ReadLog reads record number n of a source's log; errors.Is(err, fs.ErrNotExist) if there is none.
func (r Records) ReadLog(ctx context.Context, source string, n int) ([]byte, error) {
	return store.ReadRecord(ctx, r.Store, LogName(source, n), MaxLogBytes)
}

// HasLog tells whether record number n of a source's log is there, and begins with these bytes. It takes one request.
func (r Records) HasLog(ctx context.Context, source string, n int, data []byte) (bool, error) {
	there := make([]byte, len(data))
	err := r.Store.ReadAt(ctx, LogName(source, n), there, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return false, nil
	case err != nil:
		return false, err
	}
	return bytes.Equal(there, data), nil
}

// PutRun puts a record into the directory of a run that nobody else has open: errors.Is(err, fs.ErrExist) if another
// one has its name, ErrLocked if somebody else has the run open.
func (r Records) PutRun(ctx context.Context, run, name string, data []byte) error {
	if r.Open != nil && r.Open.layout.run == run {
		return r.Open.Put(ctx, name, data)
	}
	if err := checkJournalName(name); err != nil || !ValidRun(run) {
		return errors.Join(err, fmt.Errorf("put a record of run %q: %w", run, ErrMisuse))
	}
	return r.put(ctx, RunDir(run), path.Join(RunDir(run), name), data, store.Private)
}

func (r Records) put(ctx context.Context, dir, name string, data []byte, access store.Access) error {
	hold, err := r.Store.Hold(ctx, dir)
	if errors.Is(err, store.ErrHeld) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	defer func() { _ = hold.Close() }() // what it put is durable
	dirs := []string{}
	if hold.Exclusive() {
		dirs = append(dirs, dir) // where a dead probe may lie
	}
	if path.Dir(name) != dir {
		dirs = append(dirs, path.Dir(name))
	}
	if err := hold.Prepare(ctx, dirs...); err != nil {
		return err
	}
	if hold.Exclusive() { // a disk: it may have no hard links, and what a dead process left here nobody else removes
		if _, err := hold.Clear(ctx); err != nil {
			return err
		}
	}
	if hold.Exclusive() || dir == RunDir(tableDir) { // a table's log is lost in a store that ignores conditions
		if err := hold.Probe(ctx, dir, nil); err != nil {
			return err
		}
	}
	log := r.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return put(ctx, r.Store, hold, log, name, data, access)
}

// The log of what an output covers of a source is a directory beside those of the runs. Its records are numbered from 1,
// and their names descend, so that a listing finds the newest first.
const (
	logPrefix = "source-"
	// Of the holds with which a table's files are written.
	tableDir   = "table-delta"
	icebergDir = "table-iceberg"
	lastLog    = 9_999_999_999
	// MaxLogBytes bounds what is read of a record: some 100,000 windows.
	MaxLogBytes = 32 << 20
)

var logPattern = regexp.MustCompile(`^source-([a-z0-9]{1,64})/(\d{10})\.json$`)

// LogName is the name of record number n of a source's log, relative to the output.
func LogName(source string, n int) string {
	return path.Join(RunDir(logPrefix+source), fmt.Sprintf("%010d.json", lastLog-n))
}

// LogOf is the inverse of LogName; ok is false for other names.
func LogOf(name string) (source string, n int, ok bool) {
	dir, record, state := StateName(name)
	m := logPattern.FindStringSubmatch(dir + "/" + record)
	if !state || m == nil {
		return "", 0, false
	}
	k, err := strconv.Atoi(m[2])
	n = lastLog - k
	return m[1], n, err == nil && n > 0
}

// Records of a run that others look for.
const (
	// DroppingRecord says that the run is to go: from here on its writers publish nothing.
	DroppingRecord = "dropping.json"
	// DroppedRecord is what stays of it.
	DroppedRecord = "dropped.json"
	// RegisteringPrefix and RegisteredPrefix begin the names of the records with which a run is made known to a table
	// (sink/table). From the first one on the table may name its files.
	RegisteringPrefix, RegisteredPrefix = "registering-", "registered-"
	// ReadingRecord says that a run reads a collector, and from where on. Such a run goes on for ever.
	ReadingRecord = "reading.json"
)
