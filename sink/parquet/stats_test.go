package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// plainEncoding is a value as statistics hold it.
func plainEncoding(v any, physical format.Type) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case int64:
		if physical == format.Int32 {
			return binary.LittleEndian.AppendUint32(nil, uint32(v))
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(v))
	case float64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	}
	return []byte(v.(string))
}

// model is what can be said of some entries of a column by looking at them one by one.
type model struct {
	nulls, strings int64
	distinct       int64
	min, max       []byte
	defs, reps     []int64
}

func modelOf(l *leaf, entries []triple) (m model) {
	m = model{defs: make([]int64, l.maxDef+1), reps: make([]int64, l.maxRep+1)}
	seen := map[string]bool{}
	defer func() { m.distinct = int64(len(seen)) }()
	for _, e := range entries {
		m.defs[e.def]++
		m.reps[e.rep]++
		if e.value == nil {
			m.nulls++
			continue
		}
		b := plainEncoding(e.value, l.physical)
		seen[string(b)] = true
		if l.physical == format.ByteArray {
			m.strings += int64(len(b))
		}
		if f, ok := e.value.(float64); ok && math.IsNaN(f) {
			continue
		}
		if m.min == nil || compareBounds(b, m.min, l.physical) < 0 {
			m.min = b
		}
		if m.max == nil || compareBounds(b, m.max, l.physical) > 0 {
			m.max = b
		}
	}
	return m
}

// checkBound fails unless got is a bound of value, on its side, and exact if it says so.
func checkBound(t *testing.T, what string, l *leaf, got, value []byte, side int, exact bool) {
	t.Helper()
	if (got == nil) != (value == nil) {
		t.Errorf("%s: bound %q of %q", what, got, value)
		return
	}
	if value == nil {
		return
	}
	c := compareBounds(got, value, l.physical)
	if c*side < 0 || exact != (c == 0) {
		t.Errorf("%s: bound %q of %q, exact %v", what, got, value, exact)
	}
	if l.physical == format.ByteArray && (len(got) > l.class.boundBytes || utf8.Valid(value) != utf8.Valid(got)) {
		t.Errorf("%s: bound %q of %q is too long or no text", what, got, value)
	}
}

// thriftAt decodes what lies at offset of a file.
func thriftAt(t testing.TB, data []byte, offset int64, v any) {
	t.Helper()
	if err := thriftDecode(bytes.NewReader(data[offset:]), v); err != nil {
		t.Fatalf("decode %T: %v", v, err)
	}
}

func readFooter(t testing.TB, data []byte) *fileMetaData {
	t.Helper()
	m := new(fileMetaData)
	n := int64(binary.LittleEndian.Uint32(data[len(data)-8:]))
	thriftAt(t, data, int64(len(data))-8-n, m)
	return m
}

func TestStats_AgreeWithBruteForce(t *testing.T) {
	for typeName, typ := range leafTypes() {
		var fields []arrow.Field
		for nesting, f := range nestings(typ) {
			f.Name = nesting
			fields = append(fields, f)
		}
		schema := arrow.NewSchema(fields, nil)
		for pattern, null := range nullPatterns(rand.New(rand.NewPCG(5, 5))) {
			for _, limit := range []int{200, 1 << 20} {
				t.Run(fmt.Sprintf("%s/%s/%d", typeName, pattern, limit), func(t *testing.T) {
					e := NewEncoder(schema, Compression{}, Broad)
					for _, l := range e.tree.leaves {
						l.class.pageBytes = limit
					}
					// 100 characters, so that some texts are longer than any bound.
					a, b := makeRecord(schema, 1, 400, 400, null), makeRecord(schema, 2, 90, 400, null)
					data := encodeTo(t, e, nil, a, b)
					checkStats(t, e, data, []arrow.RecordBatch{a}, []arrow.RecordBatch{b})
					joined := encodeGroups(t, e, together, nil, a, b, a, b)
					checkStats(t, e, joined, []arrow.RecordBatch{a, b, a, b})
				})
			}
		}
	}
}

