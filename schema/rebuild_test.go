package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// throughParquet writes a record and reads it back, only the given top-level columns if there are any,
// without the help of a stored Arrow schema.
func throughParquet(t *testing.T, rec arrow.RecordBatch, columns ...string) arrow.RecordBatch {
	t.Helper()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &buf, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	pf, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: rec.NumRows()}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	var leaves []int
	for i := range pf.MetaData().Schema.NumColumns() {
		for _, name := range columns {
			if pf.MetaData().Schema.Column(i).ColumnPath()[0] == name {
				leaves = append(leaves, i)
			}
		}
	}
	if columns == nil {
		for i := range pf.MetaData().Schema.NumColumns() {
			leaves = append(leaves, i)
		}
	}
	rr, err := r.GetRecordReader(context.Background(), leaves, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := rr.Read()
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestRebuild_FromParquet(t *testing.T) {
	a := &author{Rand: rand.New(rand.NewPCG(3, 4)), hostile: true}
	e, r := NewEncoder(), NewRebuilder()
	var chunks [][]byte
	for _, chunk := range documents(t) {
		chunks = append(chunks, chunk)
	}
	for range 50 {
		chunks = append(chunks, a.chunk())
	}
	for i, chunk := range chunks {
		if err := e.Append(chunk, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	back := throughParquet(t, e.Record())
	if back.NumRows() != int64(len(chunks)) {
		t.Fatalf("%d rows came back, want %d", back.NumRows(), len(chunks))
	}
	for i, chunk := range chunks {
		checkRow(t, r, back, i, chunk)
	}
	slice := back.NewSlice(5, 9)
	for i := range 4 {
		checkRow(t, r, slice, i, chunks[5+i])
	}
}

func TestRebuild_OfSelectedColumns(t *testing.T) {
	e, r := NewEncoder(), NewRebuilder()
	if err := e.Append(documents(t)["odd.json"], 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		columns []string
		want    string
	}{
		{[]string{"url", "sentiment"}, `{"url":"https://example.org/odd","sentiment":-5}`},
		{[]string{"images"}, `{"images":[{"url":"a"},null,{"url":"b"},null,{"url":"c"}]}`},
		{[]string{"docscore", "world_data", "lang"}, `{"docscore":{"test_score":1,"avee":2.5},"world_data":{"longitude":0.1,"latitude":49.61000061035156}}`},
		{[]string{"_ordinal"}, `{}`},
	} {
		got, err := r.Rebuild(throughParquet(t, e.Record(), c.columns...), 0, nil)
		if err != nil || string(got) != c.want {
			t.Errorf("%v: %s, %v, want %s", c.columns, got, err, c.want)
		}
	}
	// With _extra, whatever it holds is there.
	got, err := r.Rebuild(throughParquet(t, e.Record(), "url", "_extra"), 0, nil)
	if err != nil || !strings.Contains(string(got), `"brand_new":[1.50,-0,{"k":"v"}]`) || !strings.Contains(string(got), `"$chunk":"not the chunk"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRebuild_RefusesForeignRecords(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Append(1)
	wrong := arrow.NewSchema([]arrow.Field{{Name: "url", Type: arrow.PrimitiveTypes.Int64}}, nil)
	rec := array.NewRecordBatch(wrong, []arrow.Array{b.NewArray()}, 1)
	r := NewRebuilder()
	for range 2 { // the second time the record must not pass for one that was looked at
		if _, err := r.Rebuild(rec, 0, nil); err == nil || err.Error() != "column url: int64 where utf8 is expected" {
			t.Errorf("error %v", err)
		}
	}
	if _, err := r.Rebuild(NewEncoder().Record(), 0, nil); err == nil {
		t.Error("row 0 of no rows rebuilt")
	}
}

func TestAppend_FullRecord(t *testing.T) {
	e := NewEncoder()
	chunk := documents(t)["x.json"]
	if err := e.Append(chunk, 0); err != nil {
		t.Fatal(err)
	}
	e.input = maxInput - len(chunk) + 1
	if err := e.Append(chunk, 1); !errors.Is(err, ErrFull) || e.Rows() != 1 {
		t.Fatalf("error %v, %d rows", err, e.Rows())
	}
	e.Reset()
	if err := e.Append(chunk, 1); err != nil || e.Rows() != 1 {
		t.Fatalf("error %v, %d rows", err, e.Rows())
	}
}

func TestDrift_MergesAndSurvivesJSON(t *testing.T) {
	a := &Drift{Unknown: map[string]Seen{"x": {2, "string"}}, Coerced: map[string]int64{"reach": 1}, DuplicateKeys: 1}
	b := &Drift{Unknown: map[string]Seen{"x": {1, "number"}, "y": {1, "null"}}, Coerced: map[string]int64{"reach": 1, "url": 2}, ReplacedUTF8: 7}
	var sum Drift
	for _, d := range []*Drift{a, nil, b} {
		sum.Merge(d)
	}
	want := Drift{map[string]Seen{"x": {3, "string"}, "y": {1, "null"}}, map[string]int64{"reach": 2, "url": 2}, 1, 7}
	if !reflect.DeepEqual(sum, want) {
		t.Errorf("got %+v, want %+v", sum, want)
	}
	text, err := json.Marshal(sum)
	var back Drift
	if err = errors.Join(err, json.Unmarshal(text, &back)); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%s: %+v, %v", text, back, err)
	}
}

// TestDrift_IsBounded holds that hostile names cannot fill memory or footers.
func TestDrift_IsBounded(t *testing.T) {
	e := NewEncoder()
	for i := range 5 {
		var b strings.Builder
		b.WriteString(`{"chunk_result":{"data":{"data":{"` + strings.Repeat("é", 1<<20) + `":1`)
		for k := range 50000 {
			b.WriteString(`,"` + strings.Repeat("k", i) + strconv.Itoa(k) + `":1`)
		}
		b.WriteString("}}}}")
		if err := e.Append([]byte(b.String()), 0); err != nil {
			t.Fatal(err)
		}
	}
	d := e.Drift()
	total := int64(0)
	for path, s := range d.Unknown {
		if len(path) > maxPath {
			t.Errorf("path of %d bytes", len(path))
		}
		total += s.Count
	}
	if len(d.Unknown) > MaxUnknown+1 || total != 5*50001 {
		t.Errorf("%d paths, %d members", len(d.Unknown), total)
	}
}
