package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"

	"tw2parquet/sink/store"
)

// Drop takes a run away, in an order that survives a death at any step:
//
//  1. dropping.json: from here on the run is not opened, and whoever has it open publishes nothing
//  2. tables forget the run (first)
//  3. the data files, which nobody vouches for any more
//  4. the manifests
//  5. whatever else is written down of the run elsewhere (between)
//  6. the other records
//  7. dropped.json, which stays and says what the run was
//  8. dropping.json goes
//
// It goes on where an earlier call stopped. A file whose commit arrives late may stay: verify finds it.
type Drop struct {
	Store store.Store
	Log   *slog.Logger
	Run   string
	// Note is what stays of the run, as JSON. An earlier call's counts.
	Note []byte
	// Dirs are the data directories of the run; none means the output itself.
	Dirs []string
	// First is step 2, Between step 5; nil does nothing.
	First, Between func(ctx context.Context) error
}

// Do drops the run: ErrLocked if somebody has it open where a store can tell.
func (d Drop) Do(ctx context.Context) error {
	if !ValidRun(d.Run) {
		return fmt.Errorf("drop run %q: %w", d.Run, ErrMisuse)
	}
	l := layout{run: d.Run}
	hold, err := d.Store.Hold(ctx, l.runDir())
	if errors.Is(err, store.ErrHeld) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	defer func() { _ = hold.Close() }() // what it put is durable
	log := d.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := hold.Prepare(ctx); err != nil {
		return err
	}
	if hold.Exclusive() { // a disk may have no hard links
		if err := hold.Probe(ctx, l.runDir(), nil); err != nil {
			return err
		}
	}
	dropping, dropped := l.journal(DroppingRecord), l.journal(DroppedRecord)
	if _, err := store.Stat(ctx, d.Store, dropped); err == nil {
		if hold.Exclusive() { // the staged record, whose removal may have failed
			if _, err := hold.Clear(ctx); err != nil {
				return err
			}
		}
		return d.remove(ctx, hold, dropping)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	note := d.Note
	err = put(ctx, d.Store, hold, log, dropping, note, store.Public)
	if errors.Is(err, fs.ErrExist) {
		note, err = store.ReadRecord(ctx, d.Store, dropping, maxJournalBytes)
	}
	if err != nil {
		return err
	}
	if d.First != nil {
		if err := d.First(ctx); err != nil {
			return err
		}
	}
	dirs := d.Dirs
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	for _, dir := range dirs {
		if err := d.removeAll(ctx, hold, layout{run: d.Run, partition: path.Clean(dir)}.parts(), func(base string) bool {
			_, _, ok := l.partOf(base)
			return ok
		}); err != nil {
			return err
		}
	}
	own := func(base string) bool { return base != DroppingRecord && base != DroppedRecord && base != "lock" }
	if err := d.removeAll(ctx, hold, l.runDir()+"/"+manifestStem, own); err != nil {
		return err
	}
	if d.Between != nil {
		if err := d.Between(ctx); err != nil {
			return err
		}
	}
	if _, err := clearUnfinished(ctx, hold, log, d.unfinished(dirs)...); err != nil {
		return err
	}
	if err := d.removeAll(ctx, hold, l.runDir()+"/", own); err != nil {
		return err
	}
	if err := put(ctx, d.Store, hold, log, dropped, note, store.Public); err != nil {
		return err
	}
	return d.remove(ctx, hold, dropping)
}

// unfinished begin the names of uploads that dead writers of the run may have left.
func (d Drop) unfinished(dirs []string) (prefixes []string) {
	for _, dir := range dirs {
		prefixes = append(prefixes, layout{run: d.Run, partition: path.Clean(dir)}.parts())
	}
	return prefixes
}

// removeAll removes the files of one directory whose names begin with a prefix.
func (d Drop) removeAll(ctx context.Context, hold store.Hold, prefix string, which func(base string) bool) error {
	var names []string
	for e, err := range d.Store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if e.Regular && path.Dir(e.Name) == strings.TrimSuffix(path.Dir(prefix), "/") && which(path.Base(e.Name)) {
			names = append(names, e.Name)
		}
	}
	for _, name := range names {
		if err := d.remove(ctx, hold, name); err != nil {
			return err
		}
	}
	return nil
}

func (d Drop) remove(ctx context.Context, hold store.Hold, name string) error {
	if err := hold.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop run %s: %w", d.Run, err)
	}
	return nil
}

// checkKept fails if the run is being dropped, or was.
func (o *Output) checkKept(ctx context.Context) error {
	for e, err := range o.store.List(ctx, o.layout.journal("dropp")) {
		if err != nil {
			return err
		}
		if base := path.Base(e.Name); base == DroppingRecord || base == DroppedRecord {
			return o.isDropped(e.Name)
		}
	}
	return nil
}

func (o *Output) isDropped(name string) error {
	e := &ForeignError{dropped: true, Path: o.store.Path(name), Reason: ErrDropped.Error(), Hint: "its time is bought again in the next generation: run the same export again"}
	if path.Base(name) == DroppingRecord {
		e.dropped = false
		e.Reason, e.Hint = "the run is being dropped", "let `tw2parquet drop` finish, or run it again: it goes on where it stopped"
	}
	return e
}
