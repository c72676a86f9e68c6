package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"tw2parquet/sink"
)

func manifestOf(run string) string {
	return sink.ManifestPath(run, 0)
}

func TestVerify_FindsNothingWrongWithWhatWasWritten(t *testing.T) {
	chunks := corpus(t, 400)
	for name, c := range map[string]struct {
		jobs  []job
		state []State
		files int
		rows  int64
		gone  int64
	}{
		"one file":      {[]job{{run: runA, chunks: chunks}}, []State{Complete}, 1, 400, 0},
		"zstd":          {[]job{{run: runA, chunks: chunks, codec: "zstd"}}, []State{Complete}, 1, 400, 0},
		"snappy":        {[]job{{run: runA, chunks: chunks, codec: "snappy"}}, []State{Complete}, 1, 400, 0},
		"partition":     {[]job{{run: runA, chunks: chunks, partition: "window_start=2024-01-01"}}, []State{Complete}, 1, 400, 0},
		"nested":        {[]job{{run: runA, chunks: chunks, partition: "a=1/b=2"}}, []State{Complete}, 1, 400, 0},
		"rejects":       {[]job{{run: runA, chunks: chunks, reject: 7, fileRows: 100}}, []State{Complete}, 3, 343, 57},
		"rejects alone": {[]job{{run: runA, chunks: chunks[:60], reject: 1}}, []State{Complete}, 1, 0, 60},
		"no results":    {[]job{{run: runA}}, []State{Complete}, 1, 0, 0},
		"incomplete":    {[]job{{run: runA, chunks: chunks, reject: 9, fileRows: 100, incomplete: true}}, []State{Incomplete}, 2, 267, 33},
		"nothing yet":   {[]job{{run: runA, incomplete: true}}, []State{Incomplete}, 0, 0, 0},
		"two runs": {[]job{{run: runA, chunks: chunks[:100], partition: "a=1"}, {run: runB, chunks: chunks[100:], partition: "a=1", incomplete: true, fileRows: 50}},
			[]State{Complete, Incomplete}, 7, 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for _, j := range c.jobs {
				j.write(t, root)
			}
			r := isolated(t, root)
			if !r.OK || r.Files != c.files || r.Rows != c.rows || r.Rejected != c.gone {
				t.Errorf("%+v", r)
			}
			for i, s := range c.state {
				if r.Runs[i].State != s || s == Complete && r.Runs[i].WindowStart != "2024-01-01T00:00:00Z" {
					t.Errorf("run %d: %+v, want %s", i, r.Runs[i], s)
				}
			}
			if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), "null") {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
}

// written is the output of output, once it was written.
var written struct {
	sync.Once
	fstest.MapFS
}

// output makes three files with rejects and returns their names.
func output(t testing.TB, root string) []string {
	t.Helper()
	written.Do(func() {
		dir := t.TempDir()
		job{run: runA, partition: "d=1", chunks: corpus(t, 120), reject: 11, fileRows: 40, codec: "zstd"}.write(t, dir)
		written.MapFS = contents(t, dir)
	})
	if err := os.CopyFS(root, written.MapFS); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 3 {
		names = append(names, filepath.Join("d=1", sink.PartName(runA, i, 0)))
	}
	return names
}

// contents are the files below a directory.
func contents(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err == nil {
			all[filepath.ToSlash(rel)] = &fstest.MapFile{Data: get(t, name), Mode: 0o440}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVerify_NamesTheFileOfEveryFlippedByte(t *testing.T) {
	root := t.TempDir()
	names := output(t, root)
	name := filepath.Join(root, names[1])
	data := get(t, name)
	positions := []int{0, 3, 4, 5, len(data) - 1, len(data) - 4, len(data) - 5, len(data) - 8, len(data) - 9}
	for p := 100; p < len(data); p += len(data) / 25 {
		positions = append(positions, p) // pages, dictionaries, indexes, footer
	}
	for i, p := range positions {
		bad := append([]byte(nil), data...)
		bad[p] ^= 1 << (i % 8)
		put(t, name, bad)
		named(t, fmt.Sprintf("byte %d of %d", p, len(data)), root, verify(t, root), names[1])
	}
	put(t, name, data)
	named(t, "mended", root, verify(t, root))
}

func TestVerify_NamesTheFileOfEveryTruncation(t *testing.T) {
	root := t.TempDir()
	names := output(t, root)
	name := filepath.Join(root, names[2])
	data := get(t, name)
	for n := 0; n < len(data); n += len(data)/20 + 1 {
		put(t, name, data[:n])
		named(t, fmt.Sprintf("cut to %d of %d", n, len(data)), root, verify(t, root), names[2])
	}
	put(t, name, append(data[:len(data):len(data)], 0))
	named(t, "a byte more", root, verify(t, root), names[2])
}

// rejectsOf are the two files of rejects of file number seq.
func rejectsOf(t *testing.T, root string, seq int) (index, raw string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, sink.StateDir, runA, fmt.Sprintf("rejects-%05d-*", seq)))
	if err != nil || len(names) != 2 {
		t.Fatal(names, err)
	}
	for i := range names {
		if names[i], err = filepath.Rel(root, names[i]); err != nil {
			t.Fatal(err)
		}
	}
	return names[0], names[1]
}

func TestVerify_NamesWhatIsOutOfPlace(t *testing.T) {
	state := filepath.Join(sink.StateDir, runA)
	const index, raw = "<index>", "<raw>" // of file 1, whose names are random
	for name, c := range map[string]struct {
		do   func(t *testing.T, root string, names []string)
		want func(names []string) []string
	}{
		"missing": {func(t *testing.T, root string, names []string) {
			remove(t, filepath.Join(root, names[0]))
		}, func(n []string) []string { return n[:1] }},
		"swapped": {func(t *testing.T, root string, names []string) {
			a, b := filepath.Join(root, names[0]), filepath.Join(root, names[1])
			x, y := get(t, a), get(t, b)
			put(t, a, y)
			put(t, b, x)
		}, func(n []string) []string { return n[:2] }},
		"symbolic link": {func(t *testing.T, root string, names []string) {
			name := filepath.Join(root, names[1])
			if err := errors.Join(os.Rename(name, name+".moved"), os.Symlink(filepath.Base(name)+".moved", name)); err != nil {
				t.Fatal(err)
			}
		}, func(n []string) []string { return n[1:2] }},
		"pipe of a stranger": {func(t *testing.T, root string, names []string) {
			mkfifo(t, filepath.Join(root, "d=1", "x.parquet"))
		}, func([]string) []string { return []string{"d=1/x.parquet"} }},
		"strangers": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, "other.parquet"), []byte("PAR1"))
			put(t, filepath.Join(root, "d=1", ".hidden.PARQUET"), nil)
			put(t, filepath.Join(root, "d=1", "readme.txt"), nil)
		}, func([]string) []string { return []string{"other.parquet", "d=1/.hidden.PARQUET"} }},
		"a part more": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, "d=1", sink.PartName(runA, 3, 0)), get(t, filepath.Join(root, names[2])))
		}, func([]string) []string { return []string{"d=1/" + sink.PartName(runA, 3, 0)} }},
		"a part of nobody": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, "d=1", sink.PartName(runB, 0, 0)), get(t, filepath.Join(root, names[0])))
		}, func([]string) []string { return []string{"d=1/" + sink.PartName(runB, 0, 0)} }},
		"among the state": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, state, "x.parquet"), nil)
		}, func([]string) []string { return []string{state + "/x.parquet"} }},
		"rejects flipped": {func(t *testing.T, root string, names []string) {
			_, name := rejectsOf(t, root, 1)
			data := get(t, filepath.Join(root, name))
			data[len(data)/2] ^= 4
			put(t, filepath.Join(root, name), data)
		}, func([]string) []string { return []string{raw} }},
		"rejects missing": {func(t *testing.T, root string, names []string) {
			name, _ := rejectsOf(t, root, 1)
			remove(t, filepath.Join(root, name))
		}, func([]string) []string { return []string{index} }},
		"rejects of nobody": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, state, "rejects-00009-0123abcd.raw"), nil)
		}, func([]string) []string { return []string{state + "/rejects-00009-0123abcd.raw"} }},
		"no manifest, a gap": {func(t *testing.T, root string, names []string) {
			remove(t, filepath.Join(root, manifestOf(runA)))
			remove(t, filepath.Join(root, names[1]))
		}, func(n []string) []string { return n[1:2] }},
		"no manifest, two places": {func(t *testing.T, root string, names []string) {
			remove(t, filepath.Join(root, manifestOf(runA)))
			put(t, filepath.Join(root, filepath.Base(names[0])), get(t, filepath.Join(root, names[0])))
		}, func(n []string) []string { return n }},
		"no manifest, rejects edited": {func(t *testing.T, root string, names []string) {
			remove(t, filepath.Join(root, manifestOf(runA)))
			name, _ := rejectsOf(t, root, 1)
			text := strings.Replace(string(get(t, filepath.Join(root, name))), `"ordinal":5`, `"ordinal":6`, 1)
			put(t, filepath.Join(root, name), []byte(text))
		}, func([]string) []string { return []string{index} }},
		"manifest of another run": {func(t *testing.T, root string, names []string) {
			editManifest(t, root, runA, func(m map[string]any) { m["run"] = runB })
		}, func([]string) []string { return []string{manifestOf(runA)} }},
		"manifest of the future": {func(t *testing.T, root string, names []string) {
			editManifest(t, root, runA, func(m map[string]any) { m["format"] = 99 })
		}, func([]string) []string { return []string{manifestOf(runA)} }},
		"manifest cut": {func(t *testing.T, root string, names []string) {
			name := filepath.Join(root, manifestOf(runA))
			put(t, name, get(t, name)[:100])
		}, func([]string) []string { return []string{manifestOf(runA)} }},
		"manifest is a link": {func(t *testing.T, root string, names []string) {
			name := filepath.Join(root, manifestOf(runA))
			if err := errors.Join(os.Rename(name, name+"2"), os.Symlink("manifest.json2", name)); err != nil {
				t.Fatal(err)
			}
		}, func([]string) []string { return []string{manifestOf(runA)} }},
		"a file for a run": {func(t *testing.T, root string, names []string) {
			put(t, filepath.Join(root, sink.StateDir, runB), nil)
		}, func([]string) []string { return []string{filepath.Join(sink.StateDir, runB)} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			names := output(t, root)
			indexName, rawName := rejectsOf(t, root, 1)
			c.do(t, root, names)
			r := verify(t, root)
			if name == "no manifest, two places" {
				// Which of the two directories is the right one nobody can tell.
				if r.OK {
					t.Error("nothing was found")
				}
				return
			}
			want := c.want(names)
			for i := range want {
				want[i] = strings.NewReplacer(index, indexName, raw, rawName).Replace(want[i])
			}
			named(t, name, root, r, want...)
		})
	}
}

