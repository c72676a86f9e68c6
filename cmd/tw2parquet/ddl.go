package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// ddl is what engines that speak like Hive or BigQuery call the schema's types.
type ddl struct {
	texts, integers, longs    string
	doubles, times, booleans  string
	array, structure, mapping func(parts ...string) string
	member                    func(name, kind string) string
}

func around(open, closing string) func(parts ...string) string {
	return func(parts ...string) string { return open + strings.Join(parts, ", ") + closing }
}

// backtick is an identifier of these engines.
func backtick(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// escaped is a string literal of these engines.
func escaped(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(s) + "'"
}

var (
	hive = ddl{texts: "STRING", integers: "INT", longs: "BIGINT", doubles: "DOUBLE", times: "TIMESTAMP", booleans: "BOOLEAN",
		array: around("ARRAY<", ">"), structure: around("STRUCT<", ">"), mapping: around("MAP<", ">"),
		member: func(name, kind string) string { return backtick(name) + ": " + kind }}
	bigQuery = ddl{texts: "STRING", integers: "INT64", longs: "INT64", doubles: "FLOAT64", times: "TIMESTAMP", booleans: "BOOL",
		array: around("ARRAY<", ">"), structure: around("STRUCT<", ">"),
		// Maps are read as Parquet writes them.
		mapping: func(parts ...string) string {
			return "STRUCT<key_value ARRAY<STRUCT<key " + parts[0] + ", value " + parts[1] + ">>>"
		},
		member: func(name, kind string) string { return backtick(name) + " " + kind }}
)

// kind is a type.
func (d ddl) kind(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return d.booleans
	case *arrow.Int32Type:
		return d.integers
	case *arrow.Int64Type:
		return d.longs
	case *arrow.Float64Type:
		return d.doubles
	case *arrow.TimestampType:
		return d.times
	case *arrow.MapType:
		return d.mapping(d.kind(t.KeyType()), d.kind(t.ItemType()))
	case *arrow.ListType:
		return d.array(d.kind(t.Elem()))
	case *arrow.StructType:
		var members []string
		for _, f := range t.Fields() {
			members = append(members, d.member(f.Name, d.kind(f.Type)))
		}
		return d.structure(members...)
	}
	return d.texts
}

// columns are the lines of a table's columns, and more if there are some.
func (d ddl) columns(s *arrow.Schema, more ...string) string {
	var lines []string
	for _, f := range s.Fields() {
		lines = append(lines, "  "+backtick(f.Name)+" "+d.kind(f.Type))
	}
	return strings.Join(append(lines, more...), ",\n")
}

const tableName = "documents"

// sparkTable makes a table of Spark SQL; over the files of root, if that is not "".
func sparkTable(s *arrow.Schema, root string, folders []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (\n%s\n)\nUSING PARQUET\nPARTITIONED BY (window_start)", tableName, hive.columns(s, "  window_start STRING"))
	if root != "" {
		fmt.Fprintf(&b, "\nLOCATION %s", escaped(root))
	}
	b.WriteString(";\n" + addPartitions(root, folders))
	return b.String()
}

// athenaTable makes a table of Athena, or Hive. Partitions are said one by one: a projection would miss windows that do not
// begin at midnight.
func athenaTable(s *arrow.Schema, root string, folders []string) string {
	return fmt.Sprintf("CREATE EXTERNAL TABLE %s (\n%s\n)\nPARTITIONED BY (window_start STRING)\nSTORED AS PARQUET\nLOCATION %s;\n%s",
		tableName, hive.columns(s), escaped(root+"/"), addPartitions(root, folders))
}

// addPartitions says where each window lies.
func addPartitions(root string, folders []string) string {
	var b strings.Builder
	for _, folder := range folders {
		fmt.Fprintf(&b, "ALTER TABLE %s ADD IF NOT EXISTS PARTITION (window_start = %s) LOCATION %s;\n",
			tableName, escaped(strings.TrimPrefix(folder, windowFolder)), escaped(root+"/"+folder+"/"))
	}
	return b.String()
}

// bigQueryTable makes a table of BigQuery; over the files of root, if that is not "".
func bigQueryTable(s *arrow.Schema, root string) string {
	if root == "" {
		return fmt.Sprintf("CREATE TABLE %s (\n%s\n);\n", tableName, bigQuery.columns(s, "  window_start STRING"))
	}
	return fmt.Sprintf("CREATE EXTERNAL TABLE %s (\n%s\n)\nWITH PARTITION COLUMNS (window_start STRING)\nOPTIONS (\n  format = 'PARQUET',\n  enable_list_inference = TRUE,\n"+
		"  hive_partition_uri_prefix = %s,\n  uris = [%s]\n);\n", tableName, bigQuery.columns(s), escaped(root+"/"), escaped(root+"/"+windowFolder+"*"))
}

// windowFolder begins the names of the folders of windows.
const windowFolder = "window_start="

// windowFolders are those of the files, sorted.
func windowFolders(files []string) (folders []string) {
	for _, name := range files {
		if dir := path.Dir(name); strings.HasPrefix(dir, windowFolder) && !strings.Contains(dir, "/") {
			folders = append(folders, dir)
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}
