package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// live is a trial with a collector that a project has fed for two days.
func live(t *testing.T) *trial {
	t.Helper()
	x := newTrial(t, tried())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, x.url+"/api/v3/stream/c/live?access_token="+x.Token(),
		strings.NewReader(fmt.Sprintf(`{"collector_query":{"projects":[%q]}}`, x.Projects()[0])))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	x.Advance(48 * time.Hour)
	x.set(nil) // from here on requests are counted
	x.args = []string{"read", "--collector", "live", "--row-group-size", "64KiB", "--file-rows", "10", "--idle-timeout", "15m", "--out", x.out}
	return x
}

// expectRead ends the collector's growth, reads what is left, and compares the files with all that it ever got.
func (r *trial) expectRead() {
	r.t.Helper()
	r.set(nil)
	r.SetFaults(nil)
	r.run(0, "collectors", "pause", "live")
	r.through()
	want := r.collected("live")
	if len(want) < 30 {
		r.t.Fatalf("the collector got %d results", len(want))
	}
	r.expectRowsWhere(r.out, "collector = 'live'", want)
	if e := r.through(); e.result.Rows != 0 || e.result.Files != 0 {
		r.t.Errorf("nothing is new, and it published %d rows", e.result.Rows)
	}
	if e := r.run(0, "verify", r.out); !strings.Contains(e.stdout, "reading") {
		r.t.Errorf("verify: %s", e)
	}
	l := r.Ledger()
	if l.ExportPosts() != 0 {
		r.t.Errorf("%d exports", l.ExportPosts())
	}
	for _, q := range l.Changing() {
		if q.Endpoint != emulator.EndpointCollectorPut && q.Endpoint != emulator.EndpointCollectorPause {
			r.t.Errorf("%s %s changes something", q.Method, q.Path)
		}
	}
	r.expectManners(l)
	expectNothingStaged(r.t, r.out)
}

// A reader that follows publishes on SIGTERM what an offset covers, and the next start goes on behind that.
func TestRead_StoppedWhileItFollows(t *testing.T) {
	for name, rule := range map[string]string{"between reads": "", "within a read": `{"endpoint":"results","nth":1,"stall":{"at":90000}}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := live(t)
			if rule != "" {
				x.script(rule)
			}
			got := make(chan struct{}, 1)
			x.set(func(v *visit) {
				reads := v.results()
				if reads && rule != "" {
					got <- struct{}{}
				}
				v.pass()
				if reads && rule == "" {
					select {
					case got <- struct{}{}:
					default:
					}
				}
			})
			x.exports++
			p := x.launch(append(x.args[:len(x.args):len(x.args)], "--follow", "--file-rows", "1000000")...)
			select {
			case <-got:
			case <-p.over:
				t.Fatalf("it ended\n%s", p.wait())
			}
			pause(t.Context(), 500*time.Millisecond) // it has taken in what was sent
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			e := p.wait()
			if e.code != 143 || e.result.Rows == 0 || e.result.Files != 1 || e.result.Status != "interrupted" {
				t.Errorf("exit %d\n%s", e.code, e)
			}
			x.Advance(24 * time.Hour)
			x.expectRead()
		})
	}
}

// Two readers of one collector and one output at the same moment: whoever is late ends with 30, and no result is in the files
// twice or missing.
func TestRead_TwoAtOnce(t *testing.T) {
	x := live(t)
	for range 4 {
		x.exports += 2
		first, second := x.launch(x.args...), x.launch(x.args...)
		for _, e := range []ended{first.wait(), second.wait()} {
			if e.code != 0 && e.code != 30 {
				t.Errorf("exit %d\n%s", e.code, e)
			}
		}
		x.Advance(12 * time.Hour)
	}
	x.expectRead()
}

// A reader that is killed upon any of its requests, and as its files appear one after the other, loses and repeats nothing.
func TestRead_Killed(t *testing.T) {
	rehearsal := live(t)
	rehearsal.start().wait()
	requests := rehearsal.passed()
	if requests < 2 {
		t.Fatalf("%d requests", requests)
	}
	for q := range requests {
		t.Run(fmt.Sprintf("upon request %d", q+1), func(t *testing.T) {
			t.Parallel()
			x := live(t)
			x.set(func(v *visit) {
				if v.number != q+1 {
					v.pass()
					return
				}
				x.set(nil)
				kept := v.answer()
				v.begin(kept, kept.Body.Len()*2/3)
				x.kill()
				panic(http.ErrAbortHandler) // there is nobody to answer
			})
			if e := x.start().wait(); e.code >= 0 {
				t.Fatalf("it was not killed: exit %d\n%s", e.code, e)
			}
			x.expectRead()
		})
	}
	t.Run("as files appear", func(t *testing.T) {
		t.Parallel()
		x := live(t)
		for files := 1; ; files++ {
			x.exports++
			p := x.launch(x.args...)
			for alive := true; alive; {
				select {
				case <-p.over:
					alive = false
				default:
					if n, _ := filepath.Glob(filepath.Join(x.out, "collector=live", "*.parquet")); len(n) >= files {
						p.kill()
						alive = false
					}
				}
			}
			if p.ended().code >= 0 {
				break
			}
		}
		x.expectRead()
	})
}
