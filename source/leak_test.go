package source

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// checkNoLeak fails if text holds the token in any spelling, or twelve characters of it.
func checkNoLeak(t testing.TB, text string) {
	t.Helper()
	for _, form := range []string{testToken, url.QueryEscape(testToken), url.PathEscape(testToken),
		base64.StdEncoding.EncodeToString([]byte(testToken)), base64.RawURLEncoding.EncodeToString([]byte(testToken))} {
		for i := 0; i+leakLength <= len(form); i++ {
			if strings.Contains(text, form[i:i+leakLength]) {
				t.Errorf("the token leaks (%q): %s", form[i:i+leakLength], text)
				return
			}
		}
	}
}

func TestToken_PrintsAsRedacted(t *testing.T) {
	token := NewToken(" \n" + testToken + "\t\n")
	holder := struct {
		Public  Token
		private Token
	}{token, token}
	marshalled, err := json.Marshal(map[string]any{"t": token, "p": &token})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "holder", holder)
	c, err := New(Config{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(token), fmt.Sprintf("%s %v %+v %#v %q %x %d", token, token, token, token, token, token, token),
		fmt.Sprintf("%v %+v %#v", holder, holder, holder), fmt.Sprintf("%+v %#v", &holder, &holder), string(marshalled), log.String(),
		fmt.Sprintf("%+v", c), token.String(), token.GoString(),
	} {
		checkNoLeak(t, text)
	}
	if fmt.Sprint(token) != redacted {
		t.Errorf("it prints as %s", token)
	}
	if token.secret() != testToken || token.Empty() || !NewToken(" \n").Empty() || !(Token{}).Empty() {
		t.Error("white space is not cut, or emptiness is told wrong")
	}
}

