package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// decode reads JSON the way encoding/json does, numbers kept as text.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

// same compares decoded values, numbers by value, and names the first difference.
func same(path string, a, b any) error {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: object became %T", path, b)
		}
		for k := range a {
			if _, ok := b[k]; !ok {
				return fmt.Errorf("%s: member %q is gone", path, k)
			}
			if err := same(path+"."+k, a[k], b[k]); err != nil {
				return err
			}
		}
		for k := range b {
			if _, ok := a[k]; !ok {
				return fmt.Errorf("%s: member %q came from nowhere", path, k)
			}
		}
		return nil
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return fmt.Errorf("%s: array %v became %v", path, a, b)
		}
		for i := range a {
			if err := same(fmt.Sprintf("%s[%d]", path, i), a[i], b[i]); err != nil {
				return err
			}
		}
		return nil
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || normal(string(a)) != normal(string(b)) {
			return fmt.Errorf("%s: number %v became %v", path, a, b)
		}
		return nil
	}
	if a != b {
		return fmt.Errorf("%s: %#v became %#v", path, a, b)
	}
	return nil
}

// normal writes the value of a number as an integer times a power of ten.
func normal(text string) string {
	mantissa, exp := text, new(big.Int)
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		exp.SetString(strings.TrimPrefix(text[i+1:], "+"), 10)
	}
	if i := strings.IndexByte(mantissa, '.'); i >= 0 {
		exp.Sub(exp, big.NewInt(int64(len(mantissa)-i-1)))
		mantissa = mantissa[:i] + mantissa[i+1:]
	}
	m, ok := new(big.Int).SetString(mantissa, 10)
	if !ok {
		return text
	}
	if m.Sign() == 0 {
		return "0"
	}
	digits := m.String()
	short := strings.TrimRight(digits, "0")
	return short + "e" + exp.Add(exp, big.NewInt(int64(len(digits)-len(short)))).String()
}

// nesting returns how deep a well-formed text nests.
func nesting(text []byte) int {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// lookup walks into decoded objects.
func lookup(v any, names ...string) any {
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// isResult tells what Append must make of a text.
func isResult(text []byte) bool {
	if !json.Valid(text) || nesting(text) > maxDepth {
		return false
	}
	v, err := decode(text)
	if err != nil {
		return false
	}
	_, ok := lookup(v, "chunk_result", "data", "data").(map[string]any)
	return ok
}

// checkRow holds that a row gives back its chunk and its document, and that _extra is compact JSON.
func checkRow(t *testing.T, r *Rebuilder, rec arrow.RecordBatch, row int, chunk []byte) {
	t.Helper()
	want, err := decode(chunk)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.RebuildChunk(rec, row, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, chunk)
	}
	outer, err := decode(got)
	if err != nil {
		t.Fatalf("rebuilt chunk: %v\n%s\n%s", err, chunk, got)
	}
	if _, ok := want.(map[string]any)["chunk_type"]; !ok {
		want.(map[string]any)["chunk_type"] = "CT_RESULT" // which a rebuilt chunk always has
	}
	extra := "null"
	if x := rec.Column(2).(*array.String); x.IsValid(row) {
		extra = x.Value(row)
		if _, err := decode([]byte(extra)); err != nil {
			t.Fatalf("_extra: %v\n%s\n%s", err, chunk, extra)
		}
	}
	if err := same("", want, outer); err != nil {
		t.Fatalf("chunk: %v\nin:    %s\nout:   %s\nextra: %s", err, chunk, got, extra)
	}
	if bytes.ContainsAny(got, "\n\r\t") {
		t.Fatalf("rebuilt chunk is not on one line: %s", got)
	}
	got, err = r.Rebuild(rec, row, []byte("x["))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := decode(got[2:])
	if err != nil {
		t.Fatalf("rebuilt document: %v\n%s\n%s", err, chunk, got)
	}
	if err := same("", lookup(want, "chunk_result", "data", "data"), inner); err != nil {
		t.Fatalf("document: %v\nin:  %s\nout: %s", err, chunk, got)
	}
}

// checkRecord holds what is true of every record: valid Arrow arrays and valid UTF-8.
func checkRecord(t *testing.T, rec arrow.RecordBatch) {
	t.Helper()
	for i, col := range rec.Columns() {
		if err := array.Validate(col); err != nil {
			t.Fatalf("column %s: %v", rec.ColumnName(i), err)
		}
		if full, ok := col.(interface{ ValidateFull() error }); ok {
			if err := full.ValidateFull(); err != nil {
				t.Fatalf("column %s: %v", rec.ColumnName(i), err)
			}
		}
		checkData(t, rec.ColumnName(i), col.Data())
	}
}

func checkData(t *testing.T, name string, d arrow.ArrayData) {
	t.Helper()
	if d.DataType().ID() == arrow.STRING {
		if text := d.Buffers()[2].Bytes(); !utf8.Valid(text) {
			t.Fatalf("column %s is not UTF-8", name)
		}
	}
	for _, k := range d.Children() {
		checkData(t, name, k)
	}
}
