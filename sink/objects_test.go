package sink

import (
	"errors"
	"fmt"
	"testing"

	"tw2parquet/sink/store/storetest"
)

// On a store without directories, locks or clear answers a run comes out the same: every result once, whichever
// answers are lost, and a second start finds it complete.
func TestRun_OnObjects(t *testing.T) {
	j := tortureJob()
	for lost := range 12 {
		t.Run(fmt.Sprintf("%d answers lost", lost), func(t *testing.T) {
			m := storetest.NewMemory()
			m.Page = 3
			m.LoseAnswers(lost)
			for range 2 {
				o, err := j.openOn(m)
				if err != nil {
					t.Fatal(err)
				}
				if err := j.runOn(o, nil); err != nil {
					t.Fatal(err)
				}
				j.checkComplete(t, m)
			}
		})
	}
}

// Where nobody can be kept out, a twin that comes second can buy nothing and publish nothing: the names are taken.
func TestRun_TwinsOnObjects(t *testing.T) {
	j := tortureJob()
	m := storetest.NewMemory()
	first, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.openOn(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(first, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.runOn(second, nil); !errors.Is(err, ErrLocked) && !errors.Is(err, ErrForeign) {
		t.Errorf("the second one: %v", err)
	}
	j.checkComplete(t, m)
}
