package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"tw2parquet/bench/compare/duck"
)

// question is what people ask of such files. FILES stands for a side's; columns that only the product has are
// left out, and custom, whose JSON has other blanks in each, so that all sides answer alike.
type question struct{ name, sql string }

func questions() []question {
	return []question{
		{"count", "SELECT count(*) FROM FILES"},
		{"group by language", "SELECT lang, count(*) FROM FILES GROUP BY 1 ORDER BY 2 DESC, 1"},
		{"range of days", "SELECT count(*), sum(engagement) FROM FILES WHERE published >= '2024-02-01' AND published < '2024-02-08'"},
		{"daily counts by source", "SELECT date_trunc('day', published) AS day, source_type[1] AS source, count(*) FROM FILES GROUP BY 1, 2 ORDER BY 1, 2"},
		{"matches per topic", "SELECT topic.title, count(*) FROM (SELECT unnest(h.matched.project_profiles) AS topic FROM (SELECT unnest(highlighted_data) AS h FROM FILES)) GROUP BY 1 ORDER BY 2 DESC, 1"},
		{"latest copy", "SELECT count(*), count(engagement) FROM (SELECT engagement FROM FILES QUALIFY row_number() OVER (PARTITION BY _key ORDER BY engagement IS NULL, search_indexed DESC) = 1)"},
		{"LIKE on content", "SELECT count(*) FROM FILES WHERE content LIKE '%example%'"},
		{"top 100 by reach", "SELECT _key, reach, title FROM FILES ORDER BY reach DESC NULLS LAST, _key, search_indexed LIMIT 100"},
		{"point by url, all columns", "SELECT COLUMNS(c -> c NOT IN ('_ordinal', 'custom')) FROM FILES WHERE url = (SELECT max(url) FROM FILES)"},
		{"first 100 rows, all columns", "SELECT COLUMNS(c -> c NOT IN ('_ordinal', 'custom')) FROM FILES LIMIT 100"},
	}
}

// query asks DuckDB every question of every side's files, in turn, after all have given the same answer once.
func (s *settings) query(ctx context.Context) error {
	return s.each(func(s *settings) error {
		return s.prepared(ctx, func(sides []*side, _ int64) error { return s.ask(ctx, sides) })
	})
}

func (s *settings) ask(ctx context.Context, sides []*side) (err error) {
	db, err := duck.Open(ctx, fmt.Sprintf("threads = %d", s.threads))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	base := sides[len(sides)-1]
	for _, side := range sides {
		if side.name == "duckdb" {
			base = side
		}
	}
	fmt.Fprintf(s.stdout, "\nmedian ms of %d rounds, wall and CPU; in brackets the median ratio to %s in the same round\n%-28s", s.rounds, base.name, "")
	for _, side := range sides {
		fmt.Fprintf(s.stdout, "  %32s", side.name)
	}
	for _, q := range questions() {
		var answer [][]string
		costs := make([][]cost, len(sides))
		for round := -1; round < s.rounds; round++ { // the first is the warm-up
			for i := range sides {
				at := (i + max(round, 0)) % len(sides)
				rows, c, err := askOne(ctx, db, sides[at], q)
				if err != nil {
					return err
				}
				if answer == nil {
					answer = rows
				}
				if !reflect.DeepEqual(rows, answer) {
					return fmt.Errorf("%s: %s answers otherwise than %s", q.name, sides[at].name, sides[0].name)
				}
				if round >= 0 {
					costs[at] = append(costs[at], c)
				}
			}
		}
		fmt.Fprintf(s.stdout, "\n%-28s", q.name)
		of := costs[slices.Index(sides, base)]
		for i := range sides {
			cells := []string{}
			for _, measure := range []func(cost) float64{func(c cost) float64 { return c.Wall }, func(c cost) float64 { return c.CPU }} {
				ratios := make([]float64, s.rounds)
				for r := range ratios {
					ratios[r] = measure(costs[i][r]) / measure(of[r])
				}
				slices.Sort(ratios)
				cells = append(cells, fmt.Sprintf("%.1f (%.2f)", 1000*median(sorted(costs[i], measure)), median(ratios)))
			}
			fmt.Fprintf(s.stdout, "  %32s", strings.Join(cells, "  "))
		}
	}
	fmt.Fprint(s.stdout, "\n\n")
	return nil
}

// askOne times one query in this process.
func askOne(ctx context.Context, db *duck.DB, side *side, q question) ([][]string, cost, error) {
	files := "read_parquet(" + duck.Quote(filepath.Join(side.out, "**", "*.parquet")) + ")"
	before, began := used(), time.Now()
	_, rows, err := db.Text(ctx, strings.ReplaceAll(q.sql, "FILES", files))
	c := cost{Wall: time.Since(began).Seconds(), CPU: used() - before}
	if err != nil {
		err = fmt.Errorf("ask %s of %s: %w", q.name, side.name, err)
	}
	return rows, c, err
}

// used is the processor time of this process so far, in seconds.
func used() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
