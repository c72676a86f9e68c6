package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// inMemory tells whether a file's bytes take memory for as long as it is there.
func inMemory(f *os.File) bool {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return false
	}
	return s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC
}
