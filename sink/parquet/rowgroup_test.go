package parquet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// rowsOfGroups are the rows of each row group.
func rowsOfGroups(t testing.TB, data []byte) (rows []int64) {
	t.Helper()
	for _, g := range readFooter(t, data).RowGroups {
		rows = append(rows, g.NumRows)
	}
	return rows
}

func TestRowGroups_EndAtTheLimits(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{required("n", arrow.PrimitiveTypes.Int64)}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	var records []arrow.RecordBatch
	for range 7 {
		for i := range int64(1000) { // 8,000 bytes of values, no dictionary
			b.Field(0).(*array.Int64Builder).Append(i << 30)
		}
		records = append(records, b.NewRecordBatch())
	}
	for _, c := range []struct {
		limits RowGroupLimits
		want   []int64
	}{
		{RowGroupLimits{}, []int64{1000, 1000, 1000, 1000, 1000, 1000, 1000}},
		{together, []int64{7000}},
		{RowGroupLimits{Rows: 3000, Bytes: 1 << 40}, []int64{3000, 3000, 1000}},
		{RowGroupLimits{Rows: 2999, Bytes: 1 << 40}, []int64{2000, 2000, 2000, 1000}},
		{RowGroupLimits{Rows: 500, Bytes: 1 << 40}, []int64{1000, 1000, 1000, 1000, 1000, 1000, 1000}}, // a record is never cut
		{RowGroupLimits{Bytes: 20_500}, []int64{3000, 3000, 1000}},                                     // 24,100 bytes are closer than 16,100
		{RowGroupLimits{Bytes: 19_000}, []int64{2000, 2000, 2000, 1000}},
		{RowGroupLimits{Rows: 2000, Bytes: 30_000}, []int64{2000, 2000, 2000, 1000}},
		{RowGroupLimits{Rows: 7000, Bytes: 1 << 40, EarlyRows: 1000}, []int64{1000, 1000, 1000, 1000, 2000, 1000}},
		{RowGroupLimits{Rows: 1000, Bytes: 1 << 40, EarlyRows: 2000}, []int64{1000, 1000, 1000, 1000, 1000, 1000, 1000}}, // no more than later
		{RowGroupLimits{Bytes: 1 << 40, EarlyBytes: 8_000}, []int64{1000, 1000, 1000, 1000, 2000, 1000}},
		{RowGroupLimits{Bytes: 19_000, EarlyRows: 1, EarlyBytes: 1 << 20}, []int64{2000, 2000, 2000, 1000}},
	} {
		for _, compression := range []Compression{{Codec: None}, {}} { // bytes count before compression
			data := encodeGroups(t, NewEncoder(schema, compression, Broad), c.limits, nil, records...)
			if got := rowsOfGroups(t, data); !slices.Equal(got, c.want) {
				t.Errorf("%+v, %v: row groups of %v rows, want %v", c.limits, compression, got, c.want)
			}
			checkFile(t, data, records...)
		}
	}
}

// Open pages count too: columns that repeat themselves have no complete ones for many records.
func TestRowGroups_OpenPagesCount(t *testing.T) {
	t.Parallel()
	const columns, rows, limit = 60, 2000, 400_000
	var fields []arrow.Field
	for i := range columns {
		fields = append(fields, hinted(required(fmt.Sprint("c", i), arrow.BinaryTypes.String), "lookup"))
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		for j := range columns {
			b.Field(j).(*array.StringBuilder).Append(fmt.Sprint("value", (i*7919+j)%200))
		}
	}
	rec := b.NewRecordBatch()
	records := slices.Repeat([]arrow.RecordBatch{rec}, 10)
	data := encodeGroups(t, NewEncoder(schema, Compression{}, Broad), RowGroupLimits{Bytes: limit}, nil, records...)
	// Numbers of eight bits: a record is 120,000 bytes, and three are closer to the limit than four.
	if got := rowsOfGroups(t, data); !slices.Equal(got, []int64{3 * rows, 3 * rows, 3 * rows, rows}) {
		t.Errorf("row groups of %v rows", got)
	}
	checkFile(t, data, records...)
}

