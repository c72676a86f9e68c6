package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"tw2parquet/sink"
)

// value decodes JSON by encoding/json, numbers as exact values: 1e2, 100 and 100.0 are one.
func value(t testing.TB, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.100s", err, text)
	}
	var exact func(v any) any
	exact = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = exact(v[k])
			}
		case []any:
			for i := range v {
				v[i] = exact(v[i])
			}
		case json.Number:
			if r, ok := new(big.Rat).SetString(v.String()); ok {
				return "number " + r.RatString()
			}
		}
		return v
	}
	return exact(v)
}

// inner is the document of a chunk.
func inner(t testing.TB, chunk []byte) []byte {
	t.Helper()
	var c struct {
		Result struct {
			Data struct {
				Data json.RawMessage `json:"data"`
			} `json:"data"`
		} `json:"chunk_result"`
	}
	if err := json.Unmarshal(chunk, &c); err != nil {
		t.Fatal(err)
	}
	return c.Result.Data.Data
}

func cat(t testing.TB, what Print) [][]byte {
	t.Helper()
	var out bytes.Buffer
	if err := Cat(context.Background(), &out, what); err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		return nil
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
		t.Error("the last line has no end")
	}
	return bytes.Split(bytes.TrimSuffix(out.Bytes(), []byte("\n")), []byte("\n"))
}

// recorded are the forms of documents in testdata, the unreadable ones left out.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	names, err := filepath.Glob("../../testdata/documents/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal("no documents", err)
	}
	var chunks [][]byte
	for _, name := range names {
		var line bytes.Buffer
		if err := json.Compact(&line, get(t, name)); err == nil {
			chunks = append(chunks, line.Bytes())
		}
	}
	return chunks
}

func TestCat_GivesBackEveryDocumentInOrder(t *testing.T) {
	root := t.TempDir()
	chunks := append(recorded(t), corpus(t, 1600)...)
	const half = 800
	job{run: runA, partition: "d=1", chunks: chunks[:half], fileRows: 400, groupRows: 100, codec: "zstd"}.write(t, root)
	job{run: runB, partition: "d=2", chunks: chunks[half:], groupRows: 700, codec: "snappy"}.write(t, root)
	put(t, filepath.Join(root, sink.StateDir, runA, "not.parquet"), nil) // nobody looks there
	documents, whole := cat(t, Print{Inputs: these(t, root), Limit: -1}), cat(t, Print{Inputs: these(t, root), Limit: -1, Chunks: true})
	if len(documents) != len(chunks) || len(whole) != len(chunks) {
		t.Fatalf("%d documents and %d chunks of %d", len(documents), len(whole), len(chunks))
	}
	for i, chunk := range chunks {
		if d := cmp.Diff(value(t, chunk), value(t, whole[i])); d != "" {
			t.Fatalf("chunk %d: %s", i, d)
		}
		if d := cmp.Diff(value(t, inner(t, chunk)), value(t, documents[i])); d != "" {
			t.Fatalf("document %d: %s", i, d)
		}
	}
	for _, n := range []int64{0, 1, 399, 400, 401, 1000, 1 << 40} {
		if got := cat(t, Print{Inputs: these(t, root), Limit: n}); len(got) != int(min(n, int64(len(chunks)))) {
			t.Errorf("limit %d: %d documents", n, len(got))
		}
	}
	file := filepath.Join(root, "d=1", sink.PartName(runA, 1, 0))
	if got := cat(t, Print{Inputs: these(t, file, file), Limit: -1}); len(got) != 800 || !bytes.Equal(got[0], documents[400]) || !bytes.Equal(got[400], documents[400]) {
		t.Errorf("one file twice: %d documents", len(got))
	}
}

