package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"tw2parquet/sink/store"
)

// TestLocal_Littered: what a dead process staged is told of, until the next hold clears it.
func TestLocal_Littered(t *testing.T) {
	root := t.TempDir()
	disk, err := store.OpenLocal(store.LocalConfig{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }() // nothing was written
	littered := func() bool {
		l, ok := disk.(interface{ Littered(dir string) bool })
		return ok && l.Littered("_tw2parquet/run")
	}
	if littered() {
		t.Error("a run that is not there has staged files")
	}
	staging := filepath.Join(root, "_tw2parquet", "run", "staging")
	if err := os.MkdirAll(staging, 0o700); err != nil {
		t.Fatal(err)
	}
	if littered() {
		t.Error("an empty directory counts")
	}
	if err := os.WriteFile(filepath.Join(staging, "run-1-1.part"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !littered() {
		t.Error("a staged file does not count")
	}
	hold, err := disk.Hold(t.Context(), "_tw2parquet/run")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Close() }() // its lock goes
	if n, err := hold.Clear(t.Context()); n != 1 || err != nil || littered() {
		t.Errorf("cleared %d, %v; still there: %v", n, err, littered())
	}
}
