package main

import "golang.org/x/sys/unix"

// keepPrivate keeps the token, and documents, out of core files, whatever makes the process dump one,
// and its memory and environment away from other processes of the same user. Where the kernel
// refuses, the process runs anyway: nothing depends on it.
func keepPrivate() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
