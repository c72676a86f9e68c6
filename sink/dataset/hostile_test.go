package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
)

// reseal makes a changed file look as if it had been written so: the work of somebody who knows the
// format and may write to the output.
func reseal(t testing.TB, root, name string, data []byte) {
	t.Helper()
	footer, err := parquet.ReadFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	kv := footer.KeyValues
	var length int
	if _, err := fmt.Sscan(kv["tw2parquet.data_bytes"], &length); err != nil {
		t.Fatal(err)
	}
	set := func(key, value string) {
		data = append(data[:length:length], bytes.Replace(data[length:], []byte(kv[key]), []byte(value), 1)...)
		kv[key] = value
	}
	sum := sha256.Sum256(data[:length])
	set("tw2parquet.data_sha256", hex.EncodeToString(sum[:]))
	set("tw2parquet.checksum", strings.Repeat("0", 64))
	start := len(data) - 8 - int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	sum = sha256.Sum256(data[start : len(data)-8])
	set("tw2parquet.checksum", hex.EncodeToString(sum[:]))
	put(t, filepath.Join(root, name), data)
	rehash(t, root, data)
}

// rehash enters a file into the manifest of runA as its first.
func rehash(t testing.TB, root string, data []byte) {
	t.Helper()
	editManifest(t, root, runA, func(m map[string]any) {
		f := m["files"].([]any)[0].(map[string]any)
		sum := sha256.Sum256(data)
		f["sha256"], f["bytes"], m["bytes"] = hex.EncodeToString(sum[:]), len(data), len(data)
	})
}

// small is a complete output of one small file.
func small(t testing.TB, root string) (name string, data []byte) {
	t.Helper()
	job{run: runA, chunks: corpus(t, 30), codec: "zstd", groupRows: 15}.write(t, root)
	name = sink.PartName(runA, 0, 0)
	return name, get(t, filepath.Join(root, name))
}

