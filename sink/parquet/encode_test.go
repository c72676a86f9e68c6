package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func required(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t}
}

var timestampUTC = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// leafTypes are all types of columns.
func leafTypes() map[string]arrow.DataType {
	return map[string]arrow.DataType{
		"bool": arrow.FixedWidthTypes.Boolean, "int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
		"float64": arrow.PrimitiveTypes.Float64, "utf8": arrow.BinaryTypes.String, "large_utf8": arrow.BinaryTypes.LargeString,
		"timestamp": timestampUTC,
	}
}

// bothEncodings are all choices of encodings.
func bothEncodings() []Encodings { return []Encodings{Broad, Compact} }

// nestings wrap a type in every shape the schema of documents uses, and some it does not.
func nestings(t arrow.DataType) map[string]arrow.Field {
	return map[string]arrow.Field{
		"required":           required("x", t),
		"optional":           field("x", t),
		"struct":             field("x", arrow.StructOf(field("a", t), required("b", t))),
		"required struct":    required("x", arrow.StructOf(field("a", t))),
		"struct in struct":   field("x", arrow.StructOf(field("y", arrow.StructOf(field("a", t))), field("b", t))),
		"list":               field("x", arrow.ListOf(t)),
		"list of required":   field("x", arrow.ListOfNonNullable(t)),
		"required list":      required("x", arrow.ListOf(t)),
		"list of struct":     field("x", arrow.ListOf(arrow.StructOf(field("a", t), field("b", arrow.ListOf(t))))),
		"list of list":       field("x", arrow.ListOf(arrow.ListOf(t))),
		"struct of list":     field("x", arrow.StructOf(field("a", arrow.ListOf(t)), field("b", t))),
		"map":                field("x", arrow.MapOf(arrow.BinaryTypes.String, t)),
		"list of map":        field("x", arrow.ListOf(arrow.MapOf(arrow.BinaryTypes.String, t))),
		"map of list":        field("x", arrow.MapOf(arrow.BinaryTypes.String, arrow.ListOf(t))),
		"deep":               field("x", arrow.ListOf(arrow.StructOf(field("m", arrow.StructOf(field("l", arrow.ListOf(arrow.StructOf(field("a", t), field("b", arrow.ListOf(t)))))))))),
		"list of req struct": field("x", arrow.ListOfNonNullable(arrow.StructOf(required("a", t)))),
	}
}

func TestEncode_EveryTypeNestingAndNullPatternReadsBack(t *testing.T) {
	for typeName, typ := range leafTypes() {
		for nesting, f := range nestings(typ) {
			t.Run(typeName+"/"+nesting, func(t *testing.T) {
				schema := arrow.NewSchema([]arrow.Field{f}, nil)
				for pattern, null := range nullPatterns(rand.New(rand.NewPCG(7, 7))) {
					var records []arrow.RecordBatch
					for i, rows := range []int{1, 7, 8, 9, 300, 0, 2} {
						records = append(records, makeRecord(schema, uint64(i), rows, 20, null))
					}
					for _, encodings := range bothEncodings() {
						data := encodeTo(t, NewEncoder(schema, Compression{}, encodings), nil, records...)
						if t.Failed() {
							t.Fatal(pattern, encodings)
						}
						checkFile(t, data, records...)
						if encodings == Broad {
							checkBroad(t, data)
						}
						joined := encodeGroups(t, NewEncoder(schema, Compression{}, encodings), together, nil, records...)
						if n := len(readFooter(t, joined).RowGroups); n != 1 {
							t.Fatalf("%d row groups", n)
						}
						checkFile(t, joined, records...)
					}
				}
			})
		}
	}
}

func TestEncode_SlicedArraysReadBack(t *testing.T) {
	var fields []arrow.Field
	for typeName, typ := range leafTypes() {
		for nesting, f := range nestings(typ) {
			f.Name = typeName + " " + nesting
			fields = append(fields, f)
		}
	}
	schema := arrow.NewSchema(fields, nil)
	whole := makeRecord(schema, 1, 200, 20, func(i int) bool { return i%5 == 0 })
	a, b := whole.NewSlice(3, 100), whole.NewSlice(101, 199)
	for _, encodings := range bothEncodings() {
		e := NewEncoder(schema, Compression{Codec: Snappy}, encodings)
		checkFile(t, encodeTo(t, e, nil, a, b), a, b)
	}
}

