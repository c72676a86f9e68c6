package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// A drop, or a deletion of collectors, is killed at a request to the store. Others delete collectors meanwhile; the next
// drop ends what was begun, and the time is bought once more, whole.
func TestLettingGo(t *testing.T) {
	requests := []int64{1, 2, 3, 4, 5, 7, 9, 12, 15, 18, 21, 25}
	if testing.Short() {
		requests = []int64{4, 12}
	}
	for _, n := range requests {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d, after: %v", n, after), func(t *testing.T) {
				t.Parallel()
				l, a, args := trial(t, false)
				first := a.run(0, args...)
				run := first.result.Windows[0].Run
				for _, command := range [][]string{{"collectors", "gc", l.out, "--yes"}, {"drop", l.out, run, "--yes"}} {
					hook, tell, settled := at(n, func(*http.Request) bool { return true }, after, (*started).kill)
					l.proxy.Hook(hook)
					p := a.launch(command...)
					tell(p)
					p.end()
					l.proxy.Hook(nil)
					settled()
				}
				a.run(0, "collectors", "gc", l.out, "--yes", "--complete")
				a.run(0, "drop", l.out, run, "--yes")
				a.expectStates(l, map[string]string{run: "dropped"})
				second := a.through(args...)
				a.expectRows(l, second)
				if ledger := a.Ledger(); len(ledger.Tasks) != 2 || ledger.ExportPosts() != 2 || second.result.Credits != first.result.Credits || ledger.Credits() != 2*first.result.Credits {
					t.Errorf("%d tasks, %d credits: %s", len(ledger.Tasks), ledger.Credits(), second)
				}
				a.expectStates(l, map[string]string{run: "dropped", second.result.Windows[0].Run: "complete"})
				a.run(0, "verify", l.out)
			})
		}
	}
}

// expectStates holds what status says of the runs.
func (a *account) expectStates(l *lake, want map[string]string) {
	a.t.Helper()
	e := a.run(0, "status", l.out, "--online", "--output", "json")
	var s struct {
		Runs []struct{ Run, State string }
	}
	if err := json.Unmarshal([]byte(e.stdout), &s); err != nil {
		a.t.Fatalf("%v: %s", err, e)
	}
	for _, r := range s.Runs {
		if want[r.Run] != r.State {
			a.t.Errorf("run %s is %s, want %q", r.Run, r.State, want[r.Run])
		}
	}
	if len(s.Runs) != len(want) {
		a.t.Errorf("%d runs: %s", len(s.Runs), e)
	}
}