// checkStats compares what a file says of its row groups and pages with what is in the records of each.
func checkStats(t *testing.T, e *Encoder, data []byte, groups ...[]arrow.RecordBatch) {
	t.Helper()
	footer := readFooter(t, data)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for g, records := range groups {
		want := make([][]triple, len(e.tree.leaves))
		for _, rec := range records {
			for c, entries := range shredRecord(rec) {
				want[c] = append(want[c], entries...)
			}
		}
		for c, l := range e.tree.leaves {
			chunk := &footer.RowGroups[g].Columns[c]
			m, name := &chunk.MetaData, fmt.Sprintf("row group %d %v", g, l.path)
			all := modelOf(l, want[c])
			if m.NumValues != int64(len(want[c])) || m.Statistics.NullCount != all.nulls {
				t.Errorf("%s: %d values, %d nulls, want %d, %d", name, m.NumValues, m.Statistics.NullCount, len(want[c]), all.nulls)
			}
			if n := m.Statistics.DistinctCount; n != 0 && n != all.distinct {
				t.Errorf("%s: %d distinct values, want %d", name, n, all.distinct)
			}
			checkBound(t, name+" min", l, m.Statistics.MinValue, all.min, -1, m.Statistics.ExactMin.V)
			checkBound(t, name+" max", l, m.Statistics.MaxValue, all.max, 1, m.Statistics.ExactMax.V)
			if m.SizeStatistics.UnencodedByteArrayDataBytes != all.strings {
				t.Errorf("%s: %d bytes of strings, want %d", name, m.SizeStatistics.UnencodedByteArrayDataBytes, all.strings)
			}
			empty := all.nulls == int64(len(want[c]))
			checkHistogram(t, name, m.SizeStatistics.DefinitionLevelHistogram, all.defs, l.maxDef > 1 && !empty)
			checkHistogram(t, name, m.SizeStatistics.RepetitionLevelHistogram, all.reps, l.maxRep > 0 && !empty)

			pages := readTriples(t, file.RowGroups()[g].ColumnChunks()[c])
			checkPageIndex(t, name, l, data, chunk, pages)
		}
	}
}

func checkHistogram(t *testing.T, name string, got, want []int64, present bool) {
	t.Helper()
	if !present {
		want = nil
	}
	if fmt.Sprint(got) != fmt.Sprint(want) && len(got)+len(want) > 0 {
		t.Errorf("%s: histogram %v, want %v", name, got, want)
	}
}

func checkPageIndex(t *testing.T, name string, l *leaf, data []byte, chunk *columnChunk, pages [][]triple) {
	t.Helper()
	var offsets format.OffsetIndex
	thriftAt(t, data, chunk.OffsetIndexOffset, &offsets)
	if len(offsets.PageLocations) != len(pages) {
		t.Fatalf("%s: %d pages in the offset index, %d in the chunk", name, len(offsets.PageLocations), len(pages))
	}
	var index *format.ColumnIndex
	if chunk.ColumnIndexLength > 0 {
		index = new(format.ColumnIndex)
		thriftAt(t, data, chunk.ColumnIndexOffset, index)
	}
	row, end := int64(0), chunk.MetaData.DataPageOffset
	for i, entries := range pages {
		where := offsets.PageLocations[i]
		var header format.PageHeader
		thriftAt(t, data, where.Offset, &header)
		if where.Offset != end || where.FirstRowIndex != row {
			t.Errorf("%s: page %d at %d, row %d, want %d, row %d", name, i, where.Offset, where.FirstRowIndex, end, row)
		}
		end += int64(where.CompressedPageSize)
		for _, e := range entries {
			if e.rep == 0 {
				row++
			}
		}
		want := modelOf(l, entries)
		if n := header.DataPageHeader.V.Statistics.NullCount; n != want.nulls {
			t.Errorf("%s: page %d has %d nulls, want %d", name, i, n, want.nulls)
		}
		if l.physical == format.ByteArray && offsets.UnencodedByteArrayDataBytes[i] != want.strings {
			t.Errorf("%s: page %d has %d bytes of strings, want %d", name, i, offsets.UnencodedByteArrayDataBytes[i], want.strings)
		}
		null := want.nulls == int64(len(entries))
		if index == nil {
			continue
		}
		if index.NullPages[i] != null || index.NullCounts[i] != want.nulls {
			t.Errorf("%s: page %d: null page %v, %d nulls, want %v, %d", name, i, index.NullPages[i], index.NullCounts[i], null, want.nulls)
		}
		if null {
			continue
		}
		for side, bound := range map[int][2][]byte{-1: {index.MinValues[i], want.min}, 1: {index.MaxValues[i], want.max}} {
			if c := compareBounds(bound[0], bound[1], l.physical); c*side < 0 {
				t.Errorf("%s: page %d: bound %q of %q", name, i, bound[0], bound[1])
			}
		}
	}
	empty := chunk.MetaData.Statistics.NullCount == chunk.MetaData.NumValues
	if empty && index != nil || !empty && index == nil && l.physical != format.Double {
		t.Errorf("%s: column index %+v, without values: %v", name, index, empty)
	}
}

