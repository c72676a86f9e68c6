package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
)

// checkComplete compares the published files of a complete run with its manifest: by name and size,
// because a re-run has to be quick and verify reads every byte, or also by their checksums.
func (o *Output) checkComplete(ctx context.Context, m *Manifest, deep bool) ([]slot, error) {
	found := map[string]Entry{}
	for dir, prefix := range map[string]string{o.layout.partition: o.layout.partPrefix(), o.layout.runDir(): rejectsPrefix} {
		entries, err := o.store.List(ctx, dir, prefix)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			found[path.Join(dir, e.Name)] = e
		}
	}
	if err := o.checkListed(m, found); err != nil {
		return nil, err
	}
	chain := make([]slot, len(m.Files))
	check := func(seq int, name string, size int64, sum string) error {
		why, err := o.checkPublished(ctx, found, name, size, sum, deep)
		if why != nil {
			o.hurt(seq, why)
			chain[seq].sound = false
		}
		return err
	}
	for i, f := range m.Files {
		chain[i] = slot{file: f, sound: true}
		if err := check(i, f.Name, f.Bytes, f.SHA256); err != nil {
			return nil, err
		}
		for _, a := range m.Rejects {
			if o.asideOf(a, i) {
				if err := check(i, a.Name, a.Bytes, a.SHA256); err != nil {
					return nil, err
				}
			}
		}
	}
	return chain, nil
}

// checkListed holds what a manifest lists against what the run's names are and against what is there.
// The names come from a file: nothing but those that we would have given is looked at.
func (o *Output) checkListed(m *Manifest, found map[string]Entry) error {
	var last File
	for i, f := range m.Files {
		switch {
		case f.Seq != i || f.Name != o.layout.part(i):
			return o.foreign(o.layout.manifest(), fmt.Sprintf("file %d is listed as %q", i, shorten(f.Name)))
		case f.FromOffset != last.ToOffset || f.FirstOrdinal != last.NextOrdinal || f.NextOrdinal != f.FirstOrdinal+f.Rows+f.Rejected:
			return o.foreign(o.layout.manifest(), fmt.Sprintf("file %d does not continue the one before it", i))
		}
		last = f
	}
	for _, a := range m.Rejects {
		if seq, ok := rejectsSeq(path.Base(a.Name)); !ok || seq >= len(m.Files) || !o.asideOf(a, seq) {
			return o.foreign(o.layout.manifest(), fmt.Sprintf("rejects are listed as %q", shorten(a.Name)))
		}
	}
	for name := range found {
		seq, ok := o.layout.partSeq(path.Base(name))
		if path.Dir(name) == o.layout.partition && path.Dir(name) != o.layout.runDir() && (!ok || seq >= len(m.Files)) {
			return o.foreign(name, "the run is complete, and its manifest does not know this file")
		}
	}
	return nil
}

// checkPublished looks at one published file. why is set if it has to be written again.
func (o *Output) checkPublished(ctx context.Context, found map[string]Entry, name string, size int64, sum string, deep bool) (why *ForeignError, err error) {
	e, ok := found[name]
	switch {
	case !ok:
		return o.missing(name), nil
	case !e.Regular:
		return nil, o.foreign(name, "no regular file")
	case e.Size != size:
		return o.changed(ctx, name, e.Size, fmt.Sprintf("changed: it has %d bytes, the manifest says %d", e.Size, size))
	case !deep:
		return nil, nil
	}
	h := sha256.New()
	if err := o.hashRange(ctx, name, h, 0, size); err != nil {
		return nil, err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		return o.damaged(name, "damaged: its bytes do not fit the checksum in the manifest"), nil
	}
	return nil, nil
}

// changed tells a damaged file of ours from a sound one of somebody else at our name, which nobody
// may take away.
func (o *Output) changed(ctx context.Context, name string, size int64, reason string) (*ForeignError, error) {
	if path.Dir(name) == o.layout.runDir() {
		return o.damaged(name, reason), nil
	}
	seq, _ := o.layout.partSeq(path.Base(name))
	_, err := o.readPart(ctx, seq, size)
	if why := (*ForeignError)(nil); err == nil || errors.As(err, &why) && why.damaged {
		return o.damaged(name, reason), nil
	}
	return nil, err
}
