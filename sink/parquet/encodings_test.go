package parquet

import (
	"bytes"
	"slices"
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
	broad := encodeTo(t, NewEncoder(schema, Compression{}, Broad), nil, rec, rec)
	checkFile(t, broad, rec, rec)
	checkBroad(t, broad)
	if !slices.Contains(encodingsOf(t, broad), format.RLEDictionary) {
		t.Error("no column has a dictionary")
	}
	joined := encodeGroups(t, NewEncoder(schema, Compression{}, Broad), together, nil, rec, rec)
	checkFile(t, joined, rec, rec)
	checkBroad(t, joined)
	compact := encodeTo(t, NewEncoder(schema, Compression{}, Compact), nil, rec, rec)
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
