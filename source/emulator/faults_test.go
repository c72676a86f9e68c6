package emulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script parses or fails the test.
func script(t *testing.T, text string) *Faults {
	t.Helper()
	f, err := ParseFaults([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseFaults_NamesWhatItDoesNotKnow(t *testing.T) {
	for text, want := range map[string]string{
		`{"rules":[{"endpiont":"tasks"}]}`:        "endpiont",
		`{"rules":[{"cut":{"at":1,"mode":"x"}}]}`: "mode",
		`{"rulez":[]}`:                                                     "rulez",
		`{"rules":[{"endpoint":"nowhere"}]}`:                               "nowhere",
		`{"rules":[{},{"drop":"between"}]}`:                                "rule 2",
		`{"rules":[{"cut":{"at":1,"how":"gently"}}]}`:                      "gently",
		`{"rules":[{"gzip":"brotli"}]}`:                                    "brotli",
		`{"rules":[{"framing":"xml"}]}`:                                    "xml",
		`{"rules":[{"hold":"x","delay":"5s"}]}`:                            "hold",
		`{"rules":[{"delay":5}]}`:                                          "duration",
		`{"rules":[{"delay":"soon"}]}`:                                     "soon",
		`{"rules":[{"nth":1,"every":2}]}`:                                  "nth",
		`{"rules":[{"redirect":{"http":200,"to":"x"}}]}`:                   "200",
		`{"rules":[{"task":{"at":2}}]}`:                                    "task.at",
		`{"rules":[]} {}`:                                                  "after",
		`nonsense`:                                                         "fault script",
		`{"rules":[{"endpoint":"x"},{"endpoint":"y"}]}`:                    "rule 2",
		`{"rules":[{"inject":{"at":1,"lines":["x"],"count":3}}]}`:          "count",
		`{"rules":[{"respond":{"http":500,"status":1}}]}`:                  "status",
		`{"rules":[{"error":{"at":0,"code":25,"text":"x"},"nth":1}]}`:      "text",
		`{"rules":[{"stall":{"at":0,"for":"1s","until":"x"},"every":-1}]}`: "until",
	} {
		if _, err := ParseFaults([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not name %q", text, err, want)
		}
	}
}

// Every example of the help parses.
func TestFaultFormat_IsWhatIsParsed(t *testing.T) {
	for _, rule := range []string{`"delay":"2s"`, `"hold":"before"`, `"redirect":{"http":307,"to":"http://127.0.0.1/"}`, `"garbage":"text"`,
		`"drop":"after"`, `"respond":{"http":503,"code":1,"message":"x","body":"y","header":{"K":"V"},"after":true}`, `"gzip":"crc"`,
		`"cut":{"at":1000,"how":"end"}`, `"stall":{"at":1000,"for":"10m"}`, `"pace":{"bytes":1,"every":"5s"}`, `"error":{"at":5,"code":25,"message":"x","continue":false}`,
		`"inject":{"at":5,"lines":["x"],"repeat":1,"bytes":0}`, `"offset":"text"`, `"shift":-3`, `"no_final":true`, `"framing":"crlf"`,
		`"hide":"90s"`, `"task":{"end":"failed","at":0.5,"shown":"x","messages":[]}`, `"nth":1`, `"from":1,"to":2`, `"every":2`,
		`"match":"x"`, `"endpoint":"results"`} {
		f := script(t, `{"rules":[{`+rule+`}]}`)
		again, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseFaults(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
		key, _, _ := strings.Cut(rule, ":")
		if !strings.Contains(FaultFormat, key) {
			t.Errorf("the help does not mention %s", key)
		}
	}
	for _, rt := range routes() {
		if !strings.Contains(FaultFormat, rt.name) {
			t.Errorf("the help does not mention the endpoint %s", rt.name)
		}
	}
}

func TestRule_Applies(t *testing.T) {
	for _, test := range []struct {
		rule Rule
		want string // of calls 1 to 8
	}{{Rule{}, "12345678"}, {Rule{Nth: 3}, "3"}, {Rule{From: 3}, "345678"}, {Rule{To: 2}, "12"}, {Rule{From: 2, To: 4}, "234"},
		{Rule{Every: 3}, "36"}, {Rule{From: 2, Every: 3}, "258"}} {
		got := ""
		for n := 1; n <= 8; n++ {
			if test.rule.applies(n) {
				got += string(rune('0' + n))
			}
		}
		if got != test.want {
			t.Errorf("%+v: %s, want %s", test.rule, got, test.want)
		}
	}
}

// The envelope faults, on the third of three calls; the others must be untouched.
func TestFaults_Answers(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true})
	for _, test := range []struct {
		name, rule string
		check      func(status int, body []byte, header http.Header, err error) bool
	}{
		{"code", `"respond":{"code":8}`, func(s int, b []byte, _ http.Header, _ error) bool {
			return s == 401 && bytes.Contains(b, []byte(`"status_code":"8"`)) && bytes.Contains(b, []byte("TOKEN-rw"))
		}},
		{"status and code", `"respond":{"http":500,"code":0}`, func(s int, b []byte, _ http.Header, _ error) bool {
			return s == 500 && bytes.Contains(b, []byte(`"status_code":"0"`))
		}},
		{"html", `"respond":{"http":503,"body":"<h1>no</h1>","header":{"Retry-After":"9"}}`, func(s int, b []byte, h http.Header, _ error) bool {
			return s == 503 && string(b) == "<h1>no</h1>" && h.Get("Retry-After") == "9" && h.Get("Content-Type") == "text/html"
		}},
		{"redirect", `"redirect":{"http":302,"to":"http://127.0.0.1:9/x"}`, func(s int, _ []byte, h http.Header, _ error) bool {
			return s == 302 && h.Get("Location") == "http://127.0.0.1:9/x"
		}},
		{"drop", `"drop":"before"`, func(_ int, _ []byte, _ http.Header, err error) bool { return err != nil }},
		{"garbage", `"garbage":"220 mail.example ESMTP\r\n"`, func(_ int, _ []byte, _ http.Header, err error) bool {
			return err != nil && strings.Contains(err.Error(), "malformed HTTP")
		}},
		{"cut cleanly", `"cut":{"at":10}`, func(s int, b []byte, _ http.Header, err error) bool { return s == 200 && len(b) == 10 && err == nil }},
		{"gzip", `"gzip":"correct"`, func(s int, b []byte, _ http.Header, err error) bool { return err == nil && json.Valid(b) && s == 200 }},
		{"gzip truncated", `"gzip":"truncated"`, func(_ int, _ []byte, _ http.Header, err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF)
		}},
		{"gzip broken", `"gzip":"crc"`, func(_ int, _ []byte, _ http.Header, err error) bool { return errors.Is(err, gzip.ErrChecksum) }},
		{"gzip that is none", `"gzip":"wrong"`, func(_ int, _ []byte, _ http.Header, err error) bool { return errors.Is(err, gzip.ErrHeader) }},
	} {
		a.s.SetFaults(script(t, `{"rules":[{"endpoint":"tasks","nth":3,`+test.rule+`}]}`))
		for n := 1; n <= 4; n++ {
			status, body, header, err := a.fetch(context.Background(), "GET", "/api/v3/tasks/export?access_token=TOKEN-rw", "")
			if n != 3 {
				if status != 200 || err != nil || !json.Valid(body) {
					t.Errorf("%s: call %d: %d %v", test.name, n, status, err)
				}
			} else if !test.check(status, body, header, err) {
				t.Errorf("%s: %d %q %v %v", test.name, status, body, header, err)
			}
		}
	}
}

func (a *account) fetch(ctx context.Context, method, path, body string) (int, []byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	res, err := a.web.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, res.Header, err
}

// A dropped answer to a post: before the call nothing happened, after it the task is there and billed.
func TestFaults_LostAnswers(t *testing.T) {
	for rule, tasks := range map[string]int{`"drop":"before"`: 0, `"drop":"after"`: 1, `"respond":{"http":502,"body":"bad gateway"}`: 0,
		`"respond":{"http":502,"body":"bad gateway","after":true}`: 1} {
		a := serve(t, Config{Faults: script(t, `{"rules":[{"endpoint":"export",`+rule+`}]}`)})
		a.ok("PUT", "/api/v3/stream/c/c1", "{}")
		status, _, err := a.try("POST", "/api/v3/stream/p/"+a.s.Projects()[0]+"/export", `{"start":"2024-01-01","stop":"2024-01-02","target":"c1"}`)
		if err == nil && status != 502 {
			t.Errorf("%s: %d", rule, status)
		}
		l := a.s.Ledger()
		if l.ExportPosts() != 1 || len(l.Tasks) != tasks || l.Credits() != int64(tasks)*250 {
			t.Errorf("%s: %d posts, %d tasks, %d credits", rule, l.ExportPosts(), len(l.Tasks), l.Credits())
		}
		if post := l.Calls(EndpointExport)[0]; !post.Fault || !strings.Contains(post.Body, `"target":"c1"`) {
			t.Errorf("%s: %+v", rule, post)
		}
	}
}

// A held call is in the ledger while it waits, and goes on when it is released.
func TestFaults_Hold(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		a := serve(t, Config{Faults: script(t, `{"rules":[{"endpoint":"export","hold":"`+when+`"}]}`)})
		a.ok("PUT", "/api/v3/stream/c/c1", "{}")
		done := make(chan int)
		go func() {
			status, _, _ := a.try("POST", "/api/v3/stream/p/"+a.s.Projects()[0]+"/export", `{"start":"2024-01-01","stop":"2024-01-02","target":"c1"}`)
			done <- status
		}()
		want := map[string]int{"before": 0, "after": 1}[when]
		if err := a.s.Await(t.Context(), func(l Ledger) bool { return l.ExportPosts() == 1 && len(l.Tasks) == want }); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			t.Error("answered while held")
		default:
		}
		if _, _, err := a.try("POST", "/_emulator/release", ""); err != nil {
			t.Fatal(err)
		}
		if status := <-done; status != 200 {
			t.Errorf("HTTP %d", status)
		}
	}
}

