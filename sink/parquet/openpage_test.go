package parquet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// rowsOfPages are the rows of each page of a column, as the page index has them.
func rowsOfPages(t testing.TB, data []byte, group, column int) (rows []int64) {
	t.Helper()
	g := readFooter(t, data).RowGroups[group]
	var offsets format.OffsetIndex
	thriftAt(t, data, g.Columns[column].OffsetIndexOffset, &offsets)
	for i, p := range offsets.PageLocations {
		end := g.NumRows
		if i+1 < len(offsets.PageLocations) {
			end = offsets.PageLocations[i+1].FirstRowIndex
		}
		rows = append(rows, end-p.FirstRowIndex)
	}
	return rows
}

// setOpenRows makes open pages complete with so many rows.
func setOpenRows(e *Encoder, rows int) {
	for _, l := range e.tree.leaves {
		l.openRows = rows
	}
}

// Records share a page until it has 20,000 rows, or 65,536 slots, or the row group ends.
func TestOpenPage_RecordsShareIt(t *testing.T) {
	t.Parallel()
	const rows = 1250                           // a part of 20,000, and no multiple of eight
	some := func(i int) bool { return i%7 > 0 } // neither all nor none
	schema := arrow.NewSchema([]arrow.Field{
		field("lang", arrow.BinaryTypes.String), field("tags", arrow.ListOf(arrow.BinaryTypes.String)),
		field("author", arrow.StructOf(field("birth", arrow.PrimitiveTypes.Int64), field("id", arrow.PrimitiveTypes.Int64))), field("id", arrow.PrimitiveTypes.Int64),
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	author := b.Field(2).(*array.StructBuilder)
	var records []arrow.RecordBatch
	for n := range 31 {
		for i := range rows {
			b.Field(0).(*array.StringBuilder).Append([]string{"de", "en", "fr"}[i*n%3])
			b.Field(1).(*array.ListBuilder).Append(some(i))
			for k := 0; some(i) && k < 10; k++ {
				b.Field(1).(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).Append(fmt.Sprint("tag", i*k%50))
			}
			author.Append(some(i))
			author.FieldBuilder(0).AppendNull()
			if n == 0 {
				author.FieldBuilder(1).(*array.Int64Builder).Append(int64(i) << 30)
			} else {
				author.FieldBuilder(1).AppendNull()
			}
			b.Field(3).(*array.Int64Builder).Append(int64(n*2000+i) << 30)
		}
		records = append(records, b.NewRecordBatch())
	}
	for _, encodings := range bothEncodings() {
		data := encodeGroups(t, NewEncoder(schema, Compression{}, encodings), RowGroupLimits{Rows: 25 * rows, Bytes: 1 << 40}, nil, records...)
		checkFile(t, data, records...)
		for column, want := range [][2][]int64{ // in records
			{{16, 9}, {6}},      // values that repeat
			{{7, 7, 7, 4}, {6}}, // some 10,900 slots a record
			{{16, 9}, {6}},      // levels only
			{{1, 16, 8}, {6}},   // levels only, after values that do not repeat
			{slices.Repeat([]int64{1}, 25), slices.Repeat([]int64{1}, 6)}, // values that do not repeat
		} {
			for group, want := range want {
				got := rowsOfPages(t, data, group, column)
				for i := range got {
					got[i] /= rows
				}
				if !slices.Equal(got, want) {
					t.Errorf("%v: row group %d, column %d: pages of %v records, want %v", encodings, group, column, got, want)
				}
			}
		}
	}
}

// One record with a huge list leaves no huge buffers behind.
func TestOpenPage_KeepsNoHugeBuffers(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{field("l", arrow.ListOf(arrow.PrimitiveTypes.Int64))}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	list := b.Field(0).(*array.ListBuilder)
	for i := range 2 * codedLimit {
		if i%1000 == 0 {
			list.Append(true)
		}
		if i%3 == 0 {
			list.ValueBuilder().AppendNull()
		} else {
			list.ValueBuilder().(*array.Int64Builder).Append(int64(i%50) << 40)
		}
	}
	rec := b.NewRecordBatch()
	e := NewEncoder(schema, Compression{}, Broad)
	checkFile(t, encodeGroups(t, e, together, nil, rec, rec), rec, rec)
	open := &e.rowGroups[0].columns[0].open
	if n := 2*cap(open.numbers) + cap(open.repRuns) + cap(open.defRuns); n > 3*codedLimit {
		t.Errorf("%d bytes are kept", n)
	}
}

// sharing makes records whose columns do what opens, continues and ends pages: they repeat values, or none, fill the
// dictionary, or have only nulls.
type sharing struct {
	r    *rand.Rand
	mode int
	next int
}

const (
	nothing = iota
	fewValues
	manyBytes
	onlyNew
)

func (s *sharing) number() int {
	switch s.next++; s.mode {
	case manyBytes: // each some four times
		return s.next/100*100 + s.r.IntN(25)
	case onlyNew:
		return 1_000_000 + s.next
	}
	return s.r.IntN(20)
}

func (s *sharing) null(nullable bool) bool {
	return nullable && (s.mode == nothing || s.r.IntN(4) == 0)
}

func (s *sharing) fill(b array.Builder, nullable bool) {
	if s.null(nullable) {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(s.r.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(int32(s.number()) << 8)
	case *array.Int64Builder:
		b.Append(int64(s.number()) << 40)
	case *array.Float64Builder:
		b.Append(float64(s.number()) / 3)
	case *array.StringBuilder:
		n := s.number()
		if s.mode == manyBytes {
			b.Append(strings.Repeat(fmt.Sprint(n, " "), 400))
		} else {
			b.Append(fmt.Sprint("value ", n))
		}
	case *array.StructBuilder:
		b.Append(true)
		for k, f := range b.Type().(*arrow.StructType).Fields() {
			if f.Name == "never" {
				b.FieldBuilder(k).AppendNull()
				continue
			}
			s.fill(b.FieldBuilder(k), f.Nullable)
		}
	case *array.ListBuilder:
		b.Append(true)
		for range s.r.IntN(4) {
			s.fill(b.ValueBuilder(), b.Type().(*arrow.ListType).ElemField().Nullable)
		}
	}
}

// FuzzOpenPage: records of changing sizes and kinds, in row groups that end anywhere, are read back as they were, and
// footers and page indexes agree with them.
func FuzzOpenPage(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed, uint16(1+seed*400), uint16(500+seed*900))
	}
	f.Add(uint64(7), uint16(0), uint16(1))
	f.Add(uint64(8), uint16(20_000), uint16(60_000))
	schema := arrow.NewSchema([]arrow.Field{
		hinted(field("s", arrow.BinaryTypes.String), "lookup"), required("i", arrow.PrimitiveTypes.Int32),
		field("l", arrow.ListOf(arrow.BinaryTypes.String)),
		field("st", arrow.StructOf(field("n", arrow.PrimitiveTypes.Int64), field("never", arrow.BinaryTypes.String),
			field("deep", arrow.ListOf(arrow.StructOf(field("d", arrow.PrimitiveTypes.Float64), field("b", arrow.FixedWidthTypes.Boolean), field("never", arrow.PrimitiveTypes.Int32)))))),
		hinted(field("text", arrow.BinaryTypes.String), "long"),
	}, nil)
	f.Fuzz(func(t *testing.T, seed uint64, openRows, groupRows uint16) {
		s := &sharing{r: rand.New(rand.NewPCG(seed, 3))}
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		var records []arrow.RecordBatch
		most := 0
		for range 2 + s.r.IntN(14) {
			rows := s.r.IntN(700) >> s.r.IntN(3)
			most = max(most, rows)
			for c, f := range schema.Fields() {
				if s.mode = fewValues; s.r.IntN(3) == 0 {
					s.mode = s.r.IntN(onlyNew + 1)
				}
				for range rows {
					s.fill(b.Field(c), f.Nullable)
				}
			}
			if rec := b.NewRecordBatch(); rows > 0 {
				records = append(records, rec)
			}
		}
		e := NewEncoder(schema, Compression{}, Encodings(seed%2))
		setOpenRows(e, int(openRows))
		data := encodeGroups(t, e, RowGroupLimits{Rows: int64(groupRows), Bytes: 1 << 40}, nil, records...)
		checkFile(t, data, records...)
		if seed%2 == 0 {
			checkBroad(t, data)
		}
		var groups [][]arrow.RecordBatch
		left := records
		for _, rows := range rowsOfGroups(t, data) {
			var group []arrow.RecordBatch
			for ; rows > 0; left = left[1:] {
				group = append(group, left[0])
				rows -= left[0].NumRows()
			}
			groups = append(groups, group)
		}
		checkStats(t, e, data, groups...)
		for g := range groups {
			for c := range e.tree.leaves {
				checkOpenPages(t, data, g, c, int64(openRows), int64(most))
			}
			checkFilter(t, data, g, 0, groups[g]...)
		}
	})
}

// checkOpenPages compares the pages of a chunk with what openPage promises of them.
func checkOpenPages(t *testing.T, data []byte, group, column int, openRows, most int64) {
	t.Helper()
	m := readFooter(t, data).RowGroups[group].Columns[column].MetaData
	start := m.DataPageOffset
	if m.DictionaryPageOffset > 0 {
		start = m.DictionaryPageOffset
	}
	walkPages(t, data, start, &m)
	encodings, rows := dataPages(t, data, &m), rowsOfPages(t, data, group, column)
	last := slices.Index(encodings, format.RLEDictionary)
	for i, encoding := range encodings {
		if encoding != format.RLEDictionary {
			continue
		}
		if last = i; rows[i] >= max(1, openRows)+most {
			t.Errorf("row group %d, column %v: page %d of %d rows", group, m.PathInSchema, i, rows[i])
		}
		if i+1 < len(rows) && encodings[i+1] == format.RLEDictionary && rows[i] < openRows {
			t.Errorf("row group %d, column %v: page %d of %d rows only, and the next has numbers, too", group, m.PathInSchema, i, rows[i])
		}
	}
	if (last >= 0) != (m.DictionaryPageOffset > 0) {
		t.Errorf("row group %d, column %v: dictionary at %d, pages %v", group, m.PathInSchema, m.DictionaryPageOffset, encodings)
	}
	var index format.ColumnIndex
	if at := readFooter(t, data).RowGroups[group].Columns[column]; at.ColumnIndexLength > 0 {
		thriftAt(t, data, at.ColumnIndexOffset, &index)
	}
	values := false // seen any that are not numbers
	for i, null := range index.NullPages {
		if values = values || !null && encodings[i] != format.RLEDictionary; values && encodings[i] == format.RLEDictionary {
			t.Errorf("row group %d, column %v: numbers again in page %d", group, m.PathInSchema, i)
		}
	}
}

// checkFilter asks the Bloom filter of a top-level column for every value of the records of a row group.
func checkFilter(t *testing.T, data []byte, group, column int, records ...arrow.RecordBatch) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	filter := f.RowGroups()[group].ColumnChunks()[column].BloomFilter()
	for _, v := range plainColumn(column, records...) {
		if v == nil {
			continue
		}
		if filter == nil {
			t.Fatalf("row group %d: column %d has values and no filter", group, column)
		}
		if ok, err := filter.Check(parquet.ByteArrayValue([]byte(v.(string)))); !ok || err != nil {
			t.Fatalf("row group %d: %q is not in the filter: %v", group, v, err)
		}
	}
}
