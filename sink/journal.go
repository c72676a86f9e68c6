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

// Journal is the part of an output that acquisition writes: small records beside the manifest,
// each written once. They are in the output because the output is the only thing that two runners of
// the same run, or two lives of a pod, are sure to share. It is open as long as its Output is.
type Journal struct {
	place
	hold   store.Hold
	closed bool
}

// Run is the run that the entries are of.
func (j *Journal) Run() string { return j.layout.run }

// Put stores data under a name that must be free: errors.Is(err, fs.ErrExist) if it is not. When it
// returns nil the entry is durable. An entry with the very same bytes is success, because an answer
// that was lost looks like that: a caller who has to know whether it was first puts something random
// into it. After any other error the entry may exist or not.
func (j *Journal) Put(ctx context.Context, name string, data []byte) error {
	if j.closed {
		return fs.ErrClosed
	}
	if err := checkJournalName(name); err != nil {
		return err
	}
	if len(data) > maxJournalBytes {
		return fmt.Errorf("journal entry %s: %w: %d bytes are more than %d", name, ErrMisuse, len(data), maxJournalBytes)
	}
	return j.put(ctx, j.layout.journal(name), data, store.Private)
}

// Get reads an entry; errors.Is(err, fs.ErrNotExist) if there is none.
func (j *Journal) Get(ctx context.Context, name string) ([]byte, error) {
	if j.closed {
		return nil, fs.ErrClosed
	}
	if err := checkJournalName(name); err != nil {
		return nil, err
	}
	return j.read(ctx, j.layout.journal(name), maxJournalBytes)
}

// List names the entries that begin with prefix, sorted.
func (j *Journal) List(ctx context.Context, prefix string) ([]string, error) {
	if j.closed {
		return nil, fs.ErrClosed
	}
	var names []string
	for e, err := range j.store.List(ctx, j.layout.journal(prefix)) {
		if err != nil {
			return nil, err
		}
		if base := path.Base(e.Name); e.Regular && path.Dir(e.Name) == j.layout.runDir() && checkJournalName(base) == nil {
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
func (j *Journal) put(ctx context.Context, name string, data []byte, access store.Access) error {
	return put(ctx, j.store, j.hold, j.log, name, data, access)
}

// read reads a small file whole.
func (j *Journal) read(ctx context.Context, name string, most int64) ([]byte, error) {
	data, err := store.ReadRecord(ctx, j.store, name, most)
	switch {
	case errors.Is(err, store.ErrUnfit):
		return nil, j.foreign(name, err.Error())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path.Base(name), fs.ErrNotExist)
	case err != nil:
		return nil, j.readError(name, err)
	}
	return data, nil
}
