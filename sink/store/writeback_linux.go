package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeBack begins to put a range of a file on its disk, and does not wait for that. It keeps no later sync from
// telling of an error, unlike one that waits (sync_file_range(2): SYNC_FILE_RANGE_WRITE alone leaves the file's error
// for fsync). A file system that has nothing of the kind is none the worse.
func writeBack(f *os.File, from, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC) {
		return err
	}
	return nil
}
