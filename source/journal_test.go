package source

import (
	"context"
	"io/fs"
	"sort"
	"strings"
	"sync"
)

// memoryJournal is a journal that forgets nothing.
type memoryJournal struct {
	mu      sync.Mutex
	records map[string][]byte
}

func newJournal() *memoryJournal { return &memoryJournal{records: map[string][]byte{}} }

func (j *memoryJournal) Put(_ context.Context, name string, data []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.records[name]; ok {
		return fs.ErrExist
	}
	j.records[name] = append([]byte(nil), data...)
	return nil
}

func (j *memoryJournal) Get(_ context.Context, name string) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	data, ok := j.records[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (j *memoryJournal) List(_ context.Context, prefix string) ([]string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var names []string
	for name := range j.records {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}
