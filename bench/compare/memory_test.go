package main

import (
	"bytes"
	"testing"
)

// TestMemory_DoesNotGrowWithTheStream runs ten times the results through row groups and files so small that the
// short stream has many of both too. At this size a tenth of the peak is what the garbage collector's timing
// makes of it, so that 16 MiB more are allowed: a tenth at the default sizes, and a thirteenth of what comes
// in more.
func TestMemory_DoesNotGrowWithTheStream(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run; here: the tests of package pipeline hold the heap to its bound")
	}
	const more = 16 // MiB
	var stdout, stderr bytes.Buffer
	s := &settings{binary: product, dir: t.TempDir(), threads: 2, level: 1, rowGroup: "512KiB", fileSize: "1MiB",
		seed: 1, kind: "mix", stdout: &stdout, stderr: &stderr}
	for _, stream := range []stream{
		{"convert, no control chunk", 6000, -1, s.convertStream},
		{"export", 6000, 0, s.exportStream},
	} {
		short, long, err := s.grow(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if long > short+more {
			t.Errorf("%s: %.1f MiB, then %.1f\n%s", stream.name, short, long, &stdout)
		}
	}
}
