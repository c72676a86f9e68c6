package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tw2parquet/bench/compare/columns"
	"tw2parquet/bench/compare/duck"
)

// rivalCommand makes this program a process that runs one COPY with DuckDB and ends, so that its memory
// and time are DuckDB's.
const rivalCommand = "duckdb-copy"

// tunedRowGroup is the row group size at which DuckDB does best on this work: with its own default of
// 122,880 rows a file of 200,000 leaves threads idle.
const tunedRowGroup = 10240

func rivalArgs(input, out string, threads, level int, tuned bool) []string {
	return []string{rivalCommand, "-in", input, "-out", out, "-threads", fmt.Sprint(threads),
		"-level", fmt.Sprint(level), fmt.Sprintf("-tuned=%t", tuned)}
}

func runRival(ctx context.Context, args []string, stderr io.Writer) int {
	f := flag.NewFlagSet(rivalCommand, flag.ContinueOnError)
	f.SetOutput(stderr)
	in := f.String("in", "", "stream of chunks")
	out := f.String("out", "", "directory")
	threads := f.Int("threads", 2, "")
	level := f.Int("level", 3, "")
	tuned := f.Bool("tuned", true, "row groups of 10,240 rows")
	if err := f.Parse(args); err != nil {
		return 2
	}
	if err := rivalCopy(ctx, *in, *out, *threads, *level, *tuned); err != nil {
		fmt.Fprintln(stderr, rivalCommand+":", err)
		return 1
	}
	return 0
}

// rivalCopy writes the product's columns in the order of the stream.
func rivalCopy(ctx context.Context, in, out string, threads, level int, tuned bool) error {
	rowGroup := 0
	if tuned {
		rowGroup = tunedRowGroup
	}
	return copyDocuments(ctx, in, out, "*", rivalOptions(level, rowGroup), fmt.Sprintf("threads = %d", threads))
}

// rivalOptions are those of its COPY; a row group of 0 rows is DuckDB's own size.
func rivalOptions(level, rowGroup int) string {
	options := fmt.Sprintf("COMPRESSION zstd, COMPRESSION_LEVEL %d", level)
	if rowGroup > 0 {
		options += fmt.Sprintf(", ROW_GROUP_SIZE %d", rowGroup)
	}
	return options
}

// copyDocuments copies a projection of the stream's documents to a Parquet file in out.
func copyDocuments(ctx context.Context, in, out, projection, options string, settings ...string) (err error) {
	db, err := duck.Open(ctx, append(settings, "preserve_insertion_order = true")...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Exec(ctx, copyStatement(in, out, projection, options))
}

// copyStatement does it. Of the product's own columns _key is computed and _extra is null; the position is implied by the order,
// which is kept.
func copyStatement(in, out, projection, options string) string {
	documents := "SELECT coalesce(url, external_provider || ':' || external_id) AS _key, NULL::VARCHAR AS _extra, * FROM (" + columns.Documents(in) + ")"
	return fmt.Sprintf("COPY (FROM (%s) SELECT %s) TO %s (FORMAT parquet, %s)", documents, projection, duck.Quote(filepath.Join(out, "data.parquet")), options)
}

// duckdb2 makes a side of DuckDB's newest version, which Python carries; there is no library of it for Go yet.
func (s *settings) duckdb2(side *side, input string, rowGroup int) error {
	python, scripts, err := python()
	if err != nil {
		return err
	}
	side.command = []string{python, filepath.Join(scripts, "statement.py"), fmt.Sprint(s.threads), copyStatement(input, side.out, "*", rivalOptions(s.level, rowGroup))}
	side.note = fmt.Sprintf("DuckDB 2.0.1, with the start of its Python; row groups of %d rows; otherwise as duckdb", rowGroup)
	return nil
}

// python is the interpreter that has DuckDB and what people use otherwise, and where the scripts for it lie.
func python() (interpreter, scripts string, err error) {
	if scripts, err = filepath.Abs("peers"); err != nil {
		return "", "", err
	}
	interpreter = filepath.Join(scripts, ".venv", "bin", "python")
	if _, err := os.Stat(interpreter); err != nil {
		return "", "", fmt.Errorf("not installed (make bench/compare/peers/.venv does it): %w", err)
	}
	return interpreter, scripts, nil
}
