package parquet

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// textRecord has the texts in its one column of strings.
func textRecord(schema *arrow.Schema, texts ...string) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.StringBuilder).AppendValues(texts, nil)
	return b.NewRecordBatch()
}

// schemaText prints schema elements as the format's documentation writes them.
func schemaText(elements []format.SchemaElement) string {
	converted := map[deprecated.ConvertedType]string{
		deprecated.UTF8: "UTF8", deprecated.Map: "MAP", deprecated.MapKeyValue: "MAP_KEY_VALUE", deprecated.List: "LIST",
		deprecated.TimestampMicros: "TIMESTAMP_MICROS", deprecated.Int32: "INT32", deprecated.Int64: "INT64",
	}
	var b strings.Builder
	var walk func(depth int)
	at := 0
	walk = func(depth int) {
		e := elements[at]
		at++
		fmt.Fprintf(&b, "%s", strings.Repeat("  ", depth))
		if depth > 0 {
			fmt.Fprintf(&b, "%s ", strings.ToLower(e.RepetitionType.V.String()))
		}
		if e.Type.Valid {
			fmt.Fprintf(&b, "%s ", strings.ToLower(e.Type.V.String()))
		} else {
			fmt.Fprint(&b, "group ")
		}
		fmt.Fprint(&b, e.Name)
		if e.LogicalType.Value != nil {
			fmt.Fprintf(&b, " %s", e.LogicalType.Value)
		}
		if e.ConvertedType.Valid {
			fmt.Fprintf(&b, " = %s", converted[e.ConvertedType.V])
		}
		fmt.Fprintln(&b)
		for range e.NumChildren.V {
			walk(depth + 1)
		}
	}
	walk(0)
	return b.String()
}

func TestFooter_Schema(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		required("_ordinal", arrow.PrimitiveTypes.Int64),
		field("published", timestampUTC),
		field("local", &arrow.TimestampType{Unit: arrow.Microsecond}),
		field("sentiment", arrow.PrimitiveTypes.Int32),
		field("flag", arrow.FixedWidthTypes.Boolean),
		field("tags", arrow.ListOf(arrow.BinaryTypes.String)),
		field("images", arrow.ListOf(arrow.StructOf(field("url", arrow.BinaryTypes.String), field("width", arrow.PrimitiveTypes.Int32)))),
		field("docscore", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Float64)),
		field("author", arrow.StructOf(field("world_data", arrow.StructOf(field("longitude", arrow.PrimitiveTypes.Float64))))),
	}, nil)
	m := readFooter(t, encodeTo(t, NewEncoder(schema, Compression{}, Broad), nil))
	want := `group schema
  required int64 _ordinal INT(64,true) = INT64
  optional int64 published TIMESTAMP(isAdjustedToUTC=true,unit=MICROS) = TIMESTAMP_MICROS
  optional int64 local TIMESTAMP(isAdjustedToUTC=false,unit=MICROS)
  optional int32 sentiment INT(32,true) = INT32
  optional boolean flag
  optional group tags LIST = LIST
    repeated group list
      optional byte_array element STRING = UTF8
  optional group images LIST = LIST
    repeated group list
      optional group element
        optional byte_array url STRING = UTF8
        optional int32 width INT(32,true) = INT32
  optional group docscore MAP = MAP
    repeated group key_value = MAP_KEY_VALUE
      required byte_array key STRING = UTF8
      optional double value
  optional group author
    optional group world_data
      optional double longitude
`
	if diff := cmp.Diff(want, schemaText(m.Schema)); diff != "" {
		t.Error(diff)
	}
	if m.NumRows != 0 || len(m.RowGroups) != 0 || m.Version != 1 || len(m.ColumnOrders) != 11 {
		t.Errorf("%d rows, %d row groups, version %d, %d column orders", m.NumRows, len(m.RowGroups), m.Version, len(m.ColumnOrders))
	}
	for _, o := range m.ColumnOrders {
		if _, ok := o.Value.(*format.TypeDefinedOrder); !ok {
			t.Errorf("column order %v", o.Value)
		}
	}
}

func TestFooter_KeyValuesAndWriter(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	e := NewEncoder(schema, Compression{}, Broad)
	m := readFooter(t, encodeTo(t, e, map[string]string{"z": "1", "a": "", "m": "ü"}))
	if got := fmt.Sprint(m.KeyValueMetadata); got != "[{a } {m ü} {z 1}]" {
		t.Errorf("key-values %s", got)
	}
	if m.CreatedBy != "test version 1.2.3 (build abc)" {
		t.Errorf("created by %q", m.CreatedBy)
	}
}

