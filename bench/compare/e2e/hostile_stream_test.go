package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// onWire changes how the results endpoint answers: the nth read, from 1, and all the emulator would
// have sent.
func (a *account) onWire(answer func(w http.ResponseWriter, n int, body []byte)) {
	a.t.Helper()
	n := 0 // reads come one after the other
	a.front(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/results") {
			return false
		}
		kept := httptest.NewRecorder()
		a.Handler().ServeHTTP(kept, r)
		n++
		answer(w, n, kept.Body.Bytes())
		return true
	})
}

// first spoils the first read only.
func first(spoil func(w http.ResponseWriter, body []byte)) func(http.ResponseWriter, int, []byte) {
	return func(w http.ResponseWriter, n int, body []byte) {
		if n == 1 {
			spoil(w, body)
			return
		}
		_, _ = w.Write(body)
	}
}

func zipped(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&b)
		_, _ = z.Write(part)
		_ = z.Close()
	}
	return b.Bytes()
}

// TestStream_OnTheWire sends results in ways that an HTTP server, or a proxy, has of being broken. Every
// result must arrive once.
func TestStream_OnTheWire(t *testing.T) {
	half := func(body []byte) []byte { return body[:len(body)/2] }
	raw := func(head string, change func([]byte) []byte) func(http.ResponseWriter, int, []byte) {
		return first(func(w http.ResponseWriter, body []byte) { says(w, head+"\r\n\r\n"+string(change(body))) })
	}
	packed := func(change func([]byte) []byte) func(http.ResponseWriter, int, []byte) {
		return first(func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(change(body))
		})
	}
	whole := func(body []byte) []byte { return body }
	always := func(change func([]byte) []byte) func(http.ResponseWriter, int, []byte) {
		return func(w http.ResponseWriter, _ int, body []byte) { _, _ = w.Write(change(body)) }
	}
	chunked := func(tail string) func(http.ResponseWriter, int, []byte) {
		return first(func(w http.ResponseWriter, body []byte) {
			hijacked(w, func(conn net.Conn) {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				_, _ = fmt.Fprintf(conn, "%x\r\n%s\r\n%s", len(body)/2, half(body), tail)
			})
		})
	}
	cases := map[string]struct {
		wire  func(http.ResponseWriter, int, []byte)
		reads int
	}{
		"HTTP/1.0":                      {raw("HTTP/1.0 200 OK", whole), 1},
		"HTTP/1.0, cut":                 {raw("HTTP/1.0 200 OK", half), 2},
		"ended by close":                {raw("HTTP/1.1 200 OK\r\nConnection: close", whole), 1},
		"ended by close, cut":           {raw("HTTP/1.1 200 OK\r\nConnection: close", half), 2},
		"shorter than its length":       {raw("HTTP/1.1 200 OK\r\nContent-Length: 10000000", whole), 2},
		"two lengths":                   {raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", whole), 2},
		"no chunk size":                 {chunked("zz\r\n"), 2},
		"a chunk size of 2^64":          {chunked("ffffffffffffffff1\r\n"), 2},
		"a chunk without its end":       {chunked("5\r\nabcdefghij\r\n"), 2},
		"a chunk extension without end": {chunked("5;" + strings.Repeat("x", 100_000)), 2},
		"chunks that end at once":       {chunked("0\r\n\r\n"), 2},
		"garbage behind the end":        {raw("HTTP/1.1 200 OK\r\nConnection: close", func(b []byte) []byte { return append(b, "\n<html>"...) }), 2},
		"the echo alone":                {raw("HTTP/1.1 200 OK\r\nConnection: close", func(b []byte) []byte { return b[:bytes.IndexByte(b, '\n')] }), 2},
		"an empty answer":               {raw("HTTP/1.1 200 OK\r\nContent-Length: 0", func([]byte) []byte { return nil }), 2},
		"no content":                    {raw("HTTP/1.1 204 No Content", func([]byte) []byte { return nil }), 2},
		"partial content":               {raw("HTTP/1.1 206 Partial Content\r\nConnection: close", half), 2},
		"switching protocols":           {raw("HTTP/1.1 101 Switching Protocols", whole), 2},
		"gzip":                          {packed(func(b []byte) []byte { return zipped(b) }), 1},
		"gzip, in two members":          {packed(func(b []byte) []byte { return zipped(half(b), b[len(b)/2:]) }), 1},
		"gzip, truncated":               {packed(func(b []byte) []byte { return half(zipped(b)) }), 2},
		"gzip, without its sum":         {packed(func(b []byte) []byte { z := zipped(b); return z[:len(z)-4] }), 2},
		"gzip, with a wrong sum":        {packed(func(b []byte) []byte { z := zipped(b); z[len(z)-7] ^= 1; return z }), 2},
		"gzip, with a wrong length":     {packed(func(b []byte) []byte { z := zipped(b); z[len(z)-2] ^= 1; return z }), 2},
		"gzip, with garbage behind it":  {packed(func(b []byte) []byte { return append(zipped(b), "garbage"...) }), 2},
		"gzip, a header that never ends": {packed(func([]byte) []byte {
			return append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 1<<20)...)
		}), 2},
		"gzip that is none":            {packed(whole), 2},
		"gzip of gzip":                 {packed(func(b []byte) []byte { return zipped(zipped(b)) }), 2},
		"NULs between lines":           {always(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n{"), []byte("\x00\n\x00\x00{")) }), 1},
		"a byte order mark and blanks": {always(func(b []byte) []byte { return append([]byte("\xef\xbb\xbf \r\n\t\n"), b...) }), 1},
		"blanks inside": {always(func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`{"chunk_type":"CT_`), []byte(`{ "chunk_type" : "CT_`))
		}), 1},
		"members in another order": {always(reordered), 1},
		"keys of other case beside": {always(func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte(`{"chunk_type":"CT_R`), []byte(`{"CHUNK_TYPE":"CT_CONTROL","chunk_type":"CT_R`))
		}), 1},
		"escapes in the type": {always(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"CT_RESULT"`), []byte(`"\u0043T_RESULT"`)) }), 1},
		"unknown chunks all over": {always(func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("\n"), []byte("\n{\"chunk_type\":\"CT_HEARTBEAT\",\"x\":{\"chunk_type\":\"CT_RESULT\"}}\n"))
		}), 1},
		"control chunks without a collector": {always(func(b []byte) []byte { return regexp.MustCompile(`,"collector_id":"[^"]*"`).ReplaceAll(b, nil) }), 1},
	}
	for _, name := range some(cases, 4) {
		tt := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, tiny())
			a.onWire(tt.wire)
			out := a.output()
			e := a.export(0, out, "--split", "none")
			a.expectExact(e, out)
			if n := len(a.Ledger().Calls(emulator.EndpointResults)); n != tt.reads {
				t.Errorf("%d reads, want %d", n, tt.reads)
			}
		})
	}
}

