package sink

import "context"

// Store is where the finished files of an output live. Staging is always on a local disk; a store
// sees files only when they are complete. Names are slash-separated and relative to the output.
type Store interface {
	// Publish makes the finished, synced staged file visible and durable under name in one step, and
	// consumes it. If the name is taken it changes nothing and errors.Is(err, fs.ErrExist). After
	// any other error the file may be visible or not.
	Publish(ctx context.Context, staged, name string) error
	// ReadRange fills p from the byte position off; io.ErrUnexpectedEOF if the file ends before.
	ReadRange(ctx context.Context, name string, p []byte, off int64) error
	// List describes what in dir has a name with the prefix, sorted by name; a directory that does
	// not exist is empty.
	List(ctx context.Context, dir, prefix string) ([]Entry, error)
	// Remove deletes; a name that is gone already is fine. It is never called for a data file.
	Remove(ctx context.Context, name string) error
}

// Entry is one name in a store's directory.
type Entry struct {
	Name    string // without the directory
	Size    int64
	Regular bool // a plain file: no directory, symbolic link, pipe or device
}

// storeReader reads one file of a store at any position.
type storeReader struct {
	ctx   context.Context // bounds the reads of this one file
	store Store
	name  string
}

func (r storeReader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.store.ReadRange(r.ctx, r.name, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}
