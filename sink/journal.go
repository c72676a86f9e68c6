package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

const lockName = "lock"

// maxJournalBytes bounds a journal entry; ours have a few hundred bytes.
const maxJournalBytes = 1 << 20

var journalPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// The journal is the part of an output that acquisition writes: small files beside the manifest,
// each written once. They are in the output because the output is the only thing that two runners of
// the same run, or two lives of a pod, are sure to share.

// Put stores data under a name that must be free: errors.Is(err, fs.ErrExist) if it is not. When it
// returns nil the entry is durable. After any other error the entry may exist or not.
func (o *Output) Put(ctx context.Context, name string, data []byte) error {
	if o.closed {
		return fs.ErrClosed
	}
	if err := checkJournalName(name); err != nil {
		return err
	}
	if len(data) > maxJournalBytes {
		return fmt.Errorf("journal entry %s: %w: %d bytes are more than %d", name, ErrMisuse, len(data), maxJournalBytes)
	}
	return o.put(ctx, o.layout.journal(name), data, privateMode)
}

// Get reads an entry; errors.Is(err, fs.ErrNotExist) if there is none.
func (o *Output) Get(ctx context.Context, name string) ([]byte, error) {
	if o.closed {
		return nil, fs.ErrClosed
	}
	if err := checkJournalName(name); err != nil {
		return nil, err
	}
	return o.read(ctx, o.layout.journal(name), maxJournalBytes)
}

// List names the entries that begin with prefix, sorted.
func (o *Output) List(ctx context.Context, prefix string) ([]string, error) {
	if o.closed {
		return nil, fs.ErrClosed
	}
	entries, err := o.store.List(ctx, o.layout.runDir(), prefix)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Regular && checkJournalName(e.Name) == nil {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// checkJournalName keeps entries in their directory and off the sink's own names.
func checkJournalName(name string) error {
	if !journalPattern.MatchString(name) || name == lockName || name == manifestName ||
		name == path.Base(layout{}.stagingDir()) || name == damagedName || strings.HasPrefix(name, rejectsPrefix) {
		return fmt.Errorf("journal entry %q: %w: use up to 100 of a-z 0-9 . _ - and none of the sink's own names", name, ErrMisuse)
	}
	return nil
}

// put publishes a small file the way a data file is published: whole, durable, never replacing.
func (o *Output) put(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	t, err := o.stage(ctx, data, perm)
	if err != nil {
		return err
	}
	if err := o.store.Publish(ctx, t.name, name); err != nil {
		t.discard()
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", path.Base(name), fs.ErrExist)
		}
		return err
	}
	return nil
}

// stage writes a small file that is ready to be published.
func (o *Output) stage(ctx context.Context, data []byte, perm fs.FileMode) (*stagedFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := o.staging.create("state", perm)
	if err != nil {
		return nil, err
	}
	if _, err = t.Write(data); err == nil {
		err = t.seal()
	}
	if err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// replace is put onto a name that is taken: a reader sees the old content or the new.
func (o *Output) replace(ctx context.Context, name string, data []byte, perm fs.FileMode) error {
	t, err := o.stage(ctx, data, perm)
	if err != nil {
		return err
	}
	if err := o.fs.Replace(t.name, name); err != nil {
		t.discard()
		return storageError("replace", o.layout.path(name), err)
	}
	return storageError("sync directory", o.layout.path(path.Dir(name)), o.fs.SyncDir(path.Dir(name)))
}

// read reads a small file whole.
func (o *Output) read(ctx context.Context, name string, most int64) ([]byte, error) {
	entries, err := o.store.List(ctx, path.Dir(name), path.Base(name))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.Name != path.Base(name):
			continue
		case !e.Regular:
			return nil, o.foreign(name, "no regular file")
		case e.Size > most:
			return nil, o.foreign(name, fmt.Sprintf("%d bytes are more than it can have", e.Size))
		}
		data := make([]byte, e.Size)
		if err := o.store.ReadRange(ctx, name, data, 0); err != nil {
			return nil, o.readError(name, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s: %w", path.Base(name), fs.ErrNotExist)
}
