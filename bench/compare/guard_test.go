package main

import (
	"strings"
	"testing"
)

func TestGuard_Tolerance(t *testing.T) {
	ownTest(t)
	s := &side{size: 90, costs: []cost{{1, 4, 10}, {2, 4, 20}, {9, 4, 20}}}
	rival := &side{size: 100, costs: []cost{{2, 4, 40}, {4, 4, 40}, {4, 4, 40}}}
	now := figures{"mix": measured(s, rival)}
	for name, want := range map[string]float64{"wall": 0.5, "cpu": 1, "peak rss": 0.5, "size": 0.9} {
		if got := now["mix"][name]; got != want {
			t.Errorf("%s: %v, not %v", name, got, want)
		}
	}
	if err := now.worseThan(figures{"mix": {"wall": 0.46, "cpu": 0.92, "peak rss": 0.5, "size": 0.95}}); err != nil {
		t.Error(err)
	}
	err := now.worseThan(figures{"mix": {"wall": 0.45, "cpu": 0.9, "peak rss": 0.5}})
	for _, part := range []string{"mix, wall: 0.500 of DuckDB's, 0.450 before", "mix, cpu", "mix, size: nothing was kept"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "rss") {
		t.Error(err)
	}
}
