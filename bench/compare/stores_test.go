package main

import (
	"bytes"
	"testing"
)

// TestStores_MemoryOfUploads holds the memory of outputs in a bucket to what they may take beyond those on disk. The times
// are left to the program: those of a test say nothing.
func TestStores_MemoryOfUploads(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run, because it builds an S3 server; here: the tests of sink/store/object hold uploads to their buffers")
	}
	var stdout, stderr bytes.Buffer
	s := &settings{binary: product, dir: t.TempDir(), threads: 2, level: 1, rounds: 1, results: 60000, seed: 1, kind: "mix", stdout: &stdout, stderr: &stderr}
	jobs := 0
	if err := s.storeJobs(t.Context(), func(job storeJob, disk, inBucket *side) {
		jobs++
		if err := job.judgeMemory(disk, inBucket); err != nil {
			t.Errorf("%v\n%s", err, &stdout)
		}
		// The bound says nothing where no upload has all its parts on their way.
		if disk.size < 40<<20 {
			t.Errorf("%s: %d bytes fit into one window's parts", job.name, disk.size)
		}
	}); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	if jobs != 3 {
		t.Errorf("%d jobs", jobs)
	}
}

// A bucket that takes more than it may is told of.
func TestStores_Judge(t *testing.T) {
	disk := &side{costs: []cost{{Wall: 1, RSS: 100}, {Wall: 2, RSS: 100}, {Wall: 3, RSS: 100}}}
	for _, tt := range []struct {
		windows     int
		wall, rss   float64
		fast, small bool
	}{
		{1, 1.14, 164, true, true},
		{1, 1.16, 165, false, false},
		{4, 1, 260, true, true},
		{4, 1, 261, true, false},
	} {
		inBucket := &side{}
		for _, c := range disk.costs {
			inBucket.costs = append(inBucket.costs, cost{Wall: c.Wall * tt.wall, RSS: tt.rss})
		}
		job := storeJob{windows: tt.windows}
		if fast, small := job.judgeTime(disk, inBucket) == nil, job.judgeMemory(disk, inBucket) == nil; fast != tt.fast || small != tt.small {
			t.Errorf("%+v: fast %v, small %v", tt, fast, small)
		}
	}
}
