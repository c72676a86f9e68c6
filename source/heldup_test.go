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

// A runner announces a purchase and is stopped before its request leaves. Meanwhile another one finds the intent, looks
// long enough, and buys. Whoever wakes sends nothing, wherever it was stopped.
func TestAcquire_HeldUpBeforeThePOST(t *testing.T) {
	for _, other := range []bool{true, false} {
		t.Run(fmt.Sprintf("another runner: %v", other), func(t *testing.T) {
			api := newAccount(t, emulator.Config{})
			h := &heldUp{api: api, memoryJournal: newJournal()}
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
		})
	}
}

// heldUp is a journal that stops the process for an hour, once, when its first intent is written.
type heldUp struct {
	*memoryJournal
	api   *account
	other func()
}

func (h *heldUp) Put(ctx context.Context, name string, data []byte) error {
	err := h.memoryJournal.Put(ctx, name, data)
	if name == intentRecord(1) && err == nil {
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
