package source

import "testing"

// A batch ends at the control chunk that brings it closest to its size, if they come evenly.
func TestBatchLimits_Closest(t *testing.T) {
	l := BatchLimits{TargetBytes: 4 << 20}.orDefault()
	for _, c := range []struct {
		n, rows, part int
		want          bool
	}{
		{0, 0, 0, false},
		{1 << 20, 10, 10, false},
		{3 << 20, 10, 10, true},  // the next one would make it 6 MiB
		{3 << 20, 30, 10, false}, // or 4 MiB
		{3 << 20, 30, 90, true},  // results of the batch before do not count
		{4 << 20, 30, 0, true},
	} {
		if got := l.closest(c.n, c.rows, c.part); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
