package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// damagedRows are in a damagedWorld: small, because each test writes it twice and reads it back.
const damagedRows = 160

// damagedWorld has a run of some files, complete or stopped after four of them.
func damagedWorld(t *testing.T, complete bool) *world {
	t.Helper()
	w := newWorld(t, emulator.Config{DocumentsPerDay: damagedRows / 4, ControlEvery: 5})
	w.rows, w.job.Records = damagedRows/8, pipeline.Records{Bytes: 16 << 10}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	files := 0
	w.watch(func(e pipeline.Event) {
		if is[pipeline.Published](e) {
			if files++; files == 4 && !complete {
				cancel()
			}
		}
	})
	r, err := w.job.Export(ctx, w.window)
	if complete != (err == nil) || len(r.Files) < 4 {
		t.Fatalf("report %+v, error %v", r, err)
	}
	return w
}

func (w *world) file(seq int) string {
	return filepath.Join(w.root, w.window.Partition, fmt.Sprintf("part-%s-%05d.parquet", w.window.Run, seq))
}

func (w *world) manifest() string {
	return filepath.Join(w.root, "_tw2parquet", w.window.Run, "manifest.json")
}

// rewrite changes a published file, which is read-only, in its place.
func (w *world) rewrite(seq int, change func(data []byte) []byte) {
	w.t.Helper()
	data, err := os.ReadFile(w.file(seq))
	if err == nil {
		err = os.Remove(w.file(seq))
	}
	if err == nil {
		err = os.WriteFile(w.file(seq), change(data), 0o440)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(name); err != nil {
			w.t.Fatal(err)
		}
	}
}

// checkMended holds a run that was mended against the queue, the ledger and its manifest.
func (w *world) checkMended(r pipeline.Report, posts int) {
	w.t.Helper()
	w.checkQueue()
	if !r.Complete || r.Rows != damagedRows || r.Processed != damagedRows {
		w.t.Errorf("report %+v", r)
	}
	if l := w.server.Ledger(); l.ExportPosts() != posts || l.Credits() != damagedRows {
		w.t.Errorf("%d posts, %d credits", l.ExportPosts(), l.Credits())
	}
	name := w.manifest()
	if newer, err := filepath.Glob(filepath.Join(filepath.Dir(name), "manifest-*.json")); len(newer) > 0 {
		name = newer[len(newer)-1] // there are less than ten
	} else if err != nil {
		w.t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := sink.DecodeManifest(text)
	if err != nil || m.Rows != damagedRows {
		w.t.Fatalf("manifest %+v, %v", m, err)
	}
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(w.root, f.Name))
		if err != nil || int64(len(data)) != f.Bytes || sum(data) != f.SHA256 {
			w.t.Errorf("%s is not what the manifest says: %v", f.Name, err)
		}
	}
	// Now it is complete as any other.
	w.job.Refetch = false
	before := len(w.server.Ledger().Requests)
	if again, err := w.job.Export(w.t.Context(), w.window); err != nil || again.Rows != damagedRows || len(w.server.Ledger().Requests) != before {
		w.t.Errorf("run again: %+v, %v", again, err)
	}
}

