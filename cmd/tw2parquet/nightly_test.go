package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// Two machines run the nightly line at the same moment, night after night, by clocks of their own. Each night one of them or
// both bring what is missing, once; a machine that meets the other one ends with 30, and the next start finds nothing to do.
func TestExport_TwoMachinesEveryNight(t *testing.T) {
	nights := 30
	if testing.Short() {
		nights = 10
	}
	for _, where := range []string{"disk", "bucket"} {
		for _, split := range []string{"day", "week", "auto"} {
			t.Run(where+", "+split, func(t *testing.T) {
				// The night, and when it began: waits are a hundredth, so it passes faster. What was announced has to be sent within
				// half a minute, which a machine that is busy with other tests must not take for a few system calls.
				var clock atomic.Pointer[[2]time.Time]
				now := func() time.Time { return clock.Load()[0].Add(100 * time.Since(clock.Load()[1])) }
				clock.Store(&[2]time.Time{date("2024-01-01"), time.Now()})
				x := newTrial(t, emulator.Config{DocumentsPerDay: 3, ControlEvery: 2, Now: now})
				t.Setenv(waitScaleEnv, "0.01")
				if where == "bucket" {
					x.out = newBucket(t).url("lake")
				}
				first := time.Date(2024, 1, 3, 3, 0, 0, 0, time.UTC)
				for night := 0; night < nights; night += 1 + night%4 { // it did not run every night
					server := first.AddDate(0, 0, night)
					clock.Store(&[2]time.Time{server, time.Now()})
					var both sync.WaitGroup
					for machine, ahead := range []time.Duration{0, 20 * time.Minute} {
						both.Go(func() {
							_, said, err := x.nightly(server.Add(ahead), func(c *exportCmd) { c.Split, c.Parallel = split, 1+machine })
							if code := classify(err).Code; code != exitOK && code != exitLocked {
								t.Errorf("night %d, machine %d: exit %d: %v\n%s", night, machine, code, err, said)
							}
						})
					}
					both.Wait()
					r, said, err := x.nightly(server, func(c *exportCmd) { c.Split = split })
					if err != nil {
						t.Fatalf("night %d, afterwards: %v\n%s", night, err, said)
					}
					stop, err := time.Parse(time.RFC3339, r.Stop)
					if err != nil || stop.Equal(date("2024-01-01")) || stop.Before(date("2024-01-01")) {
						continue // no week is over yet
					}
					x.checkOnce("2024-01-01", stop.Format(time.DateOnly))
					if want := int64(3 * stop.Sub(date("2024-01-01")) / (24 * time.Hour)); r.Rows != want {
						t.Errorf("night %d: %d rows, expected %d", night, r.Rows, want)
					}
					changing := len(x.Ledger().Changing())
					if _, said, err := x.nightly(server, func(c *exportCmd) { c.Split = split }); err != nil || len(x.Ledger().Changing()) != changing {
						t.Errorf("night %d, once more: %v\n%s", night, err, said)
					}
				}
				if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
					t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
				}
			})
		}
	}
}
