package main

import (
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// BenchmarkNightly_NothingMissing is the nightly line over 1,000 windows that are all there, on a disk and in a bucket (without
// the time that its requests take). Each start makes one call of the API, which is free.
func BenchmarkNightly_NothingMissing(b *testing.B) {
	for name, remote := range map[string]bool{"disk": false, "bucket": true} {
		b.Run(name, func(b *testing.B) {
			start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
			now := start.AddDate(0, 0, 1000).Add(51 * time.Hour)
			x := newTrial(b, emulator.Config{DocumentsPerDay: 1, Now: func() time.Time { return now }})
			if remote {
				bucket := newBucket(b)
				bucket.Page = 1000
				x.out = bucket.url("lake")
			}
			night := func() {
				r, said, err := x.nightly(now, func(c *exportCmd) { c.Parallel = 8 })
				if err != nil || len(r.Windows) != 1000 {
					b.Fatalf("%v, %d windows\n%s", err, len(r.Windows), said[max(0, len(said)-2000):])
				}
			}
			night()
			calls, changing := len(x.Ledger().Requests), len(x.Ledger().Changing())
			nights := 0
			for b.Loop() {
				night()
				nights++
			}
			if more := len(x.Ledger().Requests) - calls; more != nights || len(x.Ledger().Changing()) != changing {
				b.Errorf("%d calls in %d nights", more, nights)
			}
		})
	}
}
