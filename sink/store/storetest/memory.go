package storetest

import (
	"bytes"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tw2parquet/sink/store"
)

// Memory is a store in memory that behaves as object stores do: no directories, no exclusive hold, listings in
// pages, uploads in parts that are left behind by the dead, answers that are lost, and requests that arrive late.
// Every request is counted. It is itself a process of its own that nothing happens to.
type Memory struct {
	*Process

	mu       sync.Mutex
	objects  map[string][]byte
	uploads  map[int]*multipart
	onTheWay []func()
	lost     int // answers still to be lost, whoever asks
	count    int // of holds and uploads
	requests map[string]int

	// Page is how many names one page of a listing has; 0: 1,000.
	Page int
	// Part is how many bytes one part of an upload has; less is put in one request. 0: 8 MiB.
	Part int
	// Now is the store's clock, by which unfinished uploads grow old; nil: time.Now.
	Now func() time.Time
}

// multipart is an upload that has begun and not ended.
type multipart struct {
	name  string
	hold  int // whose it is
	began time.Time
}

// abandoned is the age at which an upload is certain to be a dead process's.
const abandoned = 24 * time.Hour

// NewMemory is an empty one.
func NewMemory() *Memory {
	m := &Memory{objects: map[string][]byte{}, uploads: map[int]*multipart{}, requests: map[string]int{}}
	m.Process = m.NewProcess()
	return m
}

// LoseAnswers makes the next n commits and puts succeed without saying so.
func (m *Memory) LoseAnswers(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = n
}

// Land lets the requests arrive that are still on their way. It tells how many there were.
func (m *Memory) Land() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.onTheWay)
	for _, arrive := range m.onTheWay {
		arrive()
	}
	m.onTheWay = nil
	return n
}

// Files are all objects with their bytes.
func (m *Memory) Files() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.objects)
}

// Plant puts an object there, or replaces it, as nobody who keeps the promises does; nil bytes remove it.
func (m *Memory) Plant(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if data == nil {
		delete(m.objects, name)
		return
	}
	m.objects[name] = bytes.Clone(data)
}

// Uploads are the names of the uploads that have not ended.
func (m *Memory) Uploads() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, u := range m.uploads {
		names = append(names, u.name)
	}
	slices.Sort(names)
	return names
}

// Requests are how many requests there were, by their kind: list (a page), read, put, create, part, complete, abort,
// remove, and uploads (a list of them).
func (m *Memory) Requests() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.requests)
}

// Total is the number of all requests.
func (m *Memory) Total() int {
	n := 0
	for _, of := range m.Requests() {
		n += of
	}
	return n
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// The following are called with the lock.

func (m *Memory) page(prefix, after string) (page []store.Entry, more bool) {
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

// put is the one conditional step.
func (m *Memory) put(name string, data []byte) error {
	if _, taken := m.objects[name]; taken {
		return &store.Error{Op: "put", Path: m.Path(name), Err: fs.ErrExist}
	}
	m.objects[name] = bytes.Clone(data)
	return nil
}

// unfinished are the uploads that dead processes of a run left: another hold's, and too old for a living one.
func (m *Memory) unfinished(dir string, hold int) (ids []int) {
	for id, u := range m.uploads {
		ours := path.Dir(u.name) == dir || strings.HasPrefix(path.Base(u.name), "part-"+path.Base(dir)+"-")
		if ours && u.hold != hold && m.now().Sub(u.began) >= abandoned {
			ids = append(ids, id)
		}
	}
	return ids
}
