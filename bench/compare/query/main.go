// Command query runs one SQL query with DuckDB and prints its result as a table. Paths in the query are
// relative to the working directory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"unicode/utf8"

	"tw2parquet/bench/compare/duck"
)

// maxCell is how many characters of a value are shown.
const maxCell = 60

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || strings.TrimSpace(args[0]) == "" {
		fmt.Fprintln(stderr, "usage: query 'SQL'")
		return 2
	}
	columns, rows, err := answer(ctx, args[0])
	if err != nil {
		fmt.Fprintln(stderr, "query:", err)
		return 1
	}
	if _, err := io.WriteString(stdout, table(columns, rows)); err != nil {
		fmt.Fprintln(stderr, "query:", err)
		return 1
	}
	return 0
}

func answer(ctx context.Context, query string) (columns []string, rows [][]string, err error) {
	db, err := duck.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Text(ctx, query)
}

// table aligns the rows under the column names.
func table(columns []string, rows [][]string) string {
	widths := make([]int, len(columns))
	lines := append([][]string{columns}, rows...)
	for i, line := range lines {
		shown := make([]string, len(line))
		for j, cell := range line {
			shown[j] = shorten(cell)
			widths[j] = max(widths[j], utf8.RuneCountInString(shown[j]))
		}
		lines[i] = shown
	}
	var b strings.Builder
	for i, line := range lines {
		for j, cell := range line {
			if j > 0 {
				b.WriteString("  ")
			}
			b.WriteString(cell)
			if j < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)))
			}
		}
		b.WriteByte('\n')
		if i == 0 {
			for j, w := range widths {
				if j > 0 {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat("─", w))
			}
			b.WriteByte('\n')
		}
	}
	plural := "s"
	if len(rows) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "(%d row%s)\n", len(rows), plural)
	return b.String()
}

// shorten makes a cell of one line.
func shorten(cell string) string {
	cell = strings.NewReplacer("\r", "", "\n", "⏎", "\t", " ").Replace(cell)
	if utf8.RuneCountInString(cell) <= maxCell {
		return cell
	}
	runes := []rune(cell)
	return string(runes[:maxCell-1]) + "…"
}