// Pages of a few bytes, so that every column has many and their ends fall everywhere.
func TestEncode_PageBoundariesReadBack(t *testing.T) {
	all := []struct {
		limit     int
		encodings Encodings
	}{{1, Compact}, {100, Broad}, {1000, Compact}}
	n := 0
	for typeName, typ := range leafTypes() {
		for nesting, f := range nestings(typ) {
			for pattern, null := range nullPatterns(rand.New(rand.NewPCG(3, 3))) {
				limits := all
				if testing.Short() { // in turn
					limits, n = all[n%len(all):n%len(all)+1], n+1
				}
				for _, c := range limits {
					schema := arrow.NewSchema([]arrow.Field{f}, nil)
					e := NewEncoder(schema, Compression{Codec: None}, c.encodings)
					for _, l := range e.tree.leaves {
						l.class.pageBytes = c.limit
						l.class.dictionary = 0
					}
					rec := makeRecord(schema, 5, 150, 20, null)
					data := encodeTo(t, e, nil, rec)
					checkFile(t, data, rec)
					if t.Failed() {
						t.Fatal(typeName, nesting, pattern, c.limit)
					}
				}
			}
		}
	}
}

func TestEncode_DictionariesReadBack(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		field("s", arrow.BinaryTypes.String), field("i", arrow.PrimitiveTypes.Int32), field("j", arrow.PrimitiveTypes.Int64),
		field("d", arrow.PrimitiveTypes.Float64), field("l", arrow.ListOf(arrow.BinaryTypes.String)), hinted(required("external_id", arrow.BinaryTypes.String), "prefixed lookup"),
	}, nil)
	for _, distinct := range []int{1, 2, 3, 8, 11, 12, 100, 4096, 4097} {
		t.Run(fmt.Sprint(distinct), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			const rows = 10_000
			for i := range rows {
				v := i % distinct
				if i < rows-distinct {
					v = r.IntN(distinct)
				}
				text := strings.Repeat("x", v%19) + fmt.Sprint(v)
				b.Field(0).(*array.StringBuilder).Append(text)
				b.Field(1).(*array.Int32Builder).Append(int32(v) - 5)
				b.Field(2).(*array.Int64Builder).Append(int64(v) << 40)
				b.Field(3).(*array.Float64Builder).Append(float64(v) / 3)
				b.Field(4).(*array.ListBuilder).Append(i%3 != 0)
				if i%3 != 0 {
					b.Field(4).(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).Append(text)
					b.Field(4).(*array.ListBuilder).ValueBuilder().AppendNull()
				}
				b.Field(5).(*array.StringBuilder).Append(text)
			}
			rec := b.NewRecordBatch()
			for _, encodings := range bothEncodings() {
				data := encodeTo(t, NewEncoder(schema, Compression{}, encodings), nil, rec)
				checkFile(t, data, rec)
				if encodings == Broad {
					checkBroad(t, data)
				}
				for i, m := range readFooter(t, data).RowGroups[0].Columns {
					if i == 4 || i == 1 && distinct > fewIntegers && encodings == Compact {
						continue // some of the values lie in null lists; deltas of small numbers are short
					}
					want := distinct <= dictionaryEntries
					if got := m.MetaData.DictionaryPageOffset > 0; got != want {
						t.Errorf("%s, column %v: dictionary %v, want %v", encodings, m.MetaData.PathInSchema, got, want)
					}
					if distinct := int64(distinct); want && m.MetaData.Statistics.DistinctCount != distinct {
						t.Errorf("%s, column %v: %d distinct, want %d", encodings, m.MetaData.PathInSchema, m.MetaData.Statistics.DistinctCount, distinct)
					}
				}
			}
		})
	}
}

func TestEncode_LargeTextsAreSplitIntoTasks(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{hinted(field("content", arrow.BinaryTypes.String), "long"), field("n", arrow.PrimitiveTypes.Int32)}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		if i%11 == 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(strings.Repeat(fmt.Sprint(r.Uint32())+" ", r.IntN(200)))
		}
		b.Field(1).(*array.Int32Builder).Append(int32(i))
	}
	rec := b.NewRecordBatch()
	for _, encodings := range bothEncodings() {
		e := NewEncoder(schema, Compression{}, encodings)
		e.tree.leaves[0].class.pageBytes = 200_000
		tasks, g := e.Encode(rec)
		if len(tasks) < 4 {
			t.Fatalf("%d tasks for a column of several pages", len(tasks))
		}
		for i := len(tasks) - 1; i >= 0; i-- { // any order
			if err := tasks[i](); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		f := NewWriter(&out, e, RowGroupLimits{})
		if err := f.Append(g); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Finish(Metadata{}); err != nil {
			t.Fatal(err)
		}
		checkFile(t, out.Bytes(), rec)
	}
}

