package sink

import (
	"bytes"
	"encoding/binary"
	"maps"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	parquetgo "github.com/parquet-go/parquet-go"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// published is one file of a finished run with everything in it.
func published(t testing.TB) (data []byte, f File) {
	t.Helper()
	disk := storetest.NewMemFS()
	j := job{total: 30, group: 3, reject: 7, config: func(c *Config) { c.MaxFileRows = 0 }}
	if err := j.run(disk, "/out", nil); err != nil {
		t.Fatal(err)
	}
	o, err := j.open(disk, "/out")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, o)
	f = o.Files()[0]
	return disk.Files()[f.Name], f
}

func ours(kv map[string]string) map[string]string {
	kv = maps.Clone(kv)
	maps.DeleteFunc(kv, func(k, _ string) bool { return !strings.HasPrefix(k, footerPrefix) })
	return kv
}

// Two readers that did not write the file, and our own walk over the footer, agree.
func TestFooter_ReadersAgree(t *testing.T) {
	data, f := published(t)
	mine, err := parquet.ReadFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tw2parquet.run": testRun, "tw2parquet.seq": "0", "tw2parquet.from_offset": "", "tw2parquet.to_offset": "offset/30=",
		"tw2parquet.rows": "26", "tw2parquet.rejected": "4", "tw2parquet.first_ordinal": "0", "tw2parquet.next_ordinal": "30",
		"tw2parquet.schema_version": "1", "tw2parquet.task_id": "task", "tw2parquet.writer": "test", "tw2parquet.drift": "30",
	}
	for k, v := range want {
		if mine.KeyValues[k] != v {
			t.Errorf("%s is %q, want %q", k, mine.KeyValues[k], v)
		}
	}
	if len(ours(mine.KeyValues)) != len(want)+4 { // data_bytes, data_sha256, checksum, rejects
		t.Errorf("key-values %q", ours(mine.KeyValues))
	}
	if mine.Rows != f.Rows || f.Rows != 26 || f.Rejected != 4 {
		t.Errorf("%d rows in the footer, file %+v", mine.Rows, f)
	}

	pq, err := parquetgo.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{}
	for _, kv := range pq.Metadata().KeyValueMetadata {
		theirs[kv.Key] = kv.Value
	}
	if pq.NumRows() != f.Rows || !maps.Equal(theirs, mine.KeyValues) {
		t.Errorf("parquet-go: %d rows, %q", pq.NumRows(), theirs)
	}

	ar, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, ar)
	theirs = map[string]string{}
	kvs := ar.MetaData().KeyValueMetadata()
	for i, k := range kvs.Keys() {
		theirs[k] = kvs.Values()[i]
	}
	if ar.NumRows() != f.Rows || !maps.Equal(ours(theirs), ours(mine.KeyValues)) {
		t.Errorf("arrow-go: %d rows, %q", ar.NumRows(), theirs)
	}
}

func TestFooter_LargerThanTheFirstRead(t *testing.T) {
	const blob = 200 << 10
	j := job{total: 4, group: 4, config: func(c *Config) { c.Meta["blob"] = strings.Repeat("x", blob) }}
	disk := storetest.NewMemFS()
	finish(t, j, disk)
	if got := len(mustOpen(t, j, disk).Files()[0].Notes["blob"]); got != blob {
		t.Fatalf("%d bytes of a note", got)
	}
}

// Whatever the bytes are: no panic, and nothing is accepted that contradicts itself.
func FuzzFileOf(f *testing.F) {
	data, _ := published(f)
	length := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	f.Add(data[len(data)-8-length : len(data)-8])
	f.Add([]byte{0x15, 0x02, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07})
	f.Add([]byte{0x36, 0x02, 0x29, 0x1c, 0x18, 0x01, 'k', 0x18, 0x01, 'v', 0x00, 0x00})
	f.Fuzz(func(t *testing.T, footer []byte) {
		whole := append([]byte("PAR1"), footer...)
		whole = append(binary.LittleEndian.AppendUint32(whole, uint32(len(footer))), "PAR1"...)
		got, err := parquet.ReadFooter(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			return
		}
		if file, run, version, err := fileOf(got); err == nil {
			kv := ours(got.KeyValues)
			if file.Seq < 0 || file.Rows != got.Rows || kv[footerPrefix+keyRun] != run || kv[footerPrefix+keySchemaVersion] != version {
				t.Fatalf("%+v from %q", file, kv)
			}
		}
	})
}

func FuzzDecodeManifest(f *testing.F) {
	disk := storetest.NewMemFS()
	if err := (job{total: 9, group: 3, reject: 4}).run(disk, "/out", nil); err != nil {
		f.Fatal(err)
	}
	f.Add(disk.Files()[store.StateDir+"/"+testRun+"/"+manifestName])
	f.Add([]byte(`{"format":1,"run":"x","report":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err == nil && (m.Format != ManifestFormat || m.Run == "" || m.Report[0] != '{') {
			t.Fatalf("accepted %+v", m)
		}
	})
}