// A checksum covers the footer, and notices any flipped bit of it.
func TestFooter_Checksum(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	var out bytes.Buffer
	sum, err := NewWriter(&out, NewEncoder(schema, Compression{}, Broad), RowGroupLimits{}).Finish(Metadata{KeyValues: map[string]string{"a": "1"}, ChecksumKey: "sum"})
	if err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	f, err := ReadFooter(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.KeyValues["sum"] != sum || f.Checksum("sum") != sum || !f.Whole("sum") || len(sum) != 64 {
		t.Fatalf("checksum %q, %+v, %v", sum, f, err)
	}
	for i := 4; i < len(data)-8; i++ {
		data[i] ^= 1
		if f, err := ReadFooter(bytes.NewReader(data), int64(len(data))); err == nil && f.KeyValues["sum"] == f.Checksum("sum") && f.Checksum("sum") != "" {
			t.Errorf("a flipped bit of byte %d goes unnoticed", i)
		}
		data[i] ^= 1
	}
}

// The offsets, sizes and encodings of every chunk must be what one finds by walking over the pages.
func TestFooter_DescribesWhatIsThere(t *testing.T) {
	for compression, encodings := range map[Compression]Encodings{{}: Broad, {Codec: Snappy}: Compact, {Codec: None}: Broad} {
		schema := wideSchema()
		e := NewEncoder(schema, compression, encodings)
		for _, l := range e.tree.leaves {
			l.class.pageBytes = 3000
		}
		records := []arrow.RecordBatch{
			makeRecord(schema, 1, 700, 30, func(i int) bool { return i%3 == 0 }),
			makeRecord(schema, 2, 300, 30, func(int) bool { return true }),
		}
		rows := []int64{1700, 300}
		records = append([]arrow.RecordBatch{makeRecord(schema, 3, 1000, 30, func(i int) bool { return i%2 == 0 })}, records...)
		data := encodeGroups(t, e, RowGroupLimits{Rows: 1800, Bytes: 1 << 40}, nil, records...)
		m := readFooter(t, data)
		if len(m.RowGroups) != len(rows) {
			t.Fatalf("%d row groups", len(m.RowGroups))
		}
		at := int64(4)
		for g := range m.RowGroups {
			group := &m.RowGroups[g]
			if group.FileOffset != at || group.NumRows != rows[g] || int(group.Ordinal.V) != g || !group.Ordinal.Valid {
				t.Errorf("row group %d: offset %d (want %d), %d rows, ordinal %v", g, group.FileOffset, at, group.NumRows, group.Ordinal)
			}
			var compressed, uncompressed int64
			for c := range group.Columns {
				cm := &group.Columns[c].MetaData
				if cm.Codec != compression.format() || fmt.Sprint(cm.PathInSchema) != fmt.Sprint(e.tree.leaves[c].path) {
					t.Errorf("column %v: codec %v", cm.PathInSchema, cm.Codec)
				}
				end := walkPages(t, data, at, cm)
				at = end
				compressed += cm.TotalCompressedSize
				uncompressed += cm.TotalUncompressedSize
			}
			if group.TotalCompressedSize != compressed || group.TotalByteSize != uncompressed {
				t.Errorf("row group %d: sizes %d, %d, want %d, %d", g, group.TotalCompressedSize, group.TotalByteSize, compressed, uncompressed)
			}
		}
	}
}

func thriftDecode(r *bytes.Reader, v any) error {
	return thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(v)
}

// walkPages checks a chunk's metadata against its pages, which begin at start, and returns its end.
func walkPages(t *testing.T, data []byte, start int64, m *columnMetaData) int64 {
	t.Helper()
	at, end, raw := start, start+m.TotalCompressedSize, int64(0)
	data0 := false // seen the first data page
	seen := map[format.Encoding]bool{}
	stats := map[format.PageEncodingStats]int32{}
	for at < end {
		var h format.PageHeader
		r := bytes.NewReader(data[at:end])
		if err := thriftDecode(r, &h); err != nil {
			t.Fatal(err)
		}
		header := end - at - int64(r.Len())
		body := data[at+header : at+header+int64(h.CompressedPageSize)]
		if uint32(h.CRC) != crc32.ChecksumIEEE(body) {
			t.Errorf("column %v: checksum at %d", m.PathInSchema, at)
		}
		encoding := h.DataPageHeader.V.Encoding
		switch h.Type {
		case format.DictionaryPage:
			if at != m.DictionaryPageOffset {
				t.Errorf("column %v: dictionary at %d, not %d", m.PathInSchema, at, m.DictionaryPageOffset)
			}
			encoding = h.DictionaryPageHeader.V.Encoding
		case format.DataPage:
			if !data0 && m.DataPageOffset != at {
				t.Errorf("column %v: first data page at %d, not %d", m.PathInSchema, at, m.DataPageOffset)
			}
			data0 = true
			if h.DataPageHeader.V.DefinitionLevelEncoding != format.RLE || h.DataPageHeader.V.RepetitionLevelEncoding != format.RLE {
				t.Errorf("column %v: level encodings %+v", m.PathInSchema, h.DataPageHeader.V)
			}
		default:
			t.Errorf("column %v: %v", m.PathInSchema, h.Type)
		}
		seen[encoding] = true
		stats[format.PageEncodingStats{PageType: h.Type, Encoding: encoding}]++
		at += header + int64(len(body))
		raw += header + int64(h.UncompressedPageSize)
	}
	if at != end || raw != m.TotalUncompressedSize {
		t.Errorf("column %v: ends at %d, not %d; %d bytes uncompressed, not %d", m.PathInSchema, at, end, raw, m.TotalUncompressedSize)
	}
	for encoding := range seen {
		if !slices.Contains(m.Encoding, encoding) {
			t.Errorf("column %v: %v is used and not listed", m.PathInSchema, encoding)
		}
	}
	if m.DictionaryPageOffset == 0 {
		clear(stats) // the list of encodings says as much
	}
	if len(stats) != len(m.EncodingStats) {
		t.Errorf("column %v: encoding statistics %v, want %v", m.PathInSchema, m.EncodingStats, stats)
	}
	for _, s := range m.EncodingStats {
		if n := s.Count; stats[format.PageEncodingStats{PageType: s.PageType, Encoding: s.Encoding}] != n {
			t.Errorf("column %v: encoding statistics %v, want %v", m.PathInSchema, m.EncodingStats, stats)
		}
	}
	return end
}

func TestFooter_BloomFiltersHoldEveryValue(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		field("nested", arrow.StructOf(field("url", arrow.BinaryTypes.String))),
		hinted(field("url", arrow.BinaryTypes.String), "lookup"), hinted(field("external_id", arrow.BinaryTypes.String), "prefixed lookup unknown"), field("other", arrow.BinaryTypes.String),
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range 3000 {
		b.Field(0).AppendNull()
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("https://example.com/%d", i))
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprint(i % 50)) // a dictionary
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprint(i))
	}
	data := encodeTo(t, NewEncoder(schema, Compression{}, Broad), nil, b.NewRecordBatch())
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	chunks := f.RowGroups()[0].ColumnChunks()
	for c, want := range []bool{false, true, true, false} {
		if got := chunks[c].BloomFilter() != nil; got != want {
			t.Errorf("column %d: filter %v, want %v", c, got, want)
		}
	}
	wrong := 0
	check := func(c int, s string) bool {
		ok, err := chunks[c].BloomFilter().Check(parquet.ByteArrayValue([]byte(s)))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for i := range 3000 {
		if !check(1, fmt.Sprintf("https://example.com/%d", i)) || !check(2, fmt.Sprint(i%50)) {
			t.Fatalf("value %d is not in its filter", i)
		}
		if check(1, fmt.Sprintf("https://example.org/%d", i)) {
			wrong++
		}
	}
	if wrong > 3000/20 {
		t.Errorf("%d of 3000 absent values pass the filter", wrong)
	}
}