// What waits is part of the file's size and of its rows, and the bound of it holds whatever the limits say.
func TestRowGroups_WhatWaitsCountsAndIsBounded(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{hinted(required("text", arrow.BinaryTypes.String), "long")}, nil)
	e := NewEncoder(schema, Compression{Codec: None}, Broad)
	rec := textRecord(schema, slices.Repeat([]string{strings.Repeat("x", 1<<20)}, 15)...)
	var out bytes.Buffer
	f := NewWriter(&out, e, together)
	for n := 1; n <= 4; n++ {
		if err := f.Append(encodeAll(t, e, rec)); err != nil {
			t.Fatal(err)
		}
		if f.Rows() != int64(15*n) || f.Size() < int64(n)*15<<20 || f.Size() > int64(n)*15<<20+4096 || f.RowGroups() != 1 {
			t.Errorf("after %d records: %d rows, %d bytes, %d row groups", n, f.Rows(), f.Size(), f.RowGroups())
		}
		waits := out.Len() <= 4 // 45 MiB may wait, 60 may not
		if waits != (n < 4) {
			t.Errorf("after %d records %d bytes are written", n, out.Len())
		}
	}
	if _, err := f.Finish(Metadata{}); err != nil {
		t.Fatal(err)
	}
	if got := rowsOfGroups(t, out.Bytes()); !slices.Equal(got, []int64{60}) {
		t.Errorf("row groups of %v rows", got)
	}
}

// numbered is a record of strings: prefix and i for i in [from, to), each of them several times.
func numbered(schema *arrow.Schema, prefix string, from, to, times int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := from; i < to; i++ {
		for range times {
			b.Field(0).(*array.StringBuilder).Append(fmt.Sprint(prefix, i))
			b.Field(1).(*array.Int64Builder).Append(int64(i) << 40)
		}
	}
	return b.NewRecordBatch()
}

func numberedSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{hinted(field("s", arrow.BinaryTypes.String), "lookup"), field("n", arrow.PrimitiveTypes.Int64)}, nil)
}

// dataPages are the encodings of a column's data pages, in order.
func dataPages(t *testing.T, data []byte, m *columnMetaData) (encodings []format.Encoding) {
	t.Helper()
	at := m.DataPageOffset
	end := at + m.TotalCompressedSize
	if m.DictionaryPageOffset > 0 {
		end = m.DictionaryPageOffset + m.TotalCompressedSize
	}
	for at < end {
		var h format.PageHeader
		r := bytes.NewReader(data[at:end])
		if err := thriftDecode(r, &h); err != nil {
			t.Fatal(err)
		}
		encodings = append(encodings, h.DataPageHeader.V.Encoding)
		at = end - int64(r.Len()) + int64(h.CompressedPageSize)
	}
	return encodings
}

func TestRowGroups_ShareOneDictionary(t *testing.T) {
	t.Parallel()
	schema := numberedSchema()
	records := []arrow.RecordBatch{numbered(schema, "a", 0, 300, 4), numbered(schema, "a", 100, 500, 4), numbered(schema, "a", 0, 1, 1000)}
	data := encodeGroups(t, NewEncoder(schema, Compression{}, Broad), together, nil, records...)
	checkFile(t, data, records...)
	for _, c := range readFooter(t, data).RowGroups[0].Columns {
		m := c.MetaData
		if m.DictionaryPageOffset == 0 || m.Statistics.DistinctCount != 500 {
			t.Errorf("column %v: dictionary at %d, %d distinct", m.PathInSchema, m.DictionaryPageOffset, m.Statistics.DistinctCount)
		}
		if got := dataPages(t, data, &m); !slices.Equal(got, []format.Encoding{format.RLEDictionary}) {
			t.Errorf("column %v: pages %v", m.PathInSchema, got)
		}
	}
}

