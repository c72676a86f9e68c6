package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// LocalConfig says where a local output lies. Root is required.
type LocalConfig struct {
	// Root is the output directory. It is created, but its parent must exist.
	Root string
	// MustExist keeps a missing root from being created: errors.Is(err, fs.ErrNotExist).
	MustExist bool
	// Logger receives warnings; nil discards them.
	Logger *slog.Logger
	// FS replaces the operating system's file system, for tests. It has to contain the root.
	FS FS
}

// local is the store on a disk. Directories, links, locks and syncing are its private matter.
type local struct {
	root   string // as configured, for messages
	fs     FS
	disk   io.Closer // what OpenLocal opened; nil with LocalConfig.FS
	log    *slog.Logger
	rename atomic.Bool // the file system has no hard links (Probe finds out)
}

// OpenLocal opens an output on a disk. Its errors are of type *Error.
func OpenLocal(cfg LocalConfig) (Store, error) {
	l := &local{root: cfg.Root, fs: cfg.FS, log: cfg.Logger}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.fs == nil {
		if cfg.Root == "" || strings.ContainsRune(cfg.Root, 0) {
			return nil, &Error{Op: "open directory", Path: cfg.Root, Err: fs.ErrInvalid, Hint: "use the path of a directory"}
		}
		open := OpenDisk
		if cfg.MustExist {
			open = openDisk
		}
		disk, err := open(cfg.Root)
		if err != nil {
			return nil, err
		}
		l.fs, l.disk = disk, disk
	}
	return l, nil
}

func (l *local) Path(name string) string { return filepath.Join(l.root, filepath.FromSlash(name)) }

// Close frees the directory. Its error is always nil: nothing is lost when a directory fails to close.
func (l *local) Close() error {
	if l.disk != nil {
		l.disk.Close()
	}
	return nil
}

// ReadAt opens the file anew each time: footers take two reads, hashing takes few large ones.
func (l *local) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := l.fs.Open(name)
	if err != nil {
		return wrap("open", l.Path(name), err)
	}
	defer f.Close()
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return wrap("read", l.Path(name), err)
}

// List asks for sizes only of the names it was asked for: others may be many, and are not ours.
// Directories are listed too, as not regular, with what is in them.
func (l *local) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	dir, base := path.Split(prefix)
	return func(yield func(Entry, error) bool) { l.walk(ctx, path.Clean(dir), base, yield) }
}

// walk yields what in dir has a name with the prefix, and all below. It returns false when it is to end.
func (l *local) walk(ctx context.Context, dir, prefix string, yield func(Entry, error) bool) bool {
	if err := ctx.Err(); err != nil {
		return yield(Entry{}, err) && false
	}
	names, err := l.fs.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return yield(Entry{Name: dir, Dir: true}, wrap("list", l.Path(dir), l.withheld(dir, err)))
	}
	type found struct {
		Entry
		key string // a directory sorts by the names in it
	}
	var all []found
	for _, name := range names {
		full := path.Join(dir, name)
		if !strings.HasPrefix(name, prefix) || private(full) {
			continue
		}
		info, err := l.fs.Lstat(full)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			if !yield(Entry{Name: full}, wrap("look at", l.Path(full), l.withheld(full, err))) {
				return false
			}
			continue
		}
		f := found{Entry{Name: full, Size: info.Size(), Regular: info.Mode().IsRegular(), Dir: info.IsDir()}, name}
		if f.Dir {
			f.key += "/"
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.key, b.key) })
	for _, f := range all {
		if !yield(f.Entry, nil) {
			return false
		}
		if f.Dir && !l.walk(ctx, f.Name, "", yield) {
			return false
		}
	}
	return true
}

// What a hold keeps in its directory, and nobody else sees.
const (
	lockName    = "lock"
	stagingName = "staging"
)

// Littered tells whether files are staged for a directory: by a hold, or since one that could not remove them or died. The
// next hold clears those.
func (l *local) Littered(dir string) bool {
	names, err := l.fs.Names(path.Join(dir, stagingName))
	return err == nil && len(names) > 0
}

// private tells whether a name is a hold's lock or lies in its staging directory.
func private(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) >= 3 && parts[0] == StateDir && (parts[2] == lockName || parts[2] == stagingName)
}
