package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"tw2parquet/sink/store"
)

// Memory is a store in memory that behaves as object stores do: no directories, no exclusive hold, pages
// of a listing, and answers that are lost.
type Memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	lost    int // answers still to be lost

	// Page is how many names one page of a listing has; 0: 1,000.
	Page int
	// Pages counts the pages that were listed.
	Pages int
}

// NewMemory is an empty one.
func NewMemory() *Memory { return &Memory{objects: map[string][]byte{}} }

// LoseAnswers makes the next n commits and puts succeed without saying so.
func (m *Memory) LoseAnswers(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = n
}

// Files are all objects with their bytes.
func (m *Memory) Files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.objects)
}

// Path is what a person would look for.
func (m *Memory) Path(name string) string { return "memory://" + name }

// Close does nothing.
func (m *Memory) Close() error { return nil }

// List reads page after page, each by itself: what is committed meanwhile may be in a later one.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		after := ""
		for {
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			page, more := m.page(prefix, after)
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.Name
			}
			if !more {
				return
			}
		}
	}
}

func (m *Memory) page(prefix, after string) (page []store.Entry, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Pages++
	size := m.Page
	if size == 0 {
		size = 1000
	}
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if !strings.HasPrefix(name, prefix) || name <= after {
			continue
		}
		if len(page) == size {
			return page, true
		}
		page = append(page, store.Entry{Name: name, Size: int64(len(m.objects[name])), Regular: true})
	}
	return page, false
}

// ReadAt copies from the object.
func (m *Memory) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.objects[name]
	switch {
	case !ok:
		return &store.Error{Op: "read", Path: m.Path(name), Err: fs.ErrNotExist}
	case off > int64(len(data)) || copy(p, data[off:]) < len(p):
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Hold is never exclusive: put-if-absent is the fence.
func (m *Memory) Hold(ctx context.Context, _ string) (store.Hold, error) {
	return memoryHold{m}, ctx.Err()
}

type memoryHold struct{ *Memory }

func (memoryHold) Exclusive() bool                               { return false }
func (memoryHold) Clear(context.Context, ...string) (int, error) { return 0, nil }
func (memoryHold) Prepare(context.Context, ...string) error      { return nil }

// Probe puts a name twice.
func (h memoryHold) Probe(ctx context.Context, dir string) error {
	name := path.Join(dir, ".tw2parquet-probe")
	if err := h.put(name, nil); err != nil && !errors.Is(err, store.ErrUnclear) {
		return err
	}
	if err := h.put(name, []byte("x")); !errors.Is(err, fs.ErrExist) {
		return &store.Error{Op: "probe", Path: h.Path(name), Err: errors.New("an object was replaced")}
	}
	return h.Remove(ctx, name)
}

func (h memoryHold) Create(ctx context.Context, name string, _ store.Access) (store.Upload, error) {
	return &memoryUpload{memory: h.Memory, name: name}, ctx.Err()
}

func (h memoryHold) Put(ctx context.Context, name string, data []byte, _ store.Access) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return h.put(name, bytes.Clone(data))
}

func (h memoryHold) Remove(ctx context.Context, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.objects, name)
	return ctx.Err()
}

// put is the one conditional step.
func (m *Memory) put(name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[name]; taken {
		return &store.Error{Op: "put", Path: m.Path(name), Err: fs.ErrExist}
	}
	m.objects[name] = data
	if m.lost > 0 {
		m.lost--
		return &store.Error{Op: "put", Path: m.Path(name), Err: store.ErrUnclear}
	}
	return nil
}

// memoryUpload holds its bytes until they are committed.
type memoryUpload struct {
	memory *Memory
	name   string
	data   bytes.Buffer
	sealed bool
	ended  bool
}

var errEnded = errors.New("the upload has ended")

func (u *memoryUpload) Write(p []byte) (int, error) {
	if u.ended || u.sealed {
		return 0, errEnded
	}
	return u.data.Write(p)
}

func (u *memoryUpload) Seal(ctx context.Context) error {
	if u.ended {
		return errEnded
	}
	u.sealed = true
	return ctx.Err()
}

func (u *memoryUpload) Commit(ctx context.Context) error {
	if err := u.Seal(ctx); err != nil {
		return err
	}
	err := u.memory.put(u.name, u.data.Bytes())
	u.ended = err == nil || errors.Is(err, store.ErrUnclear)
	return err
}

func (u *memoryUpload) Discard() { u.ended = true }
