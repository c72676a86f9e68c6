package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"tw2parquet/sink/store"
)

// maxJournalBytes bounds a journal entry; ours have a few hundred bytes.
const maxJournalBytes = 1 << 20

var journalPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// The journal is the part of an output that acquisition writes: small records beside the manifest,
// each written once. They are in the output because the output is the only thing that two runners of
// the same run, or two lives of a pod, are sure to share.

// Put stores data under a name that must be free: errors.Is(err, fs.ErrExist) if it is not. When it
// returns nil the entry is durable. An entry with the very same bytes is success, because an answer
// that was lost looks like that: a caller who has to know whether it was first puts something random
// into it. After any other error the entry may exist or not.
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
	return o.put(ctx, o.layout.journal(name), data, store.Private)
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
	var names []string
	for e, err := range o.store.List(ctx, o.layout.journal(prefix)) {
		if err != nil {
			return nil, err
		}
		if base := path.Base(e.Name); e.Regular && path.Dir(e.Name) == o.layout.runDir() && checkJournalName(base) == nil {
			names = append(names, base)
		}
	}
	return names, nil
}

// checkJournalName keeps entries in their directory and off the names of the run's own files, and of
// what a store keeps there.
func checkJournalName(name string) error {
	_, manifest := layout{}.manifestNumber(name)
	if !journalPattern.MatchString(name) || manifest || name == "lock" || name == "staging" || strings.HasPrefix(name, rejectsPrefix) {
		return fmt.Errorf("journal entry %q: %w: use up to 100 of a-z 0-9 . _ - but not the sink's own names", name, ErrMisuse)
	}
	return nil
}

// put stores a small record of the run.
func (o *Output) put(ctx context.Context, name string, data []byte, access store.Access) error {
	return put(ctx, o.store, o.hold, o.log, name, data, access)
}

// read reads a small file whole.
func (o *Output) read(ctx context.Context, name string, most int64) ([]byte, error) {
	data, err := store.ReadRecord(ctx, o.store, name, most)
	switch {
	case errors.Is(err, store.ErrUnfit):
		return nil, o.foreign(name, err.Error())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path.Base(name), fs.ErrNotExist)
	case err != nil:
		return nil, o.readError(name, err)
	}
	return data, nil
}

// readListed reads a small file whole that a listing found: its size is known.
func (o *Output) readListed(ctx context.Context, e store.Entry, most int64) ([]byte, error) {
	switch {
	case !e.Regular:
		return nil, o.foreign(e.Name, "not a regular file")
	case e.Size > most:
		return nil, o.foreign(e.Name, fmt.Sprintf("%d bytes are too many", e.Size))
	}
	data := make([]byte, e.Size)
	if err := o.store.ReadAt(ctx, e.Name, data, 0); err != nil {
		return nil, o.readError(e.Name, err)
	}
	return data, nil
}
