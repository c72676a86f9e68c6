package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"

	"tw2parquet/bench/compare/duck"
)

// TestPruning_WhatDuckDBReads holds what DuckDB (1.5.6) leaves unread of our files, by spoiling it: a query
// that still answers has not looked there.
func TestPruning_WhatDuckDBReads(t *testing.T) {
	const results = 4000
	out := t.TempDir()
	s := &settings{binary: product, dir: t.TempDir(), threads: 2, level: 3, rowGroup: "1MiB", results: results, kind: "mix", seed: 1}
	ours := &side{out: out}
	input := s.at("corpus.jsonl")
	if _, err := s.record(input); err != nil {
		t.Fatal(err)
	}
	ours.command = append([]string{s.binary, "convert", input}, s.writing(out)...)
	if _, err := ours.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	query := func(sql string) string {
		t.Helper()
		_, rows, err := db.Text(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		return rows[0][0]
	}
	from := " FROM read_parquet(" + duck.Quote(files[0]) + ")"
	if groups := query("SELECT count(DISTINCT row_group_id) FROM parquet_metadata(" + duck.Quote(files[0]) + ")"); len(groups) < 2 {
		t.Fatalf("%s row groups", groups)
	}

	// Values that are not there but lie between the bounds of every row group: statistics cannot tell. Several,
	// because a Bloom filter is wrong at times.
	absent := map[string][]string{
		"url":         {"https://nowhere.example/1", "https://nowhere.example/2", "https://nowhere.example/3", "https://nowhere.example/4"},
		"external_id": {"1715nowhere", "1715somewhere", "1715elsewhere", "1715anywhere"},
	}
	not := func(column string) (conditions []string) {
		for _, value := range absent[column] {
			if n := query(fmt.Sprintf("SELECT count(*) FROM parquet_metadata(%s) WHERE path_in_schema = %s AND NOT (stats_min_value < %s AND stats_max_value > %[3]s)",
				duck.Quote(files[0]), duck.Quote(column), duck.Quote(value))); n != "0" {
				t.Fatalf("%s: %s row groups are told by their statistics", value, n)
			}
			conditions = append(conditions, column+" = "+duck.Quote(value))
		}
		return conditions
	}
	is := func(column string) []string {
		return []string{column + " = " + duck.Quote(query("SELECT max("+column+")"+from))}
	}

	for name, tt := range map[string]struct {
		spoil  []span
		where  []string // one of them is enough
		answer string   // "" where DuckDB stumbles over what was spoiled
	}{
		"row groups by statistics":        {chunks(t, db, files[0], "_ordinal", "> 0"), []string{"_ordinal = 5"}, "1"},
		"a row group that is read":        {chunks(t, db, files[0], "_ordinal", "> 0"), []string{fmt.Sprintf("_ordinal = %d", results-1)}, ""},
		"the Bloom filter of url":         {chunks(t, db, files[0], "url", ">= 0"), not("url"), "0"},
		"a url that is there":             {chunks(t, db, files[0], "url", ">= 0"), is("url"), ""},
		"the Bloom filter of external_id": {chunks(t, db, files[0], "external_id", ">= 0"), not("external_id"), "0"},
		"an external_id that is there":    {chunks(t, db, files[0], "external_id", ">= 0"), is("external_id"), ""},
		// A range over one column answers the same without it.
		"the page index": {pageIndex(t, whole), []string{"_ordinal BETWEEN 5 AND 1500"}, "1496"},
	} {
		t.Run(name, func(t *testing.T) {
			spoiled := spoil(t, whole, tt.spoil)
			var answers []string
			for _, where := range tt.where {
				_, rows, err := db.Text(t.Context(), "SELECT count(*) FROM read_parquet("+duck.Quote(spoiled)+") WHERE "+where)
				if err != nil {
					answers = append(answers, "")
					continue
				}
				answers = append(answers, rows[0][0])
			}
			if !slices.Contains(answers, tt.answer) {
				t.Errorf("got %q, want %q", answers, tt.answer)
			}
		})
	}
	// The function that is meant to show this says otherwise of external_id, which lies behind nested columns; scans
	// do find its filter, as above.
	for column, want := range map[string]bool{"url": true, "external_id": false} {
		some := query(fmt.Sprintf("SELECT count(*) > 0 FROM parquet_bloom_probe(%s, %s, %s) WHERE bloom_filter_excludes", duck.Quote(files[0]), duck.Quote(column), duck.Quote(absent[column][0])))
		if some != fmt.Sprint(want) {
			t.Errorf("parquet_bloom_probe of %s: %s, want %t", column, some, want)
		}
	}
}

// span is a piece of a file.
type span struct{ from, to int64 }

// spoil writes a file with the spans overwritten and returns its name.
func spoil(t *testing.T, whole []byte, spans []span) string {
	t.Helper()
	content := bytes.Clone(whole)
	for _, s := range spans {
		copy(content[s.from:s.to], bytes.Repeat([]byte{0xff}, int(s.to-s.from)))
	}
	name := filepath.Join(t.TempDir(), "spoiled.parquet")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// chunks lists where the pages of a column lie in the row groups whose number is as said.
func chunks(t *testing.T, db *duck.DB, file, column, groups string) []span {
	t.Helper()
	_, rows, err := db.Text(t.Context(), fmt.Sprintf(`SELECT coalesce(nullif(dictionary_page_offset, 0), data_page_offset) AS a, total_compressed_size AS n
		FROM parquet_metadata(%s) WHERE path_in_schema = %s AND row_group_id %s`, duck.Quote(file), duck.Quote(column), groups))
	if err != nil {
		t.Fatal(err)
	}
	var spans []span
	for _, row := range rows {
		start, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil {
			t.Fatalf("%v: %v", row, err)
		}
		n, err := strconv.ParseInt(row[1], 10, 64)
		if err != nil {
			t.Fatalf("%v: %v", row, err)
		}
		spans = append(spans, span{start, start + n})
	}
	if len(spans) == 0 {
		t.Fatalf("no chunk of %s in a row group %s", column, groups)
	}
	return spans
}

// pageIndex lists where the column and offset indexes lie.
func pageIndex(t *testing.T, whole []byte) []span {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	var spans []span
	for i := range r.NumRowGroups() {
		group := r.MetaData().RowGroup(i)
		for j := range group.NumColumns() {
			chunk, err := group.ColumnChunk(j)
			if err != nil {
				t.Fatal(err)
			}
			if at := chunk.GetColumnIndexLocation(); at != nil {
				spans = append(spans, span{at.Offset, at.Offset + int64(at.Length)})
			}
			if at := chunk.GetOffsetIndexLocation(); at != nil {
				spans = append(spans, span{at.Offset, at.Offset + int64(at.Length)})
			}
		}
	}
	if len(spans) == 0 {
		t.Fatal("no page index")
	}
	return spans
}
