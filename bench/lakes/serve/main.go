// Command serve runs a store with one bucket for programs of other modules: versitygw, or with -store fake-gcs-server or Azurite.
// It prints one JSON line once the server answers, and another one when its standard input has ended and the server is gone.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"tw2parquet/bench/lakes/servers"
)

const bucket = "lake"

// ready is the first line.
type ready struct {
	Bucket   string   `json:"bucket"`
	Endpoint string   `json:"endpoint"`
	Env      []string `json:"env"` // credentials
	Dir      string   `json:"dir"` // where the objects of the bucket lie as files, if they do
	URL      string   `json:"url"` // of an output lake in the bucket
}

// over is the last line.
type over struct {
	CPU float64 `json:"cpu"` // seconds that the server took
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	store := flag.String("store", "s3", "s3, gcs or azure")
	flag.Parse()
	err := run(ctx, *store, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, store string, stdin io.Reader, stdout io.Writer) (err error) {
	start, ok := stores[store]
	if !ok {
		return fmt.Errorf("there is no store %q", store)
	}
	dir, err := os.MkdirTemp("", "tw2parquet-store-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var before time.Duration // what building the server took
	say := json.NewEncoder(stdout)
	line, stop, err := start(ctx, dir)
	if err == nil {
		before = children()
		err = say.Encode(line)
	}
	if err == nil {
		untilEnd(ctx, stdin)
	}
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	return say.Encode(over{(children() - before).Seconds()})
}

// stores start a server and make the bucket. What stop they return can be called whatever the error.
var stores = map[string]func(ctx context.Context, dir string) (line ready, stop func() error, err error){
	"s3": func(ctx context.Context, dir string) (ready, func() error, error) {
		server, err := servers.StartVersity(ctx, dir)
		if err != nil {
			return ready{}, nothing, err
		}
		return ready{bucket, server.Endpoint, servers.Environ(), filepath.Join(server.Dir, bucket), "s3://" + bucket + "/lake"}, server.Stop, server.CreateBucket(ctx, bucket)
	},
	"gcs": func(context.Context, string) (ready, func() error, error) {
		server, err := servers.StartFakeGCS()
		if err != nil {
			return ready{}, nothing, err
		}
		server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket})
		env := []string{"STORAGE_EMULATOR_HOST=" + server.Endpoint}
		return ready{bucket, server.Endpoint, env, "", "gs://" + bucket + "/lake"}, func() error { server.Stop(); return nil }, nil
	},
	"azure": func(ctx context.Context, _ string) (ready, func() error, error) {
		server, err := servers.StartAzurite(ctx)
		if err != nil {
			return ready{}, nothing, err
		}
		client, err := server.Container(bucket)
		if err == nil {
			_, err = client.Create(ctx, nil)
		}
		env := []string{"AZURE_STORAGE_ACCOUNT=" + server.Account, "AZURE_STORAGE_KEY=" + server.Key}
		return ready{bucket, server.Endpoint, env, "", server.URL(server.Endpoint, bucket, "lake").String()}, server.Stop, err
	},
}

func nothing() error { return nil }

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
