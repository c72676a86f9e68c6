package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
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
		conn, err := net.Dial("tcp", strings.TrimPrefix(emulating(t, "--addr", addr).URL, "http://"))
		if err != nil {
			t.Error(err)
		} else if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// emulating runs emulate until the test ends, and returns what it says first.
func emulating(t *testing.T, args ...string) ready {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	out, errs := &first{written: make(chan struct{})}, &bytes.Buffer{}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, append([]string{"emulate"}, args...), strings.NewReader(""), out, errs) }()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	select {
	case <-out.written:
	case code := <-ended:
		ended <- code
		t.Fatalf("exit %d: %s", code, errs)
	}
	var line ready
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return line
}

// What convert makes of a file is what an export brings whose documents come from that file.
func TestEmulate_ServesTheDocumentsOfAFile(t *testing.T) {
	dir := t.TempDir()
	path, converted, exported := filepath.Join(dir, "own.jsonl"), filepath.Join(dir, "converted"), filepath.Join(dir, "exported")
	at := time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC).UnixMilli()
	var recorded, served []string
	for i := range 50 {
		doc := fmt.Sprintf(`{"url":"https://example.org/%d","published":%d,"content":"text %d"}`, i, at, i)
		chunk := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + doc + `}}}`
		recorded = append(recorded, chunk)
		if i%2 == 0 {
			chunk = doc
		}
		served = append(served, chunk)
	}
	control := `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#1#","resume_offset":"o","collector_id":"c"}}`
	recorded = append(recorded, control)
	served = append(served, control, fmt.Sprintf(`{"url":"https://example.org/later","published":%d}`, at+24*3600*1000))
	for name, lines := range map[string][]string{path: served, path + ".rec": recorded} {
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(tokenEnv, "emulated-token-of-this-test")
	t.Setenv(waitScaleEnv, "0.001")
	e := emulating(t, "--documents", path, "--task-seconds", "0")
	for _, args := range [][]string{
		{"convert", path + ".rec", "--out", converted},
		{"export", "--base-url", e.URL, "--project", e.Projects[0], "--start", "2024-01-01", "--stop", "2024-01-02", "--out", exported},
	} {
		if code, _, stderr := call(t, args...); code != exitOK {
			t.Fatalf("%s: exit %d: %s", args[0], code, stderr)
		}
	}
	_, want, _ := call(t, "cat", converted)
	code, got, stderr := call(t, "cat", exported)
	if code != exitOK || strings.Count(want, "\n") != 50 || sortedLines(got) != sortedLines(want) {
		t.Errorf("exit %d: %s\n%.500s\nnot\n%.500s", code, stderr, got, want)
	}
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestEmulate_RefusesDocumentsItCannotServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own.jsonl")
	if err := os.WriteFile(path, []byte("{\"url\":\"x\"}\n{\"url\":\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		more []string
		want []string
	}{
		{nil, []string{"--documents", path + ", line 2"}},
		{[]string{"--seed", "1"}, []string{"--documents", "--seed"}},
		{[]string{"--documents-per-day=250"}, []string{"--documents ", "--documents-per-day"}},
	} {
		code, stdout, stderr := call(t, append([]string{"emulate", "--documents", path}, test.more...)...)
		if code != exitUsage || stdout != "" {
			t.Errorf("%v: exit %d, printed %q", test.more, code, stdout)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is missing in %s", test.more, want, stderr)
			}
		}
	}
	if code, _, stderr := call(t, "emulate", "--documents", path+".none"); code != exitUsage || !strings.Contains(stderr, path+".none") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
