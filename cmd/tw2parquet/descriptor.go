package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links are followed, as by Linux.
const maxLinks = 40

// follow is the path that a name's symbolic links lead to, there or not, or else the descriptor of this process
// that they lead to; -1: none.
func follow(name string) (path string, fd int, err error) {
	path = name
	for range maxLinks {
		if fd := ownDescriptor(path); fd >= 0 {
			return path, fd, nil
		}
		if otherProcess(path) {
			return path, -1, nil // a link to what has no path
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, -1, nil
		}
		if err != nil {
			return "", -1, err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", -1, err
		}
		if !filepath.IsAbs(target) {
			// Not Join: it would take ".." for the parent in the text, which behind a link it is not.
			dir, _ := filepath.Split(path)
			target = dir + target
		}
		path = target
	}
	return "", -1, syscall.ELOOP
}

// numbered is the number at the end of a path below one of the directories, or -1.
func numbered(path string, dirs ...string) int {
	dir, base := filepath.Split(filepath.Clean(path))
	for _, d := range dirs {
		if strings.TrimSuffix(dir, "/") == d {
			var n int
			if _, err := fmt.Sscanf(base, "%d", &n); err == nil && n >= 0 && fmt.Sprint(n) == base {
				return n
			}
		}
	}
	return -1
}

// ownDescriptor is the descriptor of this process that a path names, or -1. It is not opened by that path: a
// regular file would be written from its beginning, and a socket cannot be opened.
func ownDescriptor(path string) int {
	switch filepath.Clean(path) {
	case "/dev/stdout":
		return 1
	case "/dev/stderr":
		return 2
	}
	return numbered(path, "/dev/fd", "/proc/self/fd", "/proc/thread-self/fd", fmt.Sprintf("/proc/%d/fd", os.Getpid()))
}

// otherProcess tells whether a path names a descriptor of another process, such as /proc/1/fd/1, the log
// of a container.
func otherProcess(path string) bool {
	parts := strings.Split(filepath.Clean(path), "/")
	return len(parts) == 5 && parts[0] == "" && parts[1] == "proc" && parts[3] == "fd"
}

// inherited is a descriptor that this process was started with, if it can be written.
func inherited(fd int, name string) (*os.File, error) {
	// What this process has opened itself (the runtime too) is closed on exec; what it was given is not.
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
		return nil, fmt.Errorf("descriptor %d is not open", fd)
	}
	mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	if mode&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, fmt.Errorf("descriptor %d is open for reading only", fd)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(own), name), nil
}
