package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// deltaFiles are the files that the Delta log of an output has, by encoding/json alone.
func deltaFiles(t *testing.T, out string) (files []string, commits int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "_delta_log", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if want := fmt.Sprintf("%020d.json", i); filepath.Base(name) != want {
			t.Errorf("commit %d is %s", i, name)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var a struct{ Add, Remove *struct{ Path string } }
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatal(err)
			}
			if a.Add != nil {
				files = append(files, a.Add.Path) // also those that would be there twice
			}
			if a.Remove != nil {
				t.Errorf("%s takes out %s", name, a.Remove.Path)
			}
		}
	}
	slices.Sort(files)
	return files, len(names)
}

// TestRegister_Killed kills exports with --register, and registrars beside them, until all is done: the table has every file once.
func TestRegister_Killed(t *testing.T) {
	long(t, "the tests of package sink/table, which die at every step")
	t.Parallel()
	a := serve(t, emulator.Config{Seed: 11, DocumentsPerDay: 20})
	out := a.output()
	args := []string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-01-07", "--split", "day", "--parallel", "2", "--register", "--out", out}
	kills := 12
	if testing.Short() {
		kills = 4
	}
	for i := range kills {
		a.exports++
		export := a.launch(args...)
		beside := a.launch("register", out, "--format", "delta")
		select {
		case <-export.over:
		case <-time.After(time.Duration(100+150*i) * time.Millisecond):
		}
		export.kill()
		beside.kill()
	}
	a.exports++
	a.run(0, args...)
	_, commits := deltaFiles(t, out)
	a.exports++
	a.run(0, args...)
	files, again := deltaFiles(t, out)
	want, err := filepath.Glob(filepath.Join(out, "window_start=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range want {
		if want[i], err = filepath.Rel(out, name); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	if !slices.Equal(files, want) || len(want) != 6 || again != commits {
		t.Errorf("the table has %q after %d and %d commits; on disk are %q", files, commits, again, want)
	}
	a.run(0, "verify", out)
}
