package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"path/filepath"
)

// lakes is the module that has the servers of object stores, seen from this one.
const lakes = "../lakes"

// bucket is one of an S3 server on this machine, a process of its own.
type bucket struct {
	Bucket, Endpoint string
	Env              []string // how clients get credentials
	Dir              string   // where its objects lie as files

	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Reader
}

// startBucket starts the server.
func (s *settings) startBucket(ctx context.Context) (*bucket, error) {
	cmd := exec.CommandContext(ctx, "go", "-C", lakes, "run", "./serve")
	cmd.Stderr = s.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the S3 server: %w", err)
	}
	b := &bucket{cmd: cmd, stdin: stdin, lines: bufio.NewReader(stdout)}
	line, err := b.lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, b)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the S3 server's first line: %w", err), stdin.Close(), cmd.Wait())
	}
	return b, nil
}

// side makes one whose output is in the bucket. Each run has a prefix of its own, because the server keeps more of an object
// than the file that is removed. The files of the server are its directory.
func (b *bucket) side(name string, command func(out string) []string, env ...string) *side {
	s, runs := &side{name: name, env: append(env, b.Env...)}, 0
	s.renew = func() {
		runs++
		prefix := fmt.Sprintf("run-%d", runs)
		address := url.URL{Scheme: "s3", Host: b.Bucket, Path: "/" + prefix, RawQuery: url.Values{"endpoint": {b.Endpoint}}.Encode()}
		s.out, s.command = filepath.Join(b.Dir, prefix), command(address.String())
	}
	return s
}

// stop ends the server and returns the seconds of CPU that it took.
func (b *bucket) stop() (cpu float64, err error) {
	var over struct{ CPU float64 }
	err = b.stdin.Close()
	line, rerr := b.lines.ReadBytes('\n')
	if rerr == nil {
		rerr = json.Unmarshal(line, &over)
	}
	return over.CPU, errors.Join(err, rerr, b.cmd.Wait())
}
