package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// Output is one run's place: the published files, the open one, and the journal beside them. It
// holds the run's lock from Open to Close.
//
// Encode and the tasks it returns may be called from any goroutine. Everything else, the functions
// that append included, is called by one goroutine at a time, in the order of the stream.
type Output struct {
	cfg     Config
	log     *slog.Logger
	layout  layout
	fs      FS
	disk    io.Closer // what Open opened; nil with Config.FS
	lock    io.Closer
	local   *local
	store   Store
	staging *staging
	encoder *groupEncoder

	meta     map[string]string
	files    []File
	asides   []Aside
	manifest *Manifest // nil until complete

	// Where files have to be written again (mend.go): files then are those before the first hole.
	damage  []*ForeignError // what is wrong, until Mend
	unsound []int           // the numbers of the files that it is about
	holes   []hole
	later   []File    // sound files behind the first hole
	was     *Manifest // of a run that was complete

	open   openFile
	epoch  int   // counts Rewinds, so that a row group from before one cannot be appended
	failed error // the open file is lost; Rewind clears it
	lost   error // what is visible is unknown; only a new Open helps
	closed bool
}

// Open takes the run's lock, finds out what earlier starts published and whether the run is
// complete, and otherwise tries the output out with a probe. It returns ErrLocked, a *StorageError
// or a *ForeignError, and leaves nothing behind then but directories.
func Open(ctx context.Context, cfg Config) (_ *Output, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o := &Output{
		cfg: cfg, log: cfg.log(), layout: newLayout(&cfg), fs: cfg.FS,
		encoder: newGroupEncoder(cfg.Schema, cfg.Compression, cfg.Encodings), meta: map[string]string{},
	}
	maps.Copy(o.meta, cfg.Meta)
	if o.fs == nil {
		disk, err := openDisk(cfg.Root)
		if err != nil {
			return nil, err
		}
		o.fs, o.disk = disk, disk
	}
	o.local = &local{fs: o.fs, layout: o.layout, log: o.log}
	o.store = o.local
	o.staging = newStaging(o.fs, o.layout)
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	for _, dir := range []string{stateDir, o.layout.runDir()} {
		if err := makeDir(o.fs, o.layout, dir, dirMode); err != nil {
			return nil, err
		}
	}
	if o.lock, err = o.fs.Lock(o.layout.lock()); err != nil {
		return nil, storageError("lock", o.layout.path(o.layout.lock()), err)
	}
	if err := o.recover(ctx); err != nil {
		return nil, err
	}
	if o.manifest == nil { // something is to be written
		if err := o.preflight(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// SetMeta adds a footer key-value ("tw2parquet." is put before the key) to every file published
// from now on. It panics on a key that Config.Meta would not accept, which is a bug.
func (o *Output) SetMeta(key, value string) {
	if err := checkKey(key); err != nil {
		panic(err)
	}
	o.meta[key] = value
}

// Files are the published files, in order, up to the first Gap.
func (o *Output) Files() []File { return slices.Clone(o.files) }

// Position is where the published files end: the offset to read on from, "" before the first file,
// and the ordinal of the result that comes next.
func (o *Output) Position() (offset string, next int64) {
	if len(o.files) == 0 {
		return "", 0
	}
	last := &o.files[len(o.files)-1]
	return last.ToOffset, last.NextOrdinal
}

// Encode cuts the encoding of one row group into independent tasks, the heaviest first. It reads
// rec only; rec must stay valid until all tasks have returned. Once they all succeeded, appendGroup
// writes the row group to the open file; it is called once. Where a file ends is decided by Mark, so
// a row group may be encoded before the file it will go to is open.
func (o *Output) Encode(rec arrow.RecordBatch) (tasks []func() error, appendGroup func() error) {
	if !rec.Schema().Equal(o.cfg.Schema) {
		err := fmt.Errorf("%w: the record's schema is not the output's", ErrMisuse)
		return nil, func() error { return err }
	}
	rows, epoch := rec.NumRows(), o.epoch
	if rows == 0 {
		return nil, func() error { return nil } // all of the batch was rejected
	}
	tasks, group := o.encoder.encode(rec)
	return tasks, func() error {
		if err := o.usable(); err != nil {
			return err
		}
		if epoch != o.epoch {
			return fmt.Errorf("%w: a row group from before a rewind", ErrMisuse)
		}
		if err := o.openData(); err != nil {
			return o.giveUp(err)
		}
		if err := o.open.parquet.append(group); err != nil {
			return o.giveUp(fmt.Errorf("append a row group to %s: %w", o.layout.part(len(o.files)), err))
		}
		o.open.rows += rows
		return nil
	}
}

// openData stages the data file if it is not yet.
func (o *Output) openData() error {
	if o.open.data != nil {
		return nil
	}
	t, err := o.staging.create(fmt.Sprintf("%05d", len(o.files)), dataMode)
	if err != nil {
		return err
	}
	o.open.data, o.open.parquet = t, newParquetFile(t, o.encoder)
	return nil
}

// Mark says that offset covers everything appended so far and that the next result has the ordinal
// next. notes are footer key-values that describe the rows since the last cut. Only here is a file
// cut: if the open one has reached a limit it is published, and cut is true.
func (o *Output) Mark(ctx context.Context, offset string, next int64, notes map[string]string) (cut bool, err error) {
	if err := o.checkMark(offset, next, notes); err != nil {
		return false, err
	}
	if !o.full() {
		return false, nil
	}
	if err := o.publish(ctx, mark{offset, next, notes}); err != nil {
		return false, err
	}
	return true, nil
}

func (o *Output) full() bool {
	if o.open.parquet == nil || o.lastSlot() {
		return false
	}
	return o.cfg.MaxFileBytes > 0 && o.open.parquet.size() >= o.cfg.MaxFileBytes ||
		o.cfg.MaxFileRows > 0 && o.open.rows >= o.cfg.MaxFileRows ||
		len(o.open.parquet.groups) >= maxFileGroups
}

// Finish publishes what is open, which must end at the mark (offset, next). If there was no result
// in the whole run it publishes a file without rows, unless Config.SkipEmpty. With nothing to
// publish it does nothing, so it may be repeated. While there is a Gap it closes that, at its end.
func (o *Output) Finish(ctx context.Context, offset string, next int64, notes map[string]string) error {
	if err := o.checkMark(offset, next, notes); err != nil {
		return err
	}
	if len(o.holes) > 0 {
		return o.fill(ctx, mark{offset, next, notes})
	}
	if !o.open.any() && (len(o.files) > 0 || o.cfg.SkipEmpty) {
		return nil
	}
	return o.publish(ctx, mark{offset, next, notes})
}

// checkMark holds rows and rejects against the number of results, at every mark: a row that was
// lost or doubled on the way here is noticed before it is published.
func (o *Output) checkMark(offset string, next int64, notes map[string]string) error {
	if err := o.usable(); err != nil {
		return err
	}
	_, first := o.Position()
	if want := first + o.open.rows + o.open.rejected; next != want {
		return fmt.Errorf("%w: mark at result %d, but %d rows and %d rejects follow result %d", ErrMisuse, next, o.open.rows, o.open.rejected, first)
	}
	if offset == "" && next > 0 {
		return fmt.Errorf("%w: a mark after %d results without an offset", ErrMisuse, next)
	}
	for k := range notes {
		if err := checkKey(k); err != nil {
			return fmt.Errorf("%w: %w", ErrMisuse, err)
		}
	}
	return nil
}

// Rewind discards everything since the last published file; the stream is read again from Position.
// Row groups that were encoded before it can no longer be appended.
func (o *Output) Rewind() error {
	if o.closed {
		return fs.ErrClosed
	}
	if o.lost != nil {
		return o.lost
	}
	o.open.discard()
	o.failed = nil
	o.epoch++
	return nil
}

// usable is the reason why nothing can be written, or nil.
func (o *Output) usable() error {
	switch {
	case o.closed:
		return fs.ErrClosed
	case o.lost != nil:
		return o.lost
	case o.failed != nil:
		return o.failed
	case len(o.damage) > 0:
		return fmt.Errorf("%w: damaged files were not set aside", ErrMisuse)
	case o.manifest != nil:
		return fmt.Errorf("%w: the run is complete", ErrMisuse)
	}
	return nil
}

// giveUp discards the open file after an error, at once: a full disk needs the space.
func (o *Output) giveUp(err error) error {
	o.open.discard()
	o.failed = errDiscarded
	return err
}

// Close discards what was not published and frees the lock. It may be called again. Its error is always
// nil: nothing is lost when a lock's file, or a directory, fails to close, and both are freed all the same.
func (o *Output) Close() error {
	if o.closed {
		return nil
	}
	o.closed = true
	o.open.discard()
	if o.lock != nil {
		o.lock.Close()
	}
	if o.disk != nil {
		o.disk.Close()
	}
	return nil
}