func TestToken_Scrub(t *testing.T) {
	token := NewToken(testToken)
	for _, text := range []string{
		testToken, "x" + testToken + "y", testToken[3:20], "a " + testToken[:12], testToken + testToken,
		url.QueryEscape(testToken), strings.ToLower(url.QueryEscape(testToken)), url.PathEscape(testToken),
		"GET /x?access_token=" + url.QueryEscape(testToken) + "&a=b", strings.ReplaceAll(testToken, "/", `\/`),
		base64.StdEncoding.EncodeToString([]byte(testToken)), base64.StdEncoding.EncodeToString([]byte("a" + testToken)),
		base64.URLEncoding.EncodeToString([]byte("ab" + testToken + "tail")), base64.RawStdEncoding.EncodeToString([]byte("abc" + testToken)),
		hex.EncodeToString([]byte(testToken)),
	} {
		got := token.Scrub(text)
		checkNoLeak(t, got)
		if strings.Contains(got, hex.EncodeToString([]byte(testToken))[:12]) {
			t.Errorf("hexadecimal leaks: %s", got)
		}
	}
	for _, text := range []string{"", "nothing here", "a task " + testToken[:5], strings.Repeat("0", 100)} {
		if got := token.Scrub(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := token.Scrub("see ?access_token=abc&q=1 and http://user:pass@proxy:80/"); strings.Contains(got, "abc") || strings.Contains(got, "pass") {
		t.Error(got)
	}
	if got := NewToken("demo").Scrub("demographics of demo?access_token=demo"); got != "demographics of demo?access_token=***" {
		t.Error(got)
	}
}

// A token with what JSON escapes is found as every encoder of ours writes it.
func TestToken_ScrubFindsEveryJSONForm(t *testing.T) {
	const secret = `a"<b>"&c\"<d>"&e\f`
	for _, html := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if err := e.Encode(secret); err != nil {
			t.Fatal(err)
		}
		if got := NewToken(secret).Scrub(strings.TrimSpace(b.String())); got != `"`+redacted+`"` {
			t.Errorf("%s became %s", strings.TrimSpace(b.String()), got)
		}
	}
}

// Taking a piece out of JSON leaves JSON, also where the piece begins inside an escape.
func TestToken_ScrubLeavesJSON(t *testing.T) {
	const secret = `Tk9f3Q+x7/Zp0=wE5uR8~aL2&mN4<V6cX1%sG7"qT`
	token := NewToken(secret)
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	inner := strings.Trim(string(quoted), `"`)
	slashed := strings.ReplaceAll(inner, "/", `\/`)
	for _, form := range []string{inner, slashed, strings.ReplaceAll(inner, "\\u00", "\\\\u00"), url.QueryEscape(secret), `\u0026` + url.QueryEscape(secret)[30:]} {
		for from := range len(form) {
			for _, before := range []string{"", `\\`, `\n`, `\u00e9`, `\u002`, `\\u0026`} {
				text := []byte(`{"a":"` + before + form[from:] + `","b":1}`)
				if json.Valid(text) && !json.Valid(token.scrubBytes(text)) {
					t.Fatalf("%s became %s", text, token.scrubBytes(text))
				}
			}
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain äöü 日本": "plain äöü 日本", "a\nb\x1b[31m\x00": `a\nb\x1b[31m\x00`, "\u202eevil": `\u202eevil`, "bad \xff\xfe": `bad \xff\xfe`,
		"\ufeffx": `\ufeffx`,
	} {
		if got := printable(text, 500); got != want {
			t.Errorf("%q became %s, want %s", text, got, want)
		}
	}
	if got := printable(strings.Repeat("日", 1000), maxText); len(got) > maxText || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}

// A server that echoes the token in every field, header and page, for every call and every way to fail.
func TestLeaks_Echo(t *testing.T) {
	echo := strings.Join([]string{testToken, url.QueryEscape(testToken), base64.StdEncoding.EncodeToString([]byte(testToken)), testToken[5:25]}, " ")
	quoted, _ := json.Marshal(echo)
	q := string(quoted)
	bodies := map[string]string{
		"html":     "<html>" + echo + "</html>",
		"envelope": `{"status_code":"5","status_message":` + q + `,"request":` + q + `,"request_id":` + q + `,"details":` + q + `,"params":[` + q + `],"result_error":{"data":[{"key":` + q + `,"value":[` + q + `]}]}}`,
		"success": `{"status_code":"0","status_message":` + q + `,"request":` + q + `,"result_tasks":{"tasks":[{"id":` + q + `,"target":` + q + `,"status":` + q + `}]},` +
			`"result_stream":{"collectors":[{"collector_id":` + q + `,"state":` + q + `}],"streams":[{"stream_id":` + q + `}]},"result_creditinfo":{"x":` + q + `},` +
			`"result_accinfo":{"projects":[{"id":` + q + `}]},"result_resources":{"projects":[{"topics":[{"id":` + q + `}]}]},"result_histogram":{"header":{"v":[` + q + `]}}}`,
		"error chunk":    `{"chunk_type":"CT_ERROR","chunk_error":{"message":` + q + `}}`,
		"error text":     `{"chunk_type":"CT_ERROR","error":` + q + `}`,
		"control chunk":  `{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"\n"}}` + q,
		"unknown status": `{"status_code":"0","result_tasks":{"tasks":[{"id":"t","target":"c","status":` + q + `}]}}`,
		"nothing":        "",
	}
	for name, body := range bodies {
		for _, status := range []int{200, 307, 400, 401, 404, 429, 502} {
			t.Run(fmt.Sprint(name, status), func(t *testing.T) {
				var log strings.Builder
				c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Clock: newFakeClock(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
					Transport: memory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Location", "http://elsewhere.example/?access_token="+url.QueryEscape(testToken)+"\x01")
						w.Header().Set("Content-Encoding", map[bool]string{true: testToken}[name == "nothing"])
						reply(w, status, body)
					})}})
				if err != nil {
					t.Fatal(err)
				}
				for _, said := range everyCall(t.Context(), c) {
					checkNoLeak(t, said)
				}
				checkNoLeak(t, log.String())
			})
		}
	}
}

