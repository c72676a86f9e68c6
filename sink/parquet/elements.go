package parquet

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// maxLevel bounds definition levels, so that a level always fits a byte with room for the next one.
const maxLevel = 250

type nodeKind uint8

const (
	nodeLeaf nodeKind = iota
	nodeStruct
	nodeList
	nodeMap
)

// fieldNode is one field of the Arrow schema, seen as Parquet sees it. def is the definition level of a
// slot in which the node is present (not null); rep is the repetition level of its slots. What
// lies inside a list or map has one more of both (Parquet format, README.md, Nested Encoding).
type fieldNode struct {
	kind     nodeKind
	optional bool
	def, rep uint8
	path     string // for messages: names joined by dots, without list and element
	children []*fieldNode
	leaf     *leaf
}

// leaf is one Parquet column. It never changes after construction.
type leaf struct {
	index    int
	name     string   // for messages, as in fieldNode.path
	path     []string // path_in_schema
	physical format.Type
	optional bool
	maxDef   uint8
	maxRep   uint8
	class    columnClass
	bloom    bool
	openRows int // rows that complete an open page
}

// live is the level at which a slot of the levels above the leaf has an element in its array.
func (l *leaf) live() uint8 {
	if l.optional {
		return l.maxDef - 1
	}
	return l.maxDef
}

// columnTree is a schema compiled once per output: what the footer says about it, the nodes that
// levels are computed along, and its columns in declared order.
type columnTree struct {
	encodings Encodings
	elements  []format.SchemaElement
	roots     []*fieldNode
	leaves    []*leaf
}

func newColumnTree(schema *arrow.Schema, e Encodings) (*columnTree, error) {
	if schema == nil || schema.NumFields() == 0 {
		return nil, errors.New("lay out columns: the schema has no fields")
	}
	l := &columnTree{encodings: e, elements: []format.SchemaElement{{
		Name:        "schema",
		NumChildren: thrift.New(int32(schema.NumFields())),
	}}}
	for _, f := range schema.Fields() {
		n, err := l.add(f, f.Name, nil, nil, 0, 0, hints{})
		if err != nil {
			return nil, fmt.Errorf("lay out columns: %w", err)
		}
		l.roots = append(l.roots, n)
	}
	return l, nil
}

