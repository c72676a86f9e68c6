package source

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tw2parquet/source/emulator"
)

// flapping dials after asking for the API's name, which is known with a probability and otherwise not.
type flapping struct {
	address string
	known   float64
	mu      sync.Mutex
	rng     *rand.Rand
}

func (f *flapping) answers() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Float64() < f.known
}

func (f *flapping) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	if f.answers() {
		return (&net.Dialer{}).DialContext(ctx, network, f.address)
	}
	unreachable := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no name server") }
	d := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: unreachable}}
	return d.DialContext(ctx, network, "api.example.invalid:443")
}

// flappingTransport opens a connection for every call, so that every call asks for the name.
func flappingTransport(address string, seed uint64, known float64) *http.Transport {
	transport := newTransport()
	transport.DisableKeepAlives = true
	transport.DialContext = (&flapping{address: address, known: known, rng: rand.New(rand.NewPCG(seed, 1))}).dial
	return transport
}

func flappingClient(t *testing.T, a *account, seed uint64, known float64) *Client {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	c, err := New(Config{BaseURL: server.URL, Token: testSecret, Transport: flappingTransport(server.Listener.Addr().String(), seed, known), Clock: a.clock})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Names that are known one moment and not the next only take time: a request that could not leave was not
// sent, and can be sent again even if it changes something, or costs.
func TestDNS_FailsAndComesBack(t *testing.T) {
	for seed := range uint64(20) {
		a, j := newAccount(t, emulator.Config{ControlEvery: 5, Documents: documents(0, 30)}), newJournal()
		c := flappingClient(t, a, seed, 0.8)
		if _, err := c.CreateCollector(t.Context(), "another"); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		got, err := c.Acquire(t.Context(), "run", testRequest(), j)
		if n := a.Ledger().ExportPosts(); err != nil || got.Adopted || n != 1 {
			t.Fatalf("seed %d: %v, %d posts", seed, err, n)
		}
		for name, text := range j.records {
			var note outcomeNote
			if err := json.Unmarshal(text, &note); err != nil || strings.Contains(name, "outcome") && note.Outcome != outcomeNotSent && note.Outcome != outcomeDone {
				t.Errorf("seed %d: %s says %s", seed, name, text)
			}
		}
		rows, _, err := drain(t, c, StreamConfig{Collector: got.Collector.ID, Ending: TaskDone{ID: got.Task.ID}})
		if !errors.Is(err, io.EOF) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkRows(t, rows, 0, 30)
	}
}

func TestDNS_NeverComesBack(t *testing.T) {
	a := newAccount(t, emulator.Config{})
	_, err := flappingClient(t, a, 1, 0).Acquire(t.Context(), "run", testRequest(), newJournal())
	checkClass(t, err, ClassUnavailable)
	var e *Error
	if !errors.As(err, &e) || !e.Retryable || !strings.Contains(e.Error(), "lookup api.example.invalid") {
		t.Errorf("%v", err)
	}
	if arrived := a.Ledger().Requests; len(arrived) > 0 {
		t.Errorf("%+v", arrived)
	}
}
