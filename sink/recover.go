package sink

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"tw2parquet/sink/parquet"
)

// maxMissing is how many files in a row may be missing. Names are counted by it, and they are anybody's.
const maxMissing = 10000

// recover finds out where the run stands, from the published files alone. It deletes nothing but
// what this run staged, and rejects of files that were never published; whatever else is out of
// order is an error that names it.
func (o *Output) recover(ctx context.Context) error {
	m, err := o.loadManifest(ctx)
	if err != nil {
		return err
	}
	if m != nil {
		return o.recoverComplete(ctx, m)
	}
	if err := o.makeDirs(); err != nil {
		return err
	}
	removed, err := o.staging.clear()
	if err != nil {
		return err
	}
	chain, err := o.readChain(ctx)
	if err != nil {
		return err
	}
	unpublished, err := o.matchRejects(ctx, chain)
	if err != nil {
		return err
	}
	if err := o.refuse(); err != nil {
		return err
	}
	for _, name := range unpublished {
		if err := o.store.Remove(ctx, name); err != nil {
			return err
		}
	}
	if err := o.removeProbes(ctx); err != nil {
		return err
	}
	o.arrange(chain, nil)
	_, next := o.Position()
	o.log.Debug("recovered", "run", o.cfg.Run, "files", len(o.files), "results", next, "staged_removed", removed)
	return nil
}

// recoverComplete is for a run that has a manifest.
func (o *Output) recoverComplete(ctx context.Context, m *Manifest) error {
	begun, err := o.mending()
	if err != nil {
		return err
	}
	chain, err := o.checkComplete(ctx, m, begun || o.cfg.Refetch)
	if err != nil {
		return err
	}
	if err := o.refuse(); err != nil {
		return err
	}
	for _, a := range m.Rejects {
		if seq, _ := rejectsSeq(path.Base(a.Name)); chain[seq].sound {
			o.asides = append(o.asides, a)
		}
	}
	if len(o.damage) > 0 {
		o.was = m
		o.arrange(chain, m)
		if err := o.makeDirs(); err != nil {
			return err
		}
		if _, err := o.staging.clear(); err != nil {
			return err
		}
		return o.removeProbes(ctx)
	}
	o.manifest, o.files = m, m.Files
	// The last start may have died after the manifest; that is no reason to fail this one, which
	// may not even be allowed to write.
	if _, err := o.staging.clear(); err != nil {
		o.log.Warn("staged files of an earlier start stay", "error", err)
	}
	if begun {
		o.forgetDamaged()
	}
	return nil
}

