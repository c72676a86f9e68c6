package store

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockFile takes the flock of f and returns f as its holder; f is closed on error.
//
// flock, and no file with a process id: it is freed the moment its holder dies, however it dies. On
// NFS Linux turns it into a byte-range lock on the server, which excludes other machines too; where
// locks are local only (mount option local_lock=flock, some FUSE file systems) runners on different
// machines do not see each other, and only the no-replace publication stands between them. A file
// system that grants the lock twice on one machine is refused.
func lockFile(f *os.File, root *os.Root, name string) (io.Closer, error) {
	if err := flock(f); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrHeld
		}
		return nil, &Error{Op: "lock", Path: f.Name(), Err: err, Hint: "the file system supports no locks (flock); choose another output"}
	}
	probe, err := root.Open(name)
	if err != nil {
		f.Close()
		return nil, err
	}
	defer probe.Close()
	if err := flock(probe); !errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, &Error{Op: "lock", Path: f.Name(), Err: errors.New("granted twice"), Hint: "the file system does not honour locks (flock); choose another output"}
	}
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
