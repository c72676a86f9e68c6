package sink

import (
	"context"
	"errors"
	"fmt"
	"path"

	"tw2parquet/sink/store"
)

// recoverComplete is for a run that has a manifest.
func (o *Output) recoverComplete(ctx context.Context, m *Manifest, d *runDir) error {
	k, rc := d.number, o.recovery()
	parts, err := rc.parts(ctx)
	if err != nil {
		return err
	}
	// Newer files than the manifest names: an earlier start began to mend, and died before it said so.
	// Then every byte is read before anything is believed.
	begun, err := rc.checkListed(m, k, parts)
	if err != nil {
		return err
	}
	f, err := rc.checkPublished(ctx, m, parts, d.rejects, begun || o.cfg.Refetch)
	if err != nil {
		return err
	}
	mended := false
	if begun {
		if mended, err = rc.adopt(ctx, m, f, parts, d.rejects); err != nil {
			return err
		}
	}
	if len(f.damage) > 0 {
		if !o.cfg.Refetch {
			return &DamageError{Files: f.damage}
		}
		o.arrange(f, &previous{m, k})
		if err := o.hold.Prepare(ctx, o.layout.partition); err != nil {
			return err
		}
		_, err := clearUnfinished(ctx, o.hold, o.log, o.layout.parts())
		return err
	}
	o.files, o.rejects = m.Files, f.rejects
	if mended {
		if m, err = o.storeManifest(ctx, o.newManifest(m.Report), k+1); err != nil {
			return err
		}
	}
	o.manifest = m
	// The last start may have died after the manifest; that must not fail this one, which
	// may not even be allowed to write.
	if _, err := o.hold.Clear(ctx, o.layout.parts()); err != nil {
		o.log.Warn("cannot remove what an earlier start left unfinished", "error", err)
	}
	if !o.tabled {
		o.Retire(ctx)
	}
	return nil
}

// checkListed holds what a manifest lists against what the run's names are and against what is there.
// The names come from a file: nothing but those that we would have given is looked at. newer tells that
// there are newer files than it lists.
func (rc *recovery) checkListed(m *Manifest, k int, parts map[int][]part) (newer bool, err error) {
	var last File
	names := map[string]bool{}
	for i, f := range m.Files {
		seq, revision, ok := rc.layout.partOf(path.Base(f.Name))
		switch {
		case f.Seq != i || !ok || seq != i || path.Dir(f.Name) != rc.layout.partition || f.Rejects != "" && !validStem(f.Rejects, i):
			return false, rc.foreign(rc.layout.manifest(k), fmt.Sprintf("file %d is listed as %q", i, shorten(f.Name)))
		case f.FromOffset != last.ToOffset || f.FirstOrdinal != last.NextOrdinal || f.NextOrdinal != f.FirstOrdinal+f.Rows+f.Rejected:
			return false, rc.foreign(rc.layout.manifest(k), fmt.Sprintf("file %d does not continue the one before it", i))
		}
		last = f
		rc.stale.saw(i, revision)
		if f.Rejects != "" {
			index, raw := rc.layout.rejects(f.Rejects)
			names[index], names[raw] = true, true
		}
		for _, p := range parts[i] {
			newer = newer || p.revision > revision
			// A newer one may be somebody's who is about to say so in a manifest.
			if p.revision < revision || p.revision > revision && (rc.hold.Exclusive() || rc.refetch) {
				rc.stale.add(i, p.Name)
			}
		}
	}
	for _, a := range m.Rejects {
		if !names[a.Name] {
			return false, rc.foreign(rc.layout.manifest(k), fmt.Sprintf("rejects are listed as %q", shorten(a.Name)))
		}
	}
	for seq, all := range parts {
		if seq >= len(m.Files) {
			return false, rc.foreign(all[0].Name, "the run is complete, and its manifest does not list this file")
		}
	}
	return newer, nil
}

// checkPublished compares the published files of a complete run with its manifest: by name and size,
// because a re-run has to be quick and verify reads every byte, or also by their checksums.
func (rc *recovery) checkPublished(ctx context.Context, m *Manifest, parts map[int][]part, rejects map[string]store.Entry, deep bool) (*finding, error) {
	files := map[string]store.Entry{}
	for _, all := range parts {
		for _, p := range all {
			files[p.Name] = p.Entry
		}
	}
	f := &finding{chain: make([]slot, len(m.Files))}
	sound := map[string]bool{}
	for i, file := range m.Files {
		f.chain[i] = slot{file: file, sound: true}
		check := func(found map[string]store.Entry, name string, size int64, sum string) error {
			why, err := rc.checkOne(ctx, i, found, name, size, sum, deep)
			if why != nil {
				f.noteDamage(i, why)
			}
			if _, there := found[name]; there && why != nil {
				rc.stale.add(i, name)
			}
			return err
		}
		if err := check(files, file.Name, file.Bytes, file.SHA256); err != nil {
			return nil, err
		}
		if file.Rejects == "" {
			continue
		}
		index, raw := rc.layout.rejects(file.Rejects)
		for _, a := range m.Rejects {
			if a.Name == index || a.Name == raw {
				if err := check(rejects, a.Name, a.Bytes, a.SHA256); err != nil {
					return nil, err
				}
			}
		}
		sound[index], sound[raw] = f.chain[i].sound, f.chain[i].sound
		if !f.chain[i].sound { // one of them is; the others go with it
			for _, name := range []string{file.Name, index, raw} {
				rc.stale.add(i, name)
			}
		}
	}
	for _, a := range m.Rejects {
		if sound[a.Name] {
			f.rejects = append(f.rejects, a)
		}
	}
	return f, nil
}

// checkOne looks at one published file. why is set if it has to be written again.
func (rc *recovery) checkOne(ctx context.Context, seq int, found map[string]store.Entry, name string, size int64, sum string, deep bool) (why *ForeignError, err error) {
	e, ok := found[name]
	switch {
	case !ok:
		return rc.missing(name), nil
	case e.Size != size:
		return rc.changed(ctx, seq, e, fmt.Sprintf("changed: it has %d bytes, the manifest says %d", e.Size, size))
	case !deep:
		return nil, nil
	}
	is, err := rc.hashFile(ctx, name, size)
	if err == nil && is != sum {
		return rc.damaged(name, "damaged: its bytes do not match the checksum in the manifest"), nil
	}
	return nil, err
}

// changed tells a damaged file of ours from a sound one of somebody else at our name, which nobody
// may take away.
func (rc *recovery) changed(ctx context.Context, seq int, e store.Entry, reason string) (*ForeignError, error) {
	if path.Dir(e.Name) == rc.layout.runDir() {
		return rc.damaged(e.Name, reason), nil
	}
	_, err := rc.readPart(ctx, seq, e)
	if why := (*ForeignError)(nil); err == nil || errors.As(err, &why) && why.damaged {
		return rc.damaged(e.Name, reason), nil
	}
	return nil, err
}
