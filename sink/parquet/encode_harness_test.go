package parquet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
)

// encodeTo writes records as row groups of one file, all tasks of a record at once.
func encodeTo(t testing.TB, e *Encoder, keyValues map[string]string, records ...arrow.RecordBatch) []byte {
	t.Helper()
	return encodeGroups(t, e, RowGroupLimits{}, keyValues, records...)
}

// together are the limits of a file of one row group.
var together = RowGroupLimits{Bytes: 1 << 40}

// encodeGroups is encodeTo with row groups of several records. The tasks of all records are done before the first is
// appended, those of the last one first: nothing may depend on the order.
func encodeGroups(t testing.TB, e *Encoder, limits RowGroupLimits, keyValues map[string]string, records ...arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	f := NewWriter(&out, e, limits)
	groups := make([]*Group, len(records))
	for i, rec := range slices.Backward(records) {
		groups[i] = encodeAll(t, e, rec)
	}
	for _, g := range groups {
		if err := f.Append(g); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
	if _, err := f.Finish(Metadata{KeyValues: keyValues, CreatedBy: "test version 1.2.3 (build abc)"}); err != nil {
		t.Fatalf("finish: %v", err)
	}
	return out.Bytes()
}

// encodeAll runs all tasks of a record at once.
func encodeAll(t testing.TB, e *Encoder, rec arrow.RecordBatch) *Group {
	t.Helper()
	tasks, g := e.Encode(rec)
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, task := range tasks {
		wg.Go(func() { errs[i] = task() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
	}
	return g
}

// readArrow reads a file with arrow-go.
func readArrow(t testing.TB, data []byte) arrow.Table {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("open with arrow-go: %v", err)
	}
	reader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatalf("open with arrow-go: %v", err)
	}
	table, err := reader.ReadTable(context.Background())
	if err != nil {
		t.Fatalf("read with arrow-go: %v", err)
	}
	return table
}

// plainValue is element i of a as a plain Go value: nil, bool, int64, float64, string, []any for
// lists, structs and maps. Two arrays are equal if these are.
func plainValue(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Timestamp:
		return int64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return strings.Clone(a.Value(i))
	case *array.LargeString:
		return strings.Clone(a.Value(i))
	case *array.Struct:
		fields := make([]any, a.NumField())
		for k := range fields {
			fields[k] = plainValue(a.Field(k), i)
		}
		return fields
	case *array.Map:
		start, end := a.ValueOffsets(i)
		pairs := []any{}
		entries := a.ListValues().(*array.Struct)
		for k := start; k < end; k++ {
			pairs = append(pairs, []any{plainValue(entries.Field(0), int(k)), plainValue(entries.Field(1), int(k))})
		}
		return pairs
	case *array.List:
		start, end := a.ValueOffsets(i)
		items := []any{}
		for k := start; k < end; k++ {
			items = append(items, plainValue(a.ListValues(), int(k)))
		}
		return items
	}
	panic(fmt.Sprintf("no plain value of %s", a.DataType()))
}

// plainColumn is column c of all records.
func plainColumn(c int, records ...arrow.RecordBatch) []any {
	var out []any
	for _, rec := range records {
		for i := range int(rec.NumRows()) {
			out = append(out, plainValue(rec.Column(c), i))
		}
	}
	return out
}

// triple is an entry of a Parquet column.
type triple struct {
	rep, def int
	value    any // nil: null
}

// shred is the definition of levels in the format's README, and in the Dremel paper it comes from,
// written down row by row without a thought for speed: the oracle of levels.go.
func shred(t arrow.DataType, nullable bool, value any, rep, def, depth int, leaves [][]triple) [][]triple {
	null := func(def int) [][]triple {
		for i := range leaves {
			leaves[i] = append(leaves[i], triple{rep, def, nil})
		}
		return leaves
	}
	if value == nil {
		return null(def)
	}
	if nullable {
		def++
	}
	nested := func(items []any, each func(item any, rep int)) {
		for i, item := range items {
			if i > 0 {
				rep = depth + 1
			}
			each(item, rep)
		}
	}
	switch t := t.(type) {
	case *arrow.StructType:
		at := 0
		for i, f := range t.Fields() {
			n := leafCount(f.Type)
			shred(f.Type, f.Nullable, value.([]any)[i], rep, def, depth, leaves[at:at+n])
			at += n
		}
	case *arrow.MapType:
		if len(value.([]any)) == 0 {
			return null(def)
		}
		n := leafCount(t.KeyType())
		nested(value.([]any), func(item any, rep int) {
			pair := item.([]any)
			shred(t.KeyType(), false, pair[0], rep, def+1, depth+1, leaves[:n])
			shred(t.ItemType(), t.ItemField().Nullable, pair[1], rep, def+1, depth+1, leaves[n:])
		})
	case *arrow.ListType:
		if len(value.([]any)) == 0 {
			return null(def)
		}
		nested(value.([]any), func(item any, rep int) {
			shred(t.Elem(), t.ElemField().Nullable, item, rep, def+1, depth+1, leaves)
		})
	default:
		leaves[0] = append(leaves[0], triple{rep, def, value})
	}
	return leaves
}

