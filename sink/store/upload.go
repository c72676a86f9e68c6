package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
)

// localUpload is a file in the staging directory.
type localUpload struct {
	hold   *localHold
	staged string
	name   string
	file   Handle
	buf    *bufio.Writer
	size   int64
	sealed bool
	done   bool  // committed
	err    error // the first one; the file is lost then
}

var (
	errDiscarded = errors.New("the upload was given up")
	errSealed    = errors.New("the upload is sealed")
)

// stage opens a new staged file. Its mode is the published file's, so that the umask applies as it
// does to any file; until then the directory's mode protects it.
func (h *localHold) stage(name string, access Access) (*localUpload, error) {
	staged := path.Join(h.staging(), fmt.Sprintf("%s%s-%d%s", h.own(), h.attempt, h.count.Add(1), stagingSuffix))
	f, err := h.fs.Create(staged, access.mode())
	if err != nil {
		return nil, wrap("create", h.Path(staged), err)
	}
	u := &localUpload{hold: h, staged: staged, name: name, file: f}
	u.buf = bufio.NewWriterSize(f, 128<<10) // larger pages go straight through
	return u, nil
}

func (u *localUpload) Write(p []byte) (int, error) {
	switch {
	case u.err != nil:
		return 0, u.err
	case u.sealed:
		return 0, errSealed
	}
	n, err := u.buf.Write(p)
	u.size += int64(n)
	return n, u.fail("write", err)
}

// Seal makes the file ready to be published: complete, read-only, durable and closed.
func (u *localUpload) Seal(context.Context) error {
	if u.err != nil || u.sealed {
		return u.err
	}
	if err := u.fail("write", u.buf.Flush()); err != nil {
		return err
	}
	// A full disk or a quota can cut a file short on file systems that answer late. Parquet's footer
	// is at its end, so this is the moment to notice.
	info, err := u.file.Stat()
	if err == nil && info.Size() != u.size {
		err = fmt.Errorf("%d bytes were written, the file has %d", u.size, info.Size())
	}
	if err := u.fail("check the size of", err); err != nil {
		return err
	}
	// What is published never changes. Before the sync, so that the mode is as durable as the bytes.
	err = u.file.Chmod(info.Mode().Perm() &^ 0o222)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system without modes
	}
	if err := u.fail("make read-only", err); err != nil {
		return err
	}
	// Bytes before the name: a name that survives a power cut must not find an empty file. If this
	// fails the kernel may already have dropped the bytes and marked them clean, so that a second
	// sync would succeed without them: the file is given up, never synced again.
	if err := u.fail("sync", u.file.Sync()); err != nil {
		return err
	}
	// Some network file systems report a failed write only here.
	if err := u.fail("close", u.closeFile()); err != nil {
		return err
	}
	u.sealed = true
	return nil
}

// Commit gives the finished file its name.
func (u *localUpload) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := u.Seal(ctx); err != nil {
		return err
	}
	h := u.hold
	// One step that makes the whole file visible and never replaces: a link, because it fails on a
	// name that is taken on every POSIX file system. A plain rename would silently replace what
	// another runner published. No cancellation from here on: the steps take milliseconds, and
	// stopping between them would only leave the question whether the file is there.
	err := h.give(u.staged, u.name)
	if taken := errors.Is(err, fs.ErrExist); err != nil && !taken {
		return wrap("publish", h.Path(u.name), err)
	}
	// The name is only in memory yet, ours or the one that was there before. Whoever builds on it (the
	// next file, the manifest, a deleted source) must not outlive it.
	if serr := h.syncDir(path.Dir(u.name)); serr != nil {
		return serr
	}
	if err != nil {
		return wrap("publish", h.Path(u.name), err)
	}
	u.done = true
	if h.rename.Load() {
		return nil
	}
	// The file is published, so nothing below can fail the publication: a staged name that stays is
	// removed by the next start. The directory is synced so that a power cut does not bring it back.
	err = h.fs.Remove(u.staged)
	if err == nil {
		err = h.fs.SyncDir(path.Dir(u.staged))
	}
	if err != nil {
		h.log.Warn("a staged file could not be removed; the next start tries again", "file", u.staged, "error", Cause(err))
	}
	return nil
}

func (u *localUpload) closeFile() error {
	f := u.file
	u.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// Discard gives the file up. Its failure is not worth an error: the next start removes the name.
func (u *localUpload) Discard() {
	if u.done {
		return
	}
	if u.err == nil {
		u.err = errDiscarded
	}
	_ = u.closeFile()              // nobody wants these bytes
	_ = u.hold.fs.Remove(u.staged) // the next start tries again
}

func (u *localUpload) fail(op string, err error) error {
	if err != nil {
		u.err = wrap(op, u.hold.Path(u.staged), err)
		return u.err
	}
	return nil
}
