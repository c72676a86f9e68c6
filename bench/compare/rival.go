package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	options := fmt.Sprintf("COMPRESSION zstd, COMPRESSION_LEVEL %d", level)
	if tuned {
		options += fmt.Sprintf(", ROW_GROUP_SIZE %d", tunedRowGroup)
	}
	return copyDocuments(ctx, in, out, "*", options, fmt.Sprintf("threads = %d", threads))
}

// copyDocuments copies a projection of the stream's documents to a Parquet file in out. Of the product's own
// columns _key is computed and _extra is null; the position is implied by the order, which is kept.
func copyDocuments(ctx context.Context, in, out, projection, options string, settings ...string) (err error) {
	db, err := duck.Open(ctx, append(settings, "preserve_insertion_order = true")...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	documents := "SELECT coalesce(url, external_provider || ':' || external_id) AS _key, NULL::VARCHAR AS _extra, * FROM (" + columns.Documents(in) + ")"
	return db.Exec(ctx, fmt.Sprintf("COPY (FROM (%s) SELECT %s) TO %s (FORMAT parquet, %s)", documents, projection, duck.Quote(filepath.Join(out, "data.parquet")), options))
}
