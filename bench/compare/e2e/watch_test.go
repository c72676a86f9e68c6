package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
)

const (
	// watchEvery is the time between two looks at all visible files.
	watchEvery = 4 * time.Millisecond
	// hashEvery is the share of the looks that read every byte again; the others compare size, time,
	// mode and inode.
	hashEvery = 16
)

// watcher is a reader who comes at every moment. Each file that it sees must open, must never change and
// must never go.
type watcher struct {
	dir  string
	stop chan struct{}
	over chan struct{}

	mu    sync.Mutex // held while looking
	seen  map[string]sight
	looks int
	files int // ever seen
	err   error
}

// sight is a file as it was first seen.
type sight struct {
	size  int64
	time  time.Time
	mode  fs.FileMode
	inode uint64
	sum   [sha256.Size]byte
}

// watch looks at an output until the test ends.
func watch(t *testing.T, dir string) *watcher {
	w := &watcher{dir: dir, stop: make(chan struct{}), over: make(chan struct{}), seen: map[string]sight{}}
	go w.run()
	t.Cleanup(func() {
		close(w.stop)
		<-w.over
		if err := w.look(true); err != nil {
			t.Errorf("the watcher of %s: %v", dir, err)
		}
	})
	return w
}

func (w *watcher) run() {
	defer close(w.over)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for n := 0; w.look(n%hashEvery == 0) == nil; n++ {
		select {
		case <-tick.C:
		case <-w.stop:
			return
		}
	}
}

// away lets somebody take files away, and forgets what was there.
func (w *watcher) away(take func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	take()
	w.seen = map[string]sight{}
}

// figures are the numbers of looks and of files seen.
func (w *watcher) figures() (looks, files int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks, w.files
}

// look returns the first trouble that was ever seen.
func (w *watcher) look(all bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.looks++
	names, err := filepath.Glob(filepath.Join(w.dir, "*", "*.parquet"))
	if err != nil {
		w.err = err
		return err
	}
	for i := 0; i < len(names) && w.err == nil; i++ {
		w.err = w.check(names[i], all)
	}
	if present := len(names); w.err == nil && present < len(w.seen) {
		w.err = fmt.Errorf("of %d files %d are left", len(w.seen), present)
	}
	return w.err
}

func (w *watcher) check(name string, all bool) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("visible, and gone: %w", err)
	}
	now := sight{size: info.Size(), time: info.ModTime(), mode: info.Mode()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		now.inode = stat.Ino
	}
	before, known := w.seen[name]
	now.sum = before.sum
	if !known || all {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		now.sum = sha256.Sum256(content)
		if !known {
			if err := opens(content); err != nil {
				return fmt.Errorf("%s with %d bytes is visible and does not open: %w", name, len(content), err)
			}
			w.files++
			w.seen[name] = now
			return nil
		}
	}
	if now != before {
		return fmt.Errorf("%s was %+v and is %+v", name, before, now)
	}
	return nil
}

// opens has arrow-go, which did not write the file, read its footer.
func opens(content []byte) error {
	r, err := file.NewParquetReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	rows := int64(0)
	for i := range r.NumRowGroups() {
		rows += r.MetaData().RowGroup(i).NumRows()
	}
	if rows != r.NumRows() {
		err = fmt.Errorf("%d rows in row groups, %d in the footer", rows, r.NumRows())
	}
	return errors.Join(err, r.Close())
}