// everyCall makes every call of the client and returns all that it says.
func everyCall(ctx context.Context, c *Client) (said []string) {
	say := func(what any, err error) {
		said = append(said, fmt.Sprintf("%+v", what))
		for ; err != nil; err = errors.Unwrap(err) {
			said = append(said, fmt.Sprintf("%v %+v %#v", err, err, err))
			var e *Error
			if errors.As(err, &e) && len(e.Message) > maxText+100 {
				said = append(said, "too long: "+testToken)
			}
		}
	}
	a, err := c.Collector(ctx, "c")
	say(a, err)
	a, err = c.CreateCollector(ctx, "c")
	say(a, err)
	a, err = c.DeleteCollector(ctx, "c")
	say(a, err)
	a, err = c.PauseCollector(ctx, "c")
	say(a, err)
	a, err = c.ResumeCollector(ctx, "c")
	say(a, err)
	info, err := c.StreamInfo(ctx)
	say(info, err)
	tasks, err := c.Tasks(ctx)
	say(tasks, err)
	task, err := c.Task(ctx, "t")
	say(task, err)
	task, err = c.AbortTask(ctx, "t")
	say(task, err)
	task, _, err = c.post(ctx, testRequest(), "c", nil)
	say(task, err)
	credits, err := c.Credits(ctx)
	say(credits, err)
	projects, err := c.Projects(ctx)
	say(projects, err)
	resources, err := c.Resources(ctx, "p", "search")
	say(resources, err)
	histogram, err := c.Histogram(ctx, HistogramRequest{Project: "p", Query: "q", Start: time.Unix(1, 0), Stop: time.Unix(2, 0)})
	say(histogram, err)
	acquired, err := c.Acquire(ctx, "run", testRequest(), newJournal())
	say(acquired, err)
	for _, ending := range []Ending{TaskDone{ID: "t"}, Quiet{}} {
		s := c.Stream(StreamConfig{Collector: "c", Ending: ending})
		var b Batch
		err = s.Next(ctx, &b)
		say(s.Task(), err)
		_ = s.Close()
	}
	return said
}

// Failures of the network itself, on real connections.
func TestLeaks_Network(t *testing.T) {
	raw := func(answer string) string { // a server that writes answer and hangs up
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
		}()
		return "http://" + l.Addr().String()
	}
	closed := raw("")
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	_ = l.Close()
	for name, base := range map[string]string{
		"refused": refused, "hung up": closed, "certificate": secure.URL, "TLS to plain": "https" + strings.TrimPrefix(closed, "http"),
		"garbage": raw("\x00\x01nonsense " + testToken + "\r\n\r\n"), "bad header": raw("HTTP/1.1 200 OK\r\n" + testToken + "\r\n\r\n"),
		"bad status":       raw("HTTP/1.1 " + testToken + "\r\n\r\n"),
		"body breaks":      raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status_code\":"),
		"chunked breaks":   raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"),
		"bad location":     raw("HTTP/1.1 302 Found\r\nLocation: http://[::1]:namedport/?access_token=" + testToken + "\r\nContent-Length: 0\r\n\r\n"),
		"bad gzip":         raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + testToken),
		"name not in DNS":  "https://nonexistent.invalid",
		"header too large": raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(testToken, 20_000) + "\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			var rt http.RoundTripper
			if name == "name not in DNS" {
				rt = flappingTransport("", 1, 0)
			}
			c, err := New(Config{BaseURL: base, Token: testSecret, Transport: rt, Clock: newFakeClock(),
				Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Credits(t.Context())
			checkClass(t, err, ClassUnavailable)
			for _, said := range everyCall(t.Context(), c) {
				checkNoLeak(t, said)
			}
			checkNoLeak(t, log.String())
			var wrapped *url.Error
			if errors.As(err, &wrapped) {
				t.Errorf("a *url.Error escapes: %v", wrapped)
			}
		})
	}
}
