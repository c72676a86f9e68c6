package main

import "golang.org/x/sys/unix"

// mountPoint tells whether a file is mounted where it is, as containers do with single files. One that an old
// kernel (before 5.8) does not tell of is found out by the rename.
func mountPoint(path string) bool {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &s)
	return err == nil && s.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