// Every member of a manifest that says something about files is held against them.
func TestVerify_NoticesEveryEditOfAManifest(t *testing.T) {
	root := t.TempDir()
	output(t, root)
	name := filepath.Join(root, manifestOf(runA))
	original := get(t, name)
	var m any
	if err := json.Unmarshal(original, &m); err != nil {
		t.Fatal(err)
	}
	edits := 0
	var edit func(at string, v any, set func(any))
	check := func(at string) {
		t.Helper()
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		put(t, name, data)
		if r := verify(t, root); r.OK {
			t.Errorf("%s: not noticed", at)
		}
		edits++
	}
	edit = func(at string, v any, set func(any)) {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				edit(at+"."+k, v[k], func(x any) { v[k] = x })
			}
			return
		case []any:
			for i := range v {
				if i == 1 || strings.Contains(at, "rejects") && i == 0 { // one stands for all
					edit(fmt.Sprintf("%s[%d]", at, i), v[i], func(x any) { v[i] = x })
				}
			}
			set(v[:len(v)-1])
			check(at + " shorter")
			set(v)
			return
		case float64:
			set(v + 1)
		case string:
			set(v + "x")
		default:
			t.Fatalf("%s is %T", at, v)
		}
		check(at)
		set(v)
	}
	edit("", m, nil)
	put(t, name, original)
	if r := verify(t, root); !r.OK || edits < 20 {
		t.Errorf("%d edits, %+v", edits, r.Problems)
	}
}

func TestVerify_ContextEndsIt(t *testing.T) {
	root := t.TempDir()
	output(t, root)
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	if _, err := Verify(ctx, Config{Store: at(t, root), Reader: self("check-file")}); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func TestVerify_RefusesWhatIsNoOutput(t *testing.T) {
	if _, err := Verify(context.Background(), Config{Store: at(t, t.TempDir()), Reader: self("check-file")}); !errors.Is(err, ErrNoOutput) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Verify(context.Background(), Config{Store: at(t, t.TempDir())}); !errors.Is(err, ErrReader) {
		t.Errorf("no command: %v", err)
	}
}
