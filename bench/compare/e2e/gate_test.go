package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
)

// gate stands between the binary and the emulator, and lets a test act at an exact moment of the
// conversation.
type gate struct {
	next http.Handler

	mu     sync.Mutex
	number int
	act    func(*visit)
}

// visit is a request at the gate. It is over when act returns.
type visit struct {
	number int // from 1, since act was set
	w      http.ResponseWriter
	r      *http.Request
	next   http.Handler
}

// set says what happens to each request from now on; nil lets them pass.
func (g *gate) set(act func(*visit)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.number, g.act = 0, act
}

// passed is the number of requests since act was set.
func (g *gate) passed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.number
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // now: whoever sent it may be gone when it is wanted
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	g.number++
	v, act := &visit{number: g.number, w: w, r: r, next: g.next}, g.act
	g.mu.Unlock()
	if act == nil {
		v.pass()
		return
	}
	act(v)
}

// pass lets the request through.
func (v *visit) pass() { v.next.ServeHTTP(v.w, v.r) }

// answer lets the emulator process the request, whether anybody waits for that or not, and keeps what it
// answers.
func (v *visit) answer() *httptest.ResponseRecorder {
	kept := httptest.NewRecorder()
	v.next.ServeHTTP(kept, v.r.WithContext(context.WithoutCancel(v.r.Context())))
	return kept
}

// begin sends an answer as far as byte n of its body.
func (v *visit) begin(kept *httptest.ResponseRecorder, n int) {
	for key, values := range kept.Header() {
		v.w.Header()[key] = values
	}
	v.w.WriteHeader(kept.Code)
	_, _ = v.w.Write(kept.Body.Bytes()[:min(n, kept.Body.Len())])
	_ = http.NewResponseController(v.w).Flush() // a client that is gone is what some tests want
}

// hang ends the connection within its framing.
func (v *visit) hang() {
	if conn := v.take(); conn != nil {
		_ = conn.Close()
	}
}

// take takes the connection from the server; nil if the client is gone.
func (v *visit) take() net.Conn {
	conn, _, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		return nil
	}
	return conn
}

// results tells whether the request reads results.
func (v *visit) results() bool { return strings.HasSuffix(v.r.URL.Path, "/results") }

// endpoint is the end of the request's path that does not change from run to run.
func (v *visit) endpoint() string {
	base := path.Base(v.r.URL.Path)
	if len(base) > 20 { // an id
		return path.Base(path.Dir(v.r.URL.Path)) + "/id"
	}
	return base
}
