package sink

import (
	"context"
	"errors"
	"path"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// Dropping dies at any request, and goes on: what is left is what an uninterrupted drop leaves, nothing of other runs is
// touched, and on the way the run is complete, is being dropped, or is gone.
func TestDrop_DiesAnywhere(t *testing.T) {
	const note = "{\"run\":\"abc\"}\n"
	fill := func() *storetest.Memory {
		m := storetest.NewMemory()
		for _, name := range []string{
			"w=1/part-abc-00000.parquet", "w=1/part-abc-00001-r1.parquet", "w=2/part-abc-00000.parquet", "_tw2parquet/abc/manifest.json",
			"_tw2parquet/abc/manifest-1.json", "_tw2parquet/abc/request.json", "_tw2parquet/abc/intent-1.json", "_tw2parquet/abc/rejects-00000-01234567.raw",
			"w=1/part-abcd-00000.parquet", "w=1/mine.parquet", "_tw2parquet/abcd/manifest.json", "_tw2parquet/source-x/9999999998.json",
		} {
			m.Plant(name, []byte(name))
		}
		return m
	}
	for _, kind := range []storetest.RemoteKind{storetest.DieBefore, storetest.DieAfter, storetest.DieLate, storetest.LoseAnswer} {
		for at := 0; ; at++ {
			m := fill()
			p := m.NewProcess()
			p.At, p.Kind = at, kind
			logged := 0
			drop := func(s store.Store, note string) error {
				return Drop{Store: s, Run: "abc", Note: []byte(note), Dirs: []string{"w=1", "w=2"}, Between: func(context.Context) error { logged++; return nil }}.Do(t.Context())
			}
			err := drop(p, note)
			if p.Op == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if p.Dead != errors.Is(err, storetest.ErrDead) {
				t.Fatalf("%s: %v", p.Op, err)
			}
			files := m.Files()
			_, manifest := files["_tw2parquet/abc/manifest.json"]
			_, dropping := files["_tw2parquet/abc/"+DroppingRecord]
			_, dropped := files["_tw2parquet/abc/"+DroppedRecord]
			data := 0
			for name := range files {
				if strings.Contains(name, "part-abc-") {
					data++
				}
			}
			if !dropping && !dropped && (!manifest || data != 3) || dropped && (manifest || data > 0) {
				t.Fatalf("%v at %s: dropping %v, dropped %v, manifest %v, %d files", kind, p.Op, dropping, dropped, manifest, data)
			}
			m.Land()
			if err := drop(m, "{\"run\":\"another\"}\n"); err != nil {
				t.Fatalf("%v at %s: %v", kind, p.Op, err)
			}
			m.Land()
			files = m.Files()
			want := note
			if text := string(files["_tw2parquet/abc/"+DroppedRecord]); len(files) != 5 || logged == 0 || text != want && dropping {
				t.Fatalf("%v at %s: left %v, %q", kind, p.Op, len(files), text)
			}
		}
	}
}

// A writer that has the run open publishes nothing once dropping has begun, and nobody opens it any more.
func TestDrop_StopsWriters(t *testing.T) {
	m := storetest.NewMemory()
	j := tortureJob()
	o, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	m.Plant(RunDir(o.cfg.Run)+"/"+DroppingRecord, []byte("{}"))
	if err := j.runOn(o, nil); !errors.Is(err, ErrForeign) {
		t.Errorf("write: %v", err)
	}
	if _, err := j.openOn(m); !errors.Is(err, ErrForeign) {
		t.Errorf("open: %v", err)
	}
	for name := range m.Files() {
		if strings.HasSuffix(name, ".parquet") {
			t.Errorf("%s was published", name)
		}
	}
}

// On a disk as well: each operation fails, loses its answer, or is the last before the process dies, and the next drop ends it.
func TestDrop_DiesAnywhereOnADisk(t *testing.T) {
	j := tortureJob()
	open := func(fsys store.FS) store.Store {
		s, err := store.OpenLocal(store.LocalConfig{Root: "/out", FS: fsys})
		if err != nil {
			return nil // dead already
		}
		return s
	}
	drop := func(s store.Store, note string) error {
		return Drop{Store: s, Run: testRun, Note: []byte(note), Dirs: []string{testPartition}}.Do(t.Context())
	}
	for _, kind := range []storetest.FaultKind{storetest.FailBefore, storetest.FailAfter, storetest.Die} {
		operations := 0
		for at := 0; ; at++ {
			disk := storetest.NewMemFS()
			if err := j.run(disk, "/out", nil); err != nil {
				t.Fatal(err)
			}
			f := &storetest.FaultFS{MemFS: disk, At: at, Kind: kind, Err: syscall.EIO}
			var err error
			if s := open(f); s != nil {
				err = drop(s, "{\"run\":\"first\"}\n")
			}
			if f.Op == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			operations++
			disk.Kill()
			parts, manifest, dropping, dropped := 0, false, false, false
			for name := range disk.Files() {
				switch base := path.Base(name); {
				case strings.HasPrefix(base, "part-"):
					parts++
				case strings.HasPrefix(base, "manifest"):
					manifest = true
				case base == DroppingRecord:
					dropping = true
				case base == DroppedRecord:
					dropped = true
				}
			}
			if !dropping && !dropped && (!manifest || parts == 0) || dropped && (manifest || parts > 0) {
				t.Fatalf("%v at %s: dropping %v, dropped %v, manifest %v, %d files", kind, f.Op, dropping, dropped, manifest, parts)
			}
			if err := drop(open(disk), "{\"run\":\"second\"}\n"); err != nil {
				t.Fatalf("%v at %s: %v", kind, f.Op, err)
			}
			var left []string
			for name := range disk.Files() {
				if base := path.Base(name); base != "lock" {
					left = append(left, base)
				}
			}
			if len(left) != 1 || left[0] != DroppedRecord {
				t.Fatalf("%v at %s: left %q", kind, f.Op, left)
			}
		}
		if operations < 20 {
			t.Fatalf("%v: only %d operations", kind, operations)
		}
	}
}
