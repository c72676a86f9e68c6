package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

const (
	// patientCuts is how many reads in a row may break without progress before the binary gives up, less one.
	patientCuts = 4
	// cutScale is for runs of a hundred reads, of which five a minute are allowed.
	cutScale = 0.0001
)

// cutPlan is which bytes of a stream it is still to be cut at. The stream is seen as stretches, from one
// control chunk to the next: that is where the binary goes on after a cut. A stretch is named by the number
// of results from its beginning to the stream's end, which is the same in each run.
type cutPlan struct {
	stride int

	mu   sync.Mutex
	next map[int]int // the next position of each stretch
}

// take returns a position in a stretch of a length, or false if there is none left.
func (p *cutPlan) take(stretch, length int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.next[stretch]
	if at >= length {
		return 0, false
	}
	p.next[stretch] = at + p.stride
	return at, true
}

// left tells whether there is one.
func (p *cutPlan) left(stretch, length int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[stretch] < length
}

// cutStreams ends reads at every byte (without TORTURE at one of many) of a stream of 200 kB. After each cut the same
// process goes on from the last control chunk, so that one export stands many of them.
func (r *torture) cutStreams(t *testing.T) {
	t.Parallel()
	stride, sparse := 199, 3989
	if r.n > 1 {
		stride, sparse = 1, max(1, sparse/r.n)
	}
	if r.quick {
		stride, sparse = 1009, 20011
	}
	lines := r.evenLines(t)
	for name, tt := range map[string]struct{ every, stride int }{
		"a control after each result": {1, stride},
		"controls":                    {7, sparse},
		// Batches are handed on before an offset covers them, and have to be taken back.
		"one control at the end": {0, sparse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := tried()
			cfg.ControlEvery, cfg.NoRateLimits, cfg.Documents = tt.every, true, lines
			longest, total := r.stretches(t, cfg)
			plan := &cutPlan{stride: tt.stride, next: map[int]int{}}
			runs := longest/tt.stride/patientCuts + 1
			t.Logf("%d bytes, the longest stretch has %d: %d runs", total, longest, runs)
			for i := range runs {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					r.cutStream(t, cfg, plan)
				})
			}
		})
	}
}

// cutStream is one export, with up to patientCuts cuts in each stretch.
func (r *torture) cutStream(t *testing.T, cfg emulator.Config, plan *cutPlan) {
	x := r.trialWith(t, cfg)
	x.env = append(x.env, fmt.Sprintf("TW2PARQUET_WAIT_SCALE=%g", cutScale))
	x.minute = time.Duration(float64(time.Minute) * cutScale)
	x.args = append(x.args, "--idle-timeout", "240h")
	done := map[int]int{}
	x.set(func(v *visit) {
		if !v.results() {
			v.pass()
			return
		}
		kept := v.answer()
		body := kept.Body.Bytes()
		stretch, length := results(body), firstStretch(body)
		if done[stretch]++; done[stretch] <= patientCuts {
			if at, ok := plan.take(stretch, length); ok {
				r.cuts.Add(1)
				v.cut(kept, at)
				return
			}
		}
		// Progress, then a cut where a stretch begins of which something is left to do.
		for at := length; at < len(body); {
			begin := bytes.LastIndexByte(body[:at], '\n') + 1 // the control chunk between two stretches
			next := firstStretch(body[begin:])
			if plan.left(results(body[begin:]), next) {
				r.cuts.Add(1)
				v.cut(kept, at)
				return
			}
			at = begin + next
		}
		v.begin(kept, len(body))
	})
	e := x.start().wait()
	if e.code != 0 {
		t.Fatalf("exit %d\n%s", e.code, e)
	}
	x.judge(e)
}

// evenLines are 64 results of about the same size, because the longest stretch decides how many runs it takes.
func (r *torture) evenLines(t *testing.T) []json.RawMessage {
	t.Helper()
	cfg := tried()
	cfg.DocumentsPerDay = 150
	x := r.trialWith(t, cfg)
	var all bytes.Buffer
	if err := x.WriteResults(&all, "tw2p-"+x.finish().result.Windows[0].Run); err != nil {
		t.Fatal(err)
	}
	var even []json.RawMessage
	for line := range bytes.Lines(all.Bytes()) {
		if line = bytes.TrimSpace(line); len(line) > 2500 && len(line) < 4000 && len(even) < 64 {
			even = append(even, line)
		}
	}
	return even
}

// stretches measures a stream.
func (r *torture) stretches(t *testing.T, cfg emulator.Config) (longest, total int) {
	t.Helper()
	x := r.trialWith(t, cfg)
	x.set(func(v *visit) {
		kept := v.answer()
		if body := kept.Body.Bytes(); v.results() {
			total = len(body)
			for rest := body; results(rest) > 0; {
				n := firstStretch(rest)
				longest = max(longest, n)
				rest = rest[bytes.LastIndexByte(rest[:n], '\n')+1:] // from its last line on: a control chunk
			}
		}
		v.begin(kept, kept.Body.Len())
	})
	x.finish()
	return longest + 16, total // an offset may be longer than the word earliest
}

func results(body []byte) int { return bytes.Count(body, []byte(`"CT_RESULT"`)) }

// firstStretch is the length of an answer up to the end of its second control chunk; the first one
// repeats the offset that was asked for.
func firstStretch(body []byte) int {
	at := 0
	for range 2 {
		i := bytes.Index(body[at:], []byte(`{"chunk_type":"CT_CONTROL"`))
		if i < 0 {
			return len(body)
		}
		at += i + 1
	}
	if end := bytes.IndexByte(body[at:], '\n'); end >= 0 {
		return at + end
	}
	return len(body)
}

// cut ends an answer after n bytes, in one of the ways in which a connection can end. Neighbouring bytes
// are never both followed by an end that looks orderly: two such ends behind an empty read would be the end.
func (v *visit) cut(kept *httptest.ResponseRecorder, n int) {
	switch n % 4 {
	case 0: // an orderly end
		v.begin(kept, n)
	case 1: // FIN within the framing
		v.begin(kept, n)
		v.hang()
	case 2: // no framing, so that nothing tells the end from a cut
		if conn := v.take(); conn != nil {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n%s", kept.Body.Bytes()[:n])
			_ = conn.Close()
		}
	case 3: // RST
		v.begin(kept, n)
		if conn := v.take(); conn != nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
	}
}
