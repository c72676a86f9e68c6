package emulator

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// errCut is what a handler gets when it writes beyond a cut.
var errCut = errors.New("cut by the fault script")

// cutter stalls or ends a body at a byte, or lets it trickle.
type cutter struct {
	http.ResponseWriter
	ctx     context.Context
	cut     *Cut
	stall   *Stall
	release <-chan struct{} // ends a stall that has no time of its own
	pace    *Pace
	written int64
	conn    net.Conn // of a body without framing
	done    bool
	started bool
}

// WriteHeader drops the length, which a cut body would not keep. A body without framing takes the
// connection now.
func (w *cutter) WriteHeader(status int) {
	w.started = true
	if w.cut != nil {
		w.Header().Del("Content-Length")
	}
	if w.cut == nil || w.cut.How != "bare" {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.conn = conn
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status, http.StatusText(status))
	_ = w.Header().Write(conn)
	_, _ = io.WriteString(conn, "\r\n")
}

func (w *cutter) Write(p []byte) (int, error) {
	if !w.started {
		w.WriteHeader(http.StatusOK)
	}
	n := 0
	for len(p) > 0 {
		if w.done {
			return n, errCut
		}
		part := p
		if w.stall != nil && w.written <= w.stall.At && w.written+int64(len(part)) > w.stall.At {
			part = part[:w.stall.At-w.written]
		}
		if w.cut != nil && w.written+int64(len(part)) > w.cut.At {
			part = part[:max(0, w.cut.At-w.written)]
		}
		if w.pace != nil {
			part = part[:min(len(part), max(1, w.pace.Bytes))]
		}
		m, err := w.pass(part)
		n += m
		if err != nil {
			return n, err
		}
		p = p[len(part):]
		if w.pace != nil && len(part) > 0 {
			_ = w.FlushError()
			if !sleep(w.ctx, time.Duration(w.pace.Every)) {
				return n, w.ctx.Err()
			}
			continue
		}
		if len(p) == 0 {
			break
		}
		if w.stall != nil && w.written == w.stall.At {
			w.pause()
			continue
		}
		w.end()
	}
	return n, nil
}

func (w *cutter) pass(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	var out io.Writer = w.ResponseWriter
	if w.conn != nil {
		out = w.conn
	}
	n, err := out.Write(p)
	w.written += int64(n)
	return n, err
}

func (w *cutter) pause() {
	_ = w.FlushError()
	d := time.Duration(w.stall.For)
	w.stall = nil
	if d > 0 {
		sleep(w.ctx, d)
		return
	}
	select {
	case <-w.release:
	case <-w.ctx.Done():
	}
}

func (w *cutter) end() {
	_ = w.FlushError()
	w.done = true
	switch {
	case w.conn != nil:
		_ = w.conn.Close()
	case w.cut.How == "end":
	default:
		how := w.cut.How
		abort(w.ResponseWriter, func(conn net.Conn) {
			if how == "chunk" {
				_, _ = io.WriteString(conn, "not hexadecimal\r\n")
			}
		}, how == "reset")
	}
}

// FlushError is what http.ResponseController calls.
func (w *cutter) FlushError() error {
	if w.done {
		return errCut
	}
	if w.conn != nil {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// cutOff ends a body without framing that was shorter than its cut.
func (w *cutter) cutOff() {
	if w.conn != nil && !w.done {
		w.done = true
		_ = w.conn.Close()
	}
}

// zipper compresses a body, and may spoil the end of it.
type zipper struct {
	http.ResponseWriter
	how     string
	gz      *gzip.Writer
	held    []byte // the last bytes, which may be the trailer
	started bool
}

func newZipper(w http.ResponseWriter, how string) *zipper {
	z := &zipper{ResponseWriter: w, how: how}
	z.gz, _ = gzip.NewWriterLevel(writerFunc(z.hold), gzip.BestSpeed)
	return z
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// hold passes on all but the last eight bytes: checksum and length, at the end.
func (z *zipper) hold(p []byte) (int, error) {
	z.held = append(z.held, p...)
	if n := len(z.held) - 8; n > 0 {
		if _, err := z.ResponseWriter.Write(z.held[:n]); err != nil {
			return 0, err
		}
		z.held = append(z.held[:0], z.held[n:]...)
	}
	return len(p), nil
}

func (z *zipper) WriteHeader(status int) {
	z.started = true
	z.Header().Del("Content-Length")
	z.Header().Set("Content-Encoding", "gzip")
	z.ResponseWriter.WriteHeader(status)
}

func (z *zipper) Write(p []byte) (int, error) {
	if !z.started {
		z.WriteHeader(http.StatusOK)
	}
	return z.gz.Write(p)
}

// FlushError is what http.ResponseController calls.
func (z *zipper) FlushError() error {
	if err := z.gz.Flush(); err != nil {
		return err
	}
	return http.NewResponseController(z.ResponseWriter).Flush()
}

func (z *zipper) finish() {
	if !z.started {
		return
	}
	_ = z.gz.Close()
	switch z.how {
	case "truncated":
		return
	case "crc":
		z.held[0] ^= 0xff
	}
	_, _ = z.ResponseWriter.Write(z.held)
}
