// Command demo runs the product's demo with its output in a bucket: it starts versitygw, exports into it, and has
// DuckDB read the files back over S3. Where DuckDB cannot fetch its extension for that, another Parquet reader
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
	query := f.String("query", "", "the program that asks DuckDB (bench/compare/query); without it the other reader reads")
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
	if *query != "" {
		_, missing := ask(ctx, *query, "INSTALL httpfs")
		if missing == nil {
			answer, err := ask(ctx, *query, languages(server.Endpoint))
			if err == nil {
				fmt.Fprintf(stdout, "\nDuckDB reads it back over S3:\n\n%s", answer)
			}
			return err
		}
		fmt.Fprintf(stdout, "\nDuckDB cannot read over S3 here, because its extension httpfs is not to be had:\n  %s\n", firstLine(missing.Error()))
	}
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
func languages(endpoint string) string {
	return fmt.Sprintf(`LOAD httpfs;
CREATE SECRET (TYPE s3, KEY_ID '%s', SECRET '%s', REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL false);
FROM 's3://%s/%s/*/*.parquet' SELECT lang, count(*) AS documents GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 10`,
		servers.AccessKey, servers.SecretKey, servers.Region, strings.TrimPrefix(endpoint, "http://"), bucket, prefix)
}

// ask runs statements in DuckDB, and returns what the last one answers.
func ask(ctx context.Context, program, sql string) (answer []byte, err error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, sql)
	cmd.Stderr = &stderr
	if answer, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, &stderr)
	}
	return answer, nil
}

// firstLine is a message without what follows, and short.
func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}
