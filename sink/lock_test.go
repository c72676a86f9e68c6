package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// holdLock is the whole of the test binary when it plays the other process: it opens the output,
// says so, and waits to be killed or for its input to end.
func holdLock(dir string) int {
	o, err := job{total: 1, group: 1}.open(nil, dir)
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "locked")
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // any end will do
	if o.Close() != nil {
		return 1
	}
	return 0
}

// other starts the other process and returns once it holds the lock.
func other(t *testing.T, dir string) (cmd *exec.Cmd, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "SINK_TEST_HOLD_LOCK="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "locked\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd, func() { in.Close(); cmd.Wait() } //nolint:errcheck // killed or not, it has ended
}

func TestLock_IsHeldAgainstAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	_, end := other(t, dir)
	if _, err := j.open(nil, dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	end()
	o, err := j.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLock_IsFreeAfterKill(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	cmd, end := other(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	if err := j.run(nil, dir, nil); err != nil {
		t.Fatal(err)
	}
	j.checkComplete(t, dirTree(dir))
}

func TestLock_IsHeldAgainstThisProcess(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	o, err := j.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.open(nil, dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	// Another run is not concerned.
	elsewhere := j
	elsewhere.config = func(c *Config) { c.Run = "otherrun" }
	p, err := elsewhere.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}

// played opens an output on a disk whose locks behave as flock says.
func played(t *testing.T, dir string, flock func(fd, how int) error) *diskFS {
	t.Helper()
	disk, err := openDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, disk)
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

func TestLock_IsHeldOnNFS(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 20, group: 10}
	disk := played(t, dir, nfsFlock)
	o, err := j.open(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.open(disk, dir); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.run(disk, dir, nil); err != nil {
		t.Fatal(err)
	}
	j.checkComplete(t, dirTree(dir))
}

// SMB tells with another error that a lock is held.
func TestLock_IsHeldOnSMB(t *testing.T) {
	dir := t.TempDir()
	disk := played(t, dir, func(fd, how int) error {
		err := unix.Flock(fd, how)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return unix.EACCES
		}
		return err
	})
	j := job{total: 20, group: 10}
	o, err := j.open(disk, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.open(disk, dir); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
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
		_, err := job{total: 1, group: 1}.open(disk, dir)
		var s *StorageError
		if !errors.As(err, &s) || s.Op != "lock" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v to call %d: %v", tt.answer, tt.nth, err)
		} else if s.Hint == "" && !s.Retryable() {
			t.Errorf("%v to call %d: no hint in %v", tt.answer, tt.nth, err)
		}
		// The lock that was granted is not kept.
		disk.flock = unix.Flock
		o, err := job{total: 1, group: 1}.open(disk, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
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
	if _, err := look(); !errors.Is(err, ErrLocked) {
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
	if _, err := disk.Lock("lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("a writer beside readers: %v", err)
	}
}