// add appends f and all below it. name is what Parquet calls the field where that is fixed by the
// format (element, key, value); parents is the path_in_schema above it and words the same without
// the names that only the format brings in.
func (l *columnTree) add(f arrow.Field, name string, parents, words []string, def, rep uint8, h hints) (*fieldNode, error) {
	if f.Type == nil {
		return nil, fmt.Errorf("field %q has no type", name)
	}
	h = hintsOf(f, h)
	path := append(parents[:len(parents):len(parents)], name)
	if name == f.Name {
		words = append(words[:len(words):len(words)], name)
	}
	n := &fieldNode{optional: f.Nullable, def: def, rep: rep, path: strings.Join(words, ".")}
	element := format.SchemaElement{Name: name, RepetitionType: thrift.New(format.Required)}
	if f.Nullable {
		n.def++
		element.RepetitionType = thrift.New(format.Optional)
	}
	if n.def > maxLevel {
		return nil, fmt.Errorf("field %s is nested too deep", n.path)
	}
	var err error
	switch t := f.Type.(type) {
	case *arrow.StructType:
		n.kind = nodeStruct
		if t.NumFields() == 0 {
			return nil, fmt.Errorf("field %s is a struct without fields, which Parquet cannot hold", n.path)
		}
		element.NumChildren = thrift.New(int32(t.NumFields()))
		l.elements = append(l.elements, element)
		for _, child := range t.Fields() {
			if err = l.addChild(n, child, child.Name, path, words, n.def, n.rep, h); err != nil {
				return nil, err
			}
		}
	case *arrow.ListType:
		// Parquet format, LogicalTypes.md, Lists: group LIST { repeated group list { element } }.
		n.kind = nodeList
		element.NumChildren = thrift.New(int32(1))
		element.ConvertedType = thrift.New(deprecated.List)
		element.LogicalType = format.LogicalType{Value: &format.ListType{}}
		l.elements = append(l.elements, element, format.SchemaElement{
			Name:           "list",
			RepetitionType: thrift.New(format.Repeated),
			NumChildren:    thrift.New(int32(1)),
		})
		item := t.ElemField()
		item.Name = ""
		if err = l.addChild(n, item, "element", append(path, "list"), words, n.def+1, n.rep+1, h); err != nil {
			return nil, err
		}
	case *arrow.MapType:
		// Parquet format, LogicalTypes.md, Maps: group MAP { repeated group key_value { required key; value } }.
		n.kind = nodeMap
		element.NumChildren = thrift.New(int32(1))
		element.ConvertedType = thrift.New(deprecated.Map)
		element.LogicalType = format.LogicalType{Value: &format.MapType{}}
		l.elements = append(l.elements, element, format.SchemaElement{
			Name:           "key_value",
			RepetitionType: thrift.New(format.Repeated),
			NumChildren:    thrift.New(int32(2)),
			ConvertedType:  thrift.New(deprecated.MapKeyValue),
		})
		key, value := t.KeyField(), t.ItemField()
		key.Nullable = false
		for _, side := range []struct {
			name  string
			field arrow.Field
		}{{"key", key}, {"value", value}} {
			side.field.Name = side.name
			if err = l.addChild(n, side.field, side.name, append(path, "key_value"), words, n.def+1, n.rep+1, h); err != nil {
				return nil, err
			}
		}
	default:
		if err = describeLeaf(&element, f.Type); err != nil {
			return nil, fmt.Errorf("field %s: %w", n.path, err)
		}
		n.kind = nodeLeaf
		n.leaf = &leaf{
			index:    len(l.leaves),
			name:     n.path,
			path:     path,
			physical: element.Type.V,
			optional: n.optional,
			maxDef:   n.def,
			maxRep:   n.rep,
			class:    classOf(h, element.Type.V, l.encodings),
			bloom:    h.lookup && element.Type.V == format.ByteArray,
			openRows: openPageRows,
		}
		l.leaves = append(l.leaves, n.leaf)
		l.elements = append(l.elements, element)
	}
	return n, nil
}

func (l *columnTree) addChild(n *fieldNode, f arrow.Field, name string, path, words []string, def, rep uint8, h hints) error {
	child, err := l.add(f, name, path, words, def, rep, h)
	if err != nil {
		return err
	}
	n.children = append(n.children, child)
	return nil
}

// describeLeaf sets physical, logical and the legacy converted type, which Hive and older Spark
// read instead (Parquet format, LogicalTypes.md). There are no nanoseconds and no INT96: Iceberg
// and most engines take neither.
func describeLeaf(e *format.SchemaElement, t arrow.DataType) error {
	physical := func(p format.Type) { e.Type = thrift.New(p) }
	switch t := t.(type) {
	case *arrow.BooleanType:
		physical(format.Boolean)
	case *arrow.Int32Type:
		physical(format.Int32)
		e.ConvertedType = thrift.New(deprecated.Int32)
		e.LogicalType = format.LogicalType{Value: &format.IntType{BitWidth: 32, IsSigned: true}}
	case *arrow.Int64Type:
		physical(format.Int64)
		e.ConvertedType = thrift.New(deprecated.Int64)
		e.LogicalType = format.LogicalType{Value: &format.IntType{BitWidth: 64, IsSigned: true}}
	case *arrow.Float64Type:
		physical(format.Double)
	case *arrow.StringType, *arrow.LargeStringType:
		physical(format.ByteArray)
		e.ConvertedType = thrift.New(deprecated.UTF8)
		e.LogicalType = format.LogicalType{Value: &format.StringType{}}
	case *arrow.TimestampType:
		if t.Unit != arrow.Microsecond {
			return fmt.Errorf("timestamps in %s are not supported, only microseconds", t.Unit)
		}
		physical(format.Int64)
		utc := t.TimeZone != ""
		if utc {
			// The converted type says "instant", so a local time must not carry it.
			e.ConvertedType = thrift.New(deprecated.TimestampMicros)
		}
		e.LogicalType = format.LogicalType{Value: &format.TimestampType{
			IsAdjustedToUTC: utc,
			Unit:            format.TimeUnit{Value: &format.MicroSeconds{}},
		}}
	default:
		return fmt.Errorf("type %s is not supported", t)
	}
	return nil
}
