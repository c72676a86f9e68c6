package table

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// refetch writes the damaged files of run 1 again, as the pipeline does, and then lets go of them, as the command does.
func refetch(t *testing.T, s store.Store) (err error) {
	t.Helper()
	ctx := context.Background()
	codec, err := parquet.ParseCompression("none")
	if err != nil {
		t.Fatal(err)
	}
	o, err := sink.Open(ctx, sink.Config{Store: s, Run: runID(1), Partition: "window_start=2024-01-01", Schema: schema.Arrow(), SchemaVersion: schema.Version,
		MaxFileRows: 1, Compression: codec, Refetch: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	if o.Damage() != nil {
		if err := errors.Join(o.Mend(), fillGaps(ctx, o)); err != nil {
			return err
		}
		if err := o.Complete(ctx, []byte(`{}`)); err != nil {
			return err
		}
	}
	if o.Replaced() {
		cfg := Config{Store: s, Records: sink.Records{Store: s, Open: o.Journal()}, Writer: "test"}
		if _, err := SwapDelta(ctx, cfg, runID(1)); err != nil {
			return err
		}
	}
	o.Retire(ctx)
	return nil
}

func fillGaps(ctx context.Context, o *sink.Output) error {
	e := schema.NewEncoder()
	for {
		gap, ok := o.Gap()
		if !ok {
			return nil
		}
		e.Reset()
		for _, at := o.Position(); at < gap.Next; at++ {
			if err := e.Append(fmt.Appendf(nil, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","published":%d}}}}`, 1700000000000+at), at); err != nil {
				return err
			}
		}
		tasks, appendGroup := o.Encode(e.Record())
		for _, task := range tasks {
			if err := task(); err != nil {
				return err
			}
		}
		if err := errors.Join(appendGroup(ctx), o.Finish(ctx, gap.Offset, gap.Next, nil)); err != nil {
			return err
		}
	}
}

// dataFiles are the data files among all.
func dataFiles(all map[string][]byte) (names []string) {
	for name := range all {
		if strings.HasSuffix(name, ".parquet") {
			names = append(names, strings.TrimPrefix(strings.TrimPrefix(name, "/"), "lake/"))
		}
	}
	slices.Sort(names)
	return names
}

// swapped is an output in memory whose requests can fail.
type swapped struct {
	files  func() map[string][]byte
	plant  func(name string, data []byte)
	sound  func() store.Store
	faulty func(at int) (s store.Store, hit func() string)
}

func swappedDisk(t *testing.T) swapped {
	disk := storetest.NewMemFS()
	open := func(fsys store.FS) store.Store {
		s, err := store.OpenLocal(store.LocalConfig{Root: "/out", FS: fsys})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return swapped{
		files: disk.Files, plant: func(name string, data []byte) { disk.Plant(t, name, data) },
		sound: func() store.Store { return open(disk.Kill()) },
		faulty: func(at int) (store.Store, func() string) {
			f := &storetest.FaultFS{MemFS: disk, At: at, Kind: storetest.Die}
			return open(f), func() string { return f.Op }
		},
	}
}

func swappedBucket(kind storetest.RemoteKind) func(t *testing.T) swapped {
	return func(*testing.T) swapped {
		memory := storetest.NewMemory()
		return swapped{
			files: memory.Files, plant: memory.Plant,
			sound: func() store.Store { return memory.NewProcess() },
			faulty: func(at int) (store.Store, func() string) {
				p := memory.NewProcess()
				p.At, p.Kind = at, kind
				return p, func() string { return p.Op }
			},
		}
	}
}

// Files of a registered run are written again, and death comes at any step: at no time does the table name a file that is not there,
// unless it was gone before; and the next start leaves table, manifest and files the same.
func TestSwap_WhateverDies(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 7
	}
	for where, open := range map[string]func(t *testing.T) swapped{"disk": swappedDisk, "bucket, before": swappedBucket(storetest.DieBefore), "bucket, after": swappedBucket(storetest.DieAfter)} {
		t.Run(where, func(t *testing.T) {
			for at := 0; ; at += step {
				x := open(t)
				s := x.sound()
				write(t, s, 1, 2)
				write(t, s, 2, 1)
				if _, err := register(t, s, nil); err != nil {
					t.Fatal(err)
				}
				hurt := dataFiles(x.files())[at%2] // a byte is another one, so that it is there and its size is right
				data := slices.Clone(x.files()[hurt])
				data[len(data)/2] ^= 1
				x.plant(hurt, data)
				s.Close()

				faulty, hit := x.faulty(at)
				err := refetch(t, faulty)
				if hit() == "" {
					if err != nil || at < 20 {
						t.Fatalf("%d steps, %v", at, err)
					}
					return
				}
				s = x.sound()
				there := dataFiles(x.files())
				for name := range replay(t, s).active {
					if !slices.Contains(there, name) {
						t.Fatalf("after %s: the table names %s, which is gone", hit(), path.Base(name))
					}
				}
				if err := refetch(t, s); err != nil {
					t.Fatalf("after %s: %v", hit(), err)
				}
				expectOnce(t, s, "after "+hit())
				var want []string
				for name := range replay(t, s).active {
					want = append(want, name)
				}
				slices.Sort(want)
				if there := dataFiles(x.files()); !slices.Equal(there, want) || slices.Contains(there, hurt) {
					t.Fatalf("after %s: on disk are %q, in the table %q", hit(), there, want)
				}
				if got, err := register(t, s, nil); err != nil || !slices.Equal(outcomes(got), []Outcome{Known, Known}) {
					t.Fatalf("after %s: %+v, %v", hit(), got, err)
				}
				s.Close()
			}
		})
	}
}

// While a table refuses to take anything out, what it has stays; a run that no table has needs none.
func TestSwap_RefusedKeepsWhatTheTableHas(t *testing.T) {
	x := swappedBucket(storetest.DieBefore)(t)
	s := x.sound()
	defer s.Close()
	write(t, s, 1, 1)
	if got, err := SwapDelta(t.Context(), Config{Store: s, Records: sink.Records{Store: s}}, runID(1)); got != nil || err != nil || replay(t, s).commits != 0 {
		t.Fatalf("a run that no table has: %v, %v", got, err)
	}
	const window = `{"name":"window_start","type":"string","nullable":true,"metadata":{}}`
	table0(t, s, window, `{"minReaderVersion":1,"minWriterVersion":2}`, `{"delta.appendOnly":"true"}`, `"window_start"`)
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	old := dataFiles(x.files())[0]
	x.plant(old, []byte("damaged"))
	var e *Error
	for range 2 { // the first one writes again, the second one finds that done
		if err := refetch(t, s); !errors.As(err, &e) || e.Reason != Feature {
			t.Fatalf("%v", err)
		}
		if there := dataFiles(x.files()); len(there) != 3 || !slices.Contains(there, old) || replay(t, s).active[old] == nil {
			t.Fatalf("%q", there)
		}
	}
	l, err := readDelta(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	l.meta.Configuration = pairs{}
	text, err := jsonText(map[string]any{"metaData": l.meta})
	if err != nil {
		t.Fatal(err)
	}
	if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(l.version+1), text); err != nil {
		t.Fatal(err)
	}
	if err := refetch(t, s); err != nil {
		t.Fatal(err)
	}
	expectOnce(t, s, "once it is let")
	if there := dataFiles(x.files()); len(there) != 2 || slices.Contains(there, old) {
		t.Errorf("%q", there)
	}
}