func TestVerify_ReadsValuesEvenIfEveryChecksumFits(t *testing.T) {
	root := t.TempDir()
	name, data := small(t, root)
	reseal(t, root, name, bytes.Clone(data))
	if r := verify(t, root); !r.OK {
		t.Fatalf("the forger's tools are blunt: %+v", r.Problems)
	}
	groups, err := parquet.ReadRowGroups(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for g, group := range groups {
		for i := 0; i < len(group.Chunks); i += 41 {
			c := group.Chunks[i]
			for _, at := range []int64{c.First, c.First + c.Bytes - 1} { // a header, a body
				bad := bytes.Clone(data)
				bad[at] ^= 0x15
				reseal(t, root, name, bad)
				named(t, fmt.Sprintf("row group %d, %s, byte %d", g, c.Column, at), root, isolated(t, root), name)
			}
		}
	}
}

// footerOf replaces the footer of a file by hand-made Thrift.
func footerOf(data []byte, footer ...byte) []byte {
	old := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	data = append(bytes.Clone(data[:len(data)-8-old]), footer...)
	return append(binary.LittleEndian.AppendUint32(data, uint32(len(footer))), "PAR1"...)
}

func TestVerifyAndCat_RefuseHandMadeFooters(t *testing.T) {
	root := t.TempDir()
	name, data := small(t, root)
	claim := func(n uint32) []byte {
		bad := bytes.Clone(data)
		binary.LittleEndian.PutUint32(bad[len(bad)-8:], n)
		return bad
	}
	rows := []byte{0x36, 0x02} // field 3, i64: one row
	for what, bad := range map[string][]byte{
		"4 GiB of footer":      claim(1<<32 - 1),
		"2 GiB of footer":      claim(1 << 31),
		"17 MiB of footer":     append(append([]byte("PAR1"), make([]byte, 18<<20)...), claim(17 << 20)[len(data)-8:]...),
		"no footer":            claim(0),
		"empty struct":         footerOf(data, 0),
		"2^31 row groups":      footerOf(data, append(rows, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0)...),
		"2^63 schema elements": footerOf(data, 0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0),
		"deep":                 footerOf(data, bytes.Repeat([]byte{0x1c}, 100000)...),
		"deep lists":           footerOf(data, append([]byte{0x19}, bytes.Repeat([]byte{0x19}, 100000)...)...),
		"a string of 2^31":     footerOf(data, append(rows, 0x38, 0xff, 0xff, 0xff, 0xff, 0x07)...),
		"row groups of air":    footerOf(data, append(append(rows, 0x19, 0xfc, 0x80, 0x80, 0x20), make([]byte, 1<<19+1)...)...),
		"another magic":        append(bytes.Clone(data[:len(data)-4]), "PARE"...),
		"text":                 []byte(strings.Repeat("no parquet at all\n", 1000)),
		"eight bytes":          []byte("PAR1PAR1"),
		"twelve bytes":         []byte("PAR1\x00\x00\x00\x00PAR1"),
	} {
		began := time.Now()
		put(t, filepath.Join(root, name), bad)
		rehash(t, root, bad)
		named(t, what, root, isolated(t, root), name)
		err := Cat(context.Background(), io.Discard, Print{Inputs: these(t, filepath.Join(root, name)), Limit: -1})
		if foreign := (*sink.ForeignError)(nil); !errors.As(err, &foreign) || foreign.Path != filepath.Join(root, name) {
			t.Errorf("%s: cat says %v", what, err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%s: %v", what, d)
		}
	}
}

// Files that are damaged in a way that no checksum shows are read to the end, in this process, or
// refused; nothing panics through, and the layers before the library keep memory in bounds.
func TestOpenParquet_SurvivesDamage(t *testing.T) {
	_, data := small(t, t.TempDir())
	footer := len(data) - 8 - int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	rng := rand.New(rand.NewPCG(1, 2))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refused := 0
	rounds := 200 / stride(4)
	for i := range rounds {
		bad := bytes.Clone(data)
		for range 1 + rng.IntN(3) {
			at := rng.IntN(footer)
			if i%2 == 0 {
				at = footer + rng.IntN(len(data)-8-footer)
			}
			bad[at] = byte(rng.Uint32())
		}
		if err := readAll(bad); err != nil {
			refused++
		}
	}
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) / uint64(rounds); grown > 64<<20 {
		t.Errorf("%d bytes were allocated for a file of %d", grown, len(data))
	}
	if refused < rounds/4 {
		t.Errorf("%d of %d were refused", refused, rounds)
	}
	if err := readAll(data); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

func readAll(data []byte) error {
	return guarded(func() error {
		in := bytes.NewReader(data)
		p, err := openParquet(in, in.Size(), &walker{in: in})
		if err != nil {
			return err
		}
		for g := range p.groups {
			for f := range p.schema.NumFields() {
				if err := p.batches(context.Background(), g, []int{f}, func(rec arrow.RecordBatch) error { return validText(rec.Column(0)) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Without a manifest a file is held against itself, and no byte of it is without a checksum.
func TestVerify_OfAnIncompleteRunSeesEveryByte(t *testing.T) {
	root := t.TempDir()
	name, data := small(t, root)
	if err := os.Remove(filepath.Join(root, manifestOf(runA))); err != nil {
		t.Fatal(err)
	}
	said, err := sink.ReadPublished(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	footer := len(data) - 8 - int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	if said.DataBytes != int64(footer) {
		t.Errorf("the checksum of the data ends at %d, the footer begins at %d", said.DataBytes, footer)
	}
	few := stride(8)
	for at := 0; at < len(data); at += 61*few + few/8 { // with the next bit each time
		if at > footer {
			at -= 50 * few // more closely
		}
		bad := bytes.Clone(data)
		bad[at] ^= 1 << (at % 8)
		put(t, filepath.Join(root, name), bad)
		named(t, fmt.Sprintf("byte %d, footer from %d", at, footer), root, verify(t, root), name)
	}
}

// FuzzLayout: what stands before the library never panics and allocates in proportion.
func FuzzLayout(f *testing.F) {
	// One row group of one chunk with one page, both by hand: long seeds make slow fuzzing.
	f.Add([]byte("\x36\x02\x19\x1c\x19\x1c\x3c\x39\x18\x01a\x15\x00\x16\x02\x16\x1e\x16\x1e\x26\x08\x00\x00\x26\x02\x00\x00"),
		[]byte("\x15\x00\x15\x04\x15\x04\x15\x00\x1c\x15\x02\x00\x00ab"))
	f.Add([]byte{0x36, 2, 0x19, 0x1c, 0}, []byte{0x15, 0, 0x15, 2, 0x15, 2, 0x2c, 0x15, 2, 0, 0})
	f.Fuzz(func(t *testing.T, footer, pages []byte) {
		file := append([]byte("PAR1"), pages...)
		file = append(file, footer...)
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), "PAR1"...)
		in := bytes.NewReader(file)
		groups, err := parquet.ReadRowGroups(in, in.Size())
		if err != nil {
			return
		}
		for _, g := range groups {
			for _, c := range g.Chunks {
				if c.First < 4 || c.First+c.Bytes > int64(4+len(pages)) {
					t.Fatalf("chunk %+v lies outside of %d bytes", c, len(pages))
				}
			}
		}
		w := walker{in: in, sums: true}
		if w.check(groups) == nil && w.pages > int64(len(file)*max(1, len(footer))) {
			t.Fatalf("%d pages", w.pages)
		}
	})
}
