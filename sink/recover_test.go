package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// half is a disk with two published files, of an incomplete run.
func half(t *testing.T, j job) *storetest.MemFS {
	t.Helper()
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	o.SetMeta("task_id", "task")
	for n := int64(0); n < 2; n++ {
		mustFeed(t, j, o, 10*n, 10*n+10)
		notes := map[string]string{"drift": fmt.Sprint(10*n + 10)}
		if err := o.Finish(t.Context(), j.offset(10*n+10), 10*n+10, notes); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

func partName(run string, seq int) string {
	return fmt.Sprintf("%s/part-%s-%05d.parquet", testPartition, run, seq)
}

// build makes a published file with the given changes to its footer.
func build(t *testing.T, j job, change func(kv map[string]string)) []byte {
	t.Helper()
	disk := storetest.NewMemFS()
	o := mustOpen(t, j, disk)
	mustFeed(t, j, o, 20, 24)
	f := File{Seq: 2, Rows: 4, FromOffset: j.offset(20), ToOffset: "end", FirstOrdinal: 20, NextOrdinal: 24}
	o.open.writer.WriteIndexes()
	kv := f.keyValues(testRun, "1", o.open.data)
	m := parquet.Metadata{KeyValues: kv, ChecksumKey: footerPrefix + keyChecksum}
	kv[m.ChecksumKey] = ""
	change(kv)
	if _, wanted := kv[m.ChecksumKey]; !wanted {
		m.ChecksumKey = ""
	}
	if _, err := o.open.writer.Finish(m); err != nil {
		t.Fatal(err)
	}
	if err := o.open.data.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.open.data.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(disk.Files()[o.open.name], []byte("to be flipped"), []byte("to be flapped"))
}

func TestRecover_ChecksTheChain(t *testing.T) {
	j := job{total: 40, group: 10}
	set := func(k, v string) func(map[string]string) {
		return func(kv map[string]string) { kv[footerPrefix+k] = v }
	}
	drop := func(k string) func(map[string]string) {
		return func(kv map[string]string) { delete(kv, footerPrefix+k) }
	}
	for name, c := range map[string]struct {
		change func(map[string]string)
		want   string // "" means that it is accepted
	}{
		"unchanged":           {func(map[string]string) {}, ""},
		"an older schema":     {set(keySchemaVersion, "0"), ""},
		"another run":         {set(keyRun, "other"), `run "other"`},
		"another number":      {set(keySeq, "1"), "number 1"},
		"another start":       {set(keyFromOffset, "offset/19="), "does not begin at the offset"},
		"a gap of one result": {set(keyFirstOrdinal, "21"), "begins with result 21"},
		"one row too many":    {set(keyRows, "5"), "has 4 rows"},
		"rejects out of thin": {func(kv map[string]string) {
			kv[footerPrefix+keyRejected], kv[footerPrefix+keyRejects] = "1", "rejects-00002-0123abcd"
		}, "do not end at 24"},
		"rejects of another": {func(kv map[string]string) {
			kv[footerPrefix+keyRejected], kv[footerPrefix+keyRejects] = "1", "rejects-00001-0123abcd"
		}, "names its rejects"},
		"rejects elsewhere": {func(kv map[string]string) {
			kv[footerPrefix+keyRejected], kv[footerPrefix+keyRejects] = "1", "../../rejects-00002-0123abcd"
		}, "names its rejects"},
		"a newer schema":       {set(keySchemaVersion, "2"), "newer version"},
		"a nonsense version":   {set(keySchemaVersion, "x"), "not a number"},
		"a negative count":     {set(keyRejected, "-1"), "not a count"},
		"no offset":            {drop(keyToOffset), "to_offset"},
		"a flipped offset":     {set(keyToOffset, "to be flipped"), "checksum"},
		"no checksum":          {drop(keyChecksum), "checksum"},
		"no run":               {drop(keyRun), "tw2parquet.run"},
		"more data than bytes": {set(keyDataBytes, "99999999"), "shorter"},
		"a terminal escape":    {set(keyRun, "\x1b[31m"+strings.Repeat("x", 1000)), `\x1b`},
	} {
		t.Run(name, func(t *testing.T) {
			disk := half(t, j)
			disk.Plant(t, partName(testRun, 2), build(t, j, c.change))
			before := disk.Files()
			o, err := j.open(disk, "/out")
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
				return
			}
			wantForeign(t, err, "00002.parquet", c.want)
			if len(err.Error()) > 500 || strings.ContainsRune(err.Error(), 0x1b) {
				t.Fatalf("unfit for a terminal: %q", err)
			}
			sameData(t, before, disk.Files())
		})
	}
}

// What a newer version wrote is not ours to mend, even if its footers hold other keys than ours. A damaged
// footer is damaged, whatever version it claims.
func TestRecover_NewerFootersAreNoDamage(t *testing.T) {
	j := job{total: 40, group: 10, config: func(c *Config) { c.Refetch = true }}
	for name, c := range map[string]struct {
		drop, version string
		newer         bool
	}{
		"a count less":    {keyRejected, "2", true},
		"no checksum":     {keyChecksum, "2", true},
		"no run":          {keyRun, "2", true},
		"a flipped bit":   {keyToOffset, "2", false},
		"ours, less":      {keyRejected, "1", false},
		"ours, unchecked": {keyChecksum, "1", false},
	} {
		disk := half(t, j)
		disk.Plant(t, partName(testRun, 2), build(t, j, func(kv map[string]string) {
			delete(kv, footerPrefix+c.drop)
			kv[footerPrefix+keySchemaVersion] = c.version
			if name == "a flipped bit" {
				kv["of somebody"] = "to be flipped"
			}
		}))
		before := disk.Files()
		o, err := j.open(disk, "/out")
		if c.newer {
			wantForeign(t, err, "00002.parquet", "newer version")
			sameData(t, before, disk.Files())
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if damage := (*DamageError)(nil); !errors.As(o.Damage(), &damage) {
			t.Errorf("%s: %v", name, o.Damage())
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func wantForeign(t *testing.T, err error, names ...string) {
	t.Helper()
	var f *ForeignError
	if !errors.As(err, &f) || !errors.Is(err, ErrForeign) {
		t.Fatalf("got %T: %v", err, err)
	}
	if f.Hint == "" {
		t.Fatalf("no hint in %v", err)
	}
	for _, n := range names {
		if !strings.Contains(err.Error(), n) {
			t.Fatalf("no %q in %q", n, err)
		}
	}
}

// sameData fails if any data file changed.
func sameData(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	for name, data := range before {
		if strings.HasPrefix(name, testPartition) && !bytes.Equal(data, after[name]) {
			t.Fatalf("%s was touched", name)
		}
	}
}

// rejectsName is the one file of rejects of file number seq with that ending.
func rejectsName(t *testing.T, disk *storetest.MemFS, seq int, ext string) string {
	t.Helper()
	for name := range disk.Files() {
		if stem, ok := rejectsOf(path.Base(name)); ok && validStem(stem, seq) && strings.HasSuffix(name, ext) {
			return name
		}
	}
	t.Fatalf("no rejects of file %d", seq)
	return ""
}

func TestRecover_NamesAMissingFile(t *testing.T) {
	j := job{total: 40, group: 10, reject: 4}
	for _, find := range []func(*storetest.MemFS) string{
		func(*storetest.MemFS) string { return partName(testRun, 0) },
		func(m *storetest.MemFS) string { return rejectsName(t, m, 1, ".jsonl") },
		func(m *storetest.MemFS) string { return rejectsName(t, m, 0, ".raw") },
	} {
		disk := half(t, j)
		name := find(disk)
		if err := disk.Remove(name); err != nil {
			t.Fatal(err)
		}
		_, err := j.open(disk, "/out")
		wantForeign(t, err, path.Base(name), "missing")
		if !errors.Is(err, ErrMissing) {
			t.Fatal("not ErrMissing")
		}
	}
}

// A missing last file is not a gap: the run goes on from the one before, and delivers its rows again.
func TestRecover_TheLastFileIsGone(t *testing.T) {
	j := job{total: 40, group: 10, reject: 4}
	disk := half(t, j)
	if err := disk.Remove(partName(testRun, 1)); err != nil {
		t.Fatal(err)
	}
	finish(t, j, disk)
}

func TestRecover_HostileFiles(t *testing.T) {
	j := job{total: 40, group: 10}
	template := half(t, j)
	good := template.Files()[partName(testRun, 1)]
	tail := func(length uint32, magic string) []byte {
		return append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), make([]byte, 100)...), length), magic...)
	}
	// A footer of one list that claims 2^31 structs, in a few bytes.
	bomb := []byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07}
	bomb = append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), bomb...), uint32(len(bomb))), "PAR1"...)
	// Lists in lists, as deep as the limit of the footer allows.
	deep := bytes.Repeat([]byte{0x19}, 1<<20)
	deep = append(binary.LittleEndian.AppendUint32(append([]byte("PAR1"), deep...), uint32(len(deep))), "PAR1"...)
	cases := map[string][]byte{
		"empty":             {},
		"short":             []byte("PAR1"),
		"text":              []byte("not a Parquet file at all"),
		"encrypted":         tail(20, "PARE"),
		"footer too long":   tail(1<<30, "PAR1"),
		"footer over start": tail(105, "PAR1"),
		"footer of zeros":   tail(100, "PAR1"),
		"list bomb":         bomb,
		"deep":              deep,
		"torn":              good[:len(good)-1],
		"torn in the data":  good[:len(good)/2],
		"beginning lost":    good[10:],
		"another format":    append([]byte("ORC1"), good[4:]...),
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 300 { // flipped bits in the footer: refused, or read as what it is, never a panic
		flipped := bytes.Clone(good)
		at := len(flipped) - 8 - rng.IntN(min(len(flipped)-12, 1200))
		flipped[at] ^= 1 << rng.IntN(8)
		cases[fmt.Sprintf("bit flip %d", i)] = flipped
	}
	for name, data := range cases {
		disk := template.Crash(rng, 1)
		disk.Plant(t, partName(testRun, 1), data)
		o, err := j.open(disk, "/out")
		if err == nil && strings.HasPrefix(name, "bit flip") {
			if offset, next := o.Position(); offset != j.offset(20) || next != 20 {
				t.Fatalf("%s: position %q, %d", name, offset, next)
			}
			if cerr := o.Close(); cerr != nil {
				t.Fatal(cerr)
			}
			continue
		}
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		wantForeign(t, err, "00001.parquet")
		if !bytes.Equal(disk.Files()[partName(testRun, 1)], data) {
			t.Fatalf("%s: touched", name)
		}
	}
}

