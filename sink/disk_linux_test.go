package sink

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/store"
)

// unprivileged runs f in a directory of its own, as a user whom permissions bind.
func unprivileged(t *testing.T, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		f(dir)
		return
	}
	openWay(t, dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Of this thread only, which ends with the goroutine because it is not unlocked. Leaving uid 0
		// drops the rights over other people's files.
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
			t.Errorf("setfsuid: %v", errno)
			return
		}
		f(dir)
	}()
	<-done
}

func wantStorage(t *testing.T, err error) *store.Error {
	t.Helper()
	var s *store.Error
	if !errors.As(err, &s) {
		t.Errorf("got %T: %v", err, err)
		return &store.Error{}
	}
	if s.Hint == "" {
		t.Errorf("no hint in %v", err)
	}
	return s
}

func TestDisk_Unwritable(t *testing.T) {
	j := job{total: 4, group: 2}
	unprivileged(t, func(dir string) {
		out := filepath.Join(dir, "out")
		must := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		must(os.Mkdir(out, 0o500))
		if s := wantStorage(t, j.run(nil, out, nil)); !s.ReadOnly || s.Retryable() {
			t.Errorf("classed %+v", s)
		}
		must(os.Chmod(out, 0o700))
		must(os.Mkdir(filepath.Join(out, testPartition), 0o500))
		if s := wantStorage(t, j.run(nil, out, nil)); !s.ReadOnly {
			t.Errorf("classed %+v", s)
		}
		must(os.Chmod(filepath.Join(out, testPartition), 0o700))
		must(j.run(nil, out, nil))
		j.checkComplete(t, dirTree(out))
		// A complete run may be made read-only: running it again only looks.
		must(filepath.WalkDir(out, func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				err = os.Chmod(name, 0o500)
			}
			return err
		}))
		must(j.run(nil, out, nil))
		must(filepath.WalkDir(out, func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				err = os.Chmod(name, 0o700)
			}
			return err
		}))
	})
}

// A complete run can be looked at on a read-only mount.
func TestDisk_ReadOnlyMount(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 20, group: 10}
	if err := j.run(nil, dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Logf("this process may not mount; the lock tests of the store have the rule: %v", err)
		return
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := j.run(nil, dir, nil); err != nil {
		t.Error(err)
	}
	other := j
	other.config = func(c *Config) { c.Run = "otherrun" }
	if s := wantStorage(t, other.run(nil, dir, nil)); !s.ReadOnly {
		t.Errorf("classed %+v", s)
	}
}

func TestDisk_BadRoots(t *testing.T) {
	j := job{total: 4, group: 2}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for name, root := range map[string]string{
		"is a file":         file,
		"below a file":      filepath.Join(file, "out"),
		"parent is missing": filepath.Join(dir, "missing", "out"),
		"name too long":     filepath.Join(dir, strings.Repeat("x", 300)),
		"path too long":     filepath.Join(dir, strings.Repeat("x/", 2048)),
		"dangling link":     filepath.Join(dir, "dangling"),
	} {
		err := j.run(nil, root, nil)
		if s := new(store.Error); !errors.As(err, &s) {
			t.Errorf("%s: got %T: %v", name, err, err)
		}
	}
	_ = wantStorage(t, j.run(nil, file, nil))
	if err := j.run(nil, filepath.Join(dir, "missing", "out"), nil); !strings.Contains(err.Error(), "parent does not exist") {
		t.Errorf("no hint in %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDisk_RootMayBeALink(t *testing.T) {
	j := job{total: 4, group: 2}
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "out")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	finishDisk(t, j, link)
	j.checkComplete(t, dirTree(dir))
}

func finishDisk(t *testing.T, j job, root string) {
	t.Helper()
	if err := j.run(nil, root, nil); err != nil {
		t.Fatal(err)
	}
}

// Somebody who may write to the output plants links where our names go. None is followed, and
// nothing outside changes.
func TestDisk_PlantedLinks(t *testing.T) {
	j := job{total: 40, group: 10}
	run := filepath.Join(store.StateDir, testRun)
	for name, at := range map[string]string{
		"state":     store.StateDir,
		"run":       run,
		"staging":   filepath.Join(run, "staging"),
		"partition": testPartition,
	} {
		t.Run(name, func(t *testing.T) {
			out, outside := t.TempDir(), t.TempDir()
			plant(t, outside, filepath.Join(out, at))
			if s := wantStorage(t, j.run(nil, out, nil)); s.Path != filepath.Join(out, at) {
				t.Errorf("path %s", s.Path)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
				t.Errorf("left outside: %v, %v", left, err)
			}
		})
	}
	for name, at := range map[string]string{
		"data":     filepath.Join(filepath.FromSlash(partName(testRun, 0))),
		"manifest": filepath.Join(run, manifestName),
	} {
		t.Run(name, func(t *testing.T) {
			for _, target := range []string{"/nonexistent", "/etc/passwd", "self"} {
				out := t.TempDir()
				plant(t, target, filepath.Join(out, at))
				wantForeign(t, j.run(nil, out, nil), filepath.Base(at), "not a regular file")
				if got, err := os.Readlink(filepath.Join(out, at)); got != target || err != nil {
					t.Errorf("link is now %q, %v", got, err)
				}
			}
		})
	}
	t.Run("lock", func(t *testing.T) {
		out, outside := t.TempDir(), t.TempDir()
		plant(t, filepath.Join(outside, "x"), filepath.Join(out, run, "lock"))
		_ = wantStorage(t, j.run(nil, out, nil))
		if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
			t.Errorf("left outside: %v, %v", left, err)
		}
	})
	t.Run("at publication", func(t *testing.T) {
		out, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		o, err := j.open(nil, out)
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, o)
		mustFeed(t, j, o, 0, 10)
		plant(t, target, filepath.Join(out, partName(testRun, 0)))
		wantForeign(t, o.Finish(t.Context(), "x", 10, nil), "not a regular file")
		if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the link was followed: %v", err)
		}
	})
}

func plant(t *testing.T, target, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

// Opening a pipe for reading waits for a writer; recovery must not.
func TestDisk_PipesDoNotHang(t *testing.T) {
	j := job{total: 40, group: 10}
	for _, at := range []string{partName(testRun, 0), store.StateDir + "/" + testRun + "/" + manifestName} {
		out := t.TempDir()
		name := filepath.Join(out, at)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		wantForeign(t, j.run(nil, out, nil), "not a regular file")
	}
}

func TestDisk_PublishesByRenamingWithoutLinks(t *testing.T) {
	dir := t.TempDir()
	disk, err := store.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, disk)
	j := job{total: 40, group: 3, reject: 7}
	for range 2 {
		if err := j.run(noLinkFS{disk}, dir, nil); err != nil {
			t.Fatal(err)
		}
		j.checkComplete(t, dirTree(dir))
	}
}
