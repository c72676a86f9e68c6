package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/bench/compare/duck"
	"tw2parquet/schema"
)

// verify shows that two outputs hold the same values in the same rows, and returns how many columns it
// compared. A column is summed up as the sum of hashes of (row, value), so that values in wrong rows
// differ too; where the sums differ, the first row that does is named.
func verify(ctx context.Context, a, b *side, rows int) (int, error) {
	db, err := duck.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	left, right := source(a.out), source(b.out)
	for _, side := range []struct{ name, from string }{{a.name, left}, {b.name, right}} {
		t, err := db.Query(ctx, "SELECT count(*) AS n FROM "+side.from)
		if err != nil {
			return 0, err
		}
		if n, _ := t.Rows[0][0].(int64); n != int64(rows) {
			return 0, fmt.Errorf("%s has %d rows, the corpus %d", side.name, n, rows)
		}
	}
	compared := 0
	for _, leaf := range columns.Leaves() {
		if leaf.Path == "_ordinal" {
			continue // the rival has the order instead
		}
		expr := leaf.Expr
		if leaf.Type == schema.JSON {
			expr = "json(" + expr + ")::VARCHAR" // white space aside
		}
		var sums []string
		for _, from := range []string{left, right} {
			_, got, err := db.Text(ctx, fmt.Sprintf("SELECT sum(hash(row, %s)) AS s, count(%s) AS n FROM %s", expr, expr, from))
			if err != nil {
				return 0, fmt.Errorf("column %s: %w", leaf.Path, err)
			}
			sums = append(sums, strings.Join(got[0], "/"))
		}
		if sums[0] != sums[1] {
			return 0, difference(ctx, db, leaf.Path, expr, a, b)
		}
		compared++
	}
	return compared, nil
}

// source reads an output with each row's position as row. The files of a run are read in order of
// their names.
func source(dir string) string {
	files := duck.Quote(filepath.Join(dir, "*.parquet"))
	return fmt.Sprintf("(SELECT *, row_number() OVER () AS row FROM read_parquet(%s))", files)
}

func difference(ctx context.Context, db *duck.DB, path, expr string, a, b *side) error {
	query := fmt.Sprintf(`SELECT a.row, a.v::VARCHAR, b.v::VARCHAR FROM (SELECT row, %[1]s AS v FROM %[2]s) a JOIN (SELECT row, %[1]s AS v FROM %[3]s) b USING (row)
		WHERE a.v IS DISTINCT FROM b.v ORDER BY 1 LIMIT 1`, expr, source(a.out), source(b.out))
	_, rows, err := db.Text(ctx, query)
	if err != nil || len(rows) == 0 {
		return fmt.Errorf("column %s differs between %s and %s: %w", path, a.name, b.name, err)
	}
	return fmt.Errorf("column %s differs first in row %s: %s has %.300q, %s has %.300q", path, rows[0][0], a.name, rows[0][1], b.name, rows[0][2])
}