func leafCount(t arrow.DataType) int {
	switch t := t.(type) {
	case *arrow.MapType:
		return leafCount(t.KeyType()) + leafCount(t.ItemType())
	case *arrow.ListType:
		return leafCount(t.Elem())
	case *arrow.StructType:
		n := 0
		for _, f := range t.Fields() {
			n += leafCount(f.Type)
		}
		return n
	}
	return 1
}

// shredRecord gives the triples of every leaf of one record, in declared order.
func shredRecord(rec arrow.RecordBatch) [][]triple {
	var out [][]triple
	for c, f := range rec.Schema().Fields() {
		leaves := make([][]triple, leafCount(f.Type))
		for i := range int(rec.NumRows()) {
			shred(f.Type, f.Nullable, plainValue(rec.Column(c), i), 0, 0, 0, leaves)
		}
		out = append(out, leaves...)
	}
	return out
}

// readTriples reads a column chunk with parquet-go, page by page.
func readTriples(t testing.TB, c parquet.ColumnChunk) (pages [][]triple) {
	t.Helper()
	reader := c.Pages()
	defer reader.Close()
	for {
		p, err := reader.ReadPage()
		if errors.Is(err, io.EOF) {
			return pages
		}
		if err != nil {
			t.Fatalf("read page with parquet-go: %v", err)
		}
		values := make([]parquet.Value, p.NumValues())
		if n, err := p.Values().ReadValues(values); n != len(values) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("read values with parquet-go: %d of %d: %v", n, len(values), err)
		}
		var page []triple
		for _, v := range values {
			e := triple{rep: v.RepetitionLevel(), def: v.DefinitionLevel()}
			if !v.IsNull() {
				switch v.Kind() {
				case parquet.Boolean:
					e.value = v.Boolean()
				case parquet.Int32:
					e.value = int64(v.Int32())
				case parquet.Int64:
					e.value = v.Int64()
				case parquet.Double:
					e.value = v.Double()
				default:
					e.value = string(v.ByteArray())
				}
			}
			page = append(page, e)
		}
		pages = append(pages, page)
		parquet.Release(p)
	}
}

// checkFile reads data with both libraries and compares every value and every level.
func checkFile(t testing.TB, data []byte, records ...arrow.RecordBatch) {
	t.Helper()
	opts := cmp.Options{cmpopts.EquateNaNs(), cmp.AllowUnexported(triple{})}
	table := readArrow(t, data)
	defer table.Release()
	for c := range int(table.NumCols()) {
		var got []any
		for _, chunk := range table.Column(c).Data().Chunks() {
			for i := range chunk.Len() {
				got = append(got, plainValue(chunk, i))
			}
		}
		if want := plainColumn(c, records...); !slices.EqualFunc(want, got, samePlain) {
			t.Fatalf("arrow-go reads column %s (-written +read):\n%s", table.Column(c).Name(), cmp.Diff(want, got, opts))
		}
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("open with parquet-go: %v", err)
	}
	left := slices.DeleteFunc(slices.Clone(records), func(rec arrow.RecordBatch) bool { return rec.NumRows() == 0 })
	for n, group := range f.RowGroups() {
		want := make([][]triple, len(group.ColumnChunks()))
		rows := int64(0)
		for ; rows < group.NumRows() && len(left) > 0; left = left[1:] {
			for c, entries := range shredRecord(left[0]) {
				want[c] = append(want[c], entries...)
			}
			rows += left[0].NumRows()
		}
		if rows != group.NumRows() {
			t.Fatalf("row group %d has %d rows and does not end with a record", n, group.NumRows())
		}
		for c, chunk := range group.ColumnChunks() {
			var got []triple
			for _, p := range readTriples(t, chunk) {
				if len(p) > 0 && p[0].rep != 0 {
					t.Fatalf("a page of column %d begins inside a row", c)
				}
				got = append(got, p...)
			}
			if !slices.EqualFunc(want[c], got, func(a, b triple) bool {
				return a.rep == b.rep && a.def == b.def && samePlain(a.value, b.value)
			}) {
				t.Fatalf("parquet-go reads leaf %d (-want +got):\n%s", c, cmp.Diff(want[c], got, opts))
			}
		}
	}
	if len(left) > 0 {
		t.Fatalf("%d records are in no row group", len(left))
	}
}

