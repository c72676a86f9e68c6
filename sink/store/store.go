// Package store is where the finished bytes of an output go.
//
// The interface is in the words of the publication protocol, not of a file system, because object
// stores have no directories, links or locks, and a disk has no conditional writes:
//
//	Create   an upload: bytes go somewhere nobody sees
//	Commit   the upload gets its name: whole, durable and visible in one step, or not at all
//	Discard  the upload leaves nothing visible
//	Put      a small record, the same way in one call
//	Remove   for mending and dropping only; nothing is ever replaced or renamed, and no name is used twice
//	ReadAt   ranged, so that a footer never costs a whole file
//	List     everything under a prefix, in order
//	Hold     the exclusive use of a directory where the store can give it; else put-if-absent is the fence
//	Probe    refuses a store that breaks these promises, before any money is spent
//
// Names are slash-separated and relative to the output. The suite in storetest says the same as tests,
// and every store has to pass it.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
)

// StateDir is the directory of an output that holds everything that is not data. Its name begins with
// an underscore because engines that read whole folders skip such names, and nothing in it ends in
// .parquet because some do not.
const StateDir = "_tw2parquet"

// ErrHeld says that somebody else has the hold.
var ErrHeld = errors.New("held by another process")

// ErrUnclear says that the answer to a Commit or Put was lost: the name may be there or not. The caller
// looks before it does anything else.
var ErrUnclear = errors.New("the answer was lost")

// ErrWithheld says that a name belongs to another user, who keeps it private.
var ErrWithheld = errors.New("only the user who wrote it may read it")

// ErrUnswept says that Clear may not look for what dead processes left. Nobody sees that, so writing goes on.
var ErrUnswept = errors.New("cannot look for uploads that dead processes left; a lifecycle rule of the bucket should remove them")

// ErrWithoutConditions says that a store does not refuse a name that is taken, so that one writer can overwrite
// what another has published.
var ErrWithoutConditions = errors.New("the store ignores conditional writes")

// Store is one output. It is safe for concurrent use.
type Store interface {
	// List describes everything whose name begins with prefix, sorted by name, and nothing that is not
	// committed. A prefix that nothing has is an empty list. The caller may stop at any entry. An error that
	// comes with a name concerns that name alone: what follows is listed all the same, if the caller goes
	// on. Any other error is the last that is heard.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// ReadAt fills p from the byte position off. io.ErrUnexpectedEOF if the file ends before;
	// errors.Is(err, fs.ErrNotExist) if there is none.
	ReadAt(ctx context.Context, name string, p []byte, off int64) error
	// Hold takes exclusive use of a directory, without waiting: ErrHeld if somebody else has it. It
	// changes nothing but that the directory exists.
	Hold(ctx context.Context, dir string) (Hold, error)
	// Path is what a person would look for under a name.
	Path(name string) string
	// Close frees what the store keeps open. It may be called again.
	Close() error
}

// Entry is one name in a store.
type Entry struct {
	Name    string
	Size    int64
	Regular bool // a plain file: not a directory, symbolic link, pipe or device
	Dir     bool // a directory, where a store has such things
}

// Hold is the right to write. Uploads may be written by several goroutines, each by one at a time.
type Hold interface {
	// Exclusive tells whether nobody else can have the hold of the same directory. Without it nothing
	// that was published may be removed: its writer may be alive.
	Exclusive() bool
	// Clear removes what a process that died with this hold left unfinished, and tells how much. prefixes begin
	// the names that the hold's owner uses outside of its directory, and nobody else. ErrUnswept if it may not look.
	Clear(ctx context.Context, prefixes ...string) (removed int, err error)
	// Prepare makes room for names in the directories, and makes durable what an earlier process may
	// have left half done there.
	Prepare(ctx context.Context, dirs ...string) error
	// Probe tries on names of its own in dir what will be done to data, and fails if the store does not
	// keep its promises. It leaves nothing behind. there is a record that the caller has put, or nil. A store without
	// exclusive holds may ask for its name again instead of one of its own, with the very same bytes.
	Probe(ctx context.Context, dir string, there *Record) error
	// Create begins an upload that is to be called name.
	Create(ctx context.Context, name string, access Access) (Upload, error)
	// Put commits a small record. Its errors are those of Commit. A store that answers unclearly may look
	// whether the name has the very same bytes, and call that success.
	Put(ctx context.Context, name string, data []byte, access Access) error
	// Remove deletes; a name that is gone already is fine.
	Remove(ctx context.Context, name string) error
	// Close lets go. It may be called again.
	Close() error
}

// Record is a small file.
type Record struct {
	Name string
	Data []byte
}

// Access says who may read a file where the store has such rights.
type Access bool

// Public files follow the umask; private ones are the owner's alone.
const (
	Public  Access = false
	Private Access = true
)

// Upload is a file on its way. There is no Close, so that no layer that closes what it was given can
// turn half a file into a whole one.
type Upload interface {
	io.Writer
	// Seal says that all is written: the bytes are durable, and still nobody sees them. What an object store
	// takes in one request has no such place, and becomes durable with its name. An error is final for the
	// upload, unless ctx ended. Nothing can be written afterwards.
	Seal(ctx context.Context) error
	// Commit seals, and gives the upload its name. If that is taken nothing changes, what has it is
	// durable, and errors.Is(err, fs.ErrExist). After ErrUnclear the upload may have its name or not;
	// after any other error of a sealed upload only a new look at the store tells.
	Commit(ctx context.Context) error
	// Discard gives the upload up. It may be called at any time, and does nothing after Commit.
	Discard()
}

// Reader reads one file at any position; ctx bounds its reads.
func Reader(ctx context.Context, s Store, name string) io.ReaderAt { return reader{ctx, s, name} }

type reader struct {
	ctx   context.Context // bounds the reads of this one file
	store Store
	name  string
}

func (r reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.store.ReadAt(r.ctx, r.name, p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Stat describes one name; errors.Is(err, fs.ErrNotExist) if nothing has it.
func Stat(ctx context.Context, s Store, name string) (Entry, error) {
	for e, err := range s.List(ctx, name) {
		if err != nil {
			return Entry{}, err
		}
		if e.Name == name {
			return e, nil
		}
		break // it would be the first; below a directory there may be many
	}
	return Entry{}, fmt.Errorf("%s: %w", Printable(s.Path(name)), fs.ErrNotExist)
}

// ErrUnfit says that a name holds something that cannot be the record that is looked for.
var ErrUnfit = errors.New("not a record of this program")

// ReadRecord reads a small file whole. errors.Is(err, fs.ErrNotExist) if there is none, ErrUnfit if it is
// not a regular file or larger than most bytes.
func ReadRecord(ctx context.Context, s Store, name string, most int64) ([]byte, error) {
	e, err := Stat(ctx, s, name)
	switch {
	case err != nil:
		return nil, err
	case !e.Regular:
		return nil, fmt.Errorf("%w: not a regular file", ErrUnfit)
	case e.Size > most:
		return nil, fmt.Errorf("%w: %d bytes are too many", ErrUnfit, e.Size)
	}
	data := make([]byte, e.Size)
	return data, s.ReadAt(ctx, name, data, 0)
}
