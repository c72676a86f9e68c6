package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

// What cannot be served is refused before anybody is told where it is.
func TestEmulate_RefusesOtherThanLoopbackFirst(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "127.0.0.1", "127.0.0.1:none", "127.0.0.1:99999", "/tmp/socket"} {
		code, stdout, stderr := call(t, "emulate", "--addr", addr)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "--addr") {
			t.Errorf("%s: exit %d, printed %q, said %s", addr, code, stdout, stderr)
		}
	}
}

// first hands on the first write.
type first struct {
	bytes.Buffer
	written chan struct{}
}

func (f *first) Write(p []byte) (int, error) {
	defer close(f.written)
	return f.Buffer.Write(p)
}

func TestEmulate_ServesWhereItSays(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		out, errs := &first{written: make(chan struct{})}, &bytes.Buffer{}
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, []string{"emulate", "--addr", addr}, strings.NewReader(""), out, errs) }()
		select {
		case <-out.written:
		case code := <-ended:
			t.Fatalf("exit %d: %s", code, errs)
		}
		var line ready
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(line.URL, "http://"))
		if err != nil {
			t.Error(err)
		} else if err := conn.Close(); err != nil {
			t.Error(err)
		}
		stop()
		<-ended
	}
}
