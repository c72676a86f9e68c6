package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

// handWritten names the documents of testdata: NAME.json is a chunk, NAME.txt what its row holds, a leaf and
// its value (as DuckDB writes it) a line, typed by hand. A leaf that is not listed is null; "*" is
// anything.
var handWritten = [...]string{"full", "post", "empty", "characters", "odd"}

// documents are the named documents as chunks.
func documents(names ...string) []json.RawMessage {
	list := []json.RawMessage{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			panic(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, text); err != nil {
			panic(err)
		}
		list = append(list, line.Bytes())
	}
	return list
}

// expected reads a table of values.
func expected(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		path, value, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("%s.txt: no tab in %q", name, line)
		}
		values[path] = value
	}
	return values
}

// visible writes characters that a table cannot show.
var visible = strings.NewReplacer("\n", "⏎", "\t", "⇥", "\x00", "␀", "\x01", "␁", "\u2028", "␤")

func TestValues_OfEveryColumn(t *testing.T) {
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents(handWritten[:]...))
	out := a.output()
	e := a.export(0, out, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01")
	if e.result.Rows != int64(len(handWritten)) {
		t.Fatalf("%s", e)
	}
	leaves := columns.Leaves()
	full := expected(t, "full")
	for ordinal, name := range handWritten {
		want := expected(t, name)
		var list []string
		for _, leaf := range leaves {
			list = append(list, leaf.Expr)
			if _, ok := full[leaf.Path]; !ok && leaf.Path != "_ordinal" {
				t.Errorf("full.txt has no line for %s", leaf.Path)
			}
		}
		row := lake(t, out, "SELECT "+strings.Join(list, ", ")+" FROM lake ORDER BY _ordinal")[ordinal]
		known := map[string]bool{}
		for i, leaf := range leaves {
			known[leaf.Path] = true
			got, ok := visible.Replace(row[i]), true
			value := duck.Null
			if v, listed := want[leaf.Path]; listed {
				value = v
			}
			switch {
			case leaf.Path == "_ordinal":
				ok = got == string(rune('0'+ordinal))
			case value == "*":
			default:
				ok = got == value
			}
			if !ok {
				t.Errorf("%s: %s is %q, want %q", name, leaf.Path, got, value)
			}
		}
		for path := range want {
			if !known[path] {
				t.Errorf("%s.txt names %s, which is not a leaf of the schema", name, path)
			}
		}
	}
}

// TestValues_ObjectsAreNullWhenAbsent tells an absent object from one without members.
func TestValues_ObjectsAreNullWhenAbsent(t *testing.T) {
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents("full", "post", "empty"))
	out := a.output()
	a.export(0, out, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01")
	rows := lake(t, out, `SELECT matched IS NULL, images IS NULL, docscore IS NULL, highlighted_data IS NULL, extra_author_attributes IS NULL,
		matched_profile IS NULL, highlighted_data[2].matched.project_profiles IS NULL FROM lake ORDER BY _ordinal`)
	for i, want := range []string{
		"false false false false false false false",
		"false true true false true false true",
		"true true true true true true true",
	} {
		if got := strings.Join(rows[i], " "); got != want {
			t.Errorf("document %d: %s, want %s", i, got, want)
		}
	}
}

// TestValues_NothingIsLost looks for what has no column, or does not fit its column, in _extra.
func TestValues_NothingIsLost(t *testing.T) {
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents("odd"))
	out := a.output()
	e := a.export(0, out, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01")
	if e.result.UnknownFields < 2 || e.result.CoercedValues < 1 {
		t.Errorf("%d unknown fields and %d coerced values are reported: %s", e.result.UnknownFields, e.result.CoercedValues, e.stdout)
	}
	extra := one(t, out, "SELECT _extra FROM lake")
	var tree map[string]any
	if err := json.Unmarshal([]byte(extra), &tree); err != nil {
		t.Fatalf("_extra is no JSON object: %v\n%s", err, extra)
	}
	for _, part := range []string{`"published_by":{"robot":true}`, `"karma":17`, `"source_type":"MESSAGEBOARD"`, `"porn_level":3000000000`, `"sentiment":null`} {
		if !strings.Contains(extra, part) {
			t.Errorf("_extra lacks %s: %s", part, extra)
		}
	}
	for _, part := range []string{"url", "published_by_", `"name"`} {
		if strings.Contains(extra, part) {
			t.Errorf("_extra repeats %s: %s", part, extra)
		}
	}
}