// reordered puts the type of each chunk behind its content.
func reordered(body []byte) []byte {
	return regexp.MustCompile(`(?m)^\{("chunk_type":"[A-Z_]*"),(.*)\}$`).ReplaceAll(body, []byte("{$2,$1}"))
}

// TestStream_OddOffsets wraps the emulator's offsets into odder ones. Each read brings a part, so that all
// of them come back in an address.
func TestStream_OddOffsets(t *testing.T) {
	control := regexp.MustCompile(`"resume_offset":"([^"]*)"`)
	for name, odd := range map[string]string{
		"of an address": `&=#%?/+;: a&resume_offset=earliest`, "quotes": `'"\{}<b>`, "other languages": "äöü日本\u202e😀", "10 kB": strings.Repeat("x", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := tiny()
			cfg.MaxPerRead = 40
			a := serve(t, cfg)
			a.front(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/results") {
					return false
				}
				q := r.URL.Query()
				q.Set("resume_offset", strings.TrimSuffix(q.Get("resume_offset"), odd))
				r.URL.RawQuery = q.Encode()
				kept := httptest.NewRecorder()
				a.Handler().ServeHTTP(kept, r)
				_, _ = w.Write(control.ReplaceAllFunc(kept.Body.Bytes(), func(m []byte) []byte {
					offset := string(control.FindSubmatch(m)[1])
					return []byte(`"resume_offset":` + inJSON(offset+odd))
				}))
				return true
			})
			out := a.output()
			e := a.export(0, out, "--split", "none")
			a.expectExact(e, out)
			if n := len(a.Ledger().Calls(emulator.EndpointResults)); n < 4 {
				t.Errorf("%d reads", n)
			}
		})
	}
}

