package source

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// A runner announces a collector or a purchase and is stopped before its request leaves. Meanwhile another one finds the
// record, waits long enough, and does it. Whoever wakes sends nothing.
func TestAcquire_HeldUpBeforeThePOST(t *testing.T) {
	for i := range 4 {
		record, other := []string{claimRecord(1), intentRecord(1)}[i/2], i%2 == 0
		t.Run(fmt.Sprintf("%s, another runner: %v", record, other), func(t *testing.T) {
			api := newAccount(t, emulator.Config{})
			h := &heldUp{api: api, memoryJournal: newJournal(), record: record}
			if other {
				h.other = func() {
					if _, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), h.memoryJournal); err != nil {
						t.Errorf("the other one: %v", err)
					}
				}
			}
			got, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), h)
			tasks := api.Ledger().Tasks
			if len(tasks) != 1 {
				t.Fatalf("%d exports were bought", len(tasks))
			}
			if err != nil || got.Adopted != other || got.Task.ID != tasks[0].ID {
				t.Errorf("%+v, %v", got, err)
			}
			if n := count(api.Ledger(), "PUT"); other && n != 1 {
				t.Errorf("the collector was created %d times: what was in it is lost", n)
			}
		})
	}
}

// count is how many calls with a method arrived.
func count(l emulator.Ledger, method string) (n int) {
	for _, r := range l.Requests {
		if r.Method == method {
			n++
		}
	}
	return n
}

// heldUp is a journal that stops the process for an hour when it has written a record.
type heldUp struct {
	*memoryJournal
	api    *account
	record string
	other  func()
}

func (h *heldUp) Put(ctx context.Context, name string, data []byte) error {
	err := h.memoryJournal.Put(ctx, name, data)
	if name == h.record && err == nil {
		if h.other != nil {
			h.other()
		}
		_ = h.api.clock.Sleep(ctx, time.Hour)
	}
	return err
}

// With net/http's own transport the look at the time is the last thing before bytes leave: a request whose connection
// stands when the time is over is not sent.
func TestPost_LateSendsNothing(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for in := range 8 { // looks at the time before it is over
			api := newAccount(t, emulator.Config{})
			api.collector(t, "c")
			server := httptest.NewUnstartedServer(api)
			cfg := Config{Token: NewToken(testToken)}
			if server.Start(); secure {
				server.Close()
				server = httptest.NewTLSServer(api)
				cfg.Transport = server.Client().Transport.(*http.Transport)
			}
			cfg.BaseURL = server.URL
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			var looks atomic.Int64 // a connection that is closed says so, and looks again
			_, got, err := c.post(t.Context(), testRequest(), "c", func() bool { return int(looks.Add(1)) > in })
			c.Close()
			server.Close()
			posts := api.Ledger().ExportPosts()
			switch {
			case got == outcomeDone && err == nil && posts == 1 && in > 1:
			case got == outcomeNotSent && err != nil && posts == 0 && in < 7:
			default:
				t.Errorf("tls %v, late after %d looks: %s, %v, %d posts", secure, in, got, err, posts)
			}
		}
	}
}

// Of two runners that find no collector at the same moment one creates it: the other would replace it.
func TestAcquire_TwoFindNoCollector(t *testing.T) {
	for path, class := range map[string]Class{"/api/v3/stream/c/" + CollectorID("run"): 0, tasksPath: ClassLocked} {
		api, j := newAccount(t, emulator.Config{}), newJournal()
		twin := twinTrip{memory{api}, path, func() {
			if _, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), j); err != nil {
				t.Errorf("the faster one: %v", err)
			}
		}}
		got, err := api.client(t, &twin).Acquire(t.Context(), "run", testRequest(), j)
		if class != 0 {
			checkClass(t, err, class)
		} else if err != nil || !got.Adopted {
			t.Errorf("%+v, %v", got, err)
		}
		if created, posts := count(api.Ledger(), "PUT"), api.Ledger().ExportPosts(); posts != 1 || created != 1 {
			t.Errorf("%d collectors, %d exports", created, posts)
		}
	}
}

// twinTrip has another runner do everything behind the first answer to a GET.
type twinTrip struct {
	memory
	path      string
	meanwhile func()
}

func (w *twinTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.memory.RoundTrip(r)
	if r.Method == "GET" && r.URL.Path == w.path && w.meanwhile != nil {
		meanwhile := w.meanwhile
		w.meanwhile = nil
		meanwhile()
	}
	return resp, err
}
