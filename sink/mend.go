package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Mending: files of a run that are missing or damaged are written again from the same results, under
// the same names and between the same offsets, while the sound ones stay as they are. It is only done
// with Config.Refetch:
//
//	Open     finds the damage and touches nothing
//	Mend     sets the damaged files aside, once the caller knows that their results can still be had
//	Gap      is the next hole in the chain; what is appended now goes there, and Finish closes it
//	Complete as ever; only then are the damaged bytes deleted
//
// A process that dies on the way leaves a chain with fewer holes. A manifest stays where it is all the
// time, because it alone knows what the last files held; it is replaced in one step after each hole, so
// that it never speaks of a file other than the one that is there, but for the moment between the two
// steps: the copy of it that Mend leaves in the directory of damaged files says that mending was begun,
// and makes the next start read every byte before it believes that the run is complete.

// slot is a place in the chain of a run's files.
type slot struct {
	file  File
	sound bool
}

// hole is a place in the chain whose files are to be written again: count of them, from number seq on.
type hole struct {
	seq, count int
	to         string // offset and ordinal at which the next sound file begins, or the run ended
	next       int64
}

func (h hole) end() int { return h.seq + h.count }

// Gap is where the chain of published files goes on behind a hole. What is missing lies between
// Position and here.
type Gap struct {
	Offset string
	Next   int64
}

// Gap is the next hole to be filled; ok is false when there is none.
func (o *Output) Gap() (g Gap, ok bool) {
	if len(o.holes) == 0 {
		return Gap{}, false
	}
	return Gap{Offset: o.holes[0].to, Next: o.holes[0].next}, true
}

// Damage names the files to be written again, a *DamageError; nil if there are none, or Mend has set
// them aside.
func (o *Output) Damage() error {
	if len(o.damage) == 0 {
		return nil
	}
	return &DamageError{Files: slices.Clone(o.damage)}
}

// hurt notes that file number seq has to be written again.
func (o *Output) hurt(seq int, why *ForeignError) {
	o.damage = append(o.damage, why)
	if len(o.unsound) == 0 || o.unsound[len(o.unsound)-1] != seq {
		o.unsound = append(o.unsound, seq)
	}
}

// refuse is the error for damage that nobody asked to have mended.
func (o *Output) refuse() error {
	if o.cfg.Refetch {
		return nil
	}
	return o.Damage()
}

// arrange turns the chain into the sound files before the first hole, the holes, and the sound files
// behind. was is the manifest of a run that was complete: it knows where each file ended. Without it,
// holes side by side are one, and nobody knows of files behind the last sound one: the run goes on there.
func (o *Output) arrange(chain []slot, was *Manifest) {
	for seq, s := range chain {
		n := len(o.holes)
		adjacent := n > 0 && o.holes[n-1].end() == seq
		switch {
		case !s.sound && was != nil:
			f := &was.Files[seq]
			o.holes = append(o.holes, hole{seq: seq, count: 1, to: f.ToOffset, next: f.NextOrdinal})
		case !s.sound && adjacent:
			o.holes[n-1].count++
		case !s.sound:
			o.holes = append(o.holes, hole{seq: seq, count: 1})
		case n == 0:
			o.files = append(o.files, s.file)
		default:
			if adjacent {
				o.holes[n-1].to, o.holes[n-1].next = s.file.FromOffset, s.file.FirstOrdinal
			}
			o.later = append(o.later, s.file)
		}
	}
	if n := len(o.holes); was == nil && n > 0 && o.holes[n-1].end() == len(chain) {
		o.holes = o.holes[:n-1]
	}
}

// Mend sets aside what is left of the damaged files, so that their names are free. From here on the
// chain has holes, which Gap tells.
func (o *Output) Mend(ctx context.Context) error {
	switch {
	case o.closed:
		return fs.ErrClosed
	case len(o.damage) == 0:
		return nil
	}
	if err := o.setAside(ctx); err != nil {
		return fmt.Errorf("set damaged files aside: %w", err)
	}
	o.damage = nil
	return nil
}

