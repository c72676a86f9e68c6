package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"tw2parquet/sink/store"
)

// maxMissing is how many files in a row may be missing. Names are counted by it, and they are anybody's.
const maxMissing = 10000

// slot is a place in the chain of a run's files.
type slot struct {
	file   File
	sound  bool
	listed bool // only its name was looked at
}

// finding is what Open sees of a run, as long as it looks.
type finding struct {
	chain   []slot
	damage  []*ForeignError // what is wrong
	rejects []RejectFile    // of the sound files
	orphans []string        // rejects that no file names
	old     []string        // revisions that a sound one has replaced
}

// recovery finds out what is published of a run. It exists while an output is opened, or looks again.
type recovery struct {
	place
	hold    store.Hold
	refetch bool
	tail    bool
	stale   *stale
}

func (o *Output) recovery() *recovery {
	return &recovery{o.place, o.hold, o.cfg.Refetch, o.cfg.Tail, o.stale}
}

// noteDamage says that file number seq has to be written again.
func (f *finding) noteDamage(seq int, why *ForeignError) {
	why.seq = seq
	f.damage = append(f.damage, why)
	f.chain[seq].sound = false
}

// takeStock finds out where the run stands, from the published files alone. With an exclusive hold it deletes what
// this run left unfinished, files that others have replaced, and rejects of files that were never published. Without
// one it deletes nothing that was published: its writer may be alive, and about to build on it. Whatever else is out of
// order is an error that names it.
func (o *Output) takeStock(ctx context.Context) error {
	if o.cfg.Begin != nil && !o.hold.Exclusive() {
		switch err := o.journal.Put(ctx, o.cfg.Begin.Name, o.cfg.Begin.Data); {
		case err == nil:
			o.fresh = true
			o.arrange(&finding{}, nil)
			return o.hold.Prepare(ctx, o.layout.partition)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	d, err := o.listDir(ctx)
	if err != nil {
		return err
	}
	if d.dropped != "" {
		return o.isDropped(d.dropped)
	}
	o.tabled = d.tabled
	m, err := o.loadManifest(ctx, d)
	if err != nil {
		return err
	}
	if m != nil {
		return o.recoverComplete(ctx, m, d)
	}
	if err := o.hold.Prepare(ctx, o.layout.partition); err != nil {
		return err
	}
	removed, err := clearUnfinished(ctx, o.hold, o.log, o.layout.parts())
	if err != nil {
		return err
	}
	rc := o.recovery()
	f, err := rc.survey(ctx, d)
	if err != nil {
		return err
	}
	o.stale = rc.stale
	if len(f.damage) > 0 && !o.cfg.Refetch {
		return &DamageError{Files: f.damage}
	}
	if o.hold.Exclusive() {
		o.removeStale(ctx, f.old)
		if len(f.damage) > 0 {
			f.orphans = nil
		}
		for _, name := range f.orphans {
			if err := o.hold.Remove(ctx, name); err != nil {
				return err
			}
		}
	} else {
		for _, p := range f.old {
			seq, _, _ := o.layout.partOf(path.Base(p))
			o.stale.add(seq, p) // until a manifest names what counts
		}
	}
	o.arrange(f, nil)
	_, next := o.Position()
	o.log.Debug("recovered", "run", o.cfg.Run, "files", len(o.files), "results", next, "unfinished_removed", removed)
	return nil
}

// survey reads what is published of a run that is not complete. Where others may be publishing meanwhile, a listing
// can show a file without the one before it, which the page before did not have yet: damage is believed once two
// looks agree on it.
func (rc *recovery) survey(ctx context.Context, d *runDir) (*finding, error) {
	for last := ""; ; {
		f := &finding{}
		rc.stale = &stale{}
		if err := rc.readChain(ctx, f); err != nil {
			return nil, err
		}
		rc.matchRejects(d.rejects, f)
		said := (&DamageError{Files: f.damage}).Error()
		if len(f.damage) == 0 || rc.hold.Exclusive() || said == last {
			return f, nil
		}
		last = said
		var err error
		if d, err = rc.listDir(ctx); err != nil {
			return nil, err
		}
	}
}

// listAgain takes into the chain what was published behind it since the run was opened.
func (o *Output) listAgain(ctx context.Context) error {
	sums := map[string]string{} // of what this start wrote: nothing of it has to be read for that
	for _, f := range o.files {
		sums[f.Name] = f.SHA256
	}
	for _, r := range o.rejects {
		sums[r.Name] = r.SHA256
	}
	d, err := o.listDir(ctx)
	if err != nil {
		return err
	}
	if d.number >= 0 {
		return fmt.Errorf("%w: it completed the run", ErrLocked)
	}
	rc := o.recovery()
	f, err := rc.survey(ctx, d)
	if err != nil {
		return err
	}
	o.stale = rc.stale
	if len(f.damage) > 0 {
		return &DamageError{Files: f.damage}
	}
	before := len(o.files)
	o.files = nil
	o.arrange(f, nil)
	for i := range o.files {
		o.files[i].SHA256 = sums[o.files[i].Name]
	}
	for i := range o.rejects {
		o.rejects[i].SHA256 = sums[o.rejects[i].Name]
	}
	if len(o.files) <= before {
		return fmt.Errorf("%w: a file that it published is gone again", ErrLocked)
	}
	o.log.Warn("a file that an earlier start of this run sent has arrived late; going on behind it", "file", o.store.Path(o.files[len(o.files)-1].Name))
	return nil
}

// parts are the data files of the run by number, the highest revision first.
func (rc *recovery) parts(ctx context.Context) (map[int][]part, error) {
	parts := map[int][]part{}
	for e, err := range rc.store.List(ctx, rc.layout.parts()) {
		if err != nil {
			return nil, err
		}
		if path.Dir(e.Name) != rc.layout.partition {
			continue // below a directory that is in the way, which was seen before
		}
		seq, revision, ok := rc.layout.partOf(path.Base(e.Name))
		switch {
		case !ok:
			return nil, rc.foreign(e.Name, "named like a file of this run, but not one")
		case !e.Regular:
			return nil, rc.foreign(e.Name, "not a regular file")
		}
		parts[seq] = append(parts[seq], part{e, revision})
		rc.stale.saw(seq, revision)
	}
	for seq := range parts {
		slices.SortFunc(parts[seq], func(a, b part) int { return b.revision - a.revision })
	}
	return parts, nil
}

// part is a data file as the store lists it.
type part struct {
	store.Entry
	revision int
}

// readChain reads the footers of the run's files and checks that each continues the one before. What
// is missing or damaged is noted, and everything else out of order is an error. Of the revisions of a
// file the highest counts.
func (rc *recovery) readChain(ctx context.Context, f *finding) error {
	parts, err := rc.parts(ctx)
	if err != nil {
		return err
	}
	seqs := make([]int, 0, len(parts))
	for seq := range parts {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for i, seq := range seqs {
		newest := parts[seq][0]
		if seq-len(f.chain) > maxMissing {
			return rc.foreign(newest.Name, fmt.Sprintf("%d files before it are missing", seq-len(f.chain)))
		}
		for len(f.chain) < seq {
			f.chain = append(f.chain, slot{})
			rc.stale.saw(len(f.chain)-1, 0)
			f.noteDamage(len(f.chain)-1, rc.missing(rc.layout.part(len(f.chain)-1, 0)))
		}
		if rc.tail && i < len(seqs)-1 {
			f.chain = append(f.chain, slot{file: File{Name: newest.Name, Seq: seq, Bytes: newest.Size}, sound: true, listed: true})
			continue
		}
		file, err := rc.readPart(ctx, seq, newest.Entry)
		if err == nil {
			err = rc.checkLink(f.chain, &file)
		}
		if err == nil && rc.refetch {
			file.SHA256, err = rc.hashData(ctx, &file)
		}
		f.chain = append(f.chain, slot{file: file, sound: err == nil})
		if why := (*ForeignError)(nil); errors.As(err, &why) && why.damaged {
			f.noteDamage(seq, why)
			rc.stale.add(seq, newest.Name)
		} else if err != nil {
			return err
		}
		for _, old := range parts[seq][1:] {
			if f.chain[seq].sound {
				f.old = append(f.old, old.Name)
			} else {
				rc.stale.add(seq, old.Name)
			}
		}
	}
	return nil
}

// checkLink holds what a file says of its place against what is known of the files before it.
func (rc *recovery) checkLink(chain []slot, f *File) error {
	var last File
	behind := true // right behind it
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].sound && !chain[i].listed {
			last = chain[i].file
			break
		}
		behind = false
	}
	switch {
	case behind && f.FromOffset != last.ToOffset:
		return rc.foreign(f.Name, "it does not begin at the offset where the file before it ends")
	case behind && f.FirstOrdinal != last.NextOrdinal, f.FirstOrdinal < last.NextOrdinal:
		return rc.foreign(f.Name, fmt.Sprintf("it begins with result %d, the files before it end at %d", f.FirstOrdinal, last.NextOrdinal))
	case f.NextOrdinal != f.FirstOrdinal+f.Rows+f.Rejected:
		return rc.foreign(f.Name, fmt.Sprintf("%d rows and %d rejects from result %d on do not end at %d", f.Rows, f.Rejected, f.FirstOrdinal, f.NextOrdinal))
	}
	return nil
}

// matchRejects checks that the rejects of published files are there. Others belong to a file whose
// publication did not happen: they are published first, and its results are read again.
func (rc *recovery) matchRejects(found map[string]store.Entry, f *finding) {
	found = maps.Clone(found)
	for seq := range f.chain {
		s := &f.chain[seq]
		if s.listed {
			maps.DeleteFunc(found, func(name string, _ store.Entry) bool {
				stem, _ := rejectsOf(path.Base(name))
				return validStem(stem, seq)
			})
		}
		if !s.sound || s.file.Rejected == 0 {
			continue
		}
		index, raw := rc.layout.rejects(s.file.Rejects)
		var files []RejectFile
		for _, name := range []string{index, raw} {
			e, ok := found[name]
			if !ok {
				f.noteDamage(seq, rc.missing(name))
				continue
			}
			files = append(files, RejectFile{Name: name, Bytes: e.Size})
			delete(found, name)
		}
		if s.sound {
			f.rejects = append(f.rejects, files...)
			continue
		}
		rc.stale.add(seq, s.file.Name)
		for _, file := range files {
			rc.stale.add(seq, file.Name)
		}
	}
	f.orphans = slices.Sorted(maps.Keys(found))
}
