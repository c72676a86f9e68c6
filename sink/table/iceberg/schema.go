package iceberg

import (
	"fmt"
	"slices"
	"strings"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/schema"
	"tw2parquet/sink/table"
)

// ourSchema is what the files hold.
func ourSchema() (*lib.Schema, error) {
	return icebergtable.ArrowSchemaToIcebergWithFreshIDs(schema.Arrow(), false)
}

// growth is the columns of ours that the table lacks, in whole or in part, or that are wider by now. A column of another
// type, or with another name, is an error.
func (t *Table) growth() ([]lib.NestedField, error) {
	if spec := t.now.Spec(); !spec.IsUnpartitioned() {
		return nil, &table.Error{Reason: table.Feature, Message: fmt.Sprintf("the Iceberg table %s is partitioned (%v), which cannot be seen from the files", t.cfg.Table, spec),
			Hint: "name a table that is not there yet: it is made unpartitioned; or add the files with the engine that made this one so"}
	}
	ours, err := ourSchema()
	if err != nil {
		return nil, err
	}
	var missing []lib.NestedField
	theirs, mapping := t.now.Schema().AsStruct(), t.now.NameMapping() // copies
	for _, f := range ours.Fields() {
		lacks, err := t.compare(f.Name, f, theirs, mapping)
		if err != nil {
			return nil, err
		}
		if lacks {
			missing = append(missing, f)
		}
	}
	return missing, nil
}

// compare tells whether the fields of a struct of the table lack anything of a field of ours.
func (t *Table) compare(at string, ours lib.NestedField, theirs lib.StructType, mapping []lib.MappedField) (lacks bool, err error) {
	i := slices.IndexFunc(theirs.FieldList, func(f lib.NestedField) bool { return f.Name == ours.Name })
	var nested []lib.MappedField
	if m := slices.IndexFunc(mapping, func(m lib.MappedField) bool { return slices.Contains(m.Names, ours.Name) }); m >= 0 {
		nested = mapping[m].Fields
		named := slices.IndexFunc(theirs.FieldList, func(f lib.NestedField) bool { return f.ID == mapping[m].ID() })
		if named >= 0 && named != i { // the library finds columns by their own names only
			return false, &table.Error{Reason: table.Types, Message: fmt.Sprintf("column %s is called %s in the Iceberg table %s", at, theirs.FieldList[named].Name, t.cfg.Table),
				Hint: "give the column its name back, and call it otherwise in a view; or register with another table"}
		}
	}
	if i < 0 {
		return true, nil
	}
	return t.compareTypes(at, ours.Type, theirs.FieldList[i].Type, nested)
}

func (t *Table) compareTypes(at string, ours, theirs lib.Type, mapping []lib.MappedField) (lacks bool, err error) {
	switch a := ours.(type) {
	case *lib.StructType:
		if b, ok := theirs.(*lib.StructType); ok {
			for _, f := range a.FieldList {
				less, err := t.compare(at+"."+f.Name, f, *b, mapping)
				if err != nil {
					return false, err
				}
				lacks = lacks || less
			}
			return lacks, nil
		}
	case *lib.ListType:
		if b, ok := theirs.(*lib.ListType); ok {
			return t.compareTypes(at+".element", a.Element, b.Element, below(mapping, "element"))
		}
	case *lib.MapType:
		if b, ok := theirs.(*lib.MapType); ok {
			if _, err := t.compareTypes(at+".key", a.KeyType, b.KeyType, below(mapping, "key")); err != nil {
				return false, err
			}
			return t.compareTypes(at+".value", a.ValueType, b.ValueType, below(mapping, "value"))
		}
	default:
		switch {
		case ours.Equals(theirs), wider(theirs, ours):
			return false, nil
		case wider(ours, theirs):
			return true, nil
		}
	}
	return false, &table.Error{Reason: table.Types, Message: fmt.Sprintf("column %s is %s in the Iceberg table %s, and %s in the files", at, theirs, t.cfg.Table, ours),
		Hint: "register with another table, or give the column this type"}
}

// below is the mapping of what a list or map holds.
func below(mapping []lib.MappedField, name string) []lib.MappedField {
	for _, m := range mapping {
		if slices.Contains(m.Names, name) {
			return m.Fields
		}
	}
	return nil
}

// wider tells whether a holds every value of b, as the format allows a column to be promoted.
func wider(a, b lib.Type) bool {
	return a.Equals(lib.PrimitiveTypes.Int64) && b.Equals(lib.PrimitiveTypes.Int32) || a.Equals(lib.PrimitiveTypes.Float64) && b.Equals(lib.PrimitiveTypes.Float32)
}

// grow adds to a transaction what the schema and the name mapping of the table lack.
func (t *Table) grow(txn *icebergtable.Transaction) error {
	missing, err := t.growth()
	if err != nil {
		return err
	}
	grown := t.now.Schema()
	if len(missing) > 0 {
		if grown, err = txn.UpdateSchema(true, false).UnionByNameWith(lib.NewSchema(0, missing...)).Apply(); err == nil {
			err = txn.UpdateSchema(true, false).UnionByNameWith(lib.NewSchema(0, missing...)).Commit()
		}
		if err != nil {
			return fmt.Errorf("add columns to the table %s: %w", t.cfg.Table, err)
		}
	}
	before := t.now.NameMapping()
	mapping := merged(grown.NameMapping(), before)
	if before != nil && lib.NameMapping(mapping).String() == before.String() {
		return nil
	}
	text, err := jsonText(mapping)
	if err != nil {
		return err
	}
	return txn.SetProperties(lib.Properties{icebergtable.DefaultNameMappingKey: strings.TrimSpace(string(text))})
}

// merged is a mapping with the further names that an earlier one has for the same columns.
func merged(fresh, before []lib.MappedField) []lib.MappedField {
	var taken []string
	for _, f := range fresh {
		taken = append(taken, f.Names...)
	}
	all := slices.Clone(fresh)
	for i, f := range all {
		for _, old := range before {
			if old.FieldID == nil || old.ID() != f.ID() {
				continue
			}
			names := slices.Clone(f.Names)
			for _, name := range old.Names {
				if !slices.Contains(taken, name) {
					names = append(names, name)
				}
			}
			all[i].Names, all[i].Fields = names, merged(f.Fields, old.Fields)
		}
	}
	return all
}
