package main

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/schema"
)

type schemaCmd struct {
	Format string `name:"format" enum:"text,json,duckdb,arrow" default:"text" help:"text, json, duckdb (a CREATE TABLE statement) or arrow."`
}

// Help is the long form of --help.
func (schemaCmd) Help() string {
	return "Every file has every column, in this order, whatever the documents hold. A time\nbefore 1582-10-15 or after 9999-12-31 is null in its column; _extra has it as it was sent.\n\nExample:\n  tw2parquet schema --format duckdb\n\nExit codes: 0 ok, 2 usage, 50 the output cannot be written."
}

// column is one leaf or node of the schema as `--format json` prints it.
type column struct {
	Path    string `json:"path"`
	Type    string `json:"type"`
	Meaning string `json:"meaning"`
}

// Run prints the schema.
func (c *schemaCmd) Run(a *app) error {
	switch c.Format {
	case "duckdb":
		return a.write(duckDBTable(schema.Arrow()))
	case "arrow":
		return a.write(schema.Arrow().String() + "\n")
	}
	var columns []column
	for _, f := range schema.Fields() {
		columns = append(columns, column{f.Path, f.Type.String(), f.Meaning})
	}
	if c.Format == "json" {
		return a.indented(map[string]any{"version": schema.Version, "fingerprint": schema.Fingerprint(), "columns": columns})
	}
	rows := make([][]string, len(columns))
	for i, f := range columns {
		rows[i] = []string{f.Path, f.Type, f.Meaning}
	}
	return a.table([]string{"column", "type", "meaning"}, rows)
}

func (a *app) write(s string) error {
	_, err := a.stdout.Write([]byte(s))
	return err
}

// duckDBTable is the schema as the statement that makes an empty table of it.
func duckDBTable(s *arrow.Schema) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE documents (\n")
	for i, f := range s.Fields() {
		comma := ","
		if i == s.NumFields()-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "  %s %s%s\n", quoteName(f.Name), duckDBType(f.Type), comma)
	}
	b.WriteString(");\n")
	return b.String()
}

func duckDBType(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return "BOOLEAN"
	case *arrow.Int32Type:
		return "INTEGER"
	case *arrow.Int64Type:
		return "BIGINT"
	case *arrow.Float64Type:
		return "DOUBLE"
	case *arrow.StringType:
		return "VARCHAR"
	case *arrow.TimestampType:
		return "TIMESTAMP WITH TIME ZONE"
	case *arrow.MapType:
		return "MAP(" + duckDBType(t.KeyType()) + ", " + duckDBType(t.ItemType()) + ")"
	case *arrow.ListType:
		return duckDBType(t.Elem()) + "[]"
	case *arrow.StructType:
		var members []string
		for _, f := range t.Fields() {
			members = append(members, quoteName(f.Name)+" "+duckDBType(f.Type))
		}
		return "STRUCT(" + strings.Join(members, ", ") + ")"
	}
	return "VARCHAR"
}

// quoteName is an SQL identifier.
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
