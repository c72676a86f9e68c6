package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

func TestTable_ParentsComeFirst(t *testing.T) {
	types := map[string]Type{}
	for _, f := range Fields() {
		if _, ok := types[f.Path]; ok {
			t.Errorf("%s is there twice", f.Path)
		}
		types[f.Path] = f.Type
		if f.Meaning == "" {
			t.Errorf("%s has no meaning", f.Path)
		}
		i := strings.LastIndexByte(f.Path, '.')
		if i < 0 {
			continue
		}
		parent, list := strings.CutSuffix(f.Path[:i], "[]")
		if typ, ok := types[parent]; !ok || list && typ != Objects || !list && typ != Object {
			t.Errorf("%s has no parent of the right type before it", f.Path)
		}
	}
	if got := Arrow().Field(0); got.Name != "_ordinal" || got.Nullable {
		t.Errorf("first column is %v", got)
	}
	if first := Arrow(); first != Arrow() {
		t.Error("schema is made anew each time")
	}
}

// TestFingerprint_ChangesOnPurpose fails when the columns change: count Version up if files written
// before cannot be read as if they had been written after.
func TestFingerprint_ChangesOnPurpose(t *testing.T) {
	if got, want := Fingerprint(), "66316cabb8ca84ae"; got != want {
		t.Errorf("fingerprint of version %s is %s, was %s", Version, got, want)
	}
}

// nest builds the chunk that has a value at a path; "" leaves the member out.
func nest(path, value string) []byte {
	parts := strings.Split(path, ".")
	text := "{}"
	if value != "" {
		text = value
	}
	for i := len(parts) - 1; i >= 0; i-- {
		name, list := strings.CutSuffix(parts[i], "[]")
		if list {
			text = "[" + text + "]"
		}
		if value != "" || i < len(parts)-1 {
			text = `{"` + name + `":` + text + `}`
		}
	}
	if strings.HasPrefix(path, highlighted) {
		text = `{"data":{},` + text[1:]
		text = strings.Replace(text, ",}", "}", 1)
	} else {
		text = `{"data":` + text + `}`
	}
	return []byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":` + text + `}}`)
}

// arrayAt finds the array of a path.
func arrayAt(rec arrow.RecordBatch, path string) arrow.Array {
	var arr arrow.Array
	for i, part := range strings.Split(path, ".") {
		name, list := strings.CutSuffix(part, "[]")
		if i == 0 {
			arr = rec.Column(rec.Schema().FieldIndices(name)[0])
		} else {
			s := arr.(*array.Struct)
			k, _ := s.DataType().(*arrow.StructType).FieldIdx(name)
			arr = s.Field(k)
		}
		if list {
			arr = arr.(*array.List).ListValues()
		}
	}
	return arr
}

// TestField_TakesEveryJSONType puts every kind of value into every field. What a column takes is
// written down here once more, by type.
func TestField_TakesEveryJSONType(t *testing.T) {
	const (
		null = 0 // the column is null
		kept = 1 // _extra has the value
		full = 2 // the column has it
	)
	number, text, list := []Type{Int32, Int64, Float64, Time}, []Type{Text}, []Type{Texts}
	cases := []struct {
		value string
		fills map[int][]Type // all others: null and kept
	}{
		{"", nil},
		{`"s"`, map[int][]Type{full: text, full | kept: list}},
		{`""`, map[int][]Type{full: text, full | kept: list}},
		{`"12"`, map[int][]Type{full: text, full | kept: append(list, number...)}},
		{`"12 "`, map[int][]Type{full: text, full | kept: list}},
		{`12`, map[int][]Type{full: number}},
		{`-12`, map[int][]Type{full: number}},
		{`120e-1`, map[int][]Type{full: number}},
		{`1.5`, map[int][]Type{full: {Float64}}},
		{`3000000000`, map[int][]Type{full: {Int64, Float64, Time}}},
		{`9223372036854775807`, map[int][]Type{full: {Int64}, full | kept: {Float64}}},
		{`9223372036854775808`, map[int][]Type{full | kept: {Float64}}},
		{`1e999`, nil},
		{`true`, nil},
		{`false`, nil},
		{`null`, map[int][]Type{kept: {JSON}}},
		{`{}`, map[int][]Type{full: {Object, Scores}, full | kept: {Objects}}},
		{`{"strange":[1]}`, map[int][]Type{full | kept: {Object, Objects, Scores}}},
		{`[]`, map[int][]Type{full: {Texts, Objects}}},
		{`[null]`, map[int][]Type{full: {Texts, Objects}}},
		{`["a",""]`, map[int][]Type{full: list, full | kept: {Objects}}},
		{`[1]`, map[int][]Type{full | kept: {Texts, Objects}}},
		{`[{}]`, map[int][]Type{full: {Objects}, full | kept: list}},
		{`[[]]`, map[int][]Type{full | kept: {Texts, Objects}}},
	}
	e, r := NewEncoder(), NewRebuilder()
	for _, f := range Fields() {
		if f.Path[0] == '_' {
			continue
		}
		// All cases of a field share a record; a list on the way to it has one element a row.
		var wants []int
		coerced := int64(0)
		e.Reset()
		for i, c := range cases {
			want := kept
			if f.Type == JSON {
				want = full
			}
			if c.value == "" {
				want = null
			}
			for fills, types := range c.fills {
				if slices.Contains(types, f.Type) {
					want = fills
				}
			}
			wants = append(wants, want)
			if member := f.Type == Object && strings.Contains(c.value, "strange"); want&kept != 0 && c.value != "null" && !member {
				coerced++
			}
			if err := e.Append(nest(f.Path, c.value), int64(i)); err != nil {
				t.Fatalf("%s: %v\n%s", f.Path, err, nest(f.Path, c.value))
			}
		}
		rec := e.Record()
		checkRecord(t, rec)
		column := arrayAt(rec, f.Path)
		for i, c := range cases {
			checkRow(t, r, rec, i, nest(f.Path, c.value))
			got := null
			if column.IsValid(i) {
				got |= full
			}
			if rec.Column(2).IsValid(i) {
				got |= kept
			}
			if got != wants[i] {
				t.Errorf("%s of %s from %s: got %d, want %d", f.Path, f.Type, c.value, got, wants[i])
			}
		}
		if got := e.Drift().Coerced[f.Path]; f.Type != Scores && f.Type != Objects && got != coerced {
			t.Errorf("%s: coerced %d, want %d", f.Path, got, coerced)
		}
	}
}
