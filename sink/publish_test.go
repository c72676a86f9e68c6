package sink

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// linkFS runs before a data file is linked, as another runner would.
type linkFS struct {
	*storetest.MemFS
	before func(newname string)
	after  func(newname string) error
}

func (l linkFS) Link(oldname, newname string) error {
	data := strings.HasSuffix(newname, ".parquet")
	if data && l.before != nil {
		l.before(newname)
	}
	err := l.MemFS.Link(oldname, newname)
	if data && l.after != nil && err == nil {
		return l.after(newname)
	}
	return err
}

// publishOver tries to publish results 20 to 23 as file 2 on a disk where somebody puts a file of
// that name just before.
func publishOver(t *testing.T, j job, data []byte) (*storetest.MemFS, *Output, error) {
	t.Helper()
	disk := half(t, j)
	o := mustOpen(t, j, linkFS{MemFS: disk, before: func(name string) { disk.Plant(t, name, data) }})
	mustFeed(t, j, o, 20, 24)
	return disk, o, o.Finish(t.Context(), "end", 24, nil)
}

func TestPublish_NeverReplaces(t *testing.T) {
	j := job{total: 40, group: 10}
	twin := build(t, j, func(map[string]string) {})
	shorter := build(t, j, func(kv map[string]string) { kv[footerPrefix+keyToOffset] = "elsewhere" })
	other := build(t, j, func(kv map[string]string) { kv[footerPrefix+keyRun] = "other" })
	for name, c := range map[string]struct {
		data  []byte
		check func(error) bool
	}{
		"a stranger's file":                  {[]byte("hello"), func(err error) bool { return errors.Is(err, ErrForeign) }},
		"a file of another run":              {other, func(err error) bool { return errors.Is(err, ErrForeign) }},
		"our twin's, cut earlier":            {shorter, func(err error) bool { return errors.Is(err, ErrLocked) }},
		"our twin's, without the same notes": {twin, func(err error) bool { return errors.Is(err, ErrLocked) }},
	} {
		t.Run(name, func(t *testing.T) {
			disk, o, err := publishOver(t, j, c.data)
			if !c.check(err) || !strings.Contains(err.Error(), "00002.parquet") {
				t.Fatalf("got %v", err)
			}
			if !bytes.Equal(disk.Files()[partName(testRun, 2)], c.data) {
				t.Fatal("the file was touched")
			}
			if len(o.Files()) != 2 {
				t.Fatal("counted as published")
			}
			if err := o.Rewind(context.Background()); !errors.Is(err, errPublishUnclear) {
				t.Fatalf("went on after a publication of unknown end: %v", err)
			}
		})
	}
}

// A file server may carry out a link, lose the answer, and refuse the repetition.
func TestPublish_AdoptsItsOwnFileAfterALostAnswer(t *testing.T) {
	j := job{total: 40, group: 10}
	disk := half(t, j)
	o := mustOpen(t, j, linkFS{MemFS: disk, after: func(name string) error {
		return &fs.PathError{Op: "link", Path: name, Err: syscall.EEXIST}
	}})
	mustFeed(t, j, o, 20, 24)
	if err := o.Finish(t.Context(), "end", 24, nil); err != nil {
		t.Fatal(err)
	}
	if offset, next := o.Position(); offset != "end" || next != 24 {
		t.Fatal(offset, next)
	}
	j.checkPrefix(t, disk.Crash(testRand(), 0), 24)
}

// Rejects of an attempt that died before its data file was published hinder nobody.
func TestPublish_RejectsOfADeadAttempt(t *testing.T) {
	j := job{total: 40, group: 10, reject: 2}
	disk := half(t, j)
	dead := store.StateDir + "/" + testRun + "/rejects-00002-0123abcd.raw"
	disk.Plant(t, dead, []byte("dead"))
	finish(t, j, disk)
	if disk.Files()[dead] != nil {
		t.Error("they are still there")
	}
}

// Published files cannot be written, by their owner either.
func TestPublish_MakesFilesReadOnly(t *testing.T) {
	j := job{total: 20, group: 10, reject: 3}
	disk := storetest.NewMemFS()
	finish(t, j, disk)
	for name := range disk.Files() {
		info, err := disk.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if writable := info.Mode()&0o222 != 0; writable != strings.HasSuffix(name, "/lock") {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestJournal_PutsOnce(t *testing.T) {
	j := job{total: 1, group: 1}
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	ctx := t.Context()
	if _, err := o.Journal().Get(ctx, "intent-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("get of nothing: %v", err)
	}
	for name, data := range map[string]string{"intent-2": "two", "intent-1": "one", "task.json": ""} {
		if err := o.Journal().Put(ctx, name, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if err := o.Journal().Put(ctx, name, []byte("again")); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("put over %s: %v", name, err)
		}
		// Durable when Put returns.
		if got := disk.Crash(testRand(), 0).Files()[store.StateDir+"/"+testRun+"/"+name]; string(got) != data {
			t.Fatalf("after a power cut %s is %q", name, got)
		}
		if got, err := o.Journal().Get(ctx, name); string(got) != data || err != nil {
			t.Fatalf("get %s: %q, %v", name, got, err)
		}
	}
	names, err := o.Journal().List(ctx, "intent-")
	if err != nil || strings.Join(names, " ") != "intent-1 intent-2" {
		t.Fatalf("list: %q, %v", names, err)
	}
	if names, err = o.Journal().List(ctx, ""); err != nil || len(names) != 3 {
		t.Fatalf("list of everything: %q, %v", names, err)
	}
	for _, bad := range []string{"", "../x", "a/b", "lock", "manifest.json", "staging", "rejects-00000.raw", "A", ".x", "a\n", strings.Repeat("a", 101)} {
		if err := o.Journal().Put(ctx, bad, nil); !errors.Is(err, ErrMisuse) {
			t.Errorf("put %q: %v", bad, err)
		}
		if _, err := o.Journal().Get(ctx, bad); !errors.Is(err, ErrMisuse) {
			t.Errorf("get %q: %v", bad, err)
		}
	}
	if err := o.Journal().Put(ctx, "big", make([]byte, maxJournalBytes+1)); !errors.Is(err, ErrMisuse) {
		t.Errorf("put of too much: %v", err)
	}
}
