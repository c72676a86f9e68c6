//go:build unix

package dataset

import "syscall"

// noFollow makes opening a symbolic link fail.
const noFollow = syscall.O_NOFOLLOW

// nonBlock makes opening a pipe return at once.
const nonBlock = syscall.O_NONBLOCK