// A stream cut at a byte has exactly the bytes before it, and ends as its kind says.
func TestFaults_CutStream(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, ControlEvery: 10})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	const path = "/api/v3/stream/c/c1/results?end_behaviour=stop&access_token=TOKEN-rw"
	_, whole, _, err := a.fetch(t.Context(), "GET", path, "")
	if err != nil {
		t.Fatal(err)
	}
	// The connection id differs from read to read, at the same place.
	same := func(x, y []byte) bool {
		return len(x) == len(y) && (len(x) < 200 || bytes.Equal(x[200:min(len(x), 3000)], y[200:min(len(y), 3000)]))
	}
	for how, want := range map[string]func(error) bool{
		"end":   func(err error) bool { return err == nil },
		"bare":  func(err error) bool { return err == nil },
		"close": func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) },
		"reset": func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) },
		"chunk": func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "invalid byte in chunk length")
		},
	} {
		for _, at := range []int{0, 1, 150, 5000, 200_000} {
			f := &Faults{Rules: []Rule{{Endpoint: EndpointResults, Cut: &Cut{At: int64(at), How: how}}}}
			a.s.SetFaults(f)
			_, body, _, err := a.fetch(t.Context(), "GET", path, "")
			if how != "reset" && !same(body, whole[:at]) || len(body) > at || !want(err) {
				t.Errorf("%s at %d: %d bytes, %v", how, at, len(body), err)
			}
		}
	}
	// Beyond the end a cut changes nothing but the framing.
	for _, how := range []string{"end", "bare", "close"} {
		a.s.SetFaults(&Faults{Rules: []Rule{{Cut: &Cut{At: 1 << 30, How: how}}}})
		if _, body, _, err := a.fetch(t.Context(), "GET", path, ""); err != nil || len(body) != len(whole) {
			t.Errorf("%s beyond the end: %d of %d bytes, %v", how, len(body), len(whole), err)
		}
	}
}