func TestEncode_NullsInRequiredFieldsAreErrors(t *testing.T) {
	for name, f := range nestings(arrow.PrimitiveTypes.Int64) {
		nullable := arrow.NewSchema([]arrow.Field{field("x", f.Type)}, nil)
		declared := arrow.NewSchema([]arrow.Field{required("x", f.Type)}, nil)
		rec := makeRecord(nullable, 1, 10, 5, func(i int) bool { return i == 4 })
		tasks, _ := NewEncoder(declared, Compression{}, Broad).Encode(rec)
		var err error
		for _, task := range tasks {
			err = errors.Join(err, task())
		}
		if err == nil || !strings.Contains(err.Error(), "not null") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEncode_UnsupportedTypesAreErrors(t *testing.T) {
	for _, typ := range []arrow.DataType{
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Float32, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32,
		&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, arrow.StructOf(), arrow.LargeListOf(arrow.PrimitiveTypes.Int64),
		arrow.ListOf(arrow.Null), &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String},
	} {
		schema := arrow.NewSchema([]arrow.Field{field("outer", arrow.StructOf(field("odd", typ)))}, nil)
		e := NewEncoder(schema, Compression{}, Broad)
		tasks, _ := e.Encode(nil)
		if len(tasks) != 1 {
			t.Fatalf("%s: %d tasks", typ, len(tasks))
		}
		if err := tasks[0](); err == nil || !strings.Contains(err.Error(), "outer.odd") {
			t.Errorf("%s: %v", typ, err)
		}
		if _, err := NewWriter(new(bytes.Buffer), e, RowGroupLimits{}).Finish(Metadata{}); err == nil {
			t.Errorf("%s: a file was written", typ)
		}
	}
}

func TestEncode_OtherSchemaIsAnError(t *testing.T) {
	e := NewEncoder(arrow.NewSchema([]arrow.Field{field("a", arrow.PrimitiveTypes.Int64)}, nil), Compression{}, Broad)
	other := makeRecord(arrow.NewSchema([]arrow.Field{field("a", arrow.PrimitiveTypes.Int32)}, nil), 1, 3, 3, func(int) bool { return false })
	tasks, _ := e.Encode(other)
	if err := tasks[0](); err == nil || !strings.Contains(err.Error(), "column a is int32") {
		t.Error(err)
	}
}

func TestEncode_SameInputSameBytes(t *testing.T) {
	schema := wideSchema()
	rec := makeRecord(schema, 1, 500, 30, func(i int) bool { return i%3 == 0 })
	want := encodeTo(t, NewEncoder(schema, Compression{}, Broad), map[string]string{"b": "2", "a": "1"}, rec, rec)
	e := NewEncoder(schema, Compression{}, Broad)
	for range 3 { // reused buffers must not show
		if got := encodeTo(t, e, map[string]string{"a": "1", "b": "2"}, rec, rec); !bytes.Equal(got, want) {
			t.Fatal("the same records made another file")
		}
	}
	other := makeRecord(schema, 2, 700, 30, func(i int) bool { return i%4 == 0 })
	want = encodeGroups(t, NewEncoder(schema, Compression{}, Broad), together, nil, rec, other, rec)
	for range 3 {
		if got := encodeGroups(t, e, together, nil, rec, other, rec); !bytes.Equal(got, want) {
			t.Fatal("the same records made another row group")
		}
		encodeGroups(t, e, together, nil, other) // another file between them
	}
}

// wideSchema has every nesting of every type.
func wideSchema() *arrow.Schema {
	var fields []arrow.Field
	for _, typeName := range []string{"bool", "int32", "int64", "float64", "utf8", "timestamp"} {
		shapes := nestings(leafTypes()[typeName])
		for _, nesting := range []string{"optional", "required", "struct", "struct in struct", "list", "list of struct", "map", "deep"} {
			f := shapes[nesting]
			f.Name = typeName + "_" + strings.ReplaceAll(nesting, " ", "_")
			fields = append(fields, f)
		}
	}
	return arrow.NewSchema(fields, nil)
}

func TestEncode_FailingWriterIsAnErrorThatStays(t *testing.T) {
	schema := wideSchema()
	e := NewEncoder(schema, Compression{}, Broad)
	rec := makeRecord(schema, 1, 2000, 30, func(i int) bool { return false })
	for _, room := range []int{0, 3, 1000, 20_000} {
		f := NewWriter(&shortWriter{room: room}, e, RowGroupLimits{})
		tasks, g := e.Encode(rec)
		for _, task := range tasks {
			if err := task(); err != nil {
				t.Fatal(err)
			}
		}
		appendErr := f.Append(g)
		if appendErr == nil {
			t.Fatalf("%d bytes of room: append succeeded", room)
		}
		if _, err := f.Finish(Metadata{}); !errors.Is(err, errNoRoom) {
			t.Errorf("%d bytes of room: finish: %v", room, err)
		}
	}
}

var errNoRoom = errors.New("no room")

type shortWriter struct{ room int }

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		n := w.room
		w.room = 0
		return n, errNoRoom
	}
	w.room -= len(p)
	return len(p), nil
}

func TestEncode_RowGroupWithUnfinishedTasksIsRefused(t *testing.T) {
	schema := wideSchema()
	e := NewEncoder(schema, Compression{}, Broad)
	_, g := e.Encode(makeRecord(schema, 1, 10, 30, func(i int) bool { return false }))
	if err := NewWriter(new(bytes.Buffer), e, RowGroupLimits{}).Append(g); err == nil {
		t.Error("a row group without pages was appended")
	}
}
