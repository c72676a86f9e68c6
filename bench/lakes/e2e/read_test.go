package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// live is an output on S3, and a collector that a project has fed for two days.
func live(t *testing.T) (*lake, *account, []string) {
	t.Helper()
	l, a := onS3(t), serve(t, few())
	a.env = l.env
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPut, a.url+"/api/v3/stream/c/live?access_token="+a.Token(),
		strings.NewReader(fmt.Sprintf(`{"collector_query":{"projects":[%q]}}`, a.Projects()[0]))))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	a.Advance(48 * time.Hour)
	return l, a, []string{"read", "--collector", "live", "--row-group-size", "64KiB", "--file-rows", "10", "--idle-timeout", "15m", "--out", l.out}
}

// expectRead ends the collector's growth, reads what is left, and compares the files with all that it ever got.
func (a *account) expectRead(l *lake, args []string) {
	a.t.Helper()
	a.run(0, "collectors", "pause", "live")
	a.through(args...)
	want := a.collected("live")
	objects, got := l.objects(), []row(nil)
	for _, key := range l.parquet() {
		got = append(got, rows(a.t, objects[key])...)
	}
	slices.SortStableFunc(got, func(x, y row) int { return int(x.ordinal - y.ordinal) })
	if len(want) < 30 || len(got) != len(want) {
		a.t.Fatalf("%d rows, the collector got %d", len(got), len(want))
	}
	for i, r := range got {
		if r.ordinal != int64(i) || r.url != want[i] {
			a.t.Fatalf("row %d is %v, want %s", i, r, want[i])
		}
	}
	if e := a.run(0, args...); e.result.Rows != 0 || e.result.Files != 0 {
		a.t.Errorf("nothing is new: %s", e)
	}
	a.run(0, "verify", l.out)
}

// A reader is killed before or after a request to the store; the next ones go on.
func TestRead_KilledAtARequest(t *testing.T) {
	requests := []int64{1, 2, 4, 6, 8, 10, 12, 14, 16, 19, 22}
	if testing.Short() {
		requests = []int64{10, 14}
	}
	for _, n := range requests {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d, after: %v", n, after), func(t *testing.T) {
				t.Parallel()
				l, a, args := live(t)
				for range 2 {
					hook, tell, settled := at(n, func(*http.Request) bool { return true }, after, (*started).kill)
					l.proxy.Hook(hook)
					p := a.launch(args...)
					tell(p)
					p.end()
					l.proxy.Hook(nil)
					settled()
					a.Advance(12 * time.Hour)
				}
				a.expectRead(l, args)
			})
		}
	}
}

// Two readers of one collector and one output at the same moment, where no store keeps one of them out: whoever is late ends
// with 30, and no result is in the files twice or missing.
func TestRead_TwoAtOnce(t *testing.T) {
	for i := range times(t, 4, 1) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l, a, args := live(t)
			for range 4 {
				first, second := a.launch(args...), a.launch(args...)
				for _, e := range []ended{first.end(), second.end()} {
					if e.code != 0 && e.code != 30 {
						t.Errorf("%s", e)
					}
				}
				a.Advance(12 * time.Hour)
			}
			a.expectRead(l, args)
		})
	}
}