func TestFaults_InStream(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, ControlEvery: 100})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	with := func(rule string) string {
		a.s.SetFaults(script(t, `{"rules":[{"endpoint":"results",`+rule+`}]}`))
		_, raw, err := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop", "")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	whole := a.read("c1", "")

	st := parseStream(t, []byte(with(`"error":{"at":120,"code":25,"message":"gone"}`)))
	if len(st.results) != 120 || len(st.errors) != 1 || !strings.Contains(st.errors[0], `"status_code":"25"`) || len(st.offsets) != 2 {
		t.Errorf("error: %d results, %v", len(st.results), st.errors)
	}
	st = parseStream(t, []byte(with(`"error":{"at":120,"code":2,"continue":true}`)))
	if len(st.results) != 250 || len(st.errors) != 1 {
		t.Errorf("error and on: %d results, %v", len(st.results), st.errors)
	}
	if st = parseStream(t, []byte(with(`"error":{"at":250,"code":1}`))); len(st.results) != 250 || st.chunks[len(st.chunks)-1] != st.errors[0] {
		t.Errorf("error at the end: %d results, %v", len(st.results), st.errors)
	}
	lines := strings.Split(with(`"inject":{"at":3,"lines":["{\"chunk_type\":\"CT_NEWS\"}","{broken"],"repeat":2,"bytes":100000}`), "\n")
	if lines[4] != `{"chunk_type":"CT_NEWS"}` || lines[5] != "{broken" || len(lines[6]) < 100_000 || lines[7] != lines[4] || lines[10] != whole.results[3] {
		t.Errorf("inject: %.200q", lines[4:10])
	}
	st = parseStream(t, []byte(with(`"offset":"same&again"`)))
	for _, o := range st.offsets[1:] {
		if o != "same&again" {
			t.Errorf("offset %q", o)
		}
	}
	if st = parseStream(t, []byte(with(`"shift":7`))); len(st.results) != 243 {
		t.Errorf("shift: %d results", len(st.results))
	}
	if st = parseStream(t, []byte(with(`"no_final":true`))); st.chunks[len(st.chunks)-1] != whole.results[249] {
		t.Errorf("no_final: the last chunk is %.100s", st.chunks[len(st.chunks)-1])
	}
	for framing, want := range map[string]string{"crlf": "}\r\n{", "joined": "}}{", "blank": "}\n\n\n\n{", "pretty": "{\n  \"chunk_type\"", "bom": "\ufeff{", "newline": "}}\n"} {
		raw := with(`"framing":"` + framing + `"`)
		if framing == "newline" && !strings.HasSuffix(raw, want) || !strings.Contains(raw, want) {
			t.Errorf("%s: %.300q", framing, raw)
		}
		d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(raw, "\ufeff")))
		n := 0
		for d.More() {
			var v any
			if err := d.Decode(&v); err != nil {
				t.Fatal(framing, err)
			}
			n++
		}
		if n != len(whole.chunks) {
			t.Errorf("%s: %d chunks, want %d", framing, n, len(whole.chunks))
		}
	}
}

