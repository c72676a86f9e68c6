package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

func openLocal(t *testing.T, cfg store.LocalConfig) store.Store {
	t.Helper()
	s, err := store.OpenLocal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// odd is a directory with one name of every kind.
func odd(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	err := errors.Join(os.WriteFile(at("file"), []byte("0123456789"), 0o600), os.Mkdir(at("dir"), 0o700),
		os.Symlink("file", at("link")), os.Symlink("dir", at("dirlink")), os.Symlink("none", at("dangling")), syscall.Mkfifo(at("pipe"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestOpen_TakesRegularFilesOnly(t *testing.T) {
	s := openLocal(t, store.LocalConfig{Root: odd(t), MustExist: true})
	seen := 0
	for e, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if e.Regular != (e.Name == "file") || e.Dir != (e.Name == "dir") {
			t.Errorf("%+v", e)
		}
		for _, listed := range []bool{e.Regular, true} { // and if it has become something else since
			e.Regular = listed
			for what, open := range map[string]func() (io.Closer, error){
				"Open":     func() (io.Closer, error) { return store.Open(t.Context(), s, e) },
				"OpenFile": func() (io.Closer, error) { return store.OpenFile(t.Context(), s, e) },
			} {
				f, err := open()
				if e.Name == "file" {
					if err != nil {
						t.Errorf("%s: %v", what, err)
						continue
					}
					f.Close()
				} else if typed := (*store.Error)(nil); !errors.Is(err, store.ErrNotRegular) || !errors.As(err, &typed) {
					t.Errorf("%s %s: %v", what, e.Name, err)
				}
			}
		}
	}
	if seen != 6 {
		t.Errorf("%d names", seen)
	}
	if _, err := store.Open(t.Context(), s, store.Entry{Name: "none", Regular: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// The bytes are those of the file that was opened, whatever becomes of its name.
func TestOpen_OutlivesTheName(t *testing.T) {
	root := odd(t)
	s := openLocal(t, store.LocalConfig{Root: root})
	f, err := store.Open(t.Context(), s, store.Entry{Name: "file", Size: 10, Regular: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(os.Remove(filepath.Join(root, "file")), os.WriteFile(filepath.Join(root, "file"), []byte("another___"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if _, err := f.ReadAt(p, 0); err != nil || string(p) != "0123456789" {
		t.Errorf("%q, %v", p, err)
	}
}

// A store that has no files of this machine: one is made for whoever needs it, and leaves nothing.
func TestOpenFile_CopiesWhatIsNotOnADisk(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	disk, data := storetest.NewMemFS(), bytes.Repeat([]byte("0123456"), 500_000)
	disk.Plant(t, "file", data)
	s := openLocal(t, store.LocalConfig{FS: disk})
	e, err := store.Stat(t.Context(), s, "file")
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenFile(t.Context(), s, e)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, int64(len(data))+1))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if names, err := os.ReadDir(temp); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	e.Size++ // it has become shorter
	if _, err := store.OpenFile(t.Context(), s, e); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("shorter: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.OpenFile(ctx, s, e); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestMustExist_CreatesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "none")
	var typed *store.Error
	if _, err := store.OpenLocal(store.LocalConfig{Root: root, MustExist: true}); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &typed) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(root, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenLocal(store.LocalConfig{Root: root, MustExist: true}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

func TestOpenPath_FollowsWhatItWasGiven(t *testing.T) {
	root := odd(t)
	for name, want := range map[string]string{"file": "0123456789", "link": "0123456789", "dir": "directory", "dirlink": "directory", "pipe": "pipe"} {
		s, base, err := store.OpenPath(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if want == "directory" {
			if base != "" {
				t.Errorf("%s: %q", name, base)
			}
			continue
		}
		e, err := store.Stat(t.Context(), s, base)
		if err != nil || e.Regular == (want == "pipe") || s.Path(base) != filepath.Join(root, name) {
			t.Errorf("%s: %+v, %v, %s", name, e, err, s.Path(base))
		}
		if want == "pipe" {
			if _, err := store.Open(t.Context(), s, e); !errors.Is(err, store.ErrNotRegular) {
				t.Errorf("pipe: %v", err)
			}
			continue
		}
		f, err := store.Open(t.Context(), s, e)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for what, in := range map[string]io.ReaderAt{"open": f, "reader": store.Reader(t.Context(), s, base)} {
			if text, err := io.ReadAll(io.NewSectionReader(in, 0, e.Size)); err != nil || string(text) != want {
				t.Errorf("%s, %s: %q, %v", name, what, text, err)
			}
		}
		if err := s.ReadAt(t.Context(), base, make([]byte, 11), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Hold(t.Context(), "x"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, none := range []string{"none", "dangling", "file/x"} {
		if _, _, err := store.OpenPath(filepath.Join(root, none)); err == nil {
			t.Errorf("%s was opened", none)
		}
	}
}

// shutFS refuses some names, which belong to a user.
type shutFS struct {
	*storetest.MemFS
	uid  int
	shut map[string]bool
}

type owned struct {
	fs.FileInfo
	uid int
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: uint32(o.uid)} }

func (s shutFS) Lstat(name string) (fs.FileInfo, error) {
	info, err := s.MemFS.Lstat(name)
	return owned{info, s.uid}, err
}

func (s shutFS) refuse(name string) error {
	if s.shut[name] {
		return &fs.PathError{Op: "open", Path: name, Err: syscall.EACCES}
	}
	return nil
}

func (s shutFS) Names(dir string) ([]string, error) {
	if err := s.refuse(dir); err != nil {
		return nil, err
	}
	return s.MemFS.Names(dir)
}

func (s shutFS) Open(name string) (store.Handle, error) {
	if err := s.refuse(name); err != nil {
		return nil, err
	}
	return s.MemFS.Open(name)
}

// What one name refuses is told with the name, and the others are listed all the same.
func TestList_GoesOnBehindWhatItCannotRead(t *testing.T) {
	for uid, withheld := range map[int]bool{os.Geteuid(): false, os.Geteuid() + 1: true} {
		disk := shutFS{storetest.NewMemFS(), uid, map[string]bool{"b": true, "c/file": true}}
		for _, d := range []string{"a", "b", "c"} {
			if err := disk.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
			disk.Plant(t, d+"/file", []byte("x"))
		}
		s := openLocal(t, store.LocalConfig{FS: disk})
		var names, bad []string
		for e, err := range s.List(t.Context(), "") {
			switch {
			case err == nil:
				names = append(names, e.Name)
			case errors.Is(err, fs.ErrPermission) && errors.Is(err, store.ErrWithheld) == withheld:
				bad = append(bad, e.Name)
			default:
				t.Errorf("%s: %v", e.Name, err)
			}
		}
		if !slices.Equal(names, []string{"a", "a/file", "b", "c", "c/file"}) || !slices.Equal(bad, []string{"b"}) {
			t.Errorf("%v, %v", names, bad)
		}
		_, err := store.Open(t.Context(), s, store.Entry{Name: "c/file", Size: 1, Regular: true})
		if !errors.Is(err, fs.ErrPermission) || errors.Is(err, store.ErrWithheld) != withheld {
			t.Errorf("open: %v", err)
		}
	}
}

// What is put aside for a while has no name, and is on a disk or nowhere.
func TestSpill(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	f, err := store.Spill()
	if err != nil && !strings.Contains(err.Error(), "in memory") { // the test's own directory may be
		t.Fatal(err)
	}
	if err == nil {
		defer func() { _ = f.Close() }()
		p := make([]byte, 3)
		if _, err := f.WriteAt([]byte("abc"), 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(p, 1<<20); err != nil || string(p) != "abc" {
			t.Errorf("%q, %v", p, err)
		}
		lost := (*store.Error)(nil) // and not an internal error
		if _, err := f.ReadAt(p, 1<<20+1); !errors.As(err, &lost) || !strings.HasPrefix(lost.Path, temp) || !strings.Contains(lost.Hint, "TMPDIR") {
			t.Errorf("beyond the end: %v", err)
		}
	}
	if names, err := os.ReadDir(temp); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
	t.Setenv("TMPDIR", filepath.Join(temp, "missing"))
	if f, err := store.Spill(); err == nil || f != nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("%v, %v", f, err)
	}
}
