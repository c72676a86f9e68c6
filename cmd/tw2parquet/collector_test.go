package main

import "testing"

// TestCollector_LeavesSmallHeapsAlone: 8 MiB may pile up however little is in use, and gcPercent of much.
func TestCollector_LeavesSmallHeapsAlone(t *testing.T) {
	for live, want := range map[uint64]int{0: 800, 1: 800, 1 << 20: 800, 4 << 20: 200, 16 << 20: 50, 40 << 20: 20, 80 << 20: 10, 81 << 20: 10, 1 << 40: 10} {
		if got := collectorPercent(live); got != want {
			t.Errorf("%d bytes in use: %d percent, not %d", live, got, want)
		}
	}
}