// As a listing of names, number 100000 comes before 99999.
func TestCat_OrdersRunsByNumber(t *testing.T) {
	names := []string{"b.parquet", sink.PartName(runB, 0, 0), sink.PartName(runA, 99999, 0), sink.PartName(runA, 100000, 0), sink.PartName(runA, 2, 0)}
	root := t.TempDir()
	for _, n := range names {
		put(t, filepath.Join(root, n), nil)
	}
	d, err := Open(t.Context(), at(t, root))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range d.Files() {
		got = append(got, e.Name)
	}
	want := []string{"b.parquet", names[4], names[2], names[3], names[1]}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCat_ColumnsSelectMembers(t *testing.T) {
	root := t.TempDir()
	chunk := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":17,"title":"a","published":1700000000123,"unknown":{"x":1},"lang":null,"reach":2},"highlighted_data":[{"title_snippet":"t"}]}}}`
	job{run: runA, chunks: [][]byte{[]byte(chunk)}}.write(t, root)
	for _, c := range []struct {
		columns []string
		want    string
	}{
		{[]string{"title"}, `{"title":"a"}`},
		{[]string{"url", "title"}, `{"url":17,"title":"a"}`}, // did not fit its column
		{[]string{"published", "content", "reach"}, `{"published":1700000000123,"reach":2}`},
		{[]string{"lang"}, `{"lang":null}`},
		{[]string{"highlighted_data"}, `{"highlighted_data":[{"title_snippet":"t"}]}`},
		{[]string{"_ordinal", "_extra"}, `{"_ordinal":0,"_extra":{"url":17,"unknown":{"x":1},"lang":null}}`},
		{[]string{"content"}, `{}`},
	} {
		got := cat(t, Print{Inputs: these(t, root), Limit: -1, Columns: c.columns})
		if len(got) != 1 || cmp.Diff(value(t, []byte(c.want)), value(t, got[0])) != "" {
			t.Errorf("%v: %s, want %s", c.columns, got, c.want)
		}
	}
}

func TestCat_RefusesWhatDoesNotExist(t *testing.T) {
	root := t.TempDir()
	job{run: runA, chunks: corpus(t, 1)}.write(t, root)
	for what, p := range map[string]Print{
		"column":         {Inputs: these(t, root), Columns: []string{"title", "titel"}},
		"unknown member": {Inputs: these(t, root), Columns: []string{"world_data.city"}},
		"both":           {Inputs: these(t, root), Columns: []string{"title"}, Chunks: true},
		"path":           {Inputs: append(these(t, root), Input{at(t, root), "none"})},
		"no Parquet":     {Inputs: these(t, t.TempDir())},
	} {
		var out bytes.Buffer
		var input *InputError
		if err := Cat(context.Background(), &out, p); !errors.As(err, &input) || out.Len() > 0 {
			t.Errorf("%s: %v, printed %q", what, err, out.String())
		}
	}
}

func TestCat_NamesForeignFiles(t *testing.T) {
	root := t.TempDir()
	write := func(name string, fields ...arrow.Field) string {
		s := arrow.NewSchema(fields, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, s)
		defer b.Release()
		for i, f := range b.Fields() {
			if s.Field(i).Name == "_extra" {
				f.AppendNull()
			} else {
				f.AppendEmptyValue()
			}
		}
		var out bytes.Buffer
		w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(b.NewRecordBatch()), w.Close()); err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(root, name)
		put(t, name, out.Bytes())
		return name
	}
	ordinal := arrow.Field{Name: "_ordinal", Type: arrow.PrimitiveTypes.Int64}
	key := arrow.Field{Name: "_key", Type: arrow.BinaryTypes.String, Nullable: true}
	extra := arrow.Field{Name: "_extra", Type: arrow.BinaryTypes.String, Nullable: true}
	text := func(name string) arrow.Field {
		return arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}
	}
	for _, c := range []struct{ name, says string }{
		{write("unknown", ordinal, key, extra, text("colour")), "colour"},
		{write("type", ordinal, key, extra, text("published")), "published"},
		{write("bare", text("url")), "_ordinal"},
		{write("seconds", ordinal, key, extra, arrow.Field{Name: "published", Type: arrow.FixedWidthTypes.Timestamp_ms, Nullable: true}), "published"},
		{filepath.Join(root, "pipe"), "regular"},
	} {
		if c.says == "regular" {
			mkfifo(t, c.name)
		}
		err := Cat(context.Background(), io.Discard, Print{Inputs: these(t, c.name), Limit: -1})
		var foreign *sink.ForeignError
		if !errors.As(err, &foreign) || foreign.Path != c.name || !strings.Contains(foreign.Reason, c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// An older version lacks columns; that is not foreign.
	if got := cat(t, Print{Inputs: these(t, write("old", ordinal, key, extra, text("url"))), Limit: -1}); len(got) != 1 || string(got[0]) != `{"url":""}` {
		t.Errorf("%s", got)
	}
}
