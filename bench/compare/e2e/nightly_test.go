package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// Two machines start the nightly line at the same moment, each night: what is over for its lag is bought once, and the next start
// has nothing to do but to ask the time.
func TestNightly_TwoMachinesAtOnce(t *testing.T) {
	x := newTrial(t, tried())
	today := x.Now().UTC().Truncate(24 * time.Hour)
	first := today.AddDate(0, 0, -12)
	x.Advance(-10 * 24 * time.Hour) // of the two clocks the server's counts, which is behind
	args := []string{"export", "--project", x.Projects()[0], "--start", first.Format(time.DateOnly), "--stop", "now", "--split", "day", "--lag", "24h",
		"--row-group-size", "64KiB", "--idle-timeout", "15m", "--out", x.out}
	for night := range 5 {
		x.exports += 3
		left, right := x.launch(args...), x.launch(append(args, "--parallel", "2")...)
		for _, e := range []ended{left.wait(), right.wait()} {
			if e.code != 0 && e.code != 30 {
				t.Errorf("night %d: exit %d\n%s", night, e.code, e)
			}
		}
		x.run(0, args...)
		l := x.Ledger()
		changing, requests := len(l.Changing()), len(l.Requests)
		e := x.run(0, args...)
		if l := x.Ledger(); len(l.Changing()) != changing || len(l.Requests) != requests+1 {
			t.Errorf("night %d: nothing is missing, and it makes these calls: %v", night, l.Requests[requests:])
		}
		if want := 1 + night; len(e.result.Windows) != want || len(l.Tasks) != want {
			t.Errorf("night %d: %d windows, %d tasks, expected %d\n%s", night, len(e.result.Windows), len(l.Tasks), want, e)
		}
		for _, w := range e.result.Windows {
			x.expectRows(x.out, w.Start[:10], x.delivered(w.Run))
		}
		x.Advance(24 * time.Hour)
	}
	var starts []string
	for _, r := range x.Ledger().Calls(emulator.EndpointExport) {
		var body struct{ Start, Stop int64 }
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil || body.Stop-body.Start != 86_400_000 {
			t.Errorf("%v: %s", err, r.Body)
		}
		starts = append(starts, strconv.FormatInt(body.Start, 10))
	}
	slices.Sort(starts)
	for i, start := range starts {
		if want := fmt.Sprint(first.AddDate(0, 0, i).UnixMilli()); start != want {
			t.Fatalf("purchase %d is of the day %s, expected %s", i, start, want)
		}
	}
	if n := one(t, x.out, "SELECT count(*) FROM lake"); n != fmt.Sprint(20*len(starts)) {
		t.Errorf("%s rows in %d days", n, len(starts))
	}
}