// Most columns of a row group hold nothing.
func TestEmptyColumnsCostNextToNothing(t *testing.T) {
	var fields []arrow.Field
	for i := range 300 {
		fields = append(fields, field(fmt.Sprintf("n%d", i), arrow.BinaryTypes.String))
	}
	for i := range 300 {
		fields = append(fields, field(fmt.Sprintf("l%d", i), arrow.ListOf(arrow.StructOf(field("a", arrow.BinaryTypes.String)))))
	}
	schema := arrow.NewSchema(fields, nil)
	rec := makeRecord(schema, 1, 10_000, 0, func(int) bool { return true })
	e := NewEncoder(schema, Compression{}, Broad)
	tasks, g := e.Encode(rec)
	if len(tasks) != 0 {
		t.Fatalf("%d tasks for columns without values", len(tasks))
	}
	f := NewWriter(new(bytes.Buffer), e, RowGroupLimits{})
	if err := f.Append(g); err != nil {
		t.Fatal(err)
	}
	if perColumn := (f.Size() - 4) / 600; perColumn > 70 {
		t.Errorf("%d bytes for a column without values", perColumn)
	}
	checkFile(t, encodeTo(t, e, nil, rec), rec)
	one, three := encodeTo(t, e, nil, rec), encodeGroups(t, e, together, nil, rec, rec, rec)
	if len(three)-len(one) > 600*8 {
		t.Errorf("%d bytes for three records without values, %d for one: they do not share a page", len(three), len(one))
	}
}

func TestFile_SizeAndRowsCount(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	e := NewEncoder(schema, Compression{}, Broad)
	var out bytes.Buffer
	f := NewWriter(&out, e, RowGroupLimits{})
	for i := range 3 {
		tasks, g := e.Encode(textRecord(schema, "a", "b"))
		for _, task := range tasks {
			if err := task(); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Append(g); err != nil {
			t.Fatal(err)
		}
		if f.Rows() != int64(2*i+2) || f.Size() != int64(out.Len()) {
			t.Errorf("%d rows, %d bytes, of which %d are written", f.Rows(), f.Size(), out.Len())
		}
	}
	if _, err := f.Finish(Metadata{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Finish(Metadata{}); err == nil {
		t.Error("finished twice")
	}
}
