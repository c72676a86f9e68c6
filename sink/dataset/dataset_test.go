package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

func names(entries []store.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Name)
	}
	return all
}

// spell is a dataset as text, a line for each thing it says.
func spell(t testing.TB, d *Dataset) (lines []string) {
	t.Helper()
	for _, r := range d.Runs {
		state, err := r.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %s %v", r.ID[:1], state, names(r.Files)))
	}
	lines = append(lines, fmt.Sprint("strays ", names(d.Strays)))
	for _, x := range d.Trouble {
		lines = append(lines, x.Name+": "+x.Err.Error())
	}
	return lines
}

func TestOpen_TellsRunsFilesAndStrays(t *testing.T) {
	root := t.TempDir()
	state := func(parts ...string) string { return filepath.Join(append([]string{root, sink.StateDir}, parts...)...) }
	runC, runD, runE := "c"+runA[1:], "d"+runA[1:], "e"+runA[1:]
	job{run: runA, chunks: corpus(t, 60), fileRows: 50, partition: "w=1"}.write(t, root)
	job{run: runB, chunks: corpus(t, 10), partition: "w=2", incomplete: true, fileRows: 1}.write(t, root)
	for _, dir := range []string{state(runC), state(runE), state(runE, "deeper"), state("not-a-run")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, state(runC, "manifest.json"), []byte("{"))
	put(t, state(runC, "request.json"), []byte(`{"run":"c"}`))
	put(t, state(runC, "large"), make([]byte, 100))
	put(t, state(runD), nil)
	put(t, state(runE, "deeper", "manifest.json"), []byte("{}"))
	put(t, state(runE, "x.parquet"), nil)
	put(t, filepath.Join(root, "w=1", "other.Parquet"), nil)
	put(t, filepath.Join(root, "w=1", "readme.txt"), nil)
	put(t, filepath.Join(root, "w=1", sink.PartName(runD, 0, 0)), nil)
	put(t, filepath.Join(root, "w=1", sink.PartName(runA, 7, 2)), nil)
	mkfifo(t, filepath.Join(root, "pipe.parquet"))
	if err := errors.Join(os.Symlink("manifest.json", state(runC, "link")), os.Mkdir(filepath.Join(root, "dir.parquet"), 0o700)); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), at(t, root))
	if err != nil {
		t.Fatal(err)
	}
	in := func(dir string, names ...string) (all []string) {
		for _, n := range names {
			all = append(all, dir+"/"+n)
		}
		return all
	}
	want := []string{
		fmt.Sprint("a complete ", in("w=1", sink.PartName(runA, 0, 0), sink.PartName(runA, 1, 0), sink.PartName(runA, 7, 2))),
		fmt.Sprint("b incomplete ", in("w=2", sink.PartName(runB, 0, 0))),
		"c unreadable []",
		"e incomplete []",
		fmt.Sprint("strays ", []string{sink.StateDir + "/" + runE + "/x.parquet", "pipe.parquet", "w=1/other.Parquet", "w=1/" + sink.PartName(runD, 0, 0)}),
		sink.StateDir + "/" + runD + ": not a directory; expected a run directory",
	}
	if diff := cmp.Diff(want, spell(t, d)); diff != "" {
		t.Error(diff)
	}
	c := d.Run(runC)
	if text, err := c.Record(t.Context(), "request.json", 100); err != nil || string(text) != `{"run":"c"}` || !c.Has("request.json") || !c.Finished() {
		t.Errorf("%s, %v", text, err)
	}
	if d.Run(runB).Finished() || d.Run(runD) != nil {
		t.Error("a run without a manifest is finished, or a file is a run")
	}
	for name, says := range map[string]string{"large": "100 bytes", "link": "not a regular file", "none": "not exist"} {
		if text, err := c.Record(t.Context(), name, 99); err == nil || len(text) > 0 || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), state(runC, name)) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := c.Record(t.Context(), "none", 99); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := c.Manifest(t.Context()); !errors.As(err, new(*sink.ForeignError)) {
		t.Error(err)
	}
}

// counting counts listings, and lets something happen after the first.
type counting struct {
	store.Store
	listed int
	then   func()
}

func (c *counting) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if c.listed++; c.listed == 2 && c.then != nil {
			c.then()
		}
		for e, err := range c.Store.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestOpen_ListsOnce(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 60), fileRows: 50, partition: "w=1"}.write(t, root)
	job{run: runB, chunks: corpus(t, 10), incomplete: true, fileRows: 1}.write(t, root)
	c := &counting{Store: at(t, root)}
	if d, err := Open(t.Context(), c); err != nil || len(d.Runs) != 2 || c.listed != 1 {
		t.Errorf("%d listings, %v", c.listed, err)
	}
}

