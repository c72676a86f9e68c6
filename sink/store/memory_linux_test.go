package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/sink/store"
)

// A file in a tmpfs would take the memory that it is to save.
func TestSpill_NotIntoMemory(t *testing.T) {
	const shm = "/dev/shm"
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || !strings.Contains(string(mounts), " "+shm+" tmpfs ") {
		t.Skip("no tmpfs at " + shm)
	}
	t.Setenv("TMPDIR", shm)
	if f, err := store.Spill(); err == nil || f != nil {
		t.Errorf("%v, %v", f, err)
	}
	if left, err := filepath.Glob(shm + "/tw2parquet-*"); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
