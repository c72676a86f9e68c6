package storetest

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tw2parquet/sink/store"
)

// MemFS is a disk that remembers what was synced: the bytes of a file since its last Sync and the
// names in a directory since its last SyncDir may be gone after a crash, each on its own.
type MemFS struct {
	mu   sync.Mutex
	root *node
}

// node is a file or a directory.
type node struct {
	dir    bool
	mode   fs.FileMode
	data   []byte
	synced []byte // data at the last Sync
	names  map[string]*node
	// durable are the names at the last SyncDir.
	durable map[string]*node
	locked  bool
	broken  bool // a Sync failed: the kernel has dropped the bytes and will claim success
}

func newDir() *node {
	return &node{dir: true, mode: fs.ModeDir | 0o750, names: map[string]*node{}, durable: map[string]*node{}}
}

func NewMemFS() *MemFS { return &MemFS{root: newDir()} }

// Crash is the disk after a power cut. Whatever was not synced survives with probability keep: each
// name for itself, and of a file's bytes all, a part, or as many zeros.
func (m *MemFS) Crash(rng *rand.Rand, keep float64) *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	clones := map[*node]*node{}
	var clone func(n *node) *node
	clone = func(n *node) *node {
		if c, ok := clones[n]; ok {
			return c
		}
		c := &node{dir: n.dir, mode: n.mode}
		clones[n] = c
		if !n.dir {
			c.data = surviving(n, rng, keep)
			c.synced = slices.Clone(c.data)
			return c
		}
		c.names = map[string]*node{}
		both := maps.Clone(n.durable)
		maps.Copy(both, n.names)
		for _, name := range slices.Sorted(maps.Keys(both)) {
			now, was := n.names[name], n.durable[name]
			survivor := was
			if now != was && rng.Float64() < keep {
				survivor = now
			}
			if survivor != nil {
				c.names[name] = clone(survivor)
			}
		}
		c.durable = maps.Clone(c.names)
		return c
	}
	return &MemFS{root: clone(m.root)}
}

func surviving(n *node, rng *rand.Rand, keep float64) []byte {
	if !strings.HasPrefix(string(n.data), string(n.synced)) {
		panic("files are only appended to")
	}
	if rng.Float64() < keep {
		return slices.Clone(n.data)
	}
	fresh := len(n.data) - len(n.synced)
	if keep == 0 || fresh == 0 {
		return slices.Clone(n.synced)
	}
	kept := len(n.synced) + rng.IntN(fresh+1)
	data := slices.Clone(n.data[:kept])
	if rng.IntN(2) == 0 { // the size was written, the bytes were not
		data = append(data, make([]byte, len(n.data)-kept)...)
	}
	return data
}

// Kill is the disk after the death of the process alone: nothing is lost, locks are free.
func (m *MemFS) Kill() *MemFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	var free func(n *node)
	free = func(n *node) {
		n.locked = false
		for _, c := range n.names {
			free(c)
		}
	}
	free(m.root)
	return m
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// at finds the directory of name and what name is in it, nil if it is free.
func (m *MemFS) at(op, name string) (dir, n *node, base string, err error) {
	dir = m.root
	if name == "." {
		return nil, dir, ".", nil
	}
	parts := strings.Split(path.Clean(name), "/")
	for _, p := range parts[:len(parts)-1] {
		dir = dir.names[p]
		if dir == nil {
			return nil, nil, "", pathError(op, name, fs.ErrNotExist)
		}
		if !dir.dir {
			return nil, nil, "", pathError(op, name, syscall.ENOTDIR)
		}
	}
	base = parts[len(parts)-1]
	return dir, dir.names[base], base, nil
}

func (m *MemFS) existing(op, name string) (*node, error) {
	_, n, _, err := m.at(op, name)
	if err == nil && n == nil {
		err = pathError(op, name, fs.ErrNotExist)
	}
	return n, err
}

// add gives n a free name.
func (m *MemFS) add(op, name string, n *node) error {
	dir, taken, base, err := m.at(op, name)
	if err != nil {
		return err
	}
	if taken != nil {
		return pathError(op, name, fs.ErrExist)
	}
	dir.names[base] = n
	return nil
}

