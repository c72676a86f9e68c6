package tables

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestViews_WindowsWithinADay: the folder of a window that does not begin at midnight is an instant in the views.
func TestViews_WindowsWithinADay(t *testing.T) {
	a := serve(t, "--documents-per-day", "48")
	out := filepath.Join(t.TempDir(), "lake")
	rows := a.export(t, out, nil, "--project", a.Projects[0], "--split", "none", "--start", "2024-01-01T12:30:00.25Z", "--stop", "2024-01-01T18:00:00Z")
	want := fmt.Sprintf("[[2024-01-01 12:30:00.25 2024-01-01 18:00:00 2024-01-01 12:30:00.25 %d]]", rows)
	if got := fmt.Sprint(read[[][]string](t, "windows", out)); got != want || rows == 0 {
		t.Errorf("%s, want %s", got, want)
	}
}
