// Command demo runs the product's demo with its output in a bucket: it starts versitygw, exports into it, and has
// DuckDB read the files back over S3. Where DuckDB is not there, which comes from PyPI, another Parquet reader
// does, by ranged requests.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"tw2parquet/bench/lakes/servers"
)

const (
	bucket = "lake"
	prefix = "demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	binary := f.String("binary", "../../bin/tw2parquet", "the product")
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tw2parquet-demo-s3-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := servers.StartVersity(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := server.CreateBucket(ctx, bucket); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "versitygw serves S3 at %s\n\n", server.Endpoint)
	rows, err := export(ctx, *binary, server.URL(bucket, prefix).String(), stdout, stderr)
	if err != nil {
		return err
	}
	answer, err := server.DuckDB(ctx, languages)
	if err == nil {
		fmt.Fprintf(stdout, "\nDuckDB reads it back over S3:\n\n")
		for _, row := range answer {
			fmt.Fprintf(stdout, "  %-6v %6v\n", row[0], row[1])
		}
		return nil
	}
	fmt.Fprintf(stdout, "\nDuckDB cannot read over S3 here:\n  %s\n", firstLine(err.Error()))
	return readBack(ctx, server, rows, stdout)
}

// export runs the product's demo and returns how many rows its result line tells of.
func export(ctx context.Context, binary, out string, stdout, stderr io.Writer) (rows int64, err error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, "demo", "--out", out)
	cmd.Env = append(os.Environ(), servers.Environ()...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout, &said), stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("run the demo: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	var result struct {
		Rows int64 `json:"rows"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		return 0, nil // on a terminal the summary is for people
	}
	return result.Rows, nil
}

// languages is the query for those of all documents.
const languages = "FROM 's3://" + bucket + "/" + prefix + "/window_start=*/*.parquet' SELECT lang, count(*) AS documents GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 10"

// firstLine is a message without what follows, and short.
func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}
