//go:build unix

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// played opens an output on a disk whose locks behave as flock says.
func played(t *testing.T, dir string, flock func(fd, how int) error) *Disk {
	t.Helper()
	disk, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	disk.flock = flock
	return disk
}

// nfsFlock is flock on NFS: a byte-range lock, for which the descriptor has to be able to do what the
// lock is for.
func nfsFlock(fd, how int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	mode := flags & unix.O_ACCMODE
	if how&unix.LOCK_EX != 0 && mode == unix.O_RDONLY || how&unix.LOCK_SH != 0 && mode == unix.O_WRONLY {
		return unix.EBADF
	}
	return unix.Flock(fd, how)
}

// hold takes a run's directory on a disk.
func hold(disk *Disk, dir string) (Hold, error) {
	s, err := OpenLocal(LocalConfig{Root: dir, FS: disk})
	if err != nil {
		return nil, err
	}
	return s.Hold(context.Background(), StateDir+"/run")
}

// NFS gives exclusive locks only to what can write, and SMB tells with another error that a lock is held.
func TestLock_IsHeldOnNetworkFileSystems(t *testing.T) {
	for name, flock := range map[string]func(fd, how int) error{
		"NFS": nfsFlock,
		"SMB": func(fd, how int) error {
			err := unix.Flock(fd, how)
			if errors.Is(err, unix.EWOULDBLOCK) {
				return unix.EACCES
			}
			return err
		},
	} {
		dir := t.TempDir()
		disk := played(t, dir, flock)
		h, err := hold(disk, dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := hold(disk, dir); !errors.Is(err, ErrHeld) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		if h, err = hold(disk, dir); err != nil {
			t.Fatalf("%s: after it was let go: %v", name, err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever the file system answers, to the lock or to the probe, is told with the answer's own words.
func TestLock_TellsWhatTheFileSystemAnswers(t *testing.T) {
	for _, tt := range []struct {
		nth    int // which call is answered so
		answer error
		want   string
	}{
		{1, unix.ENOLCK, "no locks available"},
		{2, unix.ENOLCK, "no locks available"},
		{1, unix.EBADF, "bad file descriptor"},
		{2, unix.EBADF, "bad file descriptor"},
		{1, unix.EOPNOTSUPP, "operation not supported"},
		{2, unix.EOPNOTSUPP, "operation not supported"},
		{1, unix.EIO, "input/output error"},
		{2, unix.EIO, "input/output error"},
		{2, nil, "granted twice"},
	} {
		dir, calls := t.TempDir(), 0
		disk := played(t, dir, func(fd, how int) error {
			if calls++; calls == tt.nth {
				return tt.answer
			}
			return unix.Flock(fd, how)
		})
		_, err := hold(disk, dir)
		var s *Error
		if !errors.As(err, &s) || s.Op != "lock" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v to call %d: %v", tt.answer, tt.nth, err)
		} else if s.Hint == "" && !s.Retryable() {
			t.Errorf("%v to call %d: no hint in %v", tt.answer, tt.nth, err)
		}
		// The lock that was granted is not kept.
		disk.flock = unix.Flock
		h, err := hold(disk, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

// On a read-only mount those who look share a lock, also where an exclusive one is not to be had.
func TestLock_IsSharedByThoseWhoCannotWrite(t *testing.T) {
	dir := t.TempDir()
	disk := played(t, dir, nfsFlock)
	if err := os.WriteFile(filepath.Join(dir, "lock"), nil, privateMode); err != nil {
		t.Fatal(err)
	}
	look := func() (io.Closer, error) {
		f, err := disk.root.Open("lock")
		if err != nil {
			t.Fatal(err)
		}
		return disk.share(f, "lock")
	}
	writer, err := disk.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := look(); !errors.Is(err, ErrHeld) {
		t.Errorf("beside a writer: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := look()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if _, err := disk.Lock("lock"); !errors.Is(err, ErrHeld) {
		t.Errorf("a writer beside readers: %v", err)
	}
}
