package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// makeDirs creates the run's directories and makes their names durable, and those of everything
// found in them: an earlier start may have died between creating a name and syncing it, and what is
// built on that name must not outlive it.
func (o *Output) makeDirs() error {
	for _, dir := range o.layout.dirs() {
		mode := fs.FileMode(dirMode)
		if dir == o.layout.stagingDir() {
			mode = privateDirMode
		}
		if err := makeDir(o.fs, o.layout, dir, mode); err != nil {
			return err
		}
	}
	synced := map[string]bool{}
	for _, dir := range append([]string{"."}, o.layout.dirs()...) {
		if synced[dir] {
			continue
		}
		synced[dir] = true
		if err := o.fs.SyncDir(dir); err != nil {
			return storageError("sync directory", o.layout.path(dir), err)
		}
	}
	return nil
}

// dirs are the directories of a run, parents first.
func (l layout) dirs() []string {
	dirs := []string{stateDir, l.runDir(), l.stagingDir()}
	if l.partition != "." {
		dir := ""
		for part := range strings.SplitSeq(l.partition, "/") {
			dir = path.Join(dir, part)
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// makeDir creates a directory unless it is there. A symbolic link is not: what it points at may
// change, or lie on another file system.
func makeDir(fsys FS, l layout, dir string, mode fs.FileMode) error {
	info, err := fsys.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fsys.Mkdir(dir, mode)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) { // another run made it meanwhile
			info, err = fsys.Lstat(dir)
		}
	}
	if err != nil {
		return storageError("create directory", l.path(dir), err)
	}
	if !info.IsDir() {
		return &StorageError{Op: "create directory", Path: l.path(dir), Err: errors.New("the name is taken"),
			Hint: "a file or a symbolic link stands where a directory of the output belongs"}
	}
	return nil
}

// preflight does to a probe what will be done to the data, before anything is bought for it: write,
// sync, publish beside the data, and fail to publish a second time.
func (o *Output) preflight() error {
	name := path.Join(o.layout.partition, o.layout.probePrefix()+o.staging.attempt)
	err := o.probe(name)
	if noLinks(err) {
		o.local.rename = true
		err = o.probe(name)
		// Linux says EINVAL where a file system cannot rename without replacing.
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
			return &StorageError{Op: "publish", Path: o.layout.path(name), Err: cause(err),
				Hint: "the file system can neither link nor rename without replacing; choose another output"}
		}
	}
	if err != nil {
		return fmt.Errorf("the output cannot be written: %w", err)
	}
	return nil
}

func (o *Output) probe(name string) error {
	for second := range 2 {
		t, err := o.staging.create("probe", privateMode)
		if err != nil {
			return err
		}
		if _, err := t.Write(make([]byte, 4096)); err != nil {
			t.discard()
			return err
		}
		if err := t.seal(); err != nil {
			t.discard()
			return err
		}
		err = o.local.name(t.name, name)
		t.discard()
		switch {
		case second == 0 && err != nil:
			return storageError("publish", o.layout.path(name), err)
		case second == 1 && err == nil:
			return &StorageError{Op: "publish", Path: o.layout.path(name), Err: errors.New("a file was replaced"),
				Hint: "the file system does not keep existing names; choose another output"}
		case second == 1 && !errors.Is(err, fs.ErrExist):
			return storageError("publish", o.layout.path(name), err)
		}
	}
	if err := o.fs.Remove(name); err != nil {
		return storageError("remove", o.layout.path(name), err)
	}
	// Also so that a power cut cannot bring the probe back beside the data of a complete run.
	return storageError("sync directory", o.layout.path(o.layout.partition), o.fs.SyncDir(o.layout.partition))
}
