package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// effects is what the fault script does to one call. Without a rule, every method is harmless.
type effects struct {
	rule    *Rule
	stream  *Rule // when it puts chunks into the stream
	release chan struct{}
}

// run lets the call happen, with what goes wrong around it.
func (e *effects) run(c *call, process func()) {
	r := e.rule
	if r == nil {
		process()
		return
	}
	c.s.ledger.faulted(c.entry)
	if !sleep(c.r.Context(), time.Duration(r.Delay)) || r.Hold == "before" && !e.held(c.r.Context()) {
		return
	}
	switch {
	case r.Redirect != nil:
		c.w.Header().Set("Location", r.Redirect.To)
		c.w.WriteHeader(r.Redirect.HTTP)
		return
	case r.Garbage != "":
		abort(c.w, func(conn net.Conn) { _, _ = conn.Write([]byte(r.Garbage)) }, false)
		return
	case r.Drop == "before":
		abort(c.w, nil, true)
		return
	case r.Respond != nil && !r.Respond.After:
		e.respond(c)
		return
	}
	out := c.w
	if r.Hold == "after" || r.Drop == "after" || r.Respond != nil {
		kept := &keptWriter{header: http.Header{}}
		c.w = kept
		process()
		c.w = out
		switch {
		case r.Hold == "after" && !e.held(c.r.Context()):
			return
		case r.Drop == "after":
			abort(out, nil, true)
			return
		case r.Respond != nil:
			e.respond(c)
			return
		}
		process = func() { kept.replay(c.w) }
	}
	if r.Cut != nil || r.Stall != nil || r.Pace != nil {
		w := &cutter{ResponseWriter: c.w, ctx: c.r.Context(), cut: r.Cut, stall: r.Stall, release: e.release, pace: r.Pace}
		defer w.cutOff()
		c.w = w
	}
	if r.Gzip == "wrong" {
		c.w.Header().Set("Content-Encoding", "gzip")
	} else if r.Gzip != "" {
		z := newZipper(c.w, r.Gzip)
		defer z.finish()
		c.w = z
	}
	process()
}

func (e *effects) held(ctx context.Context) bool {
	select {
	case <-e.release:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *effects) respond(c *call) {
	p := e.rule.Respond
	for k, v := range p.Header {
		c.w.Header().Set(k, v)
	}
	if p.Body == nil {
		c.answer(result{}, &apiError{Code: p.Code, HTTP: p.HTTP, Message: p.Message})
		return
	}
	c.code = p.Code
	if c.w.Header().Get("Content-Type") == "" && !strings.HasPrefix(strings.TrimSpace(*p.Body), "{") {
		c.w.Header().Set("Content-Type", "text/html")
	}
	status := p.HTTP
	setDefault(&status, http.StatusOK)
	c.w.WriteHeader(status)
	_, _ = c.w.Write([]byte(*p.Body))
}

// sleep waits for d and says whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// abort takes the connection from the server, does something to it and closes it; reset makes the
// close a RST. Where there is no connection to take, the handler is aborted.
func abort(w http.ResponseWriter, do func(net.Conn), reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if do != nil {
		do(conn)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func isUnsupported(err error) bool { return errors.Is(err, http.ErrNotSupported) }

// keptWriter keeps an answer for later.
type keptWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *keptWriter) Header() http.Header         { return w.header }
func (w *keptWriter) WriteHeader(status int)      { w.status = status }
func (w *keptWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *keptWriter) replay(out http.ResponseWriter) {
	for k, v := range w.header {
		out.Header()[k] = v
	}
	setDefault(&w.status, http.StatusOK)
	out.WriteHeader(w.status)
	_, _ = out.Write(w.body.Bytes())
}

// What the results stream asks.

func (e *effects) shift() int64 {
	if e.rule == nil {
		return 0
	}
	return e.rule.Shift
}

func (e *effects) noFinal() bool { return e.rule != nil && e.rule.NoFinal }

func (e *effects) offset() (string, bool) {
	if e.rule == nil || e.rule.Offset == nil {
		return "", false
	}
	return *e.rule.Offset, true
}

func (e *effects) framing() string {
	if e.rule == nil {
		return ""
	}
	return e.rule.Framing
}

func (e *effects) pretty() bool { return e.framing() == "pretty" }

// separator stands before chunk n.
func (e *effects) separator(n int) string {
	switch e.framing() {
	case "crlf":
		return "\r\n"
	case "joined":
		return ""
	case "blank":
		return "\n" + strings.Repeat("\n", n%8)
	}
	return "\n"
}

func (e *effects) prefix() string {
	if e.framing() == "bom" {
		return "\ufeff"
	}
	return ""
}

func (e *effects) suffix() string {
	if e.framing() == "newline" {
		return "\n"
	}
	return ""
}

// What an export asks.

func (e *effects) fate() *Fate {
	if e.rule == nil {
		return nil
	}
	return e.rule.Task
}

func (e *effects) hidden(created time.Time) time.Time {
	if e.rule == nil {
		return time.Time{}
	}
	return created.Add(time.Duration(e.rule.Hide))
}

// fault puts the rule's chunks before the next result, and returns false when the read ends there.
func (rd *read) fault() bool {
	r := rd.c.faults.stream
	if in := r.Inject; in != nil && in.At == rd.results {
		lines := in.Lines
		if in.Bytes > 0 {
			lines = append(lines[:len(lines):len(lines)], fmt.Sprintf(`%s{"url":"https://www.example.org/huge","content":"%s"}%s`,
				chunkStart, strings.Repeat("x", in.Bytes), chunkEnd))
		}
		r.Inject = nil // once
		for range max(1, in.Repeat) {
			for _, line := range lines {
				rd.begin()
				rd.buf = append(rd.buf, line...)
				if len(rd.buf) >= flushSize && !rd.flush(false) {
					return false
				}
			}
		}
	}
	if e := r.Error; e != nil && e.At == rd.results {
		r.Error = nil
		rd.errorChunk(e.Code, e.Message)
		if !e.Continue {
			rd.flush(true)
			return false
		}
	}
	return true
}