// A stall delivers the bytes before it, then nothing; delays and stalls with an end go on.
func TestFaults_Stall(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, Faults: script(t, `{"rules":[{"endpoint":"results","nth":1,"stall":{"at":1000}},
		{"endpoint":"results","nth":2,"delay":"1ms","stall":{"at":1000,"for":"1ms"}}]}`)})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+"/api/v3/stream/c/c1/results?end_behaviour=stop&access_token=TOKEN-rw", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := a.web.Do(req) //nolint:bodyclose // closed by the defer below; the linter loses it in the goroutine
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	more := make(chan error)
	go func() {
		n, err := res.Body.Read(make([]byte, 10))
		if n > 0 {
			err = errors.New("a byte after the stall")
		}
		more <- err
	}()
	cancel()
	if err := <-more; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(a.read("c1", "").results); n != 250 {
		t.Errorf("%d results", n)
	}
}

// A stall without an end goes on when it is released.
func TestFaults_ReleasesAStall(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, Faults: script(t, `{"rules":[{"endpoint":"results","nth":1,"stall":{"at":1000}}]}`)})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	res, err := a.web.Get(a.url + "/api/v3/stream/c/c1/results?end_behaviour=stop&access_token=TOKEN-rw")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	before := make([]byte, 1000)
	if n, err := io.ReadFull(res.Body, before); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if _, _, err := a.try("POST", "/_emulator/release", ""); err != nil {
		t.Fatal(err)
	}
	after, err := io.ReadAll(res.Body)
	if n := bytes.Count(append(before, after...), []byte(`"CT_RESULT"`)); err != nil || n != 250 {
		t.Errorf("%d results, %v", n, err)
	}
}

// A trickling body arrives whole.
func TestFaults_Pace(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, Faults: script(t, `{"rules":[{"endpoint":"results","pace":{"bytes":50000,"every":"1ms"}},
		{"endpoint":"tasks","nth":1,"pace":{"bytes":1,"every":"10us"},"cut":{"at":30}}]}`)})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	if n := len(a.read("c1", "").results); n != 250 {
		t.Errorf("%d results", n)
	}
	if _, raw, err := a.try("GET", "/api/v3/tasks/export", ""); err != nil || len(raw) != 30 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

// A rule counts the calls that it matches; the first rule that applies wins.
func TestFaults_MatchAndOrder(t *testing.T) {
	a := serve(t, Config{Faults: script(t, `{"rules":[{"match":"/c/b","nth":2,"respond":{"code":1}},{"endpoint":"collector_put","respond":{"code":2}}]}`)})
	want := []string{"2", "2", "1", "2"}
	for i, id := range []string{"a", "b", "b", "b"} {
		if e := a.do("PUT", "/api/v3/stream/c/"+id, "{}"); e.Code != want[i] {
			t.Errorf("call %d: code %s", i+1, e.Code)
		}
	}
	a.s.SetFaults(nil)
	a.ok("PUT", "/api/v3/stream/c/a", "{}")
}