// What does not fit into the dictionary, by number or by bytes, is written without one, from there to the end of the
// row group. The next row group has a new one.
func TestRowGroups_DictionaryThatIsFull(t *testing.T) {
	t.Parallel()
	schema := numberedSchema()
	for name, c := range map[string]struct {
		prefix string
		each   int // distinct values of a record
		fit    int // records whose strings fit
	}{
		"entries": {"v", 4000, chunkEntries / 4000},
		"bytes":   {strings.Repeat("long ", 80), 1000, dictionaryBytes / 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fit := c.fit
			if name == "bytes" {
				fit = c.fit / c.each
			}
			var records []arrow.RecordBatch
			for i := range fit + 2 {
				records = append(records, numbered(schema, c.prefix, i*c.each, (i+1)*c.each, 3))
			}
			records = append(records, records[0]) // would fit, but the dictionary is closed
			for i, encodings := range bothEncodings() {
				e := NewEncoder(schema, Compression{}, encodings)
				numbered := fit
				if i == 0 {
					setOpenRows(e, 1) // a page for each record
				} else {
					share := (openPageRows + 3*c.each - 1) / (3 * c.each)
					numbered = (fit + share - 1) / share
				}
				limits := RowGroupLimits{Rows: int64(c.each*3) * int64(len(records)), Bytes: 1 << 40}
				data := encodeGroups(t, e, limits, nil, append(slices.Clone(records), records[1])...)
				checkFile(t, data, append(slices.Clone(records), records[1])...)
				if encodings == Broad {
					checkBroad(t, data)
				}
				groups := readFooter(t, data).RowGroups
				if len(groups) != 2 {
					t.Fatalf("%d row groups", len(groups))
				}
				m := groups[0].Columns[0].MetaData
				plain := e.tree.leaves[0].class.encoding
				want := append(slices.Repeat([]format.Encoding{format.RLEDictionary}, numbered), plain, plain, plain)
				if got := dataPages(t, data, &m); !slices.Equal(got, want) {
					t.Errorf("%v: pages %v, want %v", encodings, got, want)
				}
				if m.DictionaryPageOffset == 0 || m.Statistics.DistinctCount != 0 {
					t.Errorf("%v: dictionary at %d, %d distinct", encodings, m.DictionaryPageOffset, m.Statistics.DistinctCount)
				}
				walkPages(t, data, m.DictionaryPageOffset, &m)
				if next := groups[1].Columns[0].MetaData; next.Statistics.DistinctCount != int64(c.each) {
					t.Errorf("%v: %d distinct in the next row group", encodings, next.Statistics.DistinctCount)
				}
				f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
				if err != nil {
					t.Fatal(err)
				}
				filter := f.RowGroups()[0].ColumnChunks()[0].BloomFilter()
				for i := range c.each * (fit + 2) { // in the dictionary or not
					if ok, err := filter.Check(parquet.ByteArrayValue([]byte(fmt.Sprint(c.prefix, i)))); !ok || err != nil {
						t.Fatalf("value %d is not in the filter: %v", i, err)
					}
				}
				if most := int64(2 * c.each * (fit + 3) * bloomBitsPerValue / 8); filter.Size() > most {
					t.Errorf("a filter of %d bytes, more than %d", filter.Size(), most)
				}
			}
		})
	}
}

// Pages with numbers come first: see chunkDictionary. Pages without values do not count.
func TestRowGroups_DoNotComeBackToTheDictionary(t *testing.T) {
	t.Parallel()
	schema := numberedSchema()
	nothing := makeRecord(schema, 1, 50, 20, func(int) bool { return true })
	records := []arrow.RecordBatch{
		nothing, numbered(schema, "a", 0, 100, 20), nothing, numbered(schema, "a", 90, 110, 20),
		numbered(schema, "a", 0, 2000, 1), numbered(schema, "a", 0, 100, 20), nothing, nothing, numbered(schema, "b", 0, 3000, 1), numbered(schema, "a", 50, 150, 20),
	}
	for i := range 4 {
		encodings := bothEncodings()[i%2]
		e := NewEncoder(schema, Compression{}, encodings)
		plain := e.tree.leaves[0].class.encoding
		want := []format.Encoding{format.Plain, format.RLEDictionary, plain, plain, format.Plain, plain, plain}
		if i >= 2 {
			setOpenRows(e, 1)
			want = slices.Insert(want, 2, format.Plain, format.RLEDictionary)
		}
		data := encodeGroups(t, e, together, nil, records...)
		checkFile(t, data, records...)
		m := readFooter(t, data).RowGroups[0].Columns[0].MetaData
		if got := dataPages(t, data, &m); !slices.Equal(got, want) || m.Statistics.DistinctCount != 0 {
			t.Errorf("%v: pages %v, want %v; %d distinct", encodings, got, want, m.Statistics.DistinctCount)
		}
		walkPages(t, data, m.DictionaryPageOffset, &m)
		checkStats(t, e, data, records)

		data = encodeGroups(t, e, together, nil, records[4:]...) // the first values are not numbered, so no others are
		checkFile(t, data, records[4:]...)
		m = readFooter(t, data).RowGroups[0].Columns[0].MetaData
		if got := dataPages(t, data, &m); m.DictionaryPageOffset != 0 || slices.Contains(got, format.RLEDictionary) {
			t.Errorf("%v: pages %v, dictionary at %d", encodings, got, m.DictionaryPageOffset)
		}
		checkStats(t, e, data, records[4:])
	}
}
