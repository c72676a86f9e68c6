//go:build unix

package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FS is all this package does to a disk, so that tests can fail or freeze it at any operation.
// Names are slash-separated and relative to the output's root, "." is the root. No implementation
// follows a symbolic link out of the root.
type FS interface {
	// Create opens a new file for writing; fs.ErrExist if the name is taken, by a symbolic link too.
	Create(name string, perm fs.FileMode) (Handle, error)
	// Open opens a file for reading. It does not wait for a writer, should the file be a pipe.
	Open(name string) (Handle, error)
	// Mkdir creates one directory; fs.ErrExist if the name is taken.
	Mkdir(name string, perm fs.FileMode) error
	// Link gives the file oldname a second name; fs.ErrExist if newname is taken, whatever it is.
	Link(oldname, newname string) error
	// Rename moves a file; fs.ErrExist if newname is taken. It never replaces.
	Rename(oldname, newname string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// Names lists a directory, in no order.
	Names(dir string) ([]string, error)
	// Lstat describes name itself, not what a symbolic link points at.
	Lstat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes the exclusive lock of a file, which it creates if need be, without waiting:
	// ErrHeld if it is held. Closing frees it, and so does the death of the process.
	Lock(name string) (io.Closer, error)
}

// Handle is an open file of an FS. *os.File is one.
type Handle interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Chmod(fs.FileMode) error
	// Sync makes the bytes durable. An error is final: what was not written then never will be,
	// though a second Sync may claim success.
	Sync() error
}

// Disk is the operating system's. os.Root keeps every access below the root, whatever symbolic
// links somebody plants there.
type Disk struct {
	root    *os.Root
	created bool                    // the root directory is ours
	flock   func(fd, how int) error // flock(2), or another file system's in a test

	// writeBack begins to put so many bytes of a file, from one on, on the disk.
	writeBack func(f *os.File, from, n int64) error
}

// OpenDisk opens, and if need be creates, the root directory. Its parent must exist: a missing one
// is more often a disk that is not mounted than a wish.
func OpenDisk(path string) (*Disk, error) {
	err := os.Mkdir(path, dirMode)
	created := err == nil
	switch {
	case errors.Is(err, fs.ErrExist):
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Op: "create directory", Path: path, Err: err, Hint: "its parent does not exist; create it, or mount what belongs there"}
	case err != nil:
		// A root that exists needs no right to create it: opening it decides.
		if _, serr := os.Stat(path); serr != nil {
			return nil, wrap("create directory", path, err)
		}
	}
	disk, err := openDisk(path)
	if err != nil {
		return nil, err
	}
	disk.created = created
	return disk, nil
}

// openDisk opens a root directory that is there.
func openDisk(path string) (*Disk, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		if info, serr := os.Stat(path); serr == nil && !info.IsDir() {
			err = syscall.ENOTDIR // os has an error of its own for this
		}
		return nil, wrap("open directory", path, err)
	}
	return &Disk{root: root, flock: syscall.Flock, writeBack: writeBack}, nil
}

func (d *Disk) Create(name string, perm fs.FileMode) (Handle, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return &newFile{File: f, writeBack: d.writeBack}, nil
}

// newFile is a file that is being written. Its bytes are on their way to the disk long before they are synced: else
// everything waits for all of them in the end, for seconds on a slow disk.
type newFile struct {
	*os.File
	writeBack   func(f *os.File, from, n int64) error
	size, begun int64
}

// writeBackBytes is how much is written before the disk is told: many of its own largest requests.
const writeBackBytes = 8 << 20

func (f *newFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.size += int64(n)
	if waits := f.size - f.begun; err == nil && waits >= writeBackBytes {
		err = f.writeBack(f.File, f.begun, waits)
		f.begun = f.size
	}
	return n, err
}

func (d *Disk) Open(name string) (Handle, error) {
	return handle(d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// handle avoids the interface that holds a nil pointer.
func handle(f *os.File, err error) (Handle, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *Disk) Mkdir(name string, perm fs.FileMode) error { return d.root.Mkdir(name, perm) }
func (d *Disk) Link(oldname, newname string) error        { return d.root.Link(oldname, newname) }
func (d *Disk) Remove(name string) error                  { return d.root.Remove(name) }
func (d *Disk) Lstat(name string) (fs.FileInfo, error)    { return d.root.Lstat(name) }
func (d *Disk) Close() error                              { return d.root.Close() }

func (d *Disk) SyncDir(dir string) error {
	if dir == "." {
		// The root's own name has to last as well. A root that was there before may lie in a directory
		// that we cannot read.
		parent := filepath.Dir(filepath.Clean(d.root.Name()))
		if err := syncDisk(os.Open(parent)); err != nil && d.created {
			return err
		}
	}
	return syncDisk(d.root.Open(dir))
}

func (d *Disk) Rename(oldname, newname string) error {
	from, err := d.root.Open(filepath.Dir(oldname))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := d.root.Open(filepath.Dir(newname))
	if err != nil {
		return err
	}
	defer to.Close()
	return renameNoReplace(from, filepath.Base(oldname), to, filepath.Base(newname))
}

func (d *Disk) Names(dir string) ([]string, error) {
	f, err := d.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// syncDisk syncs and closes a directory. File systems that cannot sync directories say so with
// EINVAL or ENOTSUP; there is nothing more to be had from them.
func syncDisk(f *os.File, err error) error {
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
