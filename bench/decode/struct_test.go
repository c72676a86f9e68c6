package decode_test

import (
	"encoding/json"
	"reflect"
	"strings"

	"tw2parquet/schema"
)

// member is a row of the schema's table with the rows below it.
type member struct {
	name  string
	typ   schema.Type
	below []*member
}

// chunkType is a chunk as a plain Go struct with every member of the schema's table: what a program that
// uses a JSON library writes by hand. It is the struct of BenchmarkDecode in package bench, which a test
// file of another module cannot export.
func chunkType() reflect.Type {
	root := &member{}
	byPath := map[string]*member{"": root}
	for _, f := range schema.Fields() {
		if strings.HasPrefix(f.Path, "_") {
			continue
		}
		parent, name := "", f.Path
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			parent, name = strings.TrimSuffix(f.Path[:i], "[]"), f.Path[i+1:]
		}
		m := &member{name: name, typ: f.Type}
		byPath[f.Path] = m
		byPath[parent].below = append(byPath[parent].below, m)
	}
	var document []*member
	var beside []reflect.StructField
	for _, m := range root.below {
		if m.name == "highlighted_data" {
			beside = append(beside, field(m.name, m.goType()))
			continue
		}
		document = append(document, m)
	}
	result := reflect.StructOf(append(beside, field("data", structOf(document))))
	chunk := reflect.StructOf([]reflect.StructField{field("data", result)})
	return reflect.StructOf([]reflect.StructField{field("chunk_type", reflect.TypeFor[string]()), field("chunk_result", chunk)})
}

func structOf(members []*member) reflect.Type {
	var fields []reflect.StructField
	for _, m := range members {
		fields = append(fields, field(m.name, m.goType()))
	}
	return reflect.StructOf(fields)
}

func (m *member) goType() reflect.Type {
	switch m.typ {
	case schema.Int32:
		return reflect.TypeFor[int32]()
	case schema.Int64, schema.Time:
		return reflect.TypeFor[int64]()
	case schema.Float64:
		return reflect.TypeFor[float64]()
	case schema.Texts:
		return reflect.TypeFor[[]string]()
	case schema.Object:
		return structOf(m.below)
	case schema.Objects:
		return reflect.SliceOf(structOf(m.below))
	case schema.Scores:
		return reflect.TypeFor[map[string]float64]()
	case schema.JSON:
		return reflect.TypeFor[json.RawMessage]()
	default:
		return reflect.TypeFor[string]()
	}
}

func field(name string, t reflect.Type) reflect.StructField {
	return reflect.StructField{Name: "F_" + name, Type: t, Tag: reflect.StructTag(`json:"` + name + `"`)}
}
