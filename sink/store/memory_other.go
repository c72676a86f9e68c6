//go:build !linux

package store

import "os"

// inMemory is false: what else this is built for has its temporary files on a disk, unless somebody arranges for it.
func inMemory(*os.File) bool { return false }
