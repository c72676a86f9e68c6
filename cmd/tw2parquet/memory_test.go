package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An upload of a window holds 32 MiB, and a recording in a bucket is read ahead. On a disk neither takes any.
func TestMemory_OfObjectStores(t *testing.T) {
	disk, bucket := place{path: "lake"}, place{url: &url.URL{Scheme: "s3", Host: "bucket", Path: "/lake"}}
	for name, c := range map[string]struct {
		windows int
		out     place
		inputs  []*input
		want    int64
	}{
		"disk":                       {4, disk, []*input{{}}, 0},
		"bucket, one window":         {1, bucket, nil, 32 << 20},
		"bucket, four windows":       {4, bucket, nil, 128 << 20},
		"recordings, onto a disk":    {1, disk, []*input{{}, {object: &object{}}, {object: &object{}}}, 16 << 20},
		"a recording, into a bucket": {1, bucket, []*input{{object: &object{}}}, 48 << 20},
	} {
		if got := remoteMemory(c.windows, c.out, c.inputs...); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got>>20, c.want>>20)
		}
	}
}

// No directory for temporary files costs memory, not the conversion, and the log says what it is about.
func TestConvert_WithoutTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	in, out, missing := filepath.Join(dir, "stream.ndjson"), filepath.Join(dir, "lake"), filepath.Join(dir, "missing")
	if err := os.WriteFile(in, recorded(t, 3, 300, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", missing)
	code, _, stderr := call(t, "convert", in, "--out", out, "--log-level=debug")
	if code != exitOK || !strings.Contains(stderr, "row groups wait in memory") || !strings.Contains(stderr, missing) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, rows, _ := call(t, "cat", out); strings.Count(rows, "\n") != 300 {
		t.Errorf("%d documents, not 300", strings.Count(rows, "\n"))
	}
}
