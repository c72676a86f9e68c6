package sink

import (
	"errors"
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
)

// memFS is a disk that remembers what was synced: the bytes of a file since its last Sync and the
// names in a directory since its last SyncDir may be gone after a crash, each on its own.
type memFS struct {
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

func newMemFS() *memFS { return &memFS{root: newDir()} }

// crash is the disk after a power cut. Whatever was not synced survives with probability keep: each
// name for itself, and of a file's bytes all, a part, or as many zeros.
func (m *memFS) crash(rng *rand.Rand, keep float64) *memFS {
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
	return &memFS{root: clone(m.root)}
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

// kill is the disk after the death of the process alone: nothing is lost, locks are free.
func (m *memFS) kill() *memFS {
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
func (m *memFS) at(op, name string) (dir, n *node, base string, err error) {
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

func (m *memFS) existing(op, name string) (*node, error) {
	_, n, _, err := m.at(op, name)
	if err == nil && n == nil {
		err = pathError(op, name, fs.ErrNotExist)
	}
	return n, err
}

// add gives n a free name.
func (m *memFS) add(op, name string, n *node) error {
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

func (m *memFS) Create(name string, perm fs.FileMode) (Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &node{mode: perm}
	if err := m.add("create", name, n); err != nil {
		return nil, err
	}
	return &memHandle{fs: m, node: n, name: name, writable: true}, nil
}

func (m *memFS) Open(name string) (Handle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("open", name)
	if err != nil {
		return nil, err
	}
	return &memHandle{fs: m, node: n, name: name}, nil
}

func (m *memFS) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newDir()
	n.mode = fs.ModeDir | perm
	return m.add("mkdir", name, n)
}

func (m *memFS) Link(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("link", oldname)
	if err != nil {
		return err
	}
	return m.add("link", newname, n)
}

func (m *memFS) Rename(oldname, newname string) error {
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

func (m *memFS) Replace(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, n, base, err := m.at("replace", oldname)
	if err == nil && n == nil {
		err = pathError("replace", oldname, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	to, _, newbase, err := m.at("replace", newname)
	if err != nil {
		return err
	}
	to.names[newbase] = n
	delete(from.names, base)
	return nil
}

func (m *memFS) Remove(name string) error {
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

func (m *memFS) Names(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("readdir", dir)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Keys(n.names)), nil
}

func (m *memFS) Lstat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("lstat", name)
	if err != nil {
		return nil, err
	}
	return memInfo{path.Base(name), int64(len(n.data)), n.mode}, nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existing("sync", dir)
	if err != nil {
		return err
	}
	n.durable = maps.Clone(n.names)
	return nil
}

func (m *memFS) Lock(name string) (io.Closer, error) {
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
		return nil, ErrLocked
	}
	n.locked = true
	return memLock{m, n}, nil
}

type memLock struct {
	fs   *memFS
	node *node
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.node.locked = false
	return nil
}

type memHandle struct {
	fs       *memFS
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

// files makes memFS a tree.
func (m *memFS) files() map[string][]byte {
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

func TestMemFS_ForgetsWhatWasNotSynced(t *testing.T) {
	write := func(m *memFS, name string, sync bool) {
		h, err := m.Create(name, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Write([]byte("bytes")); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := h.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := newMemFS()
	write(m, "synced", true)
	write(m, "unsynced", false)
	if err := m.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	write(m, "nameless", true)
	if err := m.Remove("synced"); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	got := m.crash(rng, 0).files()
	if len(got) != 2 || string(got["synced"]) != "bytes" || string(got["unsynced"]) != "" {
		t.Fatalf("after a crash that keeps nothing: %q", got)
	}
	got = m.crash(rng, 1).files()
	if len(got) != 2 || string(got["nameless"]) != "bytes" || string(got["unsynced"]) != "bytes" {
		t.Fatalf("after a crash that keeps everything: %q", got)
	}
	if _, err := m.Create("nameless", 0o600); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("create over a file: %v", err)
	}
}

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
