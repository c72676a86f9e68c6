package sink

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// recover finds out where the run stands, from the published files alone. It deletes nothing but
// what this run staged, and rejects of files that were never published; whatever else is out of
// order is an error that names it.
func (o *Output) recover(ctx context.Context) error {
	m, err := o.loadManifest(ctx)
	if err != nil {
		return err
	}
	if m != nil {
		if err := o.checkComplete(ctx, m); err != nil {
			return err
		}
		o.manifest, o.files, o.asides = m, m.Files, m.Rejects
		// The last start may have died after the manifest; that is no reason to fail this one, which
		// may not even be allowed to write.
		if _, err := o.staging.clear(); err != nil {
			o.log.Warn("staged files of an earlier start stay", "error", err)
		}
		return nil
	}
	if err := o.makeDirs(); err != nil {
		return err
	}
	removed, err := o.staging.clear()
	if err != nil {
		return err
	}
	if err := o.readChain(ctx); err != nil {
		return err
	}
	if err := o.matchRejects(ctx); err != nil {
		return err
	}
	if err := o.removeProbes(ctx); err != nil {
		return err
	}
	_, next := o.Position()
	o.log.Debug("recovered", "run", o.cfg.Run, "files", len(o.files), "results", next, "staged_removed", removed)
	return nil
}

// readChain reads the footers of the run's files and checks that each continues the one before.
func (o *Output) readChain(ctx context.Context) error {
	entries, err := o.store.List(ctx, o.layout.partition, o.layout.partPrefix())
	if err != nil {
		return err
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
			return o.foreign(name, "named like a file of this run, but none")
		}
		if !e.Regular {
			return o.foreign(name, "no regular file")
		}
		parts = append(parts, part{seq, e})
	}
	slices.SortFunc(parts, func(a, b part) int { return a.seq - b.seq })
	for i, p := range parts {
		if p.seq != i {
			return o.missing(o.layout.part(i))
		}
		f, err := o.readPart(ctx, i, p.Size)
		if err != nil {
			return err
		}
		o.files = append(o.files, f)
	}
	return nil
}

// readPart reads the footer of file number seq and checks it against the files before.
func (o *Output) readPart(ctx context.Context, seq int, size int64) (File, error) {
	name := o.layout.part(seq)
	footer, err := ReadFooter(storeReader{ctx, o.store, name}, size)
	if err != nil {
		if typed := (*StorageError)(nil); errors.As(err, &typed) || ctx.Err() != nil {
			return File{}, o.readError(name, err)
		}
		return File{}, o.foreign(name, err.Error())
	}
	f, run, version, err := fileOf(footer)
	if err != nil {
		return File{}, o.foreign(name, err.Error())
	}
	f.Name, f.Bytes = name, size
	if err := o.checkVersion(name, version); err != nil {
		return File{}, err
	}
	offset, next := o.Position()
	switch {
	case run != o.cfg.Run:
		return File{}, o.foreign(name, fmt.Sprintf("a file of run %q", shorten(run)))
	case f.Seq != seq:
		return File{}, o.foreign(name, fmt.Sprintf("its footer says number %d", f.Seq))
	case f.FromOffset != offset:
		return File{}, o.foreign(name, "it does not begin at the offset where the file before it ends")
	case f.FirstOrdinal != next:
		return File{}, o.foreign(name, fmt.Sprintf("it begins with result %d, the files before it end at %d", f.FirstOrdinal, next))
	case f.NextOrdinal != f.FirstOrdinal+f.Rows+f.Rejected:
		return File{}, o.foreign(name, fmt.Sprintf("%d rows and %d rejects from result %d on do not end at %d", f.Rows, f.Rejected, f.FirstOrdinal, f.NextOrdinal))
	case f.dataBytes > size:
		return File{}, o.foreign(name, "shorter than its footer says")
	}
	return f, nil
}

// checkVersion refuses to continue what a newer version began.
func (o *Output) checkVersion(name, version string) error {
	theirs, err := parseVersion(version)
	if err != nil {
		return o.foreign(name, fmt.Sprintf("schema version %q is no number", shorten(version)))
	}
	if ours, _ := parseVersion(o.cfg.SchemaVersion); theirs > ours {
		return o.foreign(name, fmt.Sprintf("written by a newer version of this program (schema version %d, this one knows %d)", theirs, ours))
	}
	return nil
}

// matchRejects checks that the rejects of published files are there, and removes those of a file
// whose publication did not happen: they are published first, and its results are read again.
func (o *Output) matchRejects(ctx context.Context) error {
	entries, err := o.store.List(ctx, o.layout.runDir(), rejectsPrefix)
	if err != nil {
		return err
	}
	found := map[string]Entry{}
	for _, e := range entries {
		name := path.Join(o.layout.runDir(), e.Name)
		seq, ok := rejectsSeq(e.Name)
		switch {
		case !ok || !e.Regular:
			continue // not ours
		case seq < len(o.files):
			found[name] = e
		default:
			if err := o.store.Remove(ctx, name); err != nil {
				return err
			}
		}
	}
	for _, f := range o.files {
		if f.Rejected == 0 {
			continue
		}
		index, raw := o.layout.rejects(f.Seq)
		for _, name := range []string{index, raw} {
			e, ok := found[name]
			if !ok {
				return o.missing(name)
			}
			o.asides = append(o.asides, Aside{Name: name, Bytes: e.Size})
		}
	}
	return nil
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

func (o *Output) foreign(name, reason string) error {
	return &ForeignError{Path: o.layout.path(name), Reason: strings.ToValidUTF8(reason, "\uFFFD")}
}

func (o *Output) missing(name string) error {
	return &ForeignError{Path: o.layout.path(name), Reason: "it was published, and is missing", gone: true}
}