func (o *Output) setAside(ctx context.Context) error {
	if err := makeDir(o.fs, o.layout, o.layout.damagedDir(), privateDirMode); err != nil {
		return err
	}
	sync := func(dir string) error {
		return storageError("sync directory", o.layout.path(dir), o.fs.SyncDir(dir))
	}
	if err := sync(o.layout.runDir()); err != nil {
		return err
	}
	if o.was != nil {
		text, err := o.read(ctx, o.layout.manifest(), maxManifestBytes)
		if err != nil {
			return err
		}
		if err := o.put(ctx, o.asideName(o.layout.manifest()), text, privateMode); err != nil {
			return err
		}
	}
	for _, seq := range o.unsound {
		index, raw := o.layout.rejects(seq)
		for _, name := range []string{o.layout.part(seq), index, raw} {
			if err := o.move(name, o.asideName(name)); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{o.layout.partition, o.layout.runDir()} {
		if err := sync(dir); err != nil {
			return err
		}
	}
	return nil
}

// asideName is where a damaged file is kept. It must not look like data, nor be taken by what an
// earlier start set aside.
func (o *Output) asideName(name string) string {
	return path.Join(o.layout.damagedDir(), path.Base(name)+"."+o.staging.attempt)
}

// move gives a file another name, replacing nothing, and never leaves it without one. A file that is
// not there is fine.
func (o *Output) move(from, to string) error {
	err := o.local.name(from, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return storageError("move", o.layout.path(from), err)
	}
	if err := o.fs.SyncDir(path.Dir(to)); err != nil {
		return storageError("sync directory", o.layout.path(path.Dir(to)), err)
	}
	if o.local.rename {
		return nil
	}
	return storageError("remove", o.layout.path(from), o.fs.Remove(from))
}

// lastSlot tells whether the open file has to take all that is missing up to the end of the hole.
func (o *Output) lastSlot() bool {
	return len(o.holes) > 0 && len(o.files)+1 == o.holes[0].end()
}

// fill closes the first hole at m, which must be where the chain goes on. Files of the hole that were
// not needed become files without rows: the numbers behind it are taken.
func (o *Output) fill(ctx context.Context, m mark) error {
	h := o.holes[0]
	if m.next != h.next || m.next > 0 && m.offset != h.to {
		return fmt.Errorf("%w: the hole ends at result %d, not %d, or at another offset", ErrMisuse, h.next, m.next)
	}
	m.offset = h.to
	for len(o.files) < h.end() {
		if err := o.publish(ctx, m); err != nil {
			return err
		}
		m.notes = nil // they were about the rows of the first
	}
	o.holes = o.holes[1:]
	for len(o.later) > 0 && o.later[0].Seq == len(o.files) {
		o.files = append(o.files, o.later[0])
		o.later = o.later[1:]
	}
	if o.was == nil {
		return nil
	}
	for i := h.seq; i < h.end(); i++ {
		o.was.Files[i] = o.files[i]
		o.was.Rejects = slices.DeleteFunc(o.was.Rejects, func(a Aside) bool { return o.asideOf(a, i) })
		for _, a := range o.asides {
			if o.asideOf(a, i) {
				o.was.Rejects = append(o.was.Rejects, a)
			}
		}
	}
	return o.storeManifest(ctx, o.was)
}

func (o *Output) asideOf(a Aside, seq int) bool {
	index, raw := o.layout.rejects(seq)
	return a.Name == index || a.Name == raw
}

// mending tells whether an earlier start began to mend and did not end.
func (o *Output) mending() (bool, error) {
	names, err := o.fs.Names(o.layout.damagedDir())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(names) > 0, storageError("list", o.layout.path(o.layout.damagedDir()), err)
}

// forgetDamaged deletes the bytes of damaged files, which new ones have replaced. That it fails is no
// reason to fail: the next start tries again.
func (o *Output) forgetDamaged() {
	dir := o.layout.damagedDir()
	names, err := o.fs.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, name := range names {
		for _, ours := range []string{o.layout.partPrefix(), rejectsPrefix, manifestName + "."} {
			if err == nil && strings.HasPrefix(name, ours) {
				err = o.fs.Remove(path.Join(dir, name))
			}
		}
	}
	if err == nil {
		err = o.fs.Remove(dir)
	}
	if err == nil {
		err = o.fs.SyncDir(o.layout.runDir())
	}
	if err != nil {
		o.log.Warn("the damaged files that were replaced could not be deleted; the next start tries again", "directory", o.layout.path(dir), "error", cause(err))
	}
}
