package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// gc runs the command and gives what it says of each collector.
func (x *trial) gc(flags ...string) map[string]leftoverStatus {
	x.t.Helper()
	code, stdout, stderr := x.tool(append([]string{"collectors", "gc", x.out, "--output=json"}, flags...)...)
	var list []leftoverStatus
	if err := json.Unmarshal([]byte(stdout), &list); code != exitOK || err != nil {
		x.t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	all := map[string]leftoverStatus{}
	for _, l := range list {
		all[l.Collector] = l
	}
	return all
}

// left are the account's collectors.
func (x *trial) left() string {
	x.t.Helper()
	_, stdout, _ := x.tool("collectors", "list")
	var ids []string
	for line := range strings.Lines(stdout) {
		ids = append(ids, strings.Fields(line)[0])
	}
	slices.Sort(ids)
	return strings.Join(ids[1:], " ")
}

// Collectors go when nobody needs them, by the server's clock, and only those of the output's own runs. What they held stays
// covered: the next export makes no call that costs or changes anything. On a disk and in a bucket.
func TestCollectorsGC(t *testing.T) {
	for _, where := range []string{"a disk", "a bucket"} {
		t.Run(where, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 2, ControlEvery: 10})
			if where == "a bucket" {
				x.out = newBucket(t).url("lake")
			}
			other := x.out + "-other"
			x.script(`{"endpoint":"results","match":"%2","error":{"at":3,"code":24}}`)
			if code, _, stderr := x.export(t.Context()); code != exitLocked {
				t.Fatalf("exit %d\n%s", code, stderr)
			}
			x.SetFaults(nil)
			if code, _, stderr := x.command(t.Context(), "export", "--project", x.Projects()[0], "--start=2023-01-01", "--stop=2023-02-01", "--out", other); code != exitOK {
				t.Fatalf("exit %d\n%s", code, stderr)
			}
			for _, id := range []string{"mine", "tw2p-mine", "tw2p-mine\u202e"} {
				_ = x.AddCollector(id, time.Now().Add(-100*24*time.Hour), nil) // the last is refused
			}
			before := x.left()
			changes := len(x.Ledger().Changing())
			jan, feb, mar := source.CollectorID(x.runs[0]), source.CollectorID(x.runs[1]), source.CollectorID(x.runs[2])
			for _, flags := range [][]string{nil, {"--yes"}, {"--complete"}, {"--complete", "--yes", "--dry-run"}} {
				all := x.gc(flags...)
				if len(all) != 5 || x.left() != before || len(x.Ledger().Changing()) != changes {
					t.Fatalf("%v: %+v, left %s", flags, all, x.left())
				}
				if all[mar].What != "keep" || all["tw2p-mine"].What != "keep" || (all[jan].What == "delete") != slices.Contains(flags, "--complete") {
					t.Errorf("%v: %+v", flags, all)
				}
			}
			if code, stdout, stderr := x.tool("collectors", "gc", x.out); code != exitOK || !strings.Contains(stdout, "too young, 7d 23h left") && !strings.Contains(stdout, "too young, 8d 0h left") || !strings.Contains(stdout, "not finished") {
				t.Errorf("exit %d\n%s%s", code, stdout, stderr)
			}
			x.Advance(8*24*time.Hour + time.Minute)
			if all := x.gc("--yes"); all[jan].What != "deleted" || all[feb].What != "deleted" || all[mar].What != "keep" {
				t.Errorf("%+v", all)
			}
			var want []string
			for id := range strings.FieldsSeq(before) {
				if id != jan && id != feb {
					want = append(want, id)
				}
			}
			if x.left() != strings.Join(want, " ") {
				t.Errorf("left %s, want %s", x.left(), want)
			}
			changes = len(x.Ledger().Changing())
			if all := x.gc("--yes", "--complete"); len(all) != 3 || len(x.Ledger().Changing()) != changes {
				t.Errorf("again: %+v", all)
			}
			credits, calls := x.Ledger().Credits(), len(x.Ledger().Requests)
			if code, r, stderr := x.export(t.Context(), "--stop=2024-03-01"); code != exitOK || r.Rows != 120 || len(x.Ledger().Requests) != calls {
				t.Errorf("exit %d, %+v, %d calls\n%s", code, r, len(x.Ledger().Requests)-calls, stderr)
			}
			if code, r, stderr := x.export(t.Context(), "--split=day", "--stop=2024-02-01"); code != exitOK || r.Windows[0].Status != "covered" || x.Ledger().Credits() != credits {
				t.Errorf("exit %d, %+v\n%s", code, r, stderr)
			}
			if x.out = other; len(x.gc("--yes")) != 3 {
				t.Error(x.left())
			}
			if id := source.CollectorID(x.runs[2]); !strings.Contains(x.left(), id) || !strings.Contains(x.left(), "tw2p-mine") {
				t.Error(x.left())
			}
		})
	}
	if code, _, _ := call(t, "collectors", "gc", t.TempDir()); code != exitAuth {
		t.Errorf("exit %d", code)
	}
}
