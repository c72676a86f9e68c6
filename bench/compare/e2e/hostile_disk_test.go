package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDisk_IsTriedBeforeAnythingElse gives outputs that cannot be written. It is told before the API is called,
// let alone paid.
func TestDisk_IsTriedBeforeAnythingElse(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, prepare := range map[string]func(t *testing.T, dir string) (out string){
		"a file": func(t *testing.T, dir string) string {
			must(t, os.WriteFile(filepath.Join(dir, "lake"), nil, 0o600))
			return filepath.Join(dir, "lake")
		},
		"below a file": func(t *testing.T, dir string) string {
			must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
			return filepath.Join(dir, "file", "lake")
		},
		"no parent":    func(_ *testing.T, dir string) string { return filepath.Join(dir, "missing", "lake") },
		"a long name":  func(_ *testing.T, dir string) string { return filepath.Join(dir, strings.Repeat("x", 300)) },
		"a long path":  func(_ *testing.T, dir string) string { return filepath.Join(dir, strings.Repeat("x/", 2048)) },
		"no directory": func(*testing.T, string) string { return "/dev/null" },
		"a link in the place of records": func(t *testing.T, dir string) string {
			must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "_tw2parquet")))
			return dir
		},
		"a link in the place of data": func(t *testing.T, dir string) string {
			must(t, os.Symlink(t.TempDir(), filepath.Join(dir, "window_start=2024-01-01")))
			return dir
		},
		"a file in the place of data": func(t *testing.T, dir string) string {
			must(t, os.WriteFile(filepath.Join(dir, "window_start=2024-01-01"), nil, 0o600))
			return dir
		},
		"a full disk": func(t *testing.T, _ string) string {
			disk := smallDisk(t)
			if disk == "" {
				return "/dev/full"
			}
			must(t, os.Mkdir(filepath.Join(disk, "lake"), 0o750))
			must(t, fill(disk, filepath.Join(disk, "ballast"), 0))
			return filepath.Join(disk, "lake")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, tiny())
			out := prepare(t, t.TempDir())
			for range 2 { // a second start finds what the first one left
				e := a.export(50, out, "--split", "none")
				a.expectOneLine(e)
				if e.result.Error.Retryable || !strings.Contains(e.result.Error.Message, out[:min(len(out), 100)]) || e.result.Error.Hint == "" {
					t.Errorf("%s", e)
				}
			}
			if n := len(a.Ledger().Requests); n != 0 {
				t.Errorf("%d calls", n)
			}
		})
	}
}
