package main

import (
	"context"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/schema"
)

type schemaCmd struct {
	Out    string `arg:"" optional:"" name:"out" help:"An output, for a table over its files: its directory or URL. Only with spark, bigquery and athena."`
	Format string `name:"format" enum:"text,json,arrow,duckdb,spark,bigquery,athena" default:"text" help:"text, json, arrow, or the statement that makes a table: duckdb, spark, bigquery or athena."`
}

// Help is the long form of --help.
func (schemaCmd) Help() string {
	return `Every file has every column, in this order, whatever the documents hold. A time before 1582-10-15 or after 9999-12-31
is null in its column; _extra has it as it was sent.

With OUT, the statements for spark, bigquery and athena make a table over its files, partitioned by window_start; for
spark and athena with each folder of a window that is there. athena cannot do without OUT.

Example:
  tw2parquet schema --format duckdb
  tw2parquet schema --format athena s3://bucket/lake

Exit codes: 0 ok, 2 usage (no such output), 50 the output cannot be read, or the schema not be written, 130 and 143 stopped.
See also: files, lakes`
}

// column is one leaf or node of the schema as `--format json` prints it.
type column struct {
	Path    string `json:"path"`
	Type    string `json:"type"`
	Meaning string `json:"meaning"`
}

// Run prints the schema.
func (c *schemaCmd) Run(ctx context.Context, a *app) error {
	root, folders, err := c.files(ctx, a)
	if err != nil {
		return err
	}
	switch c.Format {
	case "spark":
		return a.write(sparkTable(schema.Arrow(), root, folders))
	case "athena":
		return a.write(athenaTable(schema.Arrow(), root, folders))
	case "bigquery":
		return a.write(bigQueryTable(schema.Arrow(), root))
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
	return a.table([]heading{{name: "column"}, {name: "type", prose: true}, {name: "meaning", prose: true}}, rows)
}

// files are where the files of an output lie, and the folders of its windows.
func (c *schemaCmd) files(ctx context.Context, a *app) (root string, folders []string, err error) {
	switch {
	case c.Out == "" && c.Format == "athena":
		return "", nil, usagef("a table of Athena lies over files; name the output: tw2parquet schema --format athena s3://bucket/lake")
	case c.Out == "":
		return "", nil, nil
	}
	if _, err := locateOutput(c.Out); err != nil {
		return "", nil, usagef("%s: %w", publicName(c.Out), err)
	}
	if c.Format != "spark" && c.Format != "bigquery" && c.Format != "athena" {
		return "", nil, usagef("an output goes with --format spark, bigquery or athena; the schema is the same for all")
	}
	there, _, err := takeStock(ctx, a, c.Out)
	if err != nil {
		return "", nil, interrupted(ctx, err)
	}
	defer there.Close()
	if there.err != nil {
		return "", nil, there.err
	}
	if c.Format == "bigquery" && (!there.remote() || there.url.Scheme != "gs") {
		return "", nil, usagef("BigQuery reads files of Google Cloud Storage: name an output that begins with gs://")
	}
	if root, err = engineRoot(there.place); err != nil {
		return "", nil, err
	}
	var names []string
	for _, r := range there.Runs {
		for _, e := range r.Files {
			names = append(names, e.Name)
		}
	}
	return root, windowFolders(names), nil
}

func (a *app) write(s string) error {
	_, err := a.stdout.Write([]byte(s))
	return err
}

// duckDBTable is the schema as the statement that makes an empty table of it.
func duckDBTable(s *arrow.Schema) string {
	return "CREATE TABLE " + tableName + " (\n" + duckDBColumns(s) + "\n);\n"
}

func duckDBColumns(s *arrow.Schema) string {
	lines := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		lines[i] = "  " + quoteName(f.Name) + " " + duckDBType(f.Type)
	}
	return strings.Join(lines, ",\n")
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