// TestValues_TimesOutsideTheCalendar asks DuckDB for the columns of times and encoding/json for the documents.
func TestValues_TimesOutsideTheCalendar(t *testing.T) {
	a := serve(t, emulator.Config{})
	values := []struct {
		sent, column string
		coerced      int64
	}{
		{"0", "1970-01-01 00:00:00+00", 0},
		{"-1", "1969-12-31 23:59:59.999+00", 0},
		{"-12219292800000", "1582-10-15 00:00:00+00", 0},
		{"-12219292800001", duck.Null, 1},
		{"-62135596800000", duck.Null, 1}, // the year 1, another system's "no date"
		{"253402300799999", "9999-12-31 23:59:59.999+00", 0},
		{"253402300800000", duck.Null, 1},
		{"1700000000000000", duck.Null, 1},    // microseconds
		{"1700000000000000000", duck.Null, 1}, // nanoseconds
		{"-9223372036854775808", duck.Null, 1},
		{"1.7e12", "2023-11-14 22:13:20+00", 0},
		{"1.7e15", duck.Null, 1},
		{`"-62135596800000"`, duck.Null, 1},
	}
	times := []string{"published", "indexed", "search_indexed"}
	var stream, documents bytes.Buffer
	var coerced int64
	for _, v := range values {
		document := fmt.Sprintf(`{"url":"u","published":%s,"indexed":%s,"search_indexed":%s}`, v.sent, v.sent, v.sent)
		fmt.Fprintf(&stream, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":%s}}}`+"\n", document)
		documents.WriteString(document + "\n")
		coerced += v.coerced * int64(len(times))
	}
	stream.WriteString(`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"end"}}`)
	in := filepath.Join(t.TempDir(), "times.ndjson")
	if err := os.WriteFile(in, stream.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := a.output()
	if e := a.run(0, "convert", in, "--out", out); e.result.CoercedValues != coerced {
		t.Errorf("%d values are counted as coerced, want %d", e.result.CoercedValues, coerced)
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, rows, err := db.Text(t.Context(), "SELECT "+strings.Join(times, ", ")+" FROM "+duck.Quote(filepath.Join(out, "*.parquet"))+" ORDER BY _ordinal")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		for k, name := range times {
			if rows[i][k] != v.column {
				t.Errorf("%s of %s is %s, want %s", name, v.sent, rows[i][k], v.column)
			}
		}
	}
	rebuilt := json.NewDecoder(strings.NewReader(a.run(0, "cat", out).stdout))
	sent := json.NewDecoder(&documents)
	for _, d := range []*json.Decoder{rebuilt, sent} {
		d.UseNumber()
	}
	for _, v := range values {
		var got, want map[string]any
		if err := errors.Join(rebuilt.Decode(&got), sent.Decode(&want)); err != nil {
			t.Fatal(err)
		}
		if v.sent == "1.7e12" { // by value, not by text
			for _, name := range times {
				want[name] = json.Number("1700000000000")
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("rebuilt is %v, want %v", got, want)
		}
	}
}

// TestSchema_IsWhatFilesHave compares the printed schema with the columns of a file.
func TestSchema_IsWhatFilesHave(t *testing.T) {
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents("post"))
	out := a.output()
	a.export(0, out, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01")
	printed := a.run(0, "schema", "--format", "duckdb")
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Exec(t.Context(), printed.stdout); err != nil {
		t.Fatalf("%v\n%s", err, printed.stdout)
	}
	describe := "SELECT column_name, column_type FROM (DESCRIBE FROM "
	_, declared, err := db.Text(t.Context(), describe+"documents)")
	if err != nil {
		t.Fatal(err)
	}
	_, written, err := db.Text(t.Context(), describe+"read_parquet("+duck.Quote(filepath.Join(out, "*", "*.parquet"))+", hive_partitioning = false))")
	if err != nil {
		t.Fatal(err)
	}
	for i := range max(len(declared), len(written)) {
		if i >= len(declared) || i >= len(written) || strings.Join(declared[i], " ") != strings.Join(written[i], " ") {
			t.Fatalf("column %d differs: printed %v, written %v", i, declared[min(i, len(declared)-1)], written[min(i, len(written)-1)])
		}
	}
}
