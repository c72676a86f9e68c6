package sink

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// A power cut right after a run does not bring back what the run had tidied away.
func TestComplete_LeavesNothingThatAPowerCutBringsBack(t *testing.T) {
	j := job{total: 20, group: 10, reject: 4}
	disk := half(t, j)
	// A probe of an earlier start, durable because something else in that directory was synced.
	disk.Plant(t, testPartition+"/.tw2parquet-"+testRun+"-dead", nil)
	if err := disk.SyncDir(testPartition); err != nil {
		t.Fatal(err)
	}
	if err := j.run(disk, "/out", nil); err != nil { // publishes nothing but the manifest
		t.Fatal(err)
	}
	j.checkComplete(t, disk.Crash(testRand(), 0))
}

// shortFS loses the end of what it is told to write, and says nothing.
type shortFS struct{ store.FS }

func (s shortFS) Create(name string, perm fs.FileMode) (store.Handle, error) {
	h, err := s.FS.Create(name, perm)
	if err == nil && strings.HasSuffix(name, "-3.part") {
		h = shortHandle{h}
	}
	return h, err
}

type shortHandle struct{ store.Handle }

func (s shortHandle) Write(p []byte) (int, error) {
	if _, err := s.Handle.Write(p[:len(p)-1]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestFinish_NoticesAFileThatIsShort(t *testing.T) {
	j := job{total: 4, group: 2}
	disk := storetest.NewMemFS()
	err := j.run(shortFS{disk}, "/out", nil)
	if err == nil || !strings.Contains(err.Error(), "bytes were written") {
		t.Fatalf("got %v", err)
	}
	j.checkPrefix(t, disk, 0)
}

// A pipe that takes a file's place between the look at it and the opening must not hang recovery:
// the opening itself returns.
func TestDisk_OpeningAPipeReturns(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := store.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, disk)
	h, err := disk.Open("pipe")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, h)
	if _, err := h.ReadAt(make([]byte, 1), 0); err == nil {
		t.Fatal("a pipe was read at a position")
	}
	if _, err := os.Lstat(filepath.Join(dir, "pipe")); err != nil {
		t.Fatal(err)
	}
}
