package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// maxMissing is how many files in a row may be missing. Names are counted by it, and they are anybody's.
const maxMissing = 10000

// slot is a place in the chain of a run's files.
type slot struct {
	file  File
	sound bool
}

// finding is what Open sees of a run, as long as it looks.
type finding struct {
	chain   []slot
	damage  []*ForeignError // what is wrong
	rejects []RejectFile    // of the sound files
	orphans []string        // rejects that no file names
	old     []string        // revisions that a sound one has replaced
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
	d, err := o.listDir(ctx)
	if err != nil {
		return err
	}
	if d.dropped != "" {
		return o.isDropped(d.dropped)
	}
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
	removed, err := o.hold.Clear(ctx, o.layout.parts())
	if err != nil {
		return err
	}
	f, err := o.survey(ctx, d)
	if err != nil {
		return err
	}
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
func (o *Output) survey(ctx context.Context, d *runDir) (*finding, error) {
	for last := ""; ; {
		f := &finding{}
		o.stale = &stale{}
		if err := o.readChain(ctx, f); err != nil {
			return nil, err
		}
		o.matchRejects(d.rejects, f)
		said := (&DamageError{Files: f.damage}).Error()
		if len(f.damage) == 0 || o.hold.Exclusive() || said == last {
			return f, nil
		}
		last = said
		var err error
		if d, err = o.listDir(ctx); err != nil {
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
	f, err := o.survey(ctx, d)
	if err != nil {
		return err
	}
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
func (o *Output) parts(ctx context.Context) (map[int][]part, error) {
	parts := map[int][]part{}
	for e, err := range o.store.List(ctx, o.layout.parts()) {
		if err != nil {
			return nil, err
		}
		if path.Dir(e.Name) != o.layout.partition {
			continue // below a directory that is in the way, which was seen before
		}
		seq, revision, ok := o.layout.partOf(path.Base(e.Name))
		switch {
		case !ok:
			return nil, o.foreign(e.Name, "named like a file of this run, but not one")
		case !e.Regular:
			return nil, o.foreign(e.Name, "not a regular file")
		}
		parts[seq] = append(parts[seq], part{e, revision})
		o.stale.saw(seq, revision)
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
func (o *Output) readChain(ctx context.Context, f *finding) error {
	parts, err := o.parts(ctx)
	if err != nil {
		return err
	}
	seqs := make([]int, 0, len(parts))
	for seq := range parts {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		newest := parts[seq][0]
		if seq-len(f.chain) > maxMissing {
			return o.foreign(newest.Name, fmt.Sprintf("%d files before it are missing", seq-len(f.chain)))
		}
		for len(f.chain) < seq {
			f.chain = append(f.chain, slot{})
			o.stale.saw(len(f.chain)-1, 0)
			f.noteDamage(len(f.chain)-1, o.missing(o.layout.part(len(f.chain)-1, 0)))
		}
		file, err := o.readPart(ctx, seq, newest.Entry)
		if err == nil {
			err = o.checkLink(f.chain, &file)
		}
		if err == nil && o.cfg.Refetch {
			file.SHA256, err = o.hashData(ctx, &file)
		}
		f.chain = append(f.chain, slot{file: file, sound: err == nil})
		if why := (*ForeignError)(nil); errors.As(err, &why) && why.damaged {
			f.noteDamage(seq, why)
			o.stale.add(seq, newest.Name)
		} else if err != nil {
			return err
		}
		for _, old := range parts[seq][1:] {
			if f.chain[seq].sound {
				f.old = append(f.old, old.Name)
			} else {
				o.stale.add(seq, old.Name)
			}
		}
	}
	return nil
}

// checkLink holds what a file says of its place against what is known of the files before it.
func (o *Output) checkLink(chain []slot, f *File) error {
	var last File
	behind := true // right behind it
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].sound {
			last = chain[i].file
			break
		}
		behind = false
	}
	switch {
	case behind && f.FromOffset != last.ToOffset:
		return o.foreign(f.Name, "it does not begin at the offset where the file before it ends")
	case behind && f.FirstOrdinal != last.NextOrdinal, f.FirstOrdinal < last.NextOrdinal:
		return o.foreign(f.Name, fmt.Sprintf("it begins with result %d, the files before it end at %d", f.FirstOrdinal, last.NextOrdinal))
	case f.NextOrdinal != f.FirstOrdinal+f.Rows+f.Rejected:
		return o.foreign(f.Name, fmt.Sprintf("%d rows and %d rejects from result %d on do not end at %d", f.Rows, f.Rejected, f.FirstOrdinal, f.NextOrdinal))
	}
	return nil
}

// readPart reads the footer of file number seq.
func (o *Output) readPart(ctx context.Context, seq int, e store.Entry) (File, error) {
	name := e.Name
	footer, unread, err := o.readFooter(ctx, e)
	switch {
	case unread != nil:
		return File{}, o.readError(name, unread)
	case err != nil:
		return File{}, o.damaged(name, err.Error())
	}
	f, run, version, err := fileOf(footer)
	switch {
	case err == nil && run != o.cfg.Run:
		return File{}, o.foreign(name, fmt.Sprintf("a file of run %q", shorten(run)))
	case err != nil && !isOurs(footer):
		return File{}, o.foreign(name, err.Error()) // a whole Parquet file, and somebody else's
	case err != nil && o.newer(version) && footer.Whole(footerPrefix+keyChecksum):
		return File{}, o.checkVersion(name, version) // its keys may be others, which is not damage
	case err != nil:
		return File{}, o.damaged(name, err.Error())
	}
	f.Name, f.Bytes = name, e.Size
	if err := o.checkVersion(name, version); err != nil {
		return File{}, err
	}
	switch {
	case f.Seq != seq:
		return File{}, o.foreign(name, fmt.Sprintf("its footer says number %d", f.Seq))
	case f.dataBytes > e.Size:
		return File{}, o.damaged(name, "shorter than its footer says")
	case f.Rejects != "" && !validStem(f.Rejects, seq):
		return File{}, o.foreign(name, fmt.Sprintf("its footer names its rejects %q", shorten(f.Rejects)))
	}
	return f, nil
}

// readFooter reads the footer of a file that a listing found. unread is why the store could not give its bytes, which
// says nothing about the file; err is what is wrong with them.
func (o *Output) readFooter(ctx context.Context, e store.Entry) (f parquet.Footer, unread, err error) {
	r := &noting{ReaderAt: store.Reader(ctx, o.store, e.Name)}
	f, err = parquet.ReadFooter(r, e.Size)
	return f, r.err, err
}

// noting keeps the error of the store apart from what is made of it. A file that is shorter than it was listed is no
// error of the store.
type noting struct {
	io.ReaderAt
	err error
}

func (n *noting) ReadAt(p []byte, off int64) (int, error) {
	read, err := n.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		n.err = err
	}
	return read, err
}

// checkVersion refuses to continue what a newer version began.
func (o *Output) checkVersion(name, version string) error {
	if _, err := ParseVersion(version); err != nil {
		return o.foreign(name, fmt.Sprintf("schema version %q is not a number", shorten(version)))
	}
	if o.newer(version) {
		e := o.foreign(name, fmt.Sprintf("written by a newer version of this program (schema version %s, this one knows %s)", version, o.cfg.SchemaVersion))
		e.Hint = "nothing was touched; continue with that version, or choose another output"
		return e
	}
	return nil
}

func (o *Output) newer(version string) bool {
	theirs, err := ParseVersion(version)
	ours, _ := ParseVersion(o.cfg.SchemaVersion)
	return err == nil && theirs > ours
}

// matchRejects checks that the rejects of published files are there. Others belong to a file whose
// publication did not happen: they are published first, and its results are read again.
func (o *Output) matchRejects(found map[string]store.Entry, f *finding) {
	found = maps.Clone(found)
	for seq := range f.chain {
		s := &f.chain[seq]
		if !s.sound || s.file.Rejected == 0 {
			continue
		}
		index, raw := o.layout.rejects(s.file.Rejects)
		var files []RejectFile
		for _, name := range []string{index, raw} {
			e, ok := found[name]
			if !ok {
				f.noteDamage(seq, o.missing(name))
				continue
			}
			files = append(files, RejectFile{Name: name, Bytes: e.Size})
			delete(found, name)
		}
		if s.sound {
			f.rejects = append(f.rejects, files...)
			continue
		}
		o.stale.add(seq, s.file.Name)
		for _, file := range files {
			o.stale.add(seq, file.Name)
		}
	}
	f.orphans = slices.Sorted(maps.Keys(found))
}

func (o *Output) foreign(name, reason string) *ForeignError {
	return &ForeignError{Path: o.store.Path(name), Reason: strings.ToValidUTF8(reason, "\uFFFD"),
		Hint: "nothing was touched; restore what was there, move it away, or choose another output"}
}

// damaged is for a file of this run that is no longer what was published.
func (o *Output) damaged(name, reason string) *ForeignError {
	e := o.foreign(name, reason)
	e.damaged = true
	return e
}

func (o *Output) missing(name string) *ForeignError {
	e := o.damaged(name, "it was published but is missing")
	e.gone = true
	return e
}
