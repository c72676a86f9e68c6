package sink

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/format"
)

// checkBroad looks at the footer and at every page: nothing but PLAIN and dictionaries, in data pages of
// version 1.
func checkBroad(t testing.TB, data []byte) {
	t.Helper()
	for _, e := range encodingsOf(t, data) {
		if !slices.Contains([]format.Encoding{format.Plain, format.RLE, format.RLEDictionary}, e) {
			t.Errorf("%v is used", e)
		}
	}
	if m := readFooter(t, data); m.Version != 1 {
		t.Errorf("version %d of the format", m.Version)
	}
}

// encodingsOf lists the encodings that the footer or a page's header names. Levels are always RLE.
func encodingsOf(t testing.TB, data []byte) []format.Encoding {
	t.Helper()
	m := readFooter(t, data)
	var seen []format.Encoding
	note := func(encodings ...format.Encoding) {
		for _, e := range encodings {
			if !slices.Contains(seen, e) {
				seen = append(seen, e)
			}
		}
	}
	for g := range m.RowGroups {
		for c := range m.RowGroups[g].Columns {
			cm := &m.RowGroups[g].Columns[c].MetaData
			note(cm.Encoding...)
			at := cm.DataPageOffset
			if cm.DictionaryPageOffset > 0 {
				at = cm.DictionaryPageOffset
			}
			for end := at + cm.TotalCompressedSize; at < end; {
				var h format.PageHeader
				r := bytes.NewReader(data[at:end])
				if err := thriftDecode(r, &h); err != nil {
					t.Fatalf("column %v: %v", cm.PathInSchema, err)
				}
				switch h.Type {
				case format.DictionaryPage:
					note(h.DictionaryPageHeader.V.Encoding)
				case format.DataPage:
					note(h.DataPageHeader.V.Encoding, h.DataPageHeader.V.DefinitionLevelEncoding, h.DataPageHeader.V.RepetitionLevelEncoding)
				default:
					t.Errorf("column %v: %v", cm.PathInSchema, h.Type)
				}
				at = end - int64(r.Len()) + int64(h.CompressedPageSize)
			}
		}
	}
	return seen
}

// Columns of every class, named as the schema of documents names them.
func TestEncode_BroadUsesOnlyWhatEveryReaderKnows(t *testing.T) {
	schema := arrow.NewSchema(benchColumns(), nil)
	rec := benchRecord(schema, 3000)
	defer rec.Release()
	broad := encodeTo(t, newGroupEncoder(schema, Compression{}, Broad), nil, rec, rec)
	checkFile(t, broad, rec, rec)
	checkBroad(t, broad)
	if !slices.Contains(encodingsOf(t, broad), format.RLEDictionary) {
		t.Error("no column has a dictionary")
	}
	compact := encodeTo(t, newGroupEncoder(schema, Compression{}, Compact), nil, rec, rec)
	checkFile(t, compact, rec, rec)
	for _, e := range []format.Encoding{format.DeltaBinaryPacked, format.DeltaLengthByteArray, format.DeltaByteArray} {
		if !slices.Contains(encodingsOf(t, compact), e) {
			t.Errorf("compact does not use %v", e)
		}
	}
	if m := readFooter(t, compact); m.Version != 2 {
		t.Errorf("compact is version %d of the format", m.Version)
	}
	if len(compact) >= len(broad) {
		t.Errorf("compact takes %d bytes, broad %d", len(compact), len(broad))
	}
}

// A run that was begun with one choice is continued, and mended, with the other.
func TestRun_GoesOnWithOtherEncodings(t *testing.T) {
	for _, first := range bothEncodings() {
		t.Run(first.String(), func(t *testing.T) {
			with := func(e Encodings) job {
				return job{total: 50, group: 3, config: func(c *Config) { c.Encodings, c.Refetch = e, true }}
			}
			begun, other := with(first), with(Broad+Compact-first)
			disk := newMemFS()
			o := mustOpen(t, begun, disk)
			o.SetMeta("task_id", "task")
			if err := begun.stretchTo(o, 21); err != nil {
				t.Fatal(err)
			}
			published := len(o.Files())
			if published < 2 {
				t.Fatalf("%d files", published)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			finish(t, other, disk)
			checkVersions(t, disk, first, published)

			// One file of each kind is damaged, and comes back as the other one.
			var parts []string
			for _, name := range sortedNames(disk) {
				if strings.HasSuffix(name, ".parquet") {
					parts = append(parts, name)
				}
			}
			for _, name := range []string{parts[0], parts[published]} {
				if err := disk.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			if err := begun.mend(disk); err != nil {
				t.Fatal(err)
			}
			begun.checkComplete(t, disk)
			checkVersions(t, disk, first, published+1)
		})
	}
}

// checkVersions wants the first n files of a run with the encodings first, and the others with the other ones.
func checkVersions(t *testing.T, disk *memFS, first Encodings, n int) {
	t.Helper()
	var got []int32
	for _, name := range sortedNames(disk) {
		if strings.HasSuffix(name, ".parquet") {
			data := disk.files()[name]
			got = append(got, readFooter(t, data).Version)
			if readFooter(t, data).Version == Broad.version() {
				checkBroad(t, data)
			}
		}
	}
	for i, version := range got {
		want := first
		if i >= n {
			want = Broad + Compact - first
		}
		if version != want.version() {
			t.Fatalf("files of versions %v, want %d of the first choice, %s", got, n, first)
		}
	}
	if len(got) <= n {
		t.Fatalf("files of versions %v, all of the same choice", got)
	}
}

func TestEncodings_AreReadFromText(t *testing.T) {
	for _, e := range bothEncodings() {
		var got Encodings
		if err := got.UnmarshalText([]byte(e.String())); err != nil || got != e {
			t.Errorf("%s: %s, %v", e, got, err)
		}
	}
	for _, text := range []string{"", "BROAD", "delta"} {
		var e Encodings
		if err := e.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %s", text, e)
		}
	}
}
