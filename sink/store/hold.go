package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
)

// Modes before the umask. Whoever may read the output reads data and manifests; what is staged or
// private is the owner's alone.
const (
	dirMode     = 0o777
	stagingMode = 0o700
	publicMode  = 0o666
	privateMode = 0o600
)

func (a Access) mode() fs.FileMode {
	if a == Private {
		return privateMode
	}
	return publicMode
}

// localHold is a directory whose lock is held.
type localHold struct {
	*local
	dir     string
	lock    io.Closer
	attempt string // tells the files of this hold from those of any other
	count   atomic.Int64
}

func (l *local) Hold(ctx context.Context, dir string) (Hold, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, d := range parents(dir) {
		if err := l.makeDir(d, dirMode); err != nil {
			return nil, err
		}
	}
	lock, err := l.fs.Lock(path.Join(dir, lockName))
	if err != nil {
		return nil, wrap("lock", l.Path(path.Join(dir, lockName)), err)
	}
	var id [4]byte
	rand.Read(id[:]) // never fails
	return &localHold{local: l, dir: dir, lock: lock, attempt: hex.EncodeToString(id[:])}, nil
}

// parents are the directories of a path, from the top, and the path itself.
func parents(dir string) []string {
	var dirs []string
	for i, c := range dir {
		if c == '/' {
			dirs = append(dirs, dir[:i])
		}
	}
	return append(dirs, dir)
}

// makeDir creates a directory unless it is there. A symbolic link is not: what it points at may
// change, or lie on another file system.
func (l *local) makeDir(dir string, mode fs.FileMode) error {
	info, err := l.fs.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = l.fs.Mkdir(dir, mode)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) { // another run made it meanwhile
			info, err = l.fs.Lstat(dir)
		}
	}
	if err != nil {
		return wrap("create directory", l.Path(dir), err)
	}
	if !info.IsDir() {
		return &Error{Op: "create directory", Path: l.Path(dir), Err: errors.New("the name is taken"),
			Hint: "a file or a symbolic link stands where a directory of the output belongs"}
	}
	return nil
}

func (h *localHold) Exclusive() bool { return true }

// Close frees the lock. Its error is always nil: the lock is free all the same.
func (h *localHold) Close() error {
	if h.lock != nil {
		h.lock.Close()
	}
	h.lock = nil
	return nil
}

// staging is where the files lie that nobody sees yet. It is in the output, because a file can be given
// another name only within its file system, and outside the data directories, because readers open
// whatever lies in those.
func (h *localHold) staging() string { return path.Join(h.dir, stagingName) }

// own begins the names of staged files and probes. The hold's directory is in them, so that nothing of
// another one is ever removed, whoever put it there.
func (h *localHold) own() string { return path.Base(h.dir) + "-" }

func (h *localHold) probePrefix() string { return ".tw2parquet-" + h.own() }

const stagingSuffix = ".part"

// Clear removes staged files. The lock says that nobody is writing them.
func (h *localHold) Clear(ctx context.Context, _ ...string) (removed int, err error) {
	names, err := h.fs.Names(h.staging())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap("list", h.Path(h.staging()), err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, h.own()) || !strings.HasSuffix(name, stagingSuffix) {
			continue
		}
		if err := h.Remove(ctx, path.Join(h.staging(), name)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// Prepare creates directories and makes their names durable, and those of everything found in them: an
// earlier process may have died between creating a name and syncing it, and what is built on that name
// must not outlive it. It also removes probes that were left there.
func (h *localHold) Prepare(ctx context.Context, dirs ...string) error {
	all := append(parents(h.dir), h.staging())
	for _, dir := range dirs {
		if dir != "." {
			all = append(all, parents(dir)...)
		}
	}
	for _, dir := range all {
		mode := fs.FileMode(dirMode)
		if dir == h.staging() {
			mode = stagingMode
		}
		if err := h.makeDir(dir, mode); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		if err := h.removeProbes(ctx, dir); err != nil {
			return err
		}
	}
	synced := map[string]bool{}
	for _, dir := range append([]string{"."}, all...) {
		if synced[dir] {
			continue
		}
		synced[dir] = true
		if err := h.syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (h *localHold) removeProbes(ctx context.Context, dir string) error {
	for e, err := range h.List(ctx, path.Join(dir, h.probePrefix())) {
		if err != nil {
			return err
		}
		if err := h.Remove(ctx, e.Name); err != nil {
			return err
		}
	}
	return nil
}

// Probe does to a file what will be done to the data: write, sync, publish beside the data, and fail to
// publish a second time.
func (h *localHold) Probe(ctx context.Context, dir string, _ *Record) error {
	name := path.Join(dir, h.probePrefix()+h.attempt)
	err := h.probe(ctx, name)
	if noLinks(err) {
		h.rename.Store(true)
		err = h.probe(ctx, name)
		// Linux says EINVAL where a file system cannot rename without replacing.
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
			return &Error{Op: "publish", Path: h.Path(name), Err: Cause(err),
				Hint: "the file system can neither link nor rename without replacing; choose another output"}
		}
	}
	if err != nil {
		return fmt.Errorf("the output cannot be written: %w", err)
	}
	return nil
}

func (h *localHold) probe(ctx context.Context, name string) error {
	for second := range 2 {
		u, err := h.stage(name, Private)
		if err != nil {
			return err
		}
		if _, err := u.Write(make([]byte, 4096)); err != nil {
			u.Discard()
			return err
		}
		if err := u.Seal(ctx); err != nil {
			u.Discard()
			return err
		}
		err = h.give(u.staged, name)
		u.Discard()
		switch {
		case second == 0 && err != nil:
			return wrap("publish", h.Path(name), err)
		case second == 1 && err == nil:
			return &Error{Op: "publish", Path: h.Path(name), Err: errors.New("a file was replaced"),
				Hint: "the file system does not keep existing names; choose another output"}
		case second == 1 && !errors.Is(err, fs.ErrExist):
			return wrap("publish", h.Path(name), err)
		}
	}
	if err := h.fs.Remove(name); err != nil {
		return wrap("remove", h.Path(name), err)
	}
	// Also so that a power cut cannot bring the probe back beside the data of a complete run.
	return h.syncDir(path.Dir(name))
}

func (h *localHold) Create(ctx context.Context, name string, access Access) (Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return h.stage(name, access)
}

func (h *localHold) Put(ctx context.Context, name string, data []byte, access Access) error {
	u, err := h.Create(ctx, name, access)
	if err != nil {
		return err
	}
	if _, err = u.Write(data); err == nil {
		err = u.Commit(ctx)
	}
	if err != nil {
		u.Discard()
	}
	return err
}

func (h *localHold) Remove(_ context.Context, name string) error {
	if err := h.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap("remove", h.Path(name), err)
	}
	return nil
}

func (l *local) syncDir(dir string) error {
	return wrap("sync directory", l.Path(dir), l.fs.SyncDir(dir))
}

// give gives a staged file its name, if that is free.
func (l *local) give(staged, name string) error {
	if l.rename.Load() {
		return l.fs.Rename(staged, name)
	}
	return l.fs.Link(staged, name)
}

// noLinks tells a file system without hard links from one that refuses this link.
func noLinks(err error) bool {
	// EPERM is what Linux answers for file systems that have no links, vfat for example.
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EMLINK)
}
