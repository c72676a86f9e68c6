package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tw2parquet/source/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "a1b2c3d4+e5f6/7890=abcd-ef0123456789"

var testSecret = NewToken(testToken) // once: its spellings take a moment

// account is the emulator on a fake clock. Its ledger says what happened.
type account struct {
	*emulator.Server
	clock   *fakeClock
	handler http.Handler
	script  func(r *http.Request, w http.ResponseWriter) (handled bool) // sees calls before the emulator
}

// newAccount serves cfg with the token, the project and the topics of testRequest. Exports are empty unless cfg
// has documents.
func newAccount(t testing.TB, cfg emulator.Config) *account {
	t.Helper()
	a := &account{clock: newFakeClock()}
	cfg.Token = testToken
	cfg.Projects = []emulator.Project{{ID: testRequest().Project, Topics: []emulator.Topic{{ID: "t1"}, {ID: "t2"}}}}
	if cfg.Now == nil {
		cfg.Now = a.clock.Now
	}
	if cfg.Documents == nil {
		cfg.Documents = []json.RawMessage{}
	}
	var err error
	if a.Server, err = emulator.New(cfg); err != nil {
		t.Fatal(err)
	}
	a.handler = a.Handler()
	return a
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.script == nil || !a.script(r, w) {
		a.handler.ServeHTTP(w, r)
	}
}

// collector makes a collector without a task.
func (a *account) collector(t testing.TB, id string, query ...byte) (task string) {
	t.Helper()
	if err := a.AddCollector(id, time.Time{}, query); err != nil {
		t.Fatal(err)
	}
	return ""
}

// faults is a fault script of the rules.
func faults(rules ...emulator.Rule) *emulator.Faults { return &emulator.Faults{Rules: rules} }

func (a *account) client(t testing.TB, rt http.RoundTripper) *Client {
	t.Helper()
	if rt == nil {
		rt = memory{a}
	}
	c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Transport: rt, Clock: a.clock})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// memory is a transport that calls the handler in place. A handler that aborts resets the connection.
type memory struct{ handler http.Handler }

func (m memory) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err // nothing is sent
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	defer func() {
		p := recover()
		if aborted, _ := p.(error); errors.Is(aborted, http.ErrAbortHandler) {
			resp, err = nil, fmt.Errorf("read tcp: %w", syscall.ECONNRESET)
		} else if p != nil {
			panic(p)
		}
	}()
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// envelopeText is for answers that the emulator does not give.
func envelopeText(code int, status string, rest string) string {
	if rest != "" {
		rest = "," + rest
	}
	return fmt.Sprintf(`{"status_code":"%d","status_message":%q,"request":"GET /x?access_token=%s","request_id":"#r#"%s}`, code, status, testToken, rest)
}

func reply(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
