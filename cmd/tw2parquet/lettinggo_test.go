package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// mortal is a bucket and an API whose user dies at one of the requests to either: from there on nothing gets through.
type mortal struct {
	*trial
	b  *bucket
	mu sync.Mutex
	at int // the request, counted from 0 over both
	n  int // requests so far
}

// alive counts a request.
func (m *mortal) alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	return m.n <= m.at
}

// reborn has the user die at request at, counted from here.
func (m *mortal) reborn(at int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at, m.n = at, 0
}

// requests are those since reborn. The server may still be at the last one.
func (m *mortal) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

// newMortal has three windows, complete, nine days old.
func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{trial: newTrial(t, emulator.Config{DocumentsPerDay: 1, ControlEvery: 10}), b: newBucket(t)}
	m.out = m.b.url("lake")
	if code, _, stderr := m.export(t.Context(), "--parallel=3"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	m.Advance(9 * 24 * time.Hour)
	return m
}

// die runs a command that dies at request at. reached is false if it needed fewer.
func (m *mortal) die(at int, args ...string) (reached bool) {
	m.t.Helper()
	m.reborn(at)
	m.b.refuse = func(op, _ string) error {
		if m.alive() {
			return nil
		}
		return refusal{"store_denied", "dead at " + op, "", false, errDead}
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.alive() {
			panic(http.ErrAbortHandler)
		}
		m.Handler().ServeHTTP(w, r)
	}))
	defer proxy.Close()
	code, stdout, stderr := call(m.t, calling(proxy.URL, args...)...)
	m.b.refuse = nil
	if reached = m.requests() > at; !reached && code != exitOK {
		m.t.Fatalf("%v: exit %d\n%s%s", args, code, stdout, stderr)
	}
	return reached
}

var errDead = errors.New("the process is dead")

// tree are the names in the bucket.
func (m *mortal) tree() string {
	var names []string
	for name := range m.b.Files() {
		if !strings.Contains(name, "/source-") { // the log may have a record more
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

// Dropping a run of three windows dies at each request to the store and to the API. The next drop leaves what an uninterrupted
// one leaves, and the next export buys that window again, once, and nothing else.
func TestLettingGo_DropDiesAnywhere(t *testing.T) {
	whole := newMortal(t)
	whole.die(1<<30, "drop", whole.out, whole.runs[1], "--yes")
	want := whole.tree()
	step := 1
	if testing.Short() {
		step = 7
	}
	for at := 0; ; at += step {
		m := newMortal(t)
		if !m.die(at, "drop", m.out, m.runs[1], "--yes") {
			if at < 15 {
				t.Errorf("only %d requests", at)
			}
			return
		}
		// Before the next drop an export takes the window for covered, or for one that is being dropped, or buys it again.
		if at%3 == 0 {
			if code, _, stderr := m.export(t.Context()); code != exitOK && code != exitForeign {
				t.Errorf("at request %d, export: exit %d\n%s", at, code, stderr)
			}
		}
		if posts := m.Ledger().ExportPosts(); posts == 3 {
			if code, stdout, stderr := call(t, "drop", m.out, m.runs[1], "--yes"); code != exitOK {
				t.Fatalf("at request %d, drop: exit %d\n%s%s", at, code, stdout, stderr)
			}
			if got := m.tree(); got != want {
				t.Fatalf("at request %d: left\n%s\nexpected\n%s", at, got, want)
			}
		} else if posts != 4 {
			t.Fatalf("at request %d: %d posts", at, posts)
		}
		if code, r, stderr := m.export(t.Context()); code != exitOK || r.Rows != 91 || m.Ledger().ExportPosts() != 4 || m.Ledger().Credits() != 91+29 {
			t.Fatalf("at request %d: exit %d, %d rows, %d posts, %d credits\n%s", at, code, r.Rows, m.Ledger().ExportPosts(), m.Ledger().Credits(), stderr)
		}
		var names []string
		for name := range m.b.Files() {
			if strings.HasPrefix(path.Base(name), "part-") {
				names = append(names, name)
			}
		}
		if len(names) != 3 || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, m.runs[1]) }) {
			t.Fatalf("at request %d: %q", at, names)
		}
		if code, stdout, stderr := call(t, "verify", m.out); code != exitOK {
			t.Fatalf("at request %d, verify: exit %d\n%s%s", at, code, stdout, stderr)
		}
	}
}

// Deleting collectors dies at each request. Nothing in the output changes, nothing that is not the output's is deleted, the next
// one deletes the rest, and nothing is bought again.
func TestLettingGo_GCDiesAnywhere(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 4
	}
	for at := 0; ; at += step {
		m := newMortal(t)
		_ = m.AddCollector("tw2p-mine", time.Now().Add(-100*24*time.Hour), nil)
		before := m.tree()
		reached := m.die(at, "collectors", "gc", m.out, "--yes")
		m.gc("--yes")
		left := m.left()
		if left != "tw2p-mine" || m.tree() != before {
			t.Fatalf("at request %d: left %q, and\n%s", at, left, m.tree())
		}
		deleted := map[string]int{}
		for _, r := range m.Ledger().Changing() {
			if r.Method == http.MethodDelete {
				deleted[path.Base(r.Path)]++
			}
		}
		for _, run := range m.runs {
			if deleted[source.CollectorID(run)] != 1 || len(deleted) != 3 {
				t.Fatalf("at request %d: deleted %v", at, deleted)
			}
		}
		if code, r, stderr := m.export(t.Context()); code != exitOK || r.Rows != 91 || m.Ledger().ExportPosts() != 3 {
			t.Fatalf("at request %d: exit %d, %d rows, %d posts\n%s", at, code, r.Rows, m.Ledger().ExportPosts(), stderr)
		}
		if !reached {
			if at < 6 {
				t.Errorf("only %d requests", at)
			}
			return
		}
	}
}