// A manifest may name any number of files that are not there: one more look for each directory tells.
func TestVerify_LooksOnceForAllThatIsMissing(t *testing.T) {
	root := t.TempDir()
	gone := output(t, root)
	for seq := range 3 {
		index, raw := rejectsOf(t, root, seq)
		gone = append(gone, index, raw)
	}
	for _, name := range gone {
		remove(t, filepath.Join(root, name))
	}
	c := &counting{Store: at(t, root)}
	r := verifyWith(t, Config{Store: c, Reader: self("check-file")})
	named(t, "all is gone", root, r, gone...)
	if c.listed != 3 {
		t.Errorf("%d listings", c.listed)
	}
}

// A run may begin, and publish, between its directory's turn in the listing and its files'.
func TestOpen_SeesARunThatBeginsMeanwhile(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 60), fileRows: 50, partition: "w=1"}.write(t, root)
	job{run: runB, chunks: corpus(t, 10), partition: "w=1", incomplete: true, fileRows: 1}.write(t, root)
	dir := filepath.Join(root, sink.StateDir, runB)
	if err := os.Rename(dir, filepath.Join(root, "later")); err != nil {
		t.Fatal(err)
	}
	c := &counting{Store: at(t, root), then: func() {
		if err := os.Rename(filepath.Join(root, "later"), dir); err != nil {
			t.Error(err)
		}
	}}
	d, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r := d.Run(runB); len(d.Runs) != 2 || r == nil || len(r.Files) != 1 || len(d.Run(runA).Files) != 2 || len(d.Strays) > 0 {
		t.Errorf("%v", spell(t, d))
	}
}

// refusing answers for some names with an error, or fails as a whole.
type refusing struct {
	store.Store
	err map[string]error
}

func (r refusing) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range r.Store.List(ctx, prefix) {
			if refused := r.err[e.Name]; refused != nil {
				err = refused
			}
			if !yield(e, err) {
				return
			}
		}
		if err := r.err[""]; err != nil {
			yield(store.Entry{}, err)
		}
	}
}

func TestOpen_KeepsWhatIsPrivateToOthersApart(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 20), reject: 3, partition: "w=1"}.write(t, root)
	index, _ := rejectsOf(t, root, 0)
	shut, withheld := fs.ErrPermission, fmt.Errorf("%w: %w", store.ErrWithheld, fs.ErrPermission)
	manifest := sink.ManifestPath(runA, 0)
	for _, c := range []struct {
		name  string
		err   error
		state State
		told  bool
	}{
		{index, withheld, Complete, false},
		{index, shut, Complete, true}, // nobody else's
		{manifest, withheld, Unreadable, true},
		{"w=1", withheld, Complete, true}, // data is for everybody
	} {
		d, err := Open(t.Context(), refusing{at(t, root), map[string]error{c.name: c.err}})
		if err != nil {
			t.Fatal(err)
		}
		state, err := d.Runs[0].State(t.Context())
		if err != nil || state != c.state || (len(d.Trouble) == 1 && d.Trouble[0].Name == c.name) != c.told {
			t.Errorf("%s: %v, %v, %v", c.name, state, err, d.Trouble)
		}
	}
	lost := errors.New("lost")
	if _, err := Open(t.Context(), refusing{at(t, root), map[string]error{"": lost}}); !errors.Is(err, lost) {
		t.Errorf("a listing that failed: %v", err)
	}
}

// A store without files of this machine is read, verified and printed like a disk, by the same code.
func TestVerifyAndCat_NeedNoDisk(t *testing.T) {
	root := t.TempDir()
	file := output(t, root)[1]
	load := func() store.Store {
		memory := storetest.NewMemFS()
		err := fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil || name == ".":
				return err
			case e.IsDir():
				return memory.Mkdir(name, 0o700)
			}
			memory.Plant(t, name, get(t, filepath.Join(root, name)))
			return nil
		})
		s, oerr := store.OpenLocal(store.LocalConfig{Root: root, FS: memory})
		if err := errors.Join(err, oerr); err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := func() *Report {
		t.Helper()
		onDisk := isolated(t, root)
		inMemory := verifyWith(t, Config{Store: load(), Reader: self("check-file")})
		if diff := cmp.Diff(onDisk, inMemory); diff != "" {
			t.Error(diff)
		}
		return inMemory
	}
	if r := same(); !r.OK || r.Files != 3 {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"", file} {
		var onDisk, inMemory bytes.Buffer
		if err := errors.Join(Cat(t.Context(), &onDisk, Print{Inputs: []Input{{at(t, root), name}}, Limit: -1}),
			Cat(t.Context(), &inMemory, Print{Inputs: []Input{{load(), name}}, Limit: -1})); err != nil {
			t.Fatal(err)
		}
		if onDisk.Len() == 0 || !bytes.Equal(onDisk.Bytes(), inMemory.Bytes()) {
			t.Errorf("%q: %d and %d bytes", name, onDisk.Len(), inMemory.Len())
		}
	}
	data := get(t, filepath.Join(root, file))
	data[len(data)/2] ^= 1
	put(t, filepath.Join(root, file), data)
	index, _ := rejectsOf(t, root, 2)
	remove(t, filepath.Join(root, index))
	if r := same(); r.OK || !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Path == filepath.Join(root, file) }) {
		t.Errorf("%+v", r.Problems)
	}
}
