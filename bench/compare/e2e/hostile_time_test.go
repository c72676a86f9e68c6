package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// TestTime_OfTheMachineDecidesNothing runs with odd zones and against servers whose clocks are far away: the
// same run, the same names, and found complete by the next one.
func TestTime_OfTheMachineDecidesNothing(t *testing.T) {
	names := map[string]bool{}
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "America/St_Johns", "No/Where", ""} {
		for _, skew := range []time.Duration{0, time.Hour, -time.Hour, 240 * time.Hour, -240 * time.Hour} {
			if zone != "UTC" && skew.Abs() == time.Hour {
				continue // a zone is not about hours
			}
			if testing.Short() && zone != "UTC" && skew != 0 {
				continue
			}
			a := serve(t, tiny())
			a.Advance(skew)
			a.env = []string{"TZ=" + zone}
			out := a.output()
			e := a.export(0, out)
			names[fmt.Sprint(e.result.Windows[0].Files, e.result.Windows[1].Files, e.result.Windows[2].Files)] = true
			if warned := strings.Contains(e.stderr, "clock differs"); warned != (skew != 0) {
				t.Errorf("skew %v: warned %v\n%s", skew, warned, e)
			}
			a.env = nil
			a.expectQuiet(0, out)
			if n := len(a.Ledger().Tasks); n != 3 {
				t.Errorf("%d tasks", n)
			}
		}
	}
	if len(names) != 1 {
		t.Errorf("%d sets of names: %v", len(names), names)
	}
}

// TestTime_SetWhileItRuns has a binary whose clock is set by hours and days at every look, while it settles an
// unclear purchase, waits for the task and reads. Only the time of day jumps, as on a machine: bits 30 to 62 of
// a time.Time are its seconds, beside the monotonic reading.
func TestTime_SetWhileItRuns(t *testing.T) {
	long(t, "the tests of package source with a clock that is set")
	const steady = "func (realClock) Now() time.Time                            { return time.Now() }"
	set := rebuilt(t, map[string]func(string) string{"source/pace.go": func(text string) string {
		return strings.Replace(importing(text, "sync/atomic", "unsafe"), steady, `var looks atomic.Int64
		func (realClock) Now() time.Time {
			now := time.Now()
			*(*uint64)(unsafe.Pointer(&now)) += uint64([]int64{0, 3600, -3600, 864000, -864000}[looks.Add(1)%5]) << 30
			return now
		}`, 1)
	}})
	cfg := tiny()
	cfg.TaskDuration, cfg.MaxPerRead, cfg.NoRateLimits = minute, 50, false
	a := serve(t, cfg)
	a.binary = set
	a.script(`{"endpoint":"export","nth":1,"respond":{"http":500,"code":1}}`)
	out := a.output()
	e := a.export(0, out, "--split", "none")
	a.expectExact(e, out)
	l := a.Ledger()
	a.expectManners(l)
	posts := l.Calls(emulator.EndpointExport)
	// The server tells whole seconds, so a settling time of two minutes may be one second less.
	if len(posts) != 2 || posts[1].Time.Sub(posts[0].Time) < 2*minute-time.Second {
		t.Errorf("posts: %+v", posts)
	}
	if strings.Contains(e.stderr, "results expire soon") || strings.Count(e.stderr, "clock differs") > 1 {
		t.Errorf("%s", e)
	}
	a.expectQuiet(0, out, "--split", "none")
}

// TestTime_RunsOut in the middle of reading: what is published stays, the rest is lost and never bought again
// by itself, whatever the server makes of the old offset.
func TestTime_RunsOut(t *testing.T) {
	for _, policy := range []string{"reject", "skip"} {
		cfg := tiny()
		cfg.ExpiredOffsets = policy
		a := serve(t, cfg)
		a.script(`{"endpoint":"results","nth":1,"error":{"at":65,"code":9}}`)
		out := a.output()
		e := a.export(11, out, "--split", "none")
		if e.result.Rows != 60 {
			t.Fatalf("%s", e)
		}
		a.Advance(8 * 24 * time.Hour)
		for range 2 {
			before := published(t, out)
			e = a.export(43, out, "--split", "none")
			a.expectOneLine(e)
			if e.result.Rows != 60 || !strings.Contains(e.result.Error.Message, "60 of 182") || !strings.Contains(e.result.Error.Hint, "182 credits") || fmt.Sprint(published(t, out)) != fmt.Sprint(before) {
				t.Errorf("%s: %s", policy, e)
			}
		}
		if l := a.Ledger(); l.ExportPosts() != 1 || l.Credits() != 182 {
			t.Errorf("%d posts, %d credits", l.ExportPosts(), l.Credits())
		}
	}
}

// TestNetwork_IPv6 has an address with colons, where the machine has one.
func TestNetwork_IPv6(t *testing.T) {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Logf("no IPv6 here: %v", err)
		return
	}
	a := serve(t, tiny())
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: a.Handler(), ReadHeaderTimeout: time.Minute}}
	server.Start()
	defer server.Close()
	a.url = "http://" + ln.Addr().String()
	out := a.output()
	a.expectExact(a.export(0, out, "--split", "none"), out)
}
