//go:build unix

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"
)

// Opener is what a store may offer besides: its files as open ones of this machine. A disk does. For any
// other store Open and OpenFile make do with ReadAt.
type Opener interface {
	// Open opens a regular file for reading, and never follows a symbolic link or waits for the writer of a
	// pipe. errors.ErrUnsupported if this store cannot after all.
	Open(ctx context.Context, name string) (*os.File, error)
}

// File is one file, open. On a disk its bytes stay those of the file that was opened, whatever becomes of
// the name.
type File interface {
	io.ReaderAt
	io.Closer
}

// ErrNotRegular says that a name is a directory, symbolic link, pipe or device.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a file that List found, for what reads it in many small steps. ctx bounds them.
func Open(ctx context.Context, s Store, e Entry) (File, error) {
	f, err := openAs(ctx, s, e)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, errors.ErrUnsupported):
		return remote{Reader(ctx, s, e.Name)}, nil
	}
	return nil, err
}

type remote struct{ io.ReaderAt }

func (remote) Close() error { return nil }

// OpenFile opens a file that List found as one of this machine, for what hands it to another process. What
// is not on a disk is copied to a temporary file that has no name, so that it is gone with the last who
// has it open.
func OpenFile(ctx context.Context, s Store, e Entry) (*os.File, error) {
	f, err := openAs(ctx, s, e)
	if !errors.Is(err, errors.ErrUnsupported) {
		return f, err
	}
	if f, err = nameless(); err != nil {
		return nil, err
	}
	if _, err = io.CopyBuffer(struct{ io.Writer }{f}, io.NewSectionReader(Reader(ctx, s, e.Name), 0, e.Size), make([]byte, 1<<20)); err != nil {
		f.Close()
		return nil, wrap("write", f.Name(), err) // what cannot be read is told as such already
	}
	return f, nil
}

// nameless makes a file in the directory for temporary files (TMPDIR), and removes its name.
func nameless() (*os.File, error) {
	f, err := os.CreateTemp("", "tw2parquet-")
	if err != nil {
		return nil, wrap("create", os.TempDir(), err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, wrap("remove", f.Name(), err)
	}
	return f, nil
}

// errInMemory says that temporary files are in memory.
var errInMemory = errors.New("the directory for temporary files is in memory")

// Spilled is a file that Spill made.
type Spilled struct{ f *os.File }

// Spill makes a file for what would take much memory for a while. It has no name, so that it is gone with the process. An
// error where temporary files (TMPDIR) are in memory themselves.
func Spill() (*Spilled, error) {
	f, err := nameless()
	if err == nil && inMemory(f) {
		f.Close()
		return nil, errInMemory
	}
	if err != nil {
		return nil, err
	}
	return &Spilled{f}, nil
}

// WriteAt returns the error as it is: what cannot be put aside stays in memory.
func (s *Spilled) WriteAt(p []byte, off int64) (int, error) { return s.f.WriteAt(p, off) }

// ReadAt returns an *Error: what was put aside is nowhere else.
func (s *Spilled) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.f.ReadAt(p, off)
	if err != nil {
		err = &Error{Op: "read", Path: s.f.Name(), Err: err,
			Hint: "the directory for temporary files fails; set TMPDIR to another one, then run again: nothing is bought twice"}
	}
	return n, err
}

// Close also frees what it holds.
func (s *Spilled) Close() error { return s.f.Close() }

func openAs(ctx context.Context, s Store, e Entry) (*os.File, error) {
	if !e.Regular {
		return nil, wrap("open", s.Path(e.Name), ErrNotRegular)
	}
	o, ok := s.(Opener)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return o.Open(ctx, e.Name)
}

// Open opens a regular file for reading. os.Root would follow a symbolic link within the output, so the
// name is looked at first and compared with what was opened.
func (l *local) Open(ctx context.Context, name string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := l.fs.Lstat(name)
	if err == nil && !found.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		return nil, wrap("open", l.Path(name), l.withheld(name, err))
	}
	h, err := l.fs.Open(name)
	if err != nil {
		return nil, wrap("open", l.Path(name), l.withheld(name, err))
	}
	f, ok := h.(*os.File)
	if !ok {
		h.Close()
		return nil, errors.ErrUnsupported
	}
	info, err := f.Stat()
	if err == nil && (!os.SameFile(info, found) || !info.Mode().IsRegular()) {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, wrap("open", l.Path(name), err)
	}
	return f, nil
}

// withheld adds ErrWithheld where another user keeps a name private.
func (l *local) withheld(name string, err error) error {
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, lerr := l.fs.Lstat(name)
	if lerr != nil {
		return err
	}
	if of, ok := info.Sys().(*syscall.Stat_t); !ok || int(of.Uid) == os.Geteuid() {
		return err
	}
	return fmt.Errorf("%w: %w", ErrWithheld, err)
}

// OpenPath opens what a path on a disk leads to: a directory, with "" for the name, or else a store that
// holds just one file, and its name. Nothing is created. Symbolic links in the path are followed: whoever
// gives a path means what it leads to.
func OpenPath(path string) (s Store, name string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", wrap("open", path, err)
	}
	if info.IsDir() {
		s, err = OpenLocal(LocalConfig{Root: path, MustExist: true})
		return s, "", err
	}
	return single(path), filepath.Base(path), nil
}

// single is a store that holds one file: the one at its path.
type single string

func (s single) Path(string) string { return string(s) }
func (s single) Close() error       { return nil }

func (s single) List(_ context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		name := filepath.Base(string(s))
		info, err := os.Stat(string(s))
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			yield(Entry{Name: name}, wrap("look at", string(s), err))
		case err == nil && len(prefix) <= len(name) && name[:len(prefix)] == prefix:
			yield(Entry{Name: name, Size: info.Size(), Regular: info.Mode().IsRegular(), Dir: info.IsDir()}, nil)
		}
	}
}

func (s single) Open(ctx context.Context, _ string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(string(s), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, wrap("open", string(s), err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, wrap("open", string(s), errors.Join(err, ErrNotRegular))
	}
	return f, nil
}

func (s single) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	f, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.ReadAt(p, off); n < len(p) {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return wrap("read", string(s), err)
	}
	return nil
}

// Hold is refused: this store is for reading.
func (s single) Hold(context.Context, string) (Hold, error) {
	return nil, wrap("lock", string(s), errors.ErrUnsupported)
}