func (m *MemFS) Create(name string, perm fs.FileMode) (store.Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &node{mode: perm}
	if err := m.add("create", name, n); err != nil {
		return nil, err
	}
	return &memHandle{fs: m, node: n, name: name, writable: true}, nil
}

func (m *MemFS) Open(name string) (store.Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("open", name)
	if err != nil {
		return nil, err
	}
	return &memHandle{fs: m, node: n, name: name}, nil
}

func (m *MemFS) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newDir()
	n.mode = fs.ModeDir | perm
	return m.add("mkdir", name, n)
}

func (m *MemFS) Link(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("link", oldname)
	if err != nil {
		return err
	}
	return m.add("link", newname, n)
}

func (m *MemFS) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, n, base, err := m.at("rename", oldname)
	if err == nil && n == nil {
		err = pathError("rename", oldname, fs.ErrNotExist)
	}
	if err == nil {
		err = m.add("rename", newname, n)
	}
	if err == nil {
		delete(dir.names, base)
	}
	return err
}

func (m *MemFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, n, base, err := m.at("remove", name)
	switch {
	case err != nil:
		return err
	case n == nil:
		return pathError("remove", name, fs.ErrNotExist)
	case len(n.names) > 0:
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	delete(dir.names, base)
	return nil
}

func (m *MemFS) Names(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("readdir", dir)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(n.names)), nil
}

func (m *MemFS) Lstat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("lstat", name)
	if err != nil {
		return nil, err
	}
	return memInfo{path.Base(name), int64(len(n.data)), n.mode}, nil
}

func (m *MemFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("sync", dir)
	if err != nil {
		return err
	}
	n.durable = maps.Clone(n.names)
	return nil
}

func (m *MemFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, n, _, err := m.at("lock", name)
	if err != nil {
		return nil, err
	}
	if n == nil {
		n = &node{mode: 0o600}
		if err := m.add("lock", name, n); err != nil {
			return nil, err
		}
	}
	if n.locked {
		return nil, store.ErrHeld
	}
	n.locked = true
	return memLock{m, n}, nil
}

type memLock struct {
	fs   *MemFS
	node *node
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.node.locked = false
	return nil
}

type memHandle struct {
	fs       *MemFS
	node     *node
	name     string
	writable bool
}

func (h *memHandle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if !h.writable || h.node.mode.Perm()&0o200 == 0 {
		return 0, pathError("write", h.name, syscall.EBADF)
	}
	h.node.data = append(h.node.data, p...)
	return len(p), nil
}

func (h *memHandle) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *memHandle) Stat() (fs.FileInfo, error) { return h.fs.Lstat(h.name) }

func (h *memHandle) Chmod(mode fs.FileMode) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.node.mode = mode
	return nil
}

func (h *memHandle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.node.broken {
		panic("synced again after a failed sync: " + h.name)
	}
	h.node.synced = slices.Clone(h.node.data)
	return nil
}

func (h *memHandle) Close() error { return nil }

type memInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }

// Files are all files with their bytes.
func (m *MemFS) Files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string][]byte{}
	var walk func(dir string, n *node)
	walk = func(dir string, n *node) {
		for name, c := range n.names {
			if c.dir {
				walk(path.Join(dir, name), c)
			} else {
				all[path.Join(dir, name)] = slices.Clone(c.data)
			}
		}
	}
	walk("", m.root)
	return all
}

// Plant puts a durable file on the disk, as somebody else would, onto whatever has the name.
func (m *MemFS) Plant(t testing.TB, name string, data []byte) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, _, base, err := m.at("plant", name)
	if err != nil {
		t.Fatal(err)
	}
	dir.names[base] = &node{mode: 0o640, data: data, synced: data}
}

// Uproot takes away a name with all that is below it, as somebody else would.
func (m *MemFS) Uproot(t testing.TB, name string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, _, base, err := m.at("uproot", name)
	if err != nil {
		t.Fatal(err)
	}
	delete(dir.names, base)
}
