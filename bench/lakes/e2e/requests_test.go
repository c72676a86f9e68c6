package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"tw2parquet/source/emulator"
)

// untilItBuys is what an export into an empty prefix sends before it buys: one to look, the claim, the request, the
// probe's six on that, one to see that the claim still stands, and two records, without which nothing may be bought.
const untilItBuys = 12

func TestRequests_UntilItBuys(t *testing.T) {
	l, a, args := trial(t, false)
	var before atomic.Int64
	l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if a.Ledger().ExportPosts() == 0 {
			before.Add(1)
		}
		forward.ServeHTTP(w, r)
	})
	e := a.run(0, args...)
	sent := l.proxy.Requests()
	a.expectWhole(l, e)
	if n := before.Load(); n > untilItBuys {
		t.Errorf("%d requests before it bought: %s", n, strings.Join(sent[:n], "\n"))
	}
}

// A run of what is complete costs the listing and up to 20 requests more, however many windows there are, and what other
// runs left in the output costs pages, not reads.
func TestRequests_OfWhatIsComplete(t *testing.T) {
	l, a := onS3(t), serve(t, emulator.Config{Seed: 36, DocumentsPerDay: 2, ControlEvery: 5, LimitBatch: 10})
	a.env = l.env
	args := []string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-02-01", "--split", "day", "--out", l.out}
	a.expectWhole(l, a.run(0, args...))
	l.proxy.Requests()
	again := func() (sent []string) {
		e := a.run(0, args...)
		if e.result.Windows[0].Start == "" || len(e.result.Windows) != 31 {
			t.Fatalf("not 31 windows: %s", e)
		}
		return l.proxy.Requests()
	}
	alone := again()
	if most := 1 + 20; len(alone) > most {
		t.Errorf("%d requests, want at most %d: %s", len(alone), most, strings.Join(alone, "\n"))
	}
	const others = 2500
	name := ""
	for key := range l.objects() {
		if strings.HasSuffix(key, ".parquet") {
			name = key
		}
	}
	content := l.objects()[name]
	for i := range others {
		day, run := i%28+1, fmt.Sprintf("%026d", i)
		l.put(fmt.Sprintf("%s/window_start=2024-02-%02d/part-%s-00000.parquet", prefix, day, run), content)
	}
	beside := again()
	if reads, before := count(beside, "GET", ".parquet"), count(alone, "GET", ".parquet"); reads > before {
		t.Errorf("%d reads of files, %d before others were there", reads, before)
	}
	if most := (len(l.objects())+999)/1000 + 20; len(beside) > most {
		t.Errorf("%d requests, want at most %d: %s", len(beside), most, strings.Join(beside, "\n"))
	}
	if after := l.objects()[name]; !bytes.Equal(after, content) {
		t.Error("a file was changed")
	}
}

// count is how many requests are of a method and name a path that ends so.
func count(sent []string, method, suffix string) (n int) {
	for _, line := range sent {
		m, address, _ := strings.Cut(line, " ")
		name, _, _ := strings.Cut(address, "?")
		if m == method && strings.HasSuffix(name, suffix) {
			n++
		}
	}
	return n
}
