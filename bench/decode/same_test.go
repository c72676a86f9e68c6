package decode_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/simdjson-go"
	"github.com/valyala/fastjson"

	"tw2parquet/bench"
	"tw2parquet/schema"
)

// sameResults of each kind keep the test quick; the documents of the benchmark begin with these.
const sameResults = 100

// TestRivals_DecodeTheDocuments checks that everyone has really read every value of every chunk: what fills
// structs has the struct that encoding/json fills; ours rebuilt, the tape and the tree hold all the values
// that encoding/json finds.
func TestRivals_DecodeTheDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run: it holds the rivals to our decoder, not us to them")
	}
	var chunks [][]byte
	for _, kind := range bench.Kinds() {
		some, err := bench.Corpus{Seed: 1, Kind: kind, Results: sameResults}.Chunks()
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, some...)
	}
	for _, r := range rivals() {
		t.Run(r.name, func(t *testing.T) {
			if r.refused != "" {
				t.Logf("not compared: %s", r.refused)
				return
			}
			d := r.open()
			for i, chunk := range chunks {
				if err := d.decode(chunk); err != nil {
					t.Fatalf("chunk %d: %v", i, err)
				}
				if got, want := everything(t, d, chunk); !reflect.DeepEqual(got, want) {
					t.Fatalf("chunk %d: %s", i, cmp.Diff(want, got))
				}
			}
		})
	}
}

// everything is what the decoder holds of the chunk, and what encoding/json does in the same form.
func everything(t *testing.T, d decoder, chunk []byte) (got, want any) {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if s, ok := d.(*structs); ok {
		value := reflect.New(chunkType())
		check(json.Unmarshal(chunk, value.Interface()))
		return s.document, value.Interface()
	}
	check(json.Unmarshal(chunk, &want))
	switch d := d.(type) {
	case *columns:
		rebuilt, err := schema.NewRebuilder().RebuildChunk(d.encoder.Record(), d.encoder.Rows()-1, nil)
		check(err)
		check(json.Unmarshal(rebuilt, &got))
	case *tape:
		iter := d.parsed.Iter()
		if iter.Advance() != simdjson.TypeRoot {
			t.Fatal("the tape does not begin with a root")
		}
		_, root, err := iter.Root(nil)
		check(err)
		value, err := root.Interface()
		check(err)
		got = floats(value)
	case *tree:
		got = treeValue(t, d.value)
	}
	return got, want
}

// floats turns the integers of a tape into float64, as encoding/json has them in an any.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	}
	return v
}

func treeValue(t *testing.T, v *fastjson.Value) any {
	t.Helper()
	switch v.Type() {
	case fastjson.TypeObject:
		members := map[string]any{}
		v.GetObject().Visit(func(name []byte, v *fastjson.Value) { members[string(name)] = treeValue(t, v) })
		return members
	case fastjson.TypeArray:
		elements := []any{}
		for _, e := range v.GetArray() {
			elements = append(elements, treeValue(t, e))
		}
		return elements
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber:
		return v.GetFloat64()
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return v.GetBool()
	case fastjson.TypeNull:
		return nil
	}
	t.Fatalf("a value of type %s", v.Type())
	return nil
}
