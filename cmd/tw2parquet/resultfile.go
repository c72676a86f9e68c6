package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tw2parquet/sink/store"
)

// resultFile is what --result-file names, looked at before any work and never replaced unless it is a regular
// file, or nothing yet. What its symbolic links lead to is meant, and the links stay.
//
//   - A regular file is replaced by a whole one, so that a reader sees the old content or the new. Where a rename
//     cannot work (a mount point, another user's file in a sticky directory, a directory that is read-only) it is
//     written in place.
//   - Pipes, devices, terminals and descriptors are written to. They are held open from the start: what reads a
//     pipe would see its end otherwise.
//   - What is our own standard output or error is written through the same redactor as everything that goes there.
type resultFile struct {
	name    string // as it was given
	path    string // of the regular file, or of the one to be
	replace bool   // else in place
	held    *os.File
	own     io.Writer // our standard output or error
}

// ownStream is our standard output or error, and the way to write to it.
type ownStream struct {
	file *os.File
	w    io.Writer
}

// patience is how long a pipe may be without a reader at the start, or with one that does not read at the end. A
// script starts both ends at about the same time.
const patience = 5 * time.Second

type resultFileError struct{ err error }

func (e *resultFileError) Error() string { return e.err.Error() }
func (e *resultFileError) Unwrap() error { return e.err }

// openResultFile finds out what is there and whether it can be written. own are the streams that the name may lead
// to. An error is a *resultFileError, and nothing was changed.
func openResultFile(ctx context.Context, name string, own []ownStream) (*resultFile, error) {
	return openFileOf(ctx, "result-file", name, own)
}

// openFileOf is openResultFile for the file that another flag names.
func openFileOf(ctx context.Context, flag, name string, own []ownStream) (*resultFile, error) {
	r := &resultFile{name: name}
	if err := r.find(ctx, own); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &resultFileError{fmt.Errorf("--%s %s cannot be written: %w", flag, name, store.Cause(err))}
	}
	return r, nil
}

func (r *resultFile) find(ctx context.Context, own []ownStream) error {
	// The kernel follows the links first: it refuses those that another user planted in a sticky directory.
	info, err := os.Stat(r.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, o := range own {
		if theirs, serr := o.file.Stat(); err == nil && serr == nil && os.SameFile(info, theirs) {
			r.own = o.w
			return nil
		}
	}
	path, fd, ferr := follow(r.name)
	switch {
	case ferr != nil:
		return ferr
	case fd >= 0:
		r.held, err = inherited(fd, r.name)
		return err
	case err != nil:
		r.path, r.replace = path, true
		return stageable(path)
	}
	r.path = path
	switch mode := info.Mode(); {
	case mode.IsDir():
		return errors.New("it is a directory")
	case mode&fs.ModeSocket != 0:
		return errors.New("it is a socket")
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		return errors.New("it is a block device")
	case mode&fs.ModeNamedPipe != 0:
		r.held, err = openPipe(ctx, path, patience)
	case mode&fs.ModeCharDevice != 0:
		r.held, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	case otherProcess(path):
		r.held, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	default:
		err = r.regular(info)
	}
	return err
}

// regular finds out how a regular file can be written: to be whole at any time, or in place.
func (r *resultFile) regular(info fs.FileInfo) error {
	staged := stageable(r.path)
	f, err := os.OpenFile(r.path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err == nil {
		err = f.Close()
	}
	// EPERM is that of a file which nobody may change or rename over, whatever its mode says.
	r.replace = staged == nil && !errors.Is(err, syscall.EPERM) && replaceable(r.path, info)
	if r.replace {
		return nil
	}
	return err
}

// openPipe opens a named pipe for writing, once there is a reader.
func openPipe(ctx context.Context, path string, patience time.Duration) (*os.File, error) {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
		if !errors.Is(err, syscall.ENXIO) {
			return f, err
		}
		select {
		case <-again.C:
		case <-enough.C:
			return nil, fmt.Errorf("it is a pipe that nobody opened for reading within %v", patience)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// write stores a result; called again it replaces it, or in a stream follows it.
func (r *resultFile) write(content []byte) error {
	switch {
	case r.own != nil:
		return unlessLeft(r.own.Write(content))
	case r.held != nil:
		_ = r.held.SetWriteDeadline(time.Now().Add(patience)) // of a pipe; others have none
		return unlessLeft(r.held.Write(content))
	case r.replace:
		err := replaceFile(r.path, content)
		if !refused(err) {
			return err
		}
		// The directory, or what was mounted there, is not what it was at the start.
		if overwriteFile(r.path, content) == nil {
			return nil
		}
		return err
	}
	return overwriteFile(r.path, content)
}

// unlessLeft is the error of a write, unless the reader stopped reading, as with standard output.
func unlessLeft(_ int, err error) error {
	if readerLeft(err) {
		return nil
	}
	return err
}

// Close releases what is held; nothing can be lost by it.
func (r *resultFile) Close() error {
	if r.held == nil {
		return nil
	}
	return r.held.Close()
}

// refused tells whether a file cannot be replaced where it may still be possible to write it.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EXDEV)
}

const stagedPattern = ".tw2parquet-result-*"

// stageable tells whether a file can be made beside another.
func stageable(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), stagedPattern)
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// replaceable tells whether a file that is there can be renamed over, as far as this can be known before.
func replaceable(path string, info fs.FileInfo) bool {
	if mountPoint(path) {
		return false
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	me := uint32(os.Geteuid())
	return dir.Mode()&fs.ModeSticky == 0 || me == 0 || owner(info) == me || owner(dir) == me
}

func owner(info fs.FileInfo) uint32 {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return sys.Uid
	}
	return 0
}

// replaceFile writes a file so that a reader sees the old content or the new, never a part. Airflow
// reads it as another user, hence the mode.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), stagedPattern)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already, unless something failed
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// overwriteFile writes a file that must stay the one it is. It is never made here: that would be
// refused for another user's file in a sticky directory.
func overwriteFile(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // not every file system can
		f.Close()
		return err
	}
	return f.Close()
}