func TestRecover_NamesThatLookLikeOurs(t *testing.T) {
	j := job{total: 40, group: 10}
	for _, name := range []string{"part-" + testRun + "-1.parquet", "part-" + testRun + "-000001.parquet", "part-" + testRun + "-00000.parquet.tmp", "part-" + testRun + "--0001.parquet"} {
		disk := half(t, j)
		disk.Plant(t, testPartition+"/"+name, []byte("x"))
		_, err := j.open(disk, "/out")
		wantForeign(t, err, name)
	}
	disk := half(t, j)
	if err := disk.Mkdir(partName(testRun, 2), 0o750); err != nil {
		t.Fatal(err)
	}
	_, err := j.open(disk, "/out")
	wantForeign(t, err, "00002.parquet", "not a regular file")
}

// Files of other runs and of strangers are neither read nor touched.
func TestRecover_LeavesStrangersAlone(t *testing.T) {
	j := job{total: 40, group: 10, reject: 5}
	disk := half(t, j)
	staging := store.StateDir + "/" + testRun + "/staging/"
	strangers := []string{
		partName("otherrun", 0), testPartition + "/export.parquet", testPartition + "/.tw2parquet-otherrun-1", staging + "otherrun-00000-1.part",
		staging + testRun + "-notes.txt", store.StateDir + "/" + testRun + "/rejects-readme", store.StateDir + "/" + testRun + "/task.json",
	}
	ours := []string{
		staging + testRun + "-00002-dead-1.part", testPartition + "/.tw2parquet-" + testRun + "-dead",
		store.StateDir + "/" + testRun + "/rejects-00002-0123abcd.raw", store.StateDir + "/" + testRun + "/rejects-00002-0123abcd.jsonl",
	}
	for _, name := range append(strangers, ours...) {
		disk.Plant(t, name, []byte("left by somebody"))
	}
	if err := j.run(disk, "/out", nil); err != nil {
		t.Fatal(err)
	}
	after := disk.Files()
	for _, name := range strangers {
		if string(after[name]) != "left by somebody" {
			t.Errorf("%s was touched", name)
		}
	}
	for _, name := range ours {
		if string(after[name]) == "left by somebody" {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestComplete_NoticesDamageOfEarlierFiles(t *testing.T) {
	j := job{total: 20, group: 10}
	disk := half(t, j)
	data := disk.Files()[partName(testRun, 0)]
	data[20] ^= 1 // in a page: the footer is fine
	disk.Plant(t, partName(testRun, 0), data)
	err := j.run(disk, "/out", nil)
	wantForeign(t, err, "00000.parquet", "damaged")
	if m := disk.Files()[store.StateDir+"/"+testRun+"/manifest.json"]; m != nil {
		t.Fatal("a manifest vouches for a damaged file")
	}
}

// Files that somebody took away, or cut, or added while the run went on: nobody says that it is complete.
func TestComplete_NoticesWhatBecameOfItsOwnFiles(t *testing.T) {
	j := job{total: 40, group: 10, reject: 4}
	for name, c := range map[string]struct {
		change func(*storetest.MemFS) error
		want   []string
	}{
		"gone":         {func(m *storetest.MemFS) error { return m.Remove(partName(testRun, 0)) }, []string{"00000.parquet", "missing"}},
		"rejects gone": {func(m *storetest.MemFS) error { return m.Remove(rejectsName(t, m, 1, ".raw")) }, []string{"rejects-00001-", "missing"}},
		"cut":          {func(m *storetest.MemFS) error { m.Plant(t, partName(testRun, 1), []byte("PAR1")); return nil }, []string{"00001.parquet", "4 bytes"}},
		"one more":     {func(m *storetest.MemFS) error { m.Plant(t, partName(testRun, 9), []byte("x")); return nil }, []string{"00009.parquet", "does not list"}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := storetest.NewMemFS()
			err := j.run(disk, "/out", func(next int64) {
				if next == 30 {
					if err := c.change(disk); err != nil {
						t.Error(err)
					}
				}
			})
			wantForeign(t, err, c.want...)
			if disk.Files()[store.StateDir+"/"+testRun+"/manifest.json"] != nil {
				t.Error("there is a manifest")
			}
		})
	}
}

func TestRerun_ComparesWithTheManifest(t *testing.T) {
	j := job{total: 40, group: 10, reject: 4}
	manifest := store.StateDir + "/" + testRun + "/manifest.json"
	edit := func(from, to string) func(*storetest.MemFS) {
		return func(m *storetest.MemFS) {
			m.Plant(t, manifest, bytes.Replace(m.Files()[manifest], []byte(from), []byte(to), 1))
		}
	}
	for name, c := range map[string]struct {
		change func(*storetest.MemFS)
		want   []string
	}{
		"a file is gone":      {func(m *storetest.MemFS) { _ = m.Remove(partName(testRun, 1)) }, []string{"00001.parquet", "missing"}},
		"all files are gone":  {func(m *storetest.MemFS) { m.Uproot(t, testPartition) }, []string{"00000.parquet", "missing"}},
		"a file was cut":      {func(m *storetest.MemFS) { m.Plant(t, partName(testRun, 2), []byte("PAR1")) }, []string{"00002.parquet", "4 bytes"}},
		"a file too many":     {func(m *storetest.MemFS) { m.Plant(t, partName(testRun, 9), []byte("x")) }, []string{"00009.parquet", "does not list"}},
		"an odd name":         {func(m *storetest.MemFS) { m.Plant(t, partName(testRun, 1)+".bak", []byte("x")) }, []string{".bak"}},
		"a newer manifest":    {edit(`"format": 1`, `"format": 2`), []string{"manifest.json", "newer"}},
		"a newer schema":      {edit(`"schema_version": "1"`, `"schema_version": "7"`), []string{"manifest.json", "newer"}},
		"another run's":       {edit(testRun, "otherrun"), []string{"manifest.json", "another run"}},
		"a path out of there": {edit(partName(testRun, 0), "../../etc/passwd"), []string{"manifest.json", "passwd"}},
		"garbage":             {func(m *storetest.MemFS) { m.Plant(t, manifest, []byte("{")) }, []string{"manifest.json"}},
		"empty":               {func(m *storetest.MemFS) { m.Plant(t, manifest, nil) }, []string{"manifest.json"}},
		"deep":                {func(m *storetest.MemFS) { m.Plant(t, manifest, bytes.Repeat([]byte("["), 1<<20)) }, []string{"manifest.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := storetest.NewMemFS()
			finish(t, j, disk)
			c.change(disk)
			before := disk.Files()
			_, err := j.open(disk, "/out")
			wantForeign(t, err, c.want...)
			if after := disk.Files(); len(after) != len(before) {
				t.Fatal("something was created or removed")
			}
			sameData(t, before, disk.Files())
		})
	}
}

// readOnlyFS refuses every change.
type readOnlyFS struct{ *storetest.MemFS }

var errReadOnly = errors.New("changed")

func (readOnlyFS) Create(string, fs.FileMode) (store.Handle, error) { return nil, errReadOnly }
func (readOnlyFS) Mkdir(string, fs.FileMode) error                  { return errReadOnly }
func (readOnlyFS) Link(string, string) error                        { return errReadOnly }
func (readOnlyFS) Remove(string) error                              { return errReadOnly }
func (readOnlyFS) SyncDir(string) error                             { return errReadOnly }

// A re-run looks at every file once and changes nothing: its cost is the listing.
func TestRerun_OfACompleteRunWritesNothing(t *testing.T) {
	j := job{total: 400, group: 10}
	disk := storetest.NewMemFS()
	finish(t, j, disk)
	if err := j.run(readOnlyFS{disk}, "/out", nil); err != nil {
		t.Fatal(err)
	}
	f := &storetest.FaultFS{MemFS: disk, At: -1}
	o := mustOpen(t, j, f)
	if n := len(o.Files()); n != 40 || f.Count > n+15 {
		t.Fatalf("%d operations for %d files", f.Count, n)
	}
	for i, file := range o.Files() {
		if file.Seq != i || file.SHA256 == "" || file.Notes["writer"] != "test" {
			t.Fatalf("file %+v", file)
		}
	}
}