// readChain reads the footers of the run's files and checks that each continues the one before. What
// is missing or damaged is noted, and everything else out of order is an error.
func (o *Output) readChain(ctx context.Context) ([]slot, error) {
	entries, err := o.store.List(ctx, o.layout.partition, o.layout.partPrefix())
	if err != nil {
		return nil, err
	}
	type part struct {
		seq int
		Entry
	}
	parts := make([]part, 0, len(entries))
	for _, e := range entries {
		name := path.Join(o.layout.partition, e.Name)
		seq, ok := o.layout.partSeq(e.Name)
		if !ok {
			return nil, o.foreign(name, "named like a file of this run, but none")
		}
		if !e.Regular {
			return nil, o.foreign(name, "no regular file")
		}
		parts = append(parts, part{seq, e})
	}
	slices.SortFunc(parts, func(a, b part) int { return a.seq - b.seq })
	var chain []slot
	for _, p := range parts {
		if p.seq-len(chain) > maxMissing {
			return nil, o.foreign(o.layout.part(p.seq), fmt.Sprintf("%d files before it are missing", p.seq-len(chain)))
		}
		for len(chain) < p.seq {
			o.hurt(len(chain), o.missing(o.layout.part(len(chain))))
			chain = append(chain, slot{})
		}
		f, err := o.readPart(ctx, p.seq, p.Size)
		if err == nil {
			err = o.checkLink(chain, &f)
		}
		if err == nil && o.cfg.Refetch {
			f.SHA256, err = o.hashData(ctx, &f)
		}
		if why := (*ForeignError)(nil); errors.As(err, &why) && why.damaged {
			o.hurt(p.seq, why)
			chain = append(chain, slot{})
			continue
		}
		if err != nil {
			return nil, err
		}
		chain = append(chain, slot{file: f, sound: true})
	}
	return chain, nil
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
func (o *Output) readPart(ctx context.Context, seq int, size int64) (File, error) {
	name := o.layout.part(seq)
	footer, err := parquet.ReadFooter(storeReader{ctx, o.store, name}, size)
	if err != nil {
		if typed := (*StorageError)(nil); errors.As(err, &typed) || ctx.Err() != nil {
			return File{}, o.readError(name, err)
		}
		return File{}, o.damaged(name, err.Error())
	}
	f, run, version, err := fileOf(footer)
	switch {
	case err == nil && run != o.cfg.Run:
		return File{}, o.foreign(name, fmt.Sprintf("a file of run %q", shorten(run)))
	case err != nil && !isOurs(footer):
		return File{}, o.foreign(name, err.Error()) // a whole Parquet file, and somebody else's
	case err != nil && o.newer(version) && footer.Whole(footerPrefix+keyChecksum):
		return File{}, o.checkVersion(name, version) // its keys may be others, and that is no damage
	case err != nil:
		return File{}, o.damaged(name, err.Error())
	}
	f.Name, f.Bytes = name, size
	if err := o.checkVersion(name, version); err != nil {
		return File{}, err
	}
	switch {
	case f.Seq != seq:
		return File{}, o.foreign(name, fmt.Sprintf("its footer says number %d", f.Seq))
	case f.dataBytes > size:
		return File{}, o.damaged(name, "shorter than its footer says")
	}
	return f, nil
}

// checkVersion refuses to continue what a newer version began.
func (o *Output) checkVersion(name, version string) error {
	if _, err := parseVersion(version); err != nil {
		return o.foreign(name, fmt.Sprintf("schema version %q is no number", shorten(version)))
	}
	if o.newer(version) {
		e := o.foreign(name, fmt.Sprintf("written by a newer version of this program (schema version %s, this one knows %s)", version, o.cfg.SchemaVersion))
		e.Hint = "nothing was touched; go on with that version, or choose another output"
		return e
	}
	return nil
}

func (o *Output) newer(version string) bool {
	theirs, err := parseVersion(version)
	ours, _ := parseVersion(o.cfg.SchemaVersion)
	return err == nil && theirs > ours
}

// matchRejects checks that the rejects of published files are there, and returns those of a file
// whose publication did not happen: they are published first, and its results are read again.
func (o *Output) matchRejects(ctx context.Context, chain []slot) (unpublished []string, err error) {
	entries, err := o.store.List(ctx, o.layout.runDir(), rejectsPrefix)
	if err != nil {
		return nil, err
	}
	found := map[string]Entry{}
	for _, e := range entries {
		name := path.Join(o.layout.runDir(), e.Name)
		seq, ok := rejectsSeq(e.Name)
		switch {
		case !ok || !e.Regular:
			continue // not ours
		case seq < len(chain):
			found[name] = e
		default:
			unpublished = append(unpublished, name)
		}
	}
	for seq := range chain {
		if !chain[seq].sound || chain[seq].file.Rejected == 0 {
			continue
		}
		index, raw := o.layout.rejects(seq)
		var asides []Aside
		for _, name := range []string{index, raw} {
			e, ok := found[name]
			if !ok {
				o.hurt(seq, o.missing(name))
				chain[seq].sound = false
				continue
			}
			asides = append(asides, Aside{Name: name, Bytes: e.Size})
		}
		if chain[seq].sound {
			o.asides = append(o.asides, asides...)
		}
	}
	return unpublished, nil
}

func (o *Output) removeProbes(ctx context.Context) error {
	entries, err := o.store.List(ctx, o.layout.partition, o.layout.probePrefix())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := o.store.Remove(ctx, path.Join(o.layout.partition, e.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (o *Output) foreign(name, reason string) *ForeignError {
	return &ForeignError{Path: o.layout.path(name), Reason: strings.ToValidUTF8(reason, "\uFFFD"),
		Hint: "nothing was touched; restore what was there, move it away, or choose another output"}
}

// damaged is for a file of this run that is no longer what was published.
func (o *Output) damaged(name, reason string) *ForeignError {
	e := o.foreign(name, reason)
	e.damaged = true
	return e
}

func (o *Output) missing(name string) *ForeignError {
	e := o.damaged(name, "it was published, and is missing")
	e.gone = true
	return e
}
