package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"tw2parquet/bench/compare/duck"
)

// rowsOf are the rows of files as DuckDB reads them, in order: the columns, and _extra with its members sorted, whose order does
// not matter.
func rowsOf(t *testing.T, pattern, columns string) string {
	t.Helper()
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	from := " FROM read_parquet(" + duck.Quote(pattern) + ", hive_partitioning = true)"
	_, rows, err := db.Text(t.Context(), "SELECT to_json(r) FROM (SELECT "+columns+from+" ORDER BY _ordinal) r")
	if err != nil {
		t.Fatal(err)
	}
	_, extras, err := db.Text(t.Context(), "SELECT _extra"+from+" ORDER BY _ordinal")
	if err != nil || len(extras) != len(rows) {
		t.Fatal(err, len(extras), len(rows))
	}
	var b strings.Builder
	for i, row := range rows {
		extra := "null"
		if extras[i][0] != duck.Null {
			extra = sortedMembers(t, extras[i][0])
		}
		b.WriteString(`{"columns":` + row[0] + `,"extra":` + extra + "}\n")
	}
	return b.String()
}

func sortedMembers(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := errors.Join(d.Decode(&v), e.Encode(v)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// columnsOf are the columns of stored rows: a later schema may have more.
func columnsOf(t *testing.T, rows string) string {
	t.Helper()
	first, _, _ := strings.Cut(rows, "\n")
	var row struct{ Columns json.RawMessage }
	if err := json.Unmarshal([]byte(first), &row); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(row.Columns))
	var names []string
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err = errors.Join(err, d.Decode(&value)); err != nil {
			t.Fatal(err)
		}
		names = append(names, duck.Name(name.(string)))
	}
	return strings.Join(names, ", ")
}
