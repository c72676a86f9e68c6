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

// Lock takes the flock of a file.
//
// flock, and no file with a process id: it is freed the moment its holder dies, however it dies. On
// NFS and SMB Linux turns it into a byte-range lock on the server, which excludes other machines too;
// where locks are local only (mount option local_lock=flock, some FUSE file systems) runners on different
// machines do not see each other, and only the no-replace publication stands between them. A file
// system that grants the lock twice on one machine is refused.
func (d *Disk) Lock(name string) (io.Closer, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, privateMode)
	if err == nil {
		return d.hold(f, name, os.O_RDWR)
	}
	// A finished output that was made read-only can still be looked at.
	readOnly := errors.Is(err, syscall.EROFS)
	if readOnly || errors.Is(err, fs.ErrPermission) {
		if f, rerr := d.root.Open(name); rerr == nil {
			if readOnly {
				return d.share(f, name)
			}
			return d.hold(f, name, os.O_RDONLY)
		}
	}
	return nil, err
}

// hold locks f, which it closes on error, and tries whether that holds anybody. The probe is opened as
// f was: NFS wants a descriptor that can write for an exclusive lock, and answers EBADF to others.
func (d *Disk) hold(f *os.File, name string, flags int) (io.Closer, error) {
	if err := d.lock(f, syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, d.lockError(name, err)
	}
	probe, err := d.root.OpenFile(name, flags, 0)
	if err != nil {
		f.Close()
		return nil, err
	}
	defer probe.Close()
	switch err := d.lock(probe, syscall.LOCK_EX); {
	case held(err):
		return f, nil
	case err == nil:
		f.Close()
		return nil, &Error{Op: "lock", Path: d.path(name), Err: errors.New("granted twice"),
			Hint: "the file system does not honour locks (flock); choose another output"}
	default:
		f.Close()
		return nil, d.lockError(name, err)
	}
}

// share locks f, which it closes on error, against writers on other mounts. Through this one nobody can
// write, so those who look need not keep each other out, and NFS gives them no exclusive lock.
func (d *Disk) share(f *os.File, name string) (io.Closer, error) {
	if err := d.lock(f, syscall.LOCK_SH); err != nil {
		f.Close()
		return nil, d.lockError(name, err)
	}
	return f, nil
}

func (d *Disk) lock(f *os.File, how int) error {
	for {
		err := d.flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// held tells whether somebody else has the lock. SMB says so with EACCES, as fcntl may.
func held(err error) bool {
	return errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EACCES)
}

// lockError passes on what the file system answered, with what to do about the answers that are known.
func (d *Disk) lockError(name string, err error) error {
	if held(err) {
		return ErrHeld
	}
	e := &Error{Op: "lock", Path: d.path(name), Err: err}
	switch {
	case errors.Is(err, syscall.ENOLCK):
		e.Hint = "the file server grants no lock; start its lock service (NFS 3: rpc.statd), or choose another output"
	case errors.Is(err, syscall.EBADF):
		e.Hint = "the file system locks only what can be written, as NFS does; let this user write the file, or choose another output"
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EINVAL):
		e.Hint = "the file system has no locks (flock); choose another output"
	default:
		return wrap("lock", d.path(name), err)
	}
	return e
}

// path is what a person would look for.
func (d *Disk) path(name string) string {
	return filepath.Join(d.root.Name(), filepath.FromSlash(name))
}
