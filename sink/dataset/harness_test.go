package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tw2parquet/bench"
	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// TestMain makes the test binary the reading process as well, a good one and some bad ones.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 {
		memory, _ := strconv.ParseInt(os.Args[2], 10, 64)
		n, _ := strconv.Atoi(os.Args[4])
		mode, poison, _ := strings.Cut(os.Args[1], " ")
		switch mode {
		case "check-file":
			if err := CheckFiles(context.Background(), HandedFiles(os.Stdin, n), os.Stdout, memory, time.Hour); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "spin":
			for i := 0; ; i++ {
				if i < 0 {
					break
				}
			}
		case "gulp":
			if err := limit(memory, time.Hour); err != nil {
				os.Exit(1)
			}
			for kept := [][]byte{}; ; {
				kept = append(kept, make([]byte, 64<<20))
			}
		case "crash":
			panic("a reader's bug")
		case "poisoned": // by a file of some size
			files := HandedFiles(os.Stdin, n)
			for i, f := range files {
				if info, err := f.Stat(); err != nil || strconv.FormatInt(info.Size(), 10) == poison {
					panic("a reader's bug")
				}
				if CheckFiles(context.Background(), files[i:i+1], os.Stdout, memory, time.Hour) != nil {
					os.Exit(1)
				}
			}
			os.Exit(0)
		case "environment":
			fmt.Fprintf(os.Stdout, `{"reason":%q}`, strings.Join(os.Environ(), " "))
			os.Exit(0)
		case "mute":
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

// stride is the step of a loop over bytes or members: 1, and n in the quick run, which so takes one of n.
func stride(n int) int {
	if testing.Short() {
		return n
	}
	return 1
}

func self(mode string) []string { return []string{os.Args[0], mode} }

// job is a run that a test writes.
type job struct {
	run, partition string
	chunks         [][]byte
	reject         int   // every reject'th result; 0: none
	fileRows       int64 // 0: one file
	groupRows      int   // 0: 50
	codec          string
	incomplete     bool
}

const (
	runA = "abcdefghij234567abcdefghij"
	runB = "bbcdefghij234567abcdefghij"
)

// few begin every corpus here. They are made once: a corpus costs its vocabulary, however short it is.
var few = sync.OnceValues(bench.Corpus{Seed: 7, Results: 500}.Chunks)

func corpus(t testing.TB, n int) [][]byte {
	t.Helper()
	chunks, err := few()
	if n > len(chunks) && err == nil {
		chunks, err = bench.Corpus{Seed: 7, Results: n}.Chunks()
	}
	if err != nil {
		t.Fatal(err)
	}
	own := make([][]byte, n)
	for i := range own {
		own[i] = bytes.Clone(chunks[i])
	}
	return own
}

// write writes a run through the sink, as the pipeline does.
func (j job) write(t testing.TB, root string) {
	t.Helper()
	ctx := context.Background()
	codec, err := parquet.ParseCompression(j.codec + strings.Repeat("none", 1-min(1, len(j.codec))))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := store.OpenLocal(store.LocalConfig{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	o, err := sink.Open(ctx, sink.Config{
		Store: disk, Run: j.run, Partition: j.partition, Schema: schema.Arrow(), SchemaVersion: schema.Version,
		Meta:         map[string]string{"writer": "test", "window_start": "2024-01-01T00:00:00Z", "window_stop": "2024-02-01T00:00:00Z"},
		MaxFileRows:  j.fileRows,
		MaxFileBytes: 0, Compression: codec,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(o.Close(), disk.Close()); err != nil {
			t.Error(err)
		}
	}()
	if j.groupRows == 0 {
		j.groupRows = 50
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e := schema.NewEncoder()
	rejected := int64(0)
	for first := 0; first < len(j.chunks); first += j.groupRows {
		next := min(first+j.groupRows, len(j.chunks))
		e.Reset()
		for n := first; n < next; n++ {
			if j.reject > 0 && n%j.reject == j.reject-1 {
				must(o.Reject(ctx, int64(n), int64(n*1000), "broken", j.chunks[n][:len(j.chunks[n])/2]))
				rejected++
				continue
			}
			must(e.Append(j.chunks[n], int64(n)))
		}
		tasks, appendGroup := o.Encode(e.Record())
		for _, task := range tasks {
			must(task())
		}
		must(appendGroup(ctx))
		_, err := o.Mark(ctx, fmt.Sprintf("offset-%d", next), int64(next), map[string]string{"drift": "{}"})
		must(err)
	}
	if j.incomplete {
		return
	}
	must(o.Finish(ctx, "offset-end", int64(len(j.chunks)), nil))
	must(o.Complete(ctx, fmt.Appendf(nil, `{"rows":%d,"rejected":%d}`, int64(len(j.chunks))-rejected, rejected)))
}

// at is the store of a directory that is there.
func at(t testing.TB, root string) store.Store {
	t.Helper()
	s, err := store.OpenLocal(store.LocalConfig{Root: root, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// these are paths as Cat takes them.
func these(t testing.TB, paths ...string) []Input {
	t.Helper()
	var inputs []Input
	for _, p := range paths {
		s, name, err := store.OpenPath(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		inputs = append(inputs, Input{s, name})
	}
	return inputs
}

// verify reads values in this process, which is quicker than one for each file, and with its walls
// down; isolated has them.
func verify(t testing.TB, root string) *Report {
	t.Helper()
	return verifyWith(t, Config{Store: at(t, root), read: func(ctx context.Context, files []opened) (found []Reading, err error) {
		for _, f := range files {
			found = append(found, checkValues(ctx, f.file))
		}
		return found, nil
	}})
}

// isolated is the real thing.
func isolated(t testing.TB, root string) *Report {
	t.Helper()
	return verifyWith(t, Config{Store: at(t, root), Reader: self("check-file")})
}

func verifyWith(t testing.TB, cfg Config) *Report {
	t.Helper()
	defer cfg.Store.Close() // there may be a thousand
	root := cfg.Store.Path("")
	before := tree(t, root)
	report, err := Verify(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if tree(t, root) != before {
		t.Fatal("verify changed something")
	}
	if report.OK != (len(report.Problems) == 0) {
		t.Fatal("OK and the problems contradict each other")
	}
	return report
}

// named tells whether a problem names the file (relative to root), and nothing else is named.
func named(t testing.TB, what, root string, r *Report, names ...string) {
	t.Helper()
	var got []string
	for _, p := range r.Problems {
		rel, err := filepath.Rel(root, p.Path)
		if err != nil || p.Reason == "" {
			t.Fatalf("%s: %+v", what, p)
		}
		got = append(got, rel)
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(slices.Compact(got), names) {
		t.Errorf("%s: problems %+v, want %v", what, r.Problems, names)
	}
}

// tree is a checksum over names, modes, times and contents.
func tree(t testing.TB, root string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, name, info.Mode(), info.ModTime().UnixNano(), info.Size())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			h.Write(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// put replaces a file, which is read-only.
func put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o640); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// editManifest changes a run's manifest as JSON.
func editManifest(t testing.TB, root, run string, edit func(m map[string]any)) {
	t.Helper()
	name := filepath.Join(root, sink.ManifestPath(run, 0))
	var m map[string]any
	if err := json.Unmarshal(get(t, name), &m); err != nil {
		t.Fatal(err)
	}
	edit(m)
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, name, data)
}
