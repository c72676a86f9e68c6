package sink

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"syscall"
)

// local is the store on a disk.
type local struct {
	fs     FS
	layout layout
	log    *slog.Logger
	// rename is set where the file system has no hard links (the preflight finds out).
	rename bool
}

// Publish gives a finished file its name. The caller has written, checked, synced and closed it.
func (l *local) Publish(_ context.Context, staged, name string) error {
	// One step that makes the whole file visible and never replaces: a link, because it fails on a
	// name that is taken on every POSIX file system. A plain rename would silently replace what
	// another runner published. No cancellation from here on: the steps take milliseconds, and
	// stopping between them would only leave the question whether the file is there.
	if err := l.name(staged, name); err != nil {
		return storageError("publish", l.layout.path(name), err)
	}
	// The new name is only in memory yet. Whoever builds on it (the next file, the manifest, a
	// deleted source) must not outlive it.
	if err := l.fs.SyncDir(path.Dir(name)); err != nil {
		return storageError("sync directory", l.layout.path(path.Dir(name)), err)
	}
	if l.rename {
		return nil
	}
	// The file is published, so nothing below can fail the publication: a staged name that stays is
	// removed by the next start. The directory is synced so that a power cut does not bring it back.
	err := l.fs.Remove(staged)
	if err == nil {
		err = l.fs.SyncDir(path.Dir(staged))
	}
	if err != nil {
		l.log.Warn("a staged file could not be removed; the next start tries again", "file", staged, "error", cause(err))
	}
	return nil
}

func (l *local) name(staged, name string) error {
	if l.rename {
		return l.fs.Rename(staged, name)
	}
	return l.fs.Link(staged, name)
}

// ReadRange opens the file anew each time: footers take two reads, hashing takes few large ones.
func (l *local) ReadRange(ctx context.Context, name string, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := l.fs.Open(name)
	if err != nil {
		return storageError("open", l.layout.path(name), err)
	}
	defer f.Close()
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return storageError("read", l.layout.path(name), err)
}

// List asks for sizes only of the names it was asked for: others may be many, and are not ours.
func (l *local) List(ctx context.Context, dir, prefix string) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := l.fs.Names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, storageError("list", l.layout.path(dir), err)
	}
	slices.Sort(names)
	var entries []Entry
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		info, err := l.fs.Lstat(path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, storageError("look at", l.layout.path(path.Join(dir, name)), err)
		}
		entries = append(entries, Entry{Name: name, Size: info.Size(), Regular: info.Mode().IsRegular()})
	}
	return entries, nil
}

func (l *local) Remove(_ context.Context, name string) error {
	if err := l.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storageError("remove", l.layout.path(name), err)
	}
	return nil
}

// noLinks tells a file system without hard links from one that refuses this link.
func noLinks(err error) bool {
	// EPERM is what Linux answers for file systems that have no links, vfat for example.
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EMLINK)
}
