// Command serve runs versitygw with one bucket for programs of other modules. It prints one JSON line once the server answers,
// and another one when its standard input has ended and the server is gone.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"tw2parquet/bench/lakes/servers"
)

const bucket = "lake"

// ready is the first line.
type ready struct {
	Bucket   string   `json:"bucket"`
	Endpoint string   `json:"endpoint"`
	Env      []string `json:"env"` // credentials
	Dir      string   `json:"dir"` // where the objects of the bucket lie as files
}

// over is the last line.
type over struct {
	CPU float64 `json:"cpu"` // seconds that the server took
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "tw2parquet-s3-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := servers.StartVersity(ctx, dir)
	if err != nil {
		return err
	}
	before, say := children(), json.NewEncoder(stdout) // before: what building it took
	err = server.CreateBucket(ctx, bucket)
	if err == nil {
		err = say.Encode(ready{bucket, server.Endpoint, servers.Environ(), filepath.Join(server.Dir, bucket)})
	}
	if err == nil {
		untilEnd(ctx, stdin)
	}
	if err := errors.Join(err, server.Stop()); err != nil {
		return err
	}
	return say.Encode(over{(children() - before).Seconds()})
}

// untilEnd waits for the end of the input, or of ctx.
func untilEnd(ctx context.Context, stdin io.Reader) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, stdin) // however it ends
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// children is the time that child processes took which have ended.
func children() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