func TestRefetch_BringsBackWhatWasThere(t *testing.T) {
	cut := func(data []byte) []byte { return data[:len(data)/2] }
	flip := func(data []byte) []byte { data[len(data)/3] ^= 4; return data }
	for name, c := range map[string]struct {
		damage func(w *world)
		quiet  bool // a start that only looks at sizes does not see it
		alike  bool // like one of the others: left to the full run
	}{
		"first missing":        {damage: func(w *world) { w.remove(w.file(0)) }},
		"middle missing":       {damage: func(w *world) { w.remove(w.file(2)) }, alike: true},
		"last missing":         {damage: func(w *world) { w.remove(w.file(7)) }},
		"two side by side":     {damage: func(w *world) { w.remove(w.file(2), w.file(3)) }, alike: true},
		"every other":          {damage: func(w *world) { w.remove(w.file(0), w.file(2), w.file(4), w.file(6)) }, alike: true},
		"all missing":          {damage: func(w *world) { w.remove(filepath.Join(w.root, w.window.Partition)) }},
		"truncated":            {damage: func(w *world) { w.rewrite(3, cut) }},
		"empty":                {damage: func(w *world) { w.rewrite(3, func([]byte) []byte { return nil }) }, alike: true},
		"a flipped bit":        {damage: func(w *world) { w.rewrite(3, flip) }, quiet: true},
		"truncated, and a gap": {damage: func(w *world) { w.rewrite(1, cut); w.remove(w.file(2), w.file(5)) }},
	} {
		if c.alike && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			w := damagedWorld(t, true)
			if _, files := w.held(); files != 8 {
				t.Fatalf("%d files", files)
			}
			c.damage(w)
			before := tree(t, w.root)
			_, err := w.job.Export(t.Context(), w.window)
			var damage *sink.DamageError
			if errors.As(err, &damage) == c.quiet {
				t.Fatalf("without being asked: %v", err)
			}
			if after := tree(t, w.root); !slices.Equal(before, after) {
				t.Errorf("touched: %v, was %v", after, before)
			}
			w.job.Refetch = true
			r, err := w.job.Export(t.Context(), w.window)
			if err != nil {
				t.Fatal(err)
			}
			w.checkMended(r, 1)
		})
	}
}

// Without a manifest the footers alone tell where something is missing, and the run goes on behind.
func TestRefetch_InARunThatIsNotComplete(t *testing.T) {
	for name, damage := range map[string]func(w *world){
		"first":          func(w *world) { w.remove(w.file(0)) },
		"two":            func(w *world) { w.remove(w.file(1), w.file(2)) },
		"torn middle":    func(w *world) { w.rewrite(1, func(d []byte) []byte { return d[:len(d)-9] }) },
		"torn last":      func(w *world) { w.rewrite(3, func(d []byte) []byte { return d[:len(d)-9] }) },
		"flipped":        func(w *world) { w.rewrite(2, func(d []byte) []byte { d[100] ^= 1; return d }) },
		"all but last":   func(w *world) { w.remove(w.file(0), w.file(1), w.file(2)) },
		"nothing at all": func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			w := damagedWorld(t, false)
			damage(w)
			w.job.Refetch = true
			r, err := w.job.Export(t.Context(), w.window)
			if err != nil {
				t.Fatal(err)
			}
			w.checkMended(r, 1)
		})
	}
}

// The manifest of a complete run is gone with some of its files.
func TestRefetch_WithoutTheManifest(t *testing.T) {
	w := damagedWorld(t, true)
	w.remove(w.manifest(), w.file(1), w.file(2), w.file(7))
	w.job.Refetch = true
	r, err := w.job.Export(t.Context(), w.window)
	if err != nil {
		t.Fatal(err)
	}
	w.checkMended(r, 1)
}

// Stopped again and again while it mends, it ends with the same.
func TestRefetch_StoppedOnTheWay(t *testing.T) {
	w := damagedWorld(t, true)
	w.remove(w.file(0), w.file(1), w.file(4), w.file(7))
	w.job.Refetch = true
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		w.watch(func(e pipeline.Event) {
			if is[pipeline.Published](e) {
				cancel()
			}
		})
		r, err := w.job.Export(ctx, w.window)
		cancel()
		if err == nil {
			if stops < 2 {
				t.Errorf("it was stopped %d times only", stops)
			}
			w.checkMended(r, 1)
			return
		}
		if !errors.Is(err, context.Canceled) || stops > 20 {
			t.Fatalf("stop %d: %v", stops, err)
		}
	}
}

