package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeBack begins to put a range of a file on its disk. It does not wait until the bytes are there, but it may wait for a
// disk that has too many requests already. An error that it passes over is not lost: the next fsync tells of it again,
// because only calls that wait for the bytes take the file's error away (file_fdatawait_range in the kernel's
// fs/sync.c). So a file system that does not know the call is as good as any.
func writeBack(f *os.File, from, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
	for _, lost := range []error{unix.EIO, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, lost) {
			return err
		}
	}
	return nil
}