// samePlain compares plain values; cmp.Diff takes a hundred times as long, and is for messages. NaN
// is NaN, and the two zeros differ.
func samePlain(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, samePlain)
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b))
	}
	return a == b
}

// nulls says whether element i is null.
type nulls func(i int) bool

func nullPatterns(r *rand.Rand) map[string]nulls {
	patterns := map[string]nulls{
		"none":   func(int) bool { return false },
		"all":    func(int) bool { return true },
		"random": func(int) bool { return r.IntN(3) == 0 },
	}
	if !testing.Short() { // these are random ones, too, that hardly ever come up
		patterns["alternating"] = func(i int) bool { return i%2 == 1 }
		patterns["runs"] = func(i int) bool { return i/37%3 == 1 }
	}
	return patterns
}

// fillBuilder appends element i of a made-up column to b. size is the usual length of a text.
func fillBuilder(r *rand.Rand, b array.Builder, nullable bool, null nulls, i, size int) {
	if nullable && null(i) {
		b.AppendNull()
		return
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(r.IntN(2) == 0)
	case *array.Int32Builder:
		b.Append(int32(r.Uint32()) >> r.IntN(32))
	case *array.Int64Builder:
		b.Append(int64(r.Uint64()) >> r.IntN(64))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(1_700_000_000_000_000 + int64(i)*1000))
	case *array.Float64Builder:
		b.Append([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), r.NormFloat64(), float64(i % 7)}[r.IntN(6)])
	case *array.StringBuilder:
		b.Append(fillText(r, i, size))
	case *array.LargeStringBuilder:
		b.Append(fillText(r, i, size))
	case *array.StructBuilder:
		b.Append(true)
		t := b.Type().(*arrow.StructType)
		for k, f := range t.Fields() {
			fillBuilder(r, b.FieldBuilder(k), f.Nullable, null, i+k, size)
		}
	case *array.MapBuilder:
		b.Append(true)
		t := b.Type().(*arrow.MapType)
		for k := range r.IntN(4) {
			fillBuilder(r, b.KeyBuilder(), false, null, i+k, size)
			fillBuilder(r, b.ItemBuilder(), t.ItemField().Nullable, null, i+k, size)
		}
	case *array.ListBuilder:
		b.Append(true)
		t := b.Type().(*arrow.ListType)
		for k := range r.IntN(4) {
			fillBuilder(r, b.ValueBuilder(), t.ElemField().Nullable, null, i+k, size)
		}
	default:
		panic(fmt.Sprintf("no values for %s", b.Type()))
	}
}

func fillText(r *rand.Rand, i, size int) string {
	switch r.IntN(4) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("https://example.com/%d/ü", i)
	case 2:
		return []string{"de", "en", "日本語"}[i%3]
	}
	return strings.Repeat(string(rune('a'+r.IntN(26)))+"€", r.IntN(size+1)/4)
}

// makeRecord is a made-up record of the schema, the same for the same seed.
func makeRecord(schema *arrow.Schema, seed uint64, rows, size int, null nulls) arrow.RecordBatch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		for c, f := range schema.Fields() {
			fillBuilder(r, b.Field(c), f.Nullable, null, i, size)
		}
	}
	return b.NewRecordBatch()
}

// hinted says what is known of a field's values.
func hinted(f arrow.Field, hint string) arrow.Field {
	f.Metadata = arrow.NewMetadata([]string{HintKey}, []string{hint})
	return f
}
