package e2e

import (
	"os"
	"syscall"
	"testing"
)

// diskSize holds the export's files twice over.
const diskSize = "size=2m"

// smallDisk mounts a file system that can be filled, where this process may do that; "" elsewhere.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, diskSize); err != nil {
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves room bytes of a file system.
func fill(disk, ballast string, room int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(disk, &s); err != nil {
		return err
	}
	return os.WriteFile(ballast, make([]byte, max(0, int64(s.Bavail)*s.Bsize-room)), 0o600)
}
