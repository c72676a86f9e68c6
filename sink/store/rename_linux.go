package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace moves a file, and fails with EEXIST rather than replace one.
func renameNoReplace(from *os.File, oldname string, to *os.File, newname string) error {
	err := unix.Renameat2(int(from.Fd()), oldname, int(to.Fd()), newname, unix.RENAME_NOREPLACE)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}
