package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writeBack begins to put a range of a file on its disk. It does not wait for the bytes, only for the disk to take the
// request where that has too many already, as what writes faster than the disk must some time. Only a call that waits for
// the bytes, which this is not, takes a file's write error away from the next fsync (file_fdatawait_range in the
// kernel's fs/sync.c), so nothing is lost by what is passed over here: file systems that have nothing of the kind.
func writeBack(f *os.File, from, n int64) error {
	err := unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
	for _, lost := range []error{unix.EIO, unix.ENOSPC, unix.EDQUOT} {
		if errors.Is(err, lost) {
			return err
		}
	}
	return nil
}
