package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// requests are those to the bucket during one call, and how they were spread.
func (b *bucket) requests(call func()) (all int, by map[string]int) {
	before := b.Requests()
	call()
	by = b.Requests()
	for kind, n := range before {
		by[kind] -= n
	}
	for _, n := range by {
		all += n
	}
	return all, by
}

// removeAll removes what begins with a prefix.
func (b *bucket) removeAll(t *testing.T, prefix string) {
	t.Helper()
	h, err := b.Hold(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name := range b.Files() {
		if strings.HasPrefix(name, prefix) {
			if err := h.Remove(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A start over windows that are complete costs the listing and what the log takes, however many windows there are; it
// makes no call of the API, finds a file that is gone or of another size, and answers as the first start did. A log that
// was lost costs a read for each window, once.
func TestExport_CompleteWindowsCostNoRequests(t *testing.T) {
	b := newBucket(t)
	b.Page = 1000
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	x.out = b.url("lake")
	flags := []string{"--split=day", "--parallel=4", "--start=2024-01-01", "--stop=2024-03-01"}
	code, first, stderr := x.export(t.Context(), flags...)
	if code != exitOK || len(first.Windows) != 60 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for i := range 3000 {
		b.Plant(fmt.Sprintf("lake/window_start=2020-01-01/part-%026d-00000.parquet", i), []byte("somebody's"))
	}
	calls := len(x.Ledger().Requests)
	again := func(what string, wantCode, limit int) {
		t.Helper()
		all, by := b.requests(func() {
			code, r, stderr := x.export(t.Context(), flags...)
			if code != wantCode || code == exitOK && (r.Rows != first.Rows || r.Files != first.Files || r.Bytes != first.Bytes || r.Credits != first.Credits || r.UnknownFields != first.UnknownFields || len(r.Windows) != 60) {
				t.Errorf("%s: exit %d, %d rows, %d files, %d windows\n%s", what, code, r.Rows, r.Files, len(r.Windows), stderr)
			}
		})
		if n := len(x.Ledger().Requests) - calls; all > limit || n > 0 {
			t.Errorf("%s: %d requests (%v) and %d calls, want %d and none", what, all, by, n, limit)
		}
	}
	again("all is there", exitOK, (3000+60*5+999)/1000+20)
	again("once more", exitOK, (3000+60*5+999)/1000+20)
	b.removeAll(t, "lake/_tw2parquet/source-")
	again("the log is lost", exitOK, 4+20+60)
	again("it is there again", exitOK, 4+20)
	name := "lake/" + first.Windows[7].Files[0]
	b.put(t, name, []byte("short"))
	again("a file of another size", exitForeign, 4+20+8)
	b.removeAll(t, name)
	again("a file that is gone", exitForeign, 4+20+8)
}

// Files that were read again have other names. The start that did it says so in the log, and the one that finds it, if
// the first could not: later ones open nothing.
func TestExport_ARefetchedWindowIsNotOpenedAgain(t *testing.T) {
	b := newBucket(t)
	b.Page = 1000
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	x.out = b.url("lake")
	flags := []string{"--split=day", "--start=2024-01-01", "--stop=2024-02-15"}
	code, first, stderr := x.export(t.Context(), flags...)
	if code != exitOK || len(first.Windows) != 45 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, w := range first.Windows {
		b.removeAll(t, "lake/"+w.Files[0])
	}
	before := b.Files()
	if code, r, stderr := x.export(t.Context(), append(flags, "--refetch")...); code != exitOK || r.Rows != first.Rows {
		t.Fatalf("exit %d, %d rows\n%s", code, r.Rows, stderr)
	}
	again := func(limit int) {
		t.Helper()
		all, by := b.requests(func() {
			if code, r, stderr := x.export(t.Context(), flags...); code != exitOK || r.Rows != first.Rows || r.Credits != first.Credits || len(r.Windows[0].Files) != 1 {
				t.Errorf("exit %d, %d rows\n%s", code, r.Rows, stderr)
			}
		})
		if all > limit {
			t.Errorf("%d requests (%v), want %d", all, by, limit)
		}
	}
	const few = 1 + 20
	again(few)
	for name := range b.Files() { // as if it had not been written down
		if _, old := before[name]; !old && strings.HasPrefix(name, "lake/_tw2parquet/source-") {
			b.removeAll(t, name)
		}
	}
	again(few + 6*45)
	again(few)
}

// What a first export asks of an empty prefix before it buys is as the manual says, and no more than twelve requests.
func TestExport_AsksLittleBeforeItBuys(t *testing.T) {
	b := newBucket(t)
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	x.out = b.url("lake")
	var before map[string]int
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && before == nil {
			before = b.Requests()
		}
		x.Handler().ServeHTTP(w, r)
	}))
	defer proxy.Close()
	x.url = proxy.URL
	if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	all := 0
	for _, n := range before {
		all += n
	}
	said := matches(`sends (\d+) requests before it buys`, topicText(t, "stores"))
	if all > 12 || len(said) != 1 || said[0] != strconv.Itoa(all) {
		t.Errorf("%d requests before the purchase: %v; the manual says %q", all, before, said)
	}
}

// On a disk as well, a covered window is not opened: its directory may even be locked.
func TestExport_ADeletedFileIsFoundOnADisk(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	_, first, _ := x.export(t.Context())
	if code, _, stderr := x.export(t.Context(), "--split=none"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if err := os.Remove(filepath.Join(x.out, first.Windows[1].Files[0])); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--split=none"}, {"--split=week"}, {"--accept=40,41,43"}} {
		if code, r, stderr := x.export(t.Context(), flags...); code != exitForeign || !strings.Contains(r.Error.Message+r.Error.Hint, "part-") || len(x.Ledger().Tasks) != 3 {
			t.Errorf("%v: exit %d, %+v\n%s", flags, code, r.Error, stderr)
		}
	}
	// Brought back under another name, it is opened to be believed, and its rows are counted once.
	if code, _, stderr := x.export(t.Context(), "--refetch"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for _, flags := range [][]string{nil, {"--split=none"}, {"--split=week"}} {
		if code, r, stderr := x.export(t.Context(), flags...); code != exitOK || r.Rows != first.Rows || r.Credits > first.Credits {
			t.Errorf("%v: exit %d, %d rows, want %d\n%s", flags, code, r.Rows, first.Rows, stderr)
		}
	}
}
