package sink

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// staging makes the files that nobody sees yet. It lies in the output, because a file can be given
// another name only within its file system, and outside the data directories, because readers open
// whatever lies in those.
type staging struct {
	fs      FS
	layout  layout
	attempt string // tells the files of this start from those of any other
	count   int
}

func newStaging(fsys FS, l layout) *staging {
	var id [4]byte
	rand.Read(id[:]) // never fails
	return &staging{fs: fsys, layout: l, attempt: hex.EncodeToString(id[:])}
}

// create opens a new staged file. Its mode is the published file's, so that the umask applies as it
// does to any file; until then the directory's mode protects it.
func (s *staging) create(label string, perm fs.FileMode) (*stagedFile, error) {
	s.count++
	name := path.Join(s.layout.stagingDir(), fmt.Sprintf("%s%s-%s-%d%s", s.layout.stagingPrefix(), label, s.attempt, s.count, stagingSuffix))
	f, err := s.fs.Create(name, perm)
	if err != nil {
		return nil, storageError("create", s.layout.path(name), err)
	}
	t := &stagedFile{fs: s.fs, layout: s.layout, name: name, file: f, hash: sha256.New()}
	t.buf = bufio.NewWriterSize(f, 128<<10) // larger pages go straight through
	return t, nil
}

// clear removes what a dead start of this run left. It needs the run's lock: only then is nobody
// writing them.
func (s *staging) clear() (removed int, err error) {
	names, err := s.fs.Names(s.layout.stagingDir())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, storageError("list", s.layout.path(s.layout.stagingDir()), err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, s.layout.stagingPrefix()) || !strings.HasSuffix(name, stagingSuffix) {
			continue
		}
		full := path.Join(s.layout.stagingDir(), name)
		if err := s.fs.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, storageError("remove", s.layout.path(full), err)
		}
		removed++
	}
	return removed, nil
}

// stagedFile is a file on its way. It has seal and discard and no Close, so that no layer that
// closes what it was given can turn half a file into a whole one.
type stagedFile struct {
	fs     FS
	layout layout
	name   string
	file   Handle
	buf    *bufio.Writer
	hash   hash.Hash
	size   int64
	err    error // the first one; the file is lost then
}

// Write appends, and hashes what it appends: the checksum then is that of what was meant, not of
// what a disk made of it, and costs no second reading.
func (t *stagedFile) Write(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.buf.Write(p)
	t.hash.Write(p[:n])
	t.size += int64(n)
	return n, t.fail("write", err)
}

// sum is the SHA-256, in hex, of everything written so far.
func (t *stagedFile) sum() string { return hex.EncodeToString(t.hash.Sum(nil)) }

// seal makes the file ready to be published: complete, read-only, durable and closed.
func (t *stagedFile) seal() error {
	if t.err != nil {
		return t.err
	}
	if err := t.fail("write", t.buf.Flush()); err != nil {
		return err
	}
	// A full disk or a quota can cut a file short on file systems that answer late. Parquet's footer
	// is at its end, so this is the moment to notice.
	info, err := t.file.Stat()
	if err == nil && info.Size() != t.size {
		err = fmt.Errorf("%d bytes were written, the file has %d", t.size, info.Size())
	}
	if err := t.fail("check the size of", err); err != nil {
		return err
	}
	// What is published never changes. Before the sync, so that the mode is as durable as the bytes.
	err = t.file.Chmod(info.Mode().Perm() &^ 0o222)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system without modes
	}
	if err := t.fail("make read-only", err); err != nil {
		return err
	}
	// Bytes before the name: a name that survives a power cut must not find an empty file. If this
	// fails the kernel may already have dropped the bytes and marked them clean, so that a second
	// sync would succeed without them: the file is given up, never synced again.
	if err := t.fail("sync", t.file.Sync()); err != nil {
		return err
	}
	// Some network file systems report a failed write only here.
	return t.fail("close", t.close())
}

func (t *stagedFile) close() error {
	f := t.file
	t.file = nil
	if f == nil {
		return nil
	}
	return f.Close()
}

// discard gives the file up. Its failure is not worth an error: the next start removes the name.
func (t *stagedFile) discard() {
	if t.err == nil {
		t.err = errDiscarded
	}
	_ = t.close()           // nobody wants these bytes
	_ = t.fs.Remove(t.name) // the next start tries again
}

func (t *stagedFile) fail(op string, err error) error {
	if err != nil {
		t.err = storageError(op, t.layout.path(t.name), err)
		return t.err
	}
	return nil
}