func TestStats_BoundsOfTexts(t *testing.T) {
	for _, c := range []struct{ value, min, max string }{
		{"", "", ""},
		{"abcd", "abcd", "abcd"},
		{"abcde", "abcd", "abce"},
		{"abc\u00e9x", "abc", "abd"},                         // é does not fit
		{"ab\u00e9xyz", "ab\u00e9", "ab\u00ea"},              //
		{"ab\u07ffx", "ab\u07ff", "ac"},                      // U+0800 would be a byte longer
		{"a\ud7ffx", "a\ud7ff", "a\ue000"},                   // no surrogates
		{"\U0010ffff\U0010ffff", "\U0010ffff", ""},           // nothing is greater
		{"a\U0010ffffz", "a", "b"},                           //
		{"abc\x7fx", "abc\x7f", "abd"},                       //
		{"\xff\xff\xff\xff\xff", "\xff\xff\xff\xff", ""},     // no text at all
		{"\xfe\xff\xff\xff\xff", "\xfe\xff\xff\xff", "\xff"}, //
		{"a\x80\x80\x80\x80\x80", "a\x80\x80\x80", "a\x80\x80\x81"},
	} {
		low, exactLow := lowerBound([]byte(c.value), 4)
		high, exactHigh := upperBound([]byte(c.value), 4)
		exact := len(c.value) <= 4
		if string(low) != c.min || string(high) != c.max || exactLow != exact || exactHigh != exact {
			t.Errorf("%q: %q %v, %q %v, want %q, %q", c.value, low, exactLow, high, exactHigh, c.min, c.max)
		}
		if (high == nil) != (c.max == "" && c.value != "") {
			t.Errorf("%q: upper bound %q", c.value, high)
		}
	}
}

// FuzzBounds: whatever the bytes and the limit, bounds hold, are short, and texts stay texts.
func FuzzBounds(f *testing.F) {
	f.Add([]byte("abc\u00e9x"), uint8(4))
	f.Add([]byte("\U0010ffff\U0010ffff"), uint8(5))
	f.Add([]byte("a\x80\x80\x80\x80\x80"), uint8(3))
	f.Fuzz(func(t *testing.T, value []byte, size uint8) {
		limit := max(4, int(size))
		low, exact := lowerBound(value, limit)
		if bytes.Compare(low, value) > 0 || len(low) > limit || exact != bytes.Equal(low, value) {
			t.Errorf("%q: lower bound %q, exact %v", value, low, exact)
		}
		high, exact := upperBound(value, limit)
		if high == nil {
			// The first character can be raised, whatever the others are, unless there is none after it.
			if r, _ := utf8.DecodeRune(value); r != utf8.MaxRune && value[0] != 0xff {
				t.Fatalf("%q: no upper bound", value)
			}
			return
		}
		if bytes.Compare(high, value) < 0 || len(high) > limit || exact != bytes.Equal(high, value) {
			t.Errorf("%q: upper bound %q, exact %v", value, high, exact)
		}
		if utf8.Valid(value) && !(utf8.Valid(low) && utf8.Valid(high)) {
			t.Errorf("%q: bounds %q and %q are not text", value, low, high)
		}
	})
}

func TestStats_UnboundedTextsHaveNoStatistics(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	rec := textRecord(schema, strings.Repeat("\U0010ffff", 100), "a")
	m := readFooter(t, encodeTo(t, NewEncoder(schema, Compression{}, Broad), nil, rec)).RowGroups[0].Columns[0]
	if m.MetaData.Statistics.MinValue != nil || m.MetaData.Statistics.MaxValue != nil || m.ColumnIndexLength != 0 {
		t.Errorf("statistics %+v, column index of %d bytes", m.MetaData.Statistics, m.ColumnIndexLength)
	}
}

func TestBoundaryOrder(t *testing.T) {
	between := func(lo, hi byte) page { return page{bounds: bounds{min: []byte{lo}, max: []byte{hi}}} }
	for _, c := range []struct {
		pages []page
		want  format.BoundaryOrder
	}{
		{[]page{between(1, 2)}, format.Ascending},
		{[]page{between(1, 2), {}, between(1, 3)}, format.Ascending},
		{[]page{between(3, 4), between(2, 4), {}, between(1, 1)}, format.Descending},
		{[]page{between(1, 4), between(2, 3)}, format.Unordered},
		{[]page{between(1, 2), between(3, 4), between(0, 9)}, format.Unordered},
	} {
		if got := boundaryOrder(c.pages, format.ByteArray); got != c.want {
			t.Errorf("%v: %v, want %v", c.pages, got, c.want)
		}
	}
}
