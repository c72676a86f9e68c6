package main

import (
	"net/url"
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
