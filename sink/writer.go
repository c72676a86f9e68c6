package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// Output is one run's place: the published files, the open one, and the journal beside them. It
// holds the run's lock from Open to Close. What Open and Mend find out is recovery's, what is read is place's.
//
// Encode and the tasks it returns may be called from any goroutine. Everything else, the functions
// that append included, is called by one goroutine at a time, in the order of the stream.
type Output struct {
	place
	cfg     Config
	hold    store.Hold
	journal Journal
	encoder *parquet.Encoder

	meta     map[string]string
	files    []File
	rejects  []RejectFile
	manifest *Manifest // nil until complete
	stale    *stale    // files that others have replaced, or will
	mend     *mending  // nil unless files have to be written again; files then are those before the first hole

	open   openFile
	epoch  int   // counts Rewinds, so that a record from before one cannot be appended
	failed error // the open file is lost; Rewind clears it
	lost   error // what is visible is unknown; only a new Open helps
	closed bool
	fresh  bool // see Fresh
	tabled bool // a table may name files of the run: what was replaced stays until Retire

	overtaken bool // the chain of published files is longer than files says, until Rewind
	adopted   bool // a file that arrived late was taken into the chain; it happens once
}

// Open takes the run's lock, finds out what earlier starts published and whether the run is
// complete, and otherwise tries the output out with a probe. It returns ErrLocked, a *store.Error
// or a *ForeignError, and leaves nothing behind then but directories.
func Open(ctx context.Context, cfg Config) (_ *Output, err error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o := &Output{
		place: place{cfg.Store, newLayout(&cfg), cfg.SchemaVersion, cfg.log()}, cfg: cfg, stale: &stale{},
		encoder: cfg.Encoder, meta: map[string]string{},
	}
	if o.encoder == nil {
		o.encoder = parquet.NewEncoder(cfg.Schema, cfg.Compression, cfg.Encodings)
	}
	maps.Copy(o.meta, cfg.Meta)
	o.hold, err = o.store.Hold(ctx, o.layout.runDir())
	if errors.Is(err, store.ErrHeld) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	o.journal = Journal{place: o.place, hold: o.hold}
	if err := o.takeStock(ctx); err != nil {
		return nil, err
	}
	if o.manifest == nil { // something is to be written
		var there *store.Record
		if o.fresh {
			there = &store.Record{Name: o.layout.journal(cfg.Begin.Name), Data: cfg.Begin.Data}
		}
		if err := cfg.Probes.probe(ctx, o.hold, o.layout.partition, there); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Journal are the small records of the run.
func (o *Output) Journal() *Journal { return &o.journal }

// Fresh tells that Open began the run with Config.Begin, and looked for nothing else of it. Whoever begins it
// beside this process is met at the next record that is put, which is the caller's to watch.
func (o *Output) Fresh() bool { return o.fresh }

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

// Encode cuts the encoding of one record into independent tasks, the heaviest first. It reads
// rec only; rec must stay valid until all tasks have returned. Once they all succeeded, appendGroup
// adds the record to the open file; it is called once. Where a file ends is decided by Mark, so
// a record may be encoded before the file it will go to is open. What waits there for its row group to be
// complete counts as part of the file, and ends with it: at a cut it is published, at a Rewind it is gone.
func (o *Output) Encode(rec arrow.RecordBatch) (tasks []func() error, appendGroup func(context.Context) error) {
	if !rec.Schema().Equal(o.cfg.Schema) {
		err := fmt.Errorf("%w: the record's schema is not the output's", ErrMisuse)
		return nil, func(context.Context) error { return err }
	}
	rows, epoch := rec.NumRows(), o.epoch
	if rows == 0 {
		return nil, func(context.Context) error { return nil } // all of the batch was rejected
	}
	tasks, group := o.encoder.Encode(rec)
	return tasks, func(ctx context.Context) error {
		if err := o.usable(); err != nil {
			return err
		}
		if epoch != o.epoch {
			return fmt.Errorf("%w: a record from before a rewind", ErrMisuse)
		}
		if err := o.openData(ctx); err != nil {
			return o.giveUp(err)
		}
		if err := o.open.writer.Append(group); err != nil {
			return o.giveUp(fmt.Errorf("append to %s: %w", o.partName(len(o.files)), err))
		}
		o.open.rows += rows
		return nil
	}
}

// openData begins the data file if it is not yet.
func (o *Output) openData(ctx context.Context) error {
	if o.open.data != nil {
		return nil
	}
	name := o.partName(len(o.files))
	u, err := o.hold.Create(ctx, name, store.Public)
	if err != nil {
		return err
	}
	limits := o.cfg.RowGroup
	if len(o.files) > 0 { // readers have other files to work on
		limits.EarlyRows, limits.EarlyBytes = 0, 0
	}
	data := newUpload(u)
	o.open.name, o.open.data, o.open.writer = name, data, parquet.NewWriter(data, o.encoder, limits)
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
	if o.open.writer == nil || o.mend.lastSlot(len(o.files)) {
		return false
	}
	return o.cfg.MaxFileBytes > 0 && o.open.writer.Size() >= o.cfg.MaxFileBytes ||
		o.cfg.MaxFileRows > 0 && o.open.rows >= o.cfg.MaxFileRows ||
		o.open.writer.RowGroups() >= parquet.MaxRowGroups
}

// Finish publishes what is open, which must end at the mark (offset, next). If there was no result
// in the whole run it publishes a file without rows, unless Config.SkipEmpty. With nothing to
// publish it does nothing, so it may be repeated. While there is a Gap it closes that, at its end.
func (o *Output) Finish(ctx context.Context, offset string, next int64, notes map[string]string) error {
	if err := o.checkMark(offset, next, notes); err != nil {
		return err
	}
	if o.mend.holey() {
		return o.fill(ctx, mark{offset, next, notes})
	}
	if !o.open.begun() && (len(o.files) > 0 || o.cfg.SkipEmpty) {
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

// Overtaken tells that the last error was that of a file which arrived late, from an earlier start of this run: after
// Rewind it is one of Files, and the stream is read on from the new Position.
func (o *Output) Overtaken() bool { return o.overtaken }

// Rewind discards everything since the last published file; the stream is read again from Position.
// Records that were encoded before it can no longer be appended.
func (o *Output) Rewind(ctx context.Context) error {
	if o.closed {
		return fs.ErrClosed
	}
	if o.lost != nil {
		return o.lost
	}
	o.open.discard()
	o.failed = nil
	o.epoch++
	if o.overtaken {
		o.overtaken, o.adopted = false, true
		o.lost = o.listAgain(ctx)
	}
	return o.lost
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
	case o.Damage() != nil:
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

// Close discards what was not published and lets go of the run. It may be called again.
func (o *Output) Close() error {
	if o.closed {
		return nil
	}
	o.closed, o.journal.closed = true, true
	o.open.discard()
	if o.hold != nil {
		return o.hold.Close()
	}
	return nil
}
