package table

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/schema"
)

// deltaField is a column, or a member of a struct, as a Delta log describes it.
type deltaField struct {
	Name     string          `json:"name"`
	Type     deltaType       `json:"type"`
	Nullable bool            `json:"nullable"`
	Metadata json.RawMessage `json:"metadata"`
}

// deltaType is the name of a type, or the description of one that has parts.
type deltaType struct {
	Name  string // "" where it has parts
	Parts *deltaParts
}

type deltaParts struct {
	Type          string       `json:"type"`
	Fields        []deltaField `json:"fields,omitempty"`
	Element       *deltaType   `json:"elementType,omitempty"`
	ContainsNull  *bool        `json:"containsNull,omitempty"`
	Key           *deltaType   `json:"keyType,omitempty"`
	Value         *deltaType   `json:"valueType,omitempty"`
	ValueContains *bool        `json:"valueContainsNull,omitempty"`
}

// MarshalJSON is as the format has it.
func (t deltaType) MarshalJSON() ([]byte, error) {
	if t.Parts == nil {
		return jsonText(t.Name)
	}
	return jsonText(t.Parts)
}

// UnmarshalJSON reads both forms.
func (t *deltaType) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &t.Name)
	}
	t.Parts = &deltaParts{}
	return json.Unmarshal(text, t.Parts)
}

// String is for people.
func (t deltaType) String() string {
	switch p := t.Parts; {
	case p == nil:
		return t.Name
	case p.Type == "array" && p.Element != nil:
		return "array<" + p.Element.String() + ">"
	case p.Type == "map" && p.Key != nil && p.Value != nil:
		return "map<" + p.Key.String() + ", " + p.Value.String() + ">"
	default:
		return p.Type
	}
}

const partitionColumn = "window_start"

// deltaSchema is our columns as a Delta table has them. The partition's value is in the path only.
func deltaSchema() deltaType {
	fields := deltaFields(schema.Arrow().Fields())
	fields = append(fields, deltaField{partitionColumn, deltaType{Name: "string"}, true, noMetadata})
	return deltaType{Parts: &deltaParts{Type: "struct", Fields: fields}}
}

var noMetadata = json.RawMessage("{}")

func deltaFields(fields []arrow.Field) (all []deltaField) {
	for _, f := range fields {
		all = append(all, deltaField{f.Name, deltaOf(f.Type), true, noMetadata})
	}
	return all
}

func deltaOf(t arrow.DataType) deltaType {
	yes := true
	switch t := t.(type) {
	case *arrow.Int32Type:
		return deltaType{Name: "integer"}
	case *arrow.Int64Type:
		return deltaType{Name: "long"}
	case *arrow.Float64Type:
		return deltaType{Name: "double"}
	case *arrow.TimestampType:
		return deltaType{Name: "timestamp"}
	case *arrow.MapType:
		key, value := deltaOf(t.KeyType()), deltaOf(t.ItemType())
		return deltaType{Parts: &deltaParts{Type: "map", Key: &key, Value: &value, ValueContains: &yes}}
	case *arrow.ListType:
		element := deltaOf(t.Elem())
		return deltaType{Parts: &deltaParts{Type: "array", Element: &element, ContainsNull: &yes}}
	case *arrow.StructType:
		return deltaType{Parts: &deltaParts{Type: "struct", Fields: deltaFields(t.Fields())}}
	}
	return deltaType{Name: "string"}
}

// mergeDelta is the table's type with whatever ours has and it lacks, behind what is there. Columns of others stay. A column
// of ours with another type is an *Error.
func mergeDelta(theirs, ours deltaType, path string) (merged deltaType, grown bool, err error) {
	mismatch := func() error {
		return &Error{Reason: Types, Message: fmt.Sprintf("column %s is %s in the table, and %s in the files", path, theirs, ours),
			Hint: "give that column another name in the table, or register into a table of its own"}
	}
	t, o := theirs.Parts, ours.Parts
	switch {
	case t == nil && o == nil && theirs.Name == ours.Name:
		return theirs, false, nil
	case t == nil || o == nil || t.Type != o.Type:
		return theirs, false, mismatch()
	}
	merged = deltaType{Parts: &deltaParts{}}
	*merged.Parts = *t
	part := func(to **deltaType, their, our *deltaType, name string) {
		if their == nil || our == nil {
			if their != our && err == nil {
				err = mismatch()
			}
			return
		}
		if err != nil {
			return
		}
		m, more, merr := mergeDelta(*their, *our, path+name)
		*to, grown, err = &m, grown || more, merr
	}
	part(&merged.Parts.Element, t.Element, o.Element, "[]")
	part(&merged.Parts.Key, t.Key, o.Key, "{}")
	part(&merged.Parts.Value, t.Value, o.Value, "{}")
	if err != nil {
		return theirs, false, err
	}
	merged.Parts.Fields = append([]deltaField(nil), t.Fields...)
	at := map[string]int{}
	for i, f := range t.Fields {
		at[strings.ToLower(f.Name)] = i // names differ in more than case
	}
	for _, f := range o.Fields {
		i, ok := at[strings.ToLower(f.Name)]
		if !ok {
			merged.Parts.Fields, grown = append(merged.Parts.Fields, f), true
			continue
		}
		name := f.Name
		if path != "" {
			name = path + "." + f.Name
		}
		m, more, err := mergeDelta(t.Fields[i].Type, f.Type, name)
		if err != nil {
			return theirs, false, err
		}
		merged.Parts.Fields[i].Type, grown = m, grown || more
	}
	return merged, grown, nil
}
