//go:build !linux

package store

import "os"

// writeBack does nothing: the kernel begins when it likes.
func writeBack(*os.File, int64, int64) error { return nil }
