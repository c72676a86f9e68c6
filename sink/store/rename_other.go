//go:build !linux

package store

import (
	"errors"
	"os"
)

// renameNoReplace has no portable form; outputs on file systems without hard links need Linux.
func renameNoReplace(_ *os.File, oldname string, _ *os.File, newname string) error {
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: errors.ErrUnsupported}
}
