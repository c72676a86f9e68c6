package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"tw2parquet/sink/store"
)

// FaultFS counts the operations of an FS, and makes number At go wrong. Reading the operations'
// names in a failure tells where the run was.
type FaultFS struct {
	*MemFS
	At    int // which operation goes wrong
	Kind  FaultKind
	Err   error // what it answers
	Count int   // operations so far
	Dead  bool
	Op    string // the operation that went wrong, "" if none did

	mu sync.Mutex // guards the last three while operations run
}

// FaultKind is how an operation goes wrong.
type FaultKind int

// The kinds of faults.
const (
	FailBefore FaultKind = iota // the operation does nothing and fails
	FailAfter                   // the operation does its work, and its answer is lost
	Die                         // the process ends before the operation: nothing happens from here on
)

func (k FaultKind) String() string { return [...]string{"error", "lost answer", "death"}[k] }

// ErrDead is what a dead process gets for everything.
var ErrDead = errors.New("the process is dead")

// do runs one operation.
func (f *FaultFS) do(op, name string, operation func() error) error {
	f.mu.Lock()
	if f.Dead {
		f.mu.Unlock()
		return ErrDead
	}
	n := f.Count
	f.Count++
	wrong := n == f.At
	if wrong {
		f.Op = op + " " + name
		f.Dead = f.Kind == Die
	}
	f.mu.Unlock()
	switch {
	case !wrong:
		return operation()
	case f.Kind == Die:
		return ErrDead
	case f.Kind == FailAfter:
		if err := operation(); err != nil {
			return err
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: f.Err}
}

// Stop ends the process, whatever it is doing.
func (f *FaultFS) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Dead = true
}

func value[T any](f *FaultFS, op, name string, operation func() (T, error)) (v T, err error) {
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

func (f *FaultFS) Create(name string, perm fs.FileMode) (store.Handle, error) {
	h, err := value(f, "create", name, func() (store.Handle, error) { return f.MemFS.Create(name, perm) })
	if err != nil {
		return nil, err
	}
	return &faultHandle{f, h.(*memHandle)}, nil
}

func (f *FaultFS) Open(name string) (store.Handle, error) {
	h, err := value(f, "open", name, func() (store.Handle, error) { return f.MemFS.Open(name) })
	if err != nil {
		return nil, err
	}
	return &faultHandle{f, h.(*memHandle)}, nil
}

func (f *FaultFS) Mkdir(name string, perm fs.FileMode) error {
	return f.do("mkdir", name, func() error { return f.MemFS.Mkdir(name, perm) })
}

func (f *FaultFS) Link(oldname, newname string) error {
	return f.do("link", newname, func() error { return f.MemFS.Link(oldname, newname) })
}

func (f *FaultFS) Rename(oldname, newname string) error {
	return f.do("rename", newname, func() error { return f.MemFS.Rename(oldname, newname) })
}

func (f *FaultFS) Remove(name string) error {
	return f.do("remove", name, func() error { return f.MemFS.Remove(name) })
}

func (f *FaultFS) Names(dir string) ([]string, error) {
	return value(f, "names", dir, func() ([]string, error) { return f.MemFS.Names(dir) })
}

func (f *FaultFS) Lstat(name string) (fs.FileInfo, error) {
	return value(f, "lstat", name, func() (fs.FileInfo, error) { return f.MemFS.Lstat(name) })
}

func (f *FaultFS) SyncDir(dir string) error {
	return f.do("syncdir", dir, func() error { return f.MemFS.SyncDir(dir) })
}

func (f *FaultFS) Lock(name string) (io.Closer, error) {
	return value(f, "lock", name, func() (io.Closer, error) { return f.MemFS.Lock(name) })
}

type faultHandle struct {
	f *FaultFS
	h *memHandle
}

func (h *faultHandle) ReadAt(p []byte, off int64) (int, error) {
	return value(h.f, "read", h.h.name, func() (int, error) { return h.h.ReadAt(p, off) })
}

// Write fails as a full disk does: a part of the bytes is written.
func (h *faultHandle) Write(p []byte) (int, error) {
	if h.f.Count == h.f.At && h.f.Kind == FailBefore && !h.f.Dead {
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

func (f *FaultFS) String() string { return fmt.Sprintf("%s at operation %d: %s", f.Kind, f.At, f.Op) }