// TestStream_NeverEnds gives up with 21, keeps what was covered, and goes on when the server is well again.
func TestStream_NeverEnds(t *testing.T) {
	cases := map[string]string{
		"no offset":                     `"offset":""`,
		"an offset with a newline":      `"offset":"a\nb"`,
		"an offset with a NUL":          `"offset":"a\u0000b"`,
		"an offset of 20 kB":            `"offset":"` + strings.Repeat("x", 20_000) + `"`,
		"the same offset for ever":      `"offset":"earliest"`,
		"never a final control chunk":   `"no_final":true,"inject":{"at":5,"lines":["{\"chunk_type\":\"CT_NEWS\"}"]}`,
		"cut before the first result":   `"cut":{"at":10,"how":"close"}`,
		"an error first":                `"error":{"at":0,"code":25}`,
		"an error in the middle":        `"error":{"at":5,"code":25}`,
		"an error that has no code":     `"error":{"at":5,"code":0,"message":"oops\u001b[31m"}`,
		"silence":                       `"stall":{"at":200}`,
		"a page in the place of chunks": `"respond":{"http":200,"body":"{\"chunk_type\":\"CT_CONTROL\",\"chunk_control\":{\"resume_offset\":\"x\"}}\n<html>"}`,
	}
	for _, name := range some(cases, 3) {
		fault := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := tiny()
			if strings.Contains(fault, "no_final") {
				cfg.ControlEvery = 0
			}
			a := serve(t, cfg)
			a.script(`{"endpoint":"results",` + fault + `}`)
			out := a.output()
			e := a.export(21, out, "--split", "none")
			a.expectOneLine(e)
			if !e.result.Error.Retryable || strings.Contains(e.stderr, "\x1b") {
				t.Errorf("%s", e)
			}
			if n := len(a.Ledger().Calls(emulator.EndpointResults)); n < 5 || n > 7 {
				t.Errorf("%d reads", n)
			}
			a.SetFaults(nil)
			a.expectExact(a.export(0, out, "--split", "none"), out)
		})
	}
}

// TestStream_Errors puts CT_ERROR chunks of every meaning at every place.
func TestStream_Errors(t *testing.T) {
	for code, exit := range map[int]int{1: 20, 4: 12, 7: 10, 8: 20, 9: 11, 13: 10, 24: 30, 30: 20} {
		for _, at := range []int{0, 25, 182} { // before, between and behind the results
			if testing.Short() && at != 25 {
				continue
			}
			t.Run(fmt.Sprint(code, at), func(t *testing.T) {
				t.Parallel()
				a := serve(t, tiny())
				a.env = []string{"TW2PARQUET_WAIT_SCALE=0.001"}
				a.script(fmt.Sprintf(`{"endpoint":"results","error":{"at":%d,"code":%d}}`, at, code))
				out := a.output()
				e := a.exportAny(out, "--split", "none")
				if e.code != exit && (exit != 20 || e.code != 21 && e.code != 0) {
					t.Errorf("exit %d, want %d\n%s", e.code, exit, e)
				}
				if e.code != 0 {
					a.expectOneLine(e)
				}
				a.SetFaults(nil)
				a.expectExact(a.export(0, out, "--split", "none"), out)
			})
		}
	}
}

// exportAny is export with whatever exit code.
func (a *account) exportAny(out string, flags ...string) ended {
	a.t.Helper()
	args := []string{"export", "--out", out, "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01"}
	return a.launch(append(args, flags...)...).wait()
}

// TestStream_Slow trickles, and is alive all the same.
func TestStream_Slow(t *testing.T) {
	a := serve(t, tiny())
	a.script(`{"endpoint":"results","pace":{"bytes":9973,"every":"20ms"}}`)
	out := a.output()
	a.expectExact(a.export(0, out, "--split", "none"), out)
	if n := len(a.Ledger().Calls(emulator.EndpointResults)); n != 1 {
		t.Errorf("%d reads", n)
	}
}

// TestStream_GoesBackOrAhead lets reads begin elsewhere than asked. Results that come again are dropped and told;
// those that are left out show in the task's count.
func TestStream_GoesBackOrAhead(t *testing.T) {
	cut := `{"endpoint":"results","nth":1,"cut":{"at":200000,"how":"close"}}`
	a := serve(t, tiny())
	a.script(cut, `{"endpoint":"results","shift":-7}`)
	out := a.output()
	e := a.export(0, out, "--split", "none", "--strict")
	a.expectExact(e, out)
	if !strings.Contains(e.stderr, "resent results") {
		t.Errorf("nothing is said\n%s", e)
	}
	for code, flags := range map[int][]string{0: {"--split", "none"}, 42: {"--split", "none", "--strict"}} {
		a := serve(t, tiny())
		a.script(cut, `{"endpoint":"results","nth":2,"shift":7}`)
		out := a.output()
		e := a.export(code, out, flags...)
		if w := e.result.Windows[0]; w.Processed-w.Rows != 7 || !strings.Contains(e.stderr, "missing=7") {
			t.Errorf("%s", e)
		}
	}
	// More than the task counted: what it is nobody can tell, and with --strict it matters.
	for code, flags := range map[int][]string{0: {"--split", "none"}, 42: {"--split", "none", "--strict"}} {
		a := serve(t, tiny())
		a.script(`{"endpoint":"results","inject":{"at":3,"lines":["{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{\"data\":{\"data\":{\"url\":\"x\"}}}}"]}}`)
		e := a.export(code, a.output(), flags...)
		if w := e.result.Windows[0]; w.Rows-w.Processed != 1 || !strings.Contains(e.stderr, "more results") {
			t.Errorf("%s", e)
		}
	}
}
