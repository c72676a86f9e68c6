package tables

import (
	"fmt"
	"path/filepath"
	"testing"
)

// ways reads an output in each way that the manual names for DuckDB.
func ways(t *testing.T, out string, more ...string) map[string]found {
	t.Helper()
	return script[map[string]found](t, append([]string{"checkpoint.py", out, binary}, more...)...)
}

// TestDelta_BesideACheckpoint: delta-rs writes checkpoints, which are Parquet files in a folder of the output. Every way to read that
// the manual names gives each row once, and registering goes on after it.
func TestDelta_BesideACheckpoint(t *testing.T) {
	a := serve(t, "--seed", "7", "--documents-per-day", "55", "--rate-limits", "off")
	out := filepath.Join(t.TempDir(), "lake")
	export := func(stop string) int64 {
		return a.export(t, out, nil, "--project", a.Projects[0], "--start", "2024-01-01", "--stop", stop, "--split", "month")
	}
	rows := export("2024-03-01")
	register := []string{"register", out, "--format=delta", "--output=json"}
	tool(t, register...)
	want := read[found](t, "files", out)
	for n, stop := range []string{"2024-04-01", "2024-05-01", ""} {
		got := ways(t, out, "write")
		if got["checkpoints"].Rows != int64(n+1) {
			t.Fatalf("there are %d checkpoints", got["checkpoints"].Rows)
		}
		for _, way := range []string{"files", "delta_scan"} {
			same(t, fmt.Sprintf("%s after checkpoint %d", way, n+1), got[way], want)
		}
		if got["views"].Rows != rows {
			t.Errorf("the views have %d rows, exported were %d", got["views"].Rows, rows)
		}
		tool(t, "verify", out)
		if said := tool(t, register...); outcome(said, "known") != n+2 || outcome(said, "added") != 0 {
			t.Errorf("after checkpoint %d: %s", n+1, said)
		}
		if stop == "" {
			paste(t, out, rows)
			break
		}
		rows = export(stop) // of all windows
		if said := tool(t, register...); outcome(said, "known") != n+2 || outcome(said, "added") != 1 {
			t.Errorf("after checkpoint %d and another window: %s", n+1, said)
		}
		want = read[found](t, "files", out)
		same(t, "registered after a checkpoint", ways(t, out)["delta_scan"], want)
		if want.Rows != rows {
			t.Errorf("the files have %d rows, exported were %d", want.Rows, rows)
		}
	}
}
