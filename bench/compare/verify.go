package main

import (
	"context"
	"errors"
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
func verify(ctx context.Context, a, b *side, rows int) (compared int, err error) {
	db, err := duck.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	leaves := compare(a.loose || b.loose)
	left, err := a.sums(ctx, db, leaves, rows)
	if err != nil {
		return 0, err
	}
	right, err := b.sums(ctx, db, leaves, rows)
	if err != nil {
		return 0, err
	}
	for i, leaf := range leaves {
		if left[i] != right[i] {
			return 0, difference(ctx, db, leaf, a, b)
		}
	}
	return len(leaves), nil
}

// compare lists what both sides have: everything but _ordinal, in whose place the rivals have the order.
func compare(loose bool) []columns.Leaf {
	all := columns.Leaves()
	if loose {
		all = columns.LooseLeaves()
	}
	var leaves []columns.Leaf
	for _, leaf := range all {
		if leaf.Path == "_ordinal" {
			continue
		}
		if leaf.Type == schema.JSON {
			leaf.Expr = "json(" + leaf.Expr + ")::VARCHAR" // white space aside
		}
		leaves = append(leaves, leaf)
	}
	return leaves
}

// sums reads the side's output once. It fails if the number of rows is another.
func (s *side) sums(ctx context.Context, db *duck.DB, leaves []columns.Leaf, rows int) ([]string, error) {
	list := []string{"count(*) AS rows"}
	for i, leaf := range leaves {
		list = append(list, fmt.Sprintf("concat(sum(hash(row, %[1]s)), '/', count(%[1]s)) AS c%[2]d", leaf.Expr, i))
	}
	_, got, err := db.Text(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+s.source())
	if err != nil {
		return nil, fmt.Errorf("read the output of %s: %w", s.name, err)
	}
	if n := got[0][0]; n != fmt.Sprint(rows) {
		return nil, fmt.Errorf("%s has %s rows, the corpus %d", s.name, n, rows)
	}
	return got[0][1:], nil
}

// source reads an output with each row's position as row. The files of a run are read in order of
// their names.
func (s *side) source() string {
	files := duck.Quote(filepath.Join(s.out, "**", "*.parquet"))
	return fmt.Sprintf("(SELECT * %s, row_number() OVER () AS row FROM read_parquet(%s))", s.replace, files)
}

func difference(ctx context.Context, db *duck.DB, leaf columns.Leaf, a, b *side) error {
	query := fmt.Sprintf(`SELECT a.row, a.v::VARCHAR, b.v::VARCHAR FROM (SELECT row, %[1]s AS v FROM %[2]s) a JOIN (SELECT row, %[1]s AS v FROM %[3]s) b USING (row)
		WHERE a.v IS DISTINCT FROM b.v ORDER BY 1 LIMIT 1`, leaf.Expr, a.source(), b.source())
	_, rows, err := db.Text(ctx, query)
	if err != nil {
		return fmt.Errorf("column %s differs between %s and %s: %w", leaf.Path, a.name, b.name, err)
	}
	if len(rows) == 0 {
		return fmt.Errorf("column %s differs between %s and %s", leaf.Path, a.name, b.name)
	}
	return fmt.Errorf("column %s differs first in row %s: %s has %.300q, %s has %.300q", leaf.Path, rows[0][0], a.name, rows[0][1], b.name, rows[0][2])
}
