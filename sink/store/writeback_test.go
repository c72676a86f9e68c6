//go:build unix

package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// What is written goes to the disk range by range, each where the one before it ended, so that little is left for the
// sync. Should the disk say on the way that it fails, the file gets no name.
func TestUpload_GoesToTheDiskMeanwhile(t *testing.T) {
	dir := t.TempDir()
	disk, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	var begun, calls int64
	var broken error
	disk.writeBack = func(f *os.File, from, n int64) error {
		if calls++; from != begun || n < writeBackBytes {
			t.Errorf("%d bytes from %d on, after %d", n, from, begun)
		}
		if info, err := f.Stat(); err != nil || info.Size() < from+n {
			t.Errorf("told of %d bytes of a file of %v, %v", from+n, info, err)
		}
		begun = from + n
		if broken != nil {
			return broken
		}
		return writeBack(f, from, n)
	}
	h, err := hold(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	if err := h.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	write := func(name string) (Upload, error) {
		u, err := h.Create(t.Context(), name, Public)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(u.Discard)
		for i := range 100 {
			if _, err := u.Write(bytes.Repeat([]byte{byte(i)}, 333<<10)); err != nil {
				return u, err
			}
		}
		return u, nil
	}
	u, err := write("a")
	if err == nil {
		err = u.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir + "/a")
	if err != nil || len(data) != 100*333<<10 || data[50*333<<10] != 50 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if left := int64(len(data)) - begun; calls < 3 || left < 0 || left > writeBackBytes+1<<20 {
		t.Errorf("%d calls, and %d of %d bytes are left for the sync", calls, left, len(data))
	}

	begun, broken = 0, syscall.EIO
	u, err = write("b")
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("a failing disk: %v", err)
	}
	if err := u.Commit(t.Context()); err == nil {
		t.Error("a file that lost bytes was published")
	}
	if _, err := os.Lstat(dir + "/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("b: %v", err)
	}
}

// A file that nothing can be begun for is as good as any.
func TestWriteBack_WhereThereIsNone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := writeBack(w, 0, 1); err != nil {
		t.Error(err)
	}
}
