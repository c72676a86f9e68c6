package pipeline

import (
	"sync"
	"testing"
)

// TestMover_TellsOneAfterTheOther lets several tell at once, as reading and publishing do: an observer need not lock.
func TestMover_TellsOneAfterTheOther(t *testing.T) {
	const each = 1000
	told := 0
	m := &mover{observers: observers{func(Window, Event) { told++ }}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range each {
				m.observe(Begun{})
			}
		})
	}
	if all.Wait(); told != 8*each {
		t.Errorf("told %d times of %d", told, 8*each)
	}
}
