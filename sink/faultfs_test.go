package sink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// faultFS counts the operations of an FS, and makes number `at` go wrong. Reading the operations'
// names in a failure tells where the run was.
type faultFS struct {
	*memFS
	at    int
	kind  faultKind
	err   error
	count int
	dead  bool
	op    string // the operation that went wrong
}

type faultKind int

const (
	failBefore faultKind = iota // the operation does nothing and fails
	failAfter                   // the operation does its work, and its answer is lost
	die                         // the process ends before the operation: nothing happens from here on
)

func (k faultKind) String() string { return [...]string{"error", "lost answer", "death"}[k] }

var errDead = errors.New("the process is dead")

// do runs one operation.
func (f *faultFS) do(op, name string, operation func() error) error {
	if f.dead {
		return errDead
	}
	n := f.count
	f.count++
	if n != f.at {
		return operation()
	}
	f.op = op + " " + name
	switch f.kind {
	case die:
		f.dead = true
		return errDead
	case failAfter:
		if err := operation(); err != nil {
			return err
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: f.err}
}

func value[T any](f *faultFS, op, name string, operation func() (T, error)) (v T, err error) {
	err = f.do(op, name, func() error {
		v, err = operation()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

func (f *faultFS) Create(name string, perm fs.FileMode) (Handle, error) {
	h, err := value(f, "create", name, func() (Handle, error) { return f.memFS.Create(name, perm) })
	if err != nil {
		return nil, err
	}
	return &faultHandle{f, h.(*memHandle)}, nil
}

func (f *faultFS) Open(name string) (Handle, error) {
	h, err := value(f, "open", name, func() (Handle, error) { return f.memFS.Open(name) })
	if err != nil {
		return nil, err
	}
	return &faultHandle{f, h.(*memHandle)}, nil
}

func (f *faultFS) Mkdir(name string, perm fs.FileMode) error {
	return f.do("mkdir", name, func() error { return f.memFS.Mkdir(name, perm) })
}

func (f *faultFS) Link(oldname, newname string) error {
	return f.do("link", newname, func() error { return f.memFS.Link(oldname, newname) })
}

func (f *faultFS) Rename(oldname, newname string) error {
	return f.do("rename", newname, func() error { return f.memFS.Rename(oldname, newname) })
}

func (f *faultFS) Replace(oldname, newname string) error {
	return f.do("replace", newname, func() error { return f.memFS.Replace(oldname, newname) })
}

func (f *faultFS) Remove(name string) error {
	return f.do("remove", name, func() error { return f.memFS.Remove(name) })
}

func (f *faultFS) Names(dir string) ([]string, error) {
	return value(f, "names", dir, func() ([]string, error) { return f.memFS.Names(dir) })
}

func (f *faultFS) Lstat(name string) (fs.FileInfo, error) {
	return value(f, "lstat", name, func() (fs.FileInfo, error) { return f.memFS.Lstat(name) })
}

func (f *faultFS) SyncDir(dir string) error {
	return f.do("syncdir", dir, func() error { return f.memFS.SyncDir(dir) })
}

func (f *faultFS) Lock(name string) (io.Closer, error) {
	return value(f, "lock", name, func() (io.Closer, error) { return f.memFS.Lock(name) })
}

type faultHandle struct {
	f *faultFS
	h *memHandle
}

func (h *faultHandle) ReadAt(p []byte, off int64) (int, error) {
	return value(h.f, "read", h.h.name, func() (int, error) { return h.h.ReadAt(p, off) })
}

// Write fails as a full disk does: a part of the bytes is written.
func (h *faultHandle) Write(p []byte) (int, error) {
	if h.f.count == h.f.at && h.f.kind == failBefore && !h.f.dead {
		if _, err := h.h.Write(p[:len(p)/2]); err != nil {
			return 0, err
		}
	}
	return value(h.f, "write", h.h.name, func() (int, error) { return h.h.Write(p) })
}

func (h *faultHandle) Stat() (fs.FileInfo, error) {
	return value(h.f, "stat", h.h.name, h.h.Stat)
}

func (h *faultHandle) Chmod(mode fs.FileMode) error {
	return h.f.do("chmod", h.h.name, func() error { return h.h.Chmod(mode) })
}

// Sync that fails has lost the bytes, and every further one would lie about it.
func (h *faultHandle) Sync() error {
	err := h.f.do("sync", h.h.name, h.h.Sync)
	if err != nil {
		h.h.node.broken = true
	}
	return err
}

func (h *faultHandle) Close() error {
	return h.f.do("close", h.h.name, h.h.Close)
}

func (f *faultFS) String() string { return fmt.Sprintf("%s at operation %d: %s", f.kind, f.at, f.op) }
