package sink

import (
	"errors"
	"testing"
	"testing/synctest"

	"tw2parquet/sink/store/storetest"
)

// Without a hold, mending that dies at any request, and whose last request arrives late, is ended by the next start: a
// plain one never takes the run for complete unless it is, and nothing that a manifest lists is removed.
func TestMend_OnObjects(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 4
	}
	for kind := storetest.DieBefore; kind <= storetest.Delay; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for at := 0; ; at += step {
					f := newFleet(t)
					f.finish()
					j := f.job(3, 5)
					refetch := j
					refetch.config = func(c *Config) { j.config(c); c.Refetch = true }
					l := layout{run: testRun, partition: testPartition}
					all := f.memory.Files()
					f.memory.Plant(l.part(0, 0), nil)
					f.memory.Plant(l.part(1, 0), append([]byte("x"), all[l.part(1, 0)][1:]...))
					f.memory.Plant(l.part(2, 0), all[l.part(2, 0)][:40])

					p := f.memory.NewProcess()
					p.At, p.Kind = at, kind
					err := refetch.mendOn(p)
					if p.Op == "" {
						if at < 20 || err != nil {
							t.Fatalf("%d requests, %v", at, err)
						}
						return
					}
					if !p.Dead && err != nil {
						t.Fatalf("%s: %v", p.Op, err)
					}
					plain := f.memory.NewProcess()
					if err := f.start(plain, j); err == nil {
						j.checkWhole(t, f.memory)
					} else if !errors.Is(err, ErrForeign) {
						t.Fatalf("after %s: %v", p.Op, err)
					}
					f.memory.Land()
					for range 3 {
						next := f.memory.NewProcess()
						if err = refetch.mendOn(next); err == nil {
							break
						}
						if !errors.Is(err, ErrLocked) {
							t.Fatalf("after %s: %v", p.Op, err)
						}
					}
					if err != nil {
						t.Fatalf("after %s: %v", p.Op, err)
					}
					if err := f.start(f.memory.NewProcess(), j); err != nil {
						t.Fatalf("after %s, mended: %v", p.Op, err)
					}
					checkMended(t, f, j)
				}
			})
		})
	}
}

// checkMended: every result once, and the manifest lists the files that are there.
func checkMended(t *testing.T, f *fleet, j job) {
	t.Helper()
	m, err := DecodeManifest(newestManifest(f.memory.Files()))
	if err != nil || m.Rows+m.Rejected != j.total {
		t.Fatalf("%+v, %v", m, err)
	}
	j.checkWhole(t, f.memory)
}