func TestRefetch_WhatCannotBeHadAgain(t *testing.T) {
	collector := func(w *world) string { return source.CollectorID(w.window.Run) }
	for name, c := range map[string]struct {
		happens func(w *world)
		is      func(err error) bool
		names   []string
		touches bool
		passes  bool // the trouble is the server's, and over when it is
	}{
		"the collector is gone": {
			happens: func(w *world) {
				if _, err := w.client.DeleteCollector(t.Context(), collector(w)); err != nil {
					t.Fatal(err)
				}
			},
			is: expired, names: []string{"00001.parquet", "00003.parquet", "--generation 2", "160 credits"},
		},
		"its results have expired": {
			happens: func(w *world) { w.server.Advance(8 * 24 * time.Hour) },
			is:      expired, names: []string{"00001.parquet", "00003.parquet", "--generation 2", "160 credits"}, touches: true,
		},
		"another query's collector": {
			happens: func(w *world) {
				if err := w.server.AddCollector(collector(w), time.Now(), json.RawMessage(`{"queries":[{"id":"q","query":"cats"}]}`)); err != nil {
					t.Fatal(err)
				}
			},
			is: func(err error) bool { return class(err) == source.ClassForeign },
		},
		"more comes than was there": {
			happens: func(w *world) {
				w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{{Endpoint: emulator.EndpointResults,
					Inject: &emulator.Inject{At: 5, Lines: []string{`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://new.example"}}}}`}}}}})
			},
			is: func(err error) bool { return errors.Is(err, source.ErrReplay) }, names: []string{"00001.parquet"}, touches: true, passes: true,
		},
		"less comes than was there": {
			happens: func(w *world) {
				w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{{Endpoint: emulator.EndpointResults, Shift: 3}}})
			},
			is: func(err error) bool { return errors.Is(err, source.ErrReplay) }, names: []string{"00003.parquet"}, touches: true, passes: true,
		},
		"another collector of the same name": {
			happens: func(w *world) {
				if _, err := w.client.CreateCollector(t.Context(), collector(w)); err != nil {
					t.Fatal(err)
				}
			},
			is: func(err error) bool { return class(err) == source.ClassRejected }, names: []string{"00003.parquet"}, touches: true,
		},
		"the offset does not come": {
			happens: func(w *world) {
				other := "bm9uZQ"
				w.server.SetFaults(&emulator.Faults{Rules: []emulator.Rule{{Endpoint: emulator.EndpointResults, Offset: &other}}})
			},
			is: func(err error) bool { return errors.Is(err, source.ErrRewind) || class(err) == source.ClassStream }, touches: true, passes: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := damagedWorld(t, true)
			w.remove(w.file(1), w.file(3))
			c.happens(w)
			before := tree(t, w.root)
			w.job.Refetch = true
			r, err := w.job.Export(t.Context(), w.window)
			if !c.is(err) || r.Complete {
				t.Fatalf("got %v", err)
			}
			text := err.Error()
			if e := (*source.Error)(nil); errors.As(err, &e) {
				text += e.Hint
			}
			for _, name := range c.names {
				if !strings.Contains(text, name) {
					t.Errorf("%q is not named in %s", name, text)
				}
			}
			if after := tree(t, w.root); !slices.Equal(before, after) && !c.touches {
				t.Errorf("touched: %v, was %v", after, before)
			}
			if posts := w.server.Ledger().ExportPosts(); posts != 1 {
				t.Errorf("%d posts", posts)
			}
			// The sound files are as they were, and with the server as it was the run is mended.
			w.server.SetFaults(nil)
			if c.passes {
				r, err = w.job.Export(t.Context(), w.window)
				if err != nil {
					t.Fatal(err)
				}
				w.checkMended(r, 1)
			}
		})
	}
}

// Nothing is there and nothing was bought: reading again is not the way to buy.
func TestRefetch_NeverBuys(t *testing.T) {
	w := newWorld(t, emulator.Config{DocumentsPerDay: 10})
	w.job.Refetch = true
	for _, existing := range []bool{false, true} {
		if existing {
			if err := w.server.AddCollector(source.CollectorID(w.window.Run), time.Now(), nil); err != nil {
				t.Fatal(err)
			}
		}
		r, err := w.job.Export(t.Context(), w.window)
		if !expired(err) || r.Complete {
			t.Errorf("got %v", err)
		}
	}
	if l := w.server.Ledger(); len(l.Changing()) > 0 {
		t.Errorf("changing calls: %+v", l.Changing())
	}
}

func class(err error) source.Class {
	var e *source.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return 0
}

func expired(err error) bool { return class(err) == source.ClassExpired }

// tree are the names below a directory with their sizes, locks and empty directories left out.
func tree(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			names = append(names, fmt.Sprint(name, info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
