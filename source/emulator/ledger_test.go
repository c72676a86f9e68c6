package emulator

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLedger_HoldsEveryCallButNoToken(t *testing.T) {
	a := serve(t, Config{})
	a.export("c1", "2024-01-01", "2024-01-02", `,"limit":7`)
	a.read("c1", "&resume_offset=earliest")
	a.do("GET", "/api/v3/tasks/export?access_token=STOLEN", "")
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/api/v3/tasks/export?access_token=TOKEN-ro", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Referer", "https://elsewhere.example/")
	req.Header.Set("Idempotency-Key", "k")
	res, err := a.web.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	_, raw, err := a.try("GET", "/_emulator/ledger", "")
	if err != nil {
		t.Fatal(err)
	}
	var l Ledger
	if err := json.Unmarshal(raw, &l); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"TOKEN-rw", "TOKEN-ro", "STOLEN"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the ledger holds %s", secret)
		}
	}
	if len(l.Requests) != 5 || l.Count("GET", "") != 3 || l.Count("", "/api/v3/stream/c/*") != 1 || l.Count("GET", "/api/v3/stream/c/*/results") != 1 ||
		l.ExportPosts() != 1 || len(l.Tasks) != 1 || l.Credits() != 250 || len(l.Changing()) != 2 {
		t.Errorf("%s", raw)
	}
	read := l.Calls(EndpointResults)[0]
	if read.Query["resume_offset"] != "earliest" || read.Query["end_behaviour"] != "stop" || read.Status != 200 || read.Bytes < 100_000 || !read.TokenOK {
		t.Errorf("%+v", read)
	}
	wrong, readOnly := l.Requests[3], l.Requests[4]
	if wrong.TokenOK || wrong.Token != TokenWrong || wrong.Code != 7 || wrong.Status != 401 {
		t.Errorf("%+v", wrong)
	}
	if readOnly.Token != TokenReadOnly || readOnly.Header["Referer"] == "" || readOnly.Header["Idempotency-Key"] != "k" || readOnly.Code != 13 {
		t.Errorf("%+v", readOnly)
	}
	if post := l.Calls(EndpointExport)[0]; !strings.Contains(post.Body, `"limit":7`) || post.Number != l.Tasks[0].Request {
		t.Errorf("%+v", post)
	}
}

func TestControl_IsForLoopbackOnly(t *testing.T) {
	a := serve(t, Config{})
	for remote, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "10.0.0.1:5": 403, "pipe": 200} {
		r := httptest.NewRequest("GET", "/_emulator/ledger", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		a.s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", remote, w.Code)
		}
	}
	for _, test := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"GET", "/_emulator/documents?collector=nope", "", "no such collector", 400},
		{"POST", "/_emulator/faults", `{"rules":[{"what":1}]}`, "what", 400},
		{"POST", "/_emulator/clock", `{"advance":"soon"}`, "soon", 400},
		{"POST", "/_emulator/faults", `{"rules":[{"endpoint":"tasks","respond":{"code":1}}]}`, "{}", 200},
		{"GET", "/_emulator/nothing", "", "404", 404},
	} {
		status, raw, err := a.try(test.method, test.path, test.body)
		if err != nil || status != test.status || !strings.Contains(string(raw), test.want) {
			t.Errorf("%s %s: %d %s %v", test.method, test.path, status, raw, err)
		}
	}
	if e := a.do("GET", "/api/v3/tasks/export", ""); e.Code != "1" {
		t.Error(e.Raw)
	}
	if _, _, err := a.try("POST", "/_emulator/faults", ""); err != nil {
		t.Fatal(err)
	}
	a.ok("GET", "/api/v3/tasks/export", "")
	a.s.AddResults("c1", json.RawMessage(`{"url":"x"}`))
	if _, raw, _ := a.try("GET", "/_emulator/documents?collector=c1", ""); string(raw) != chunkStart+`{"url":"x"}`+chunkEnd+"\n" {
		t.Errorf("%s", raw)
	}
}

func TestServe_ListensOnLoopbackOnlyAndEnds(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), ln); err == nil {
		t.Error("served on every interface")
	}
	if ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextFor(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	res, err := http.Get("http://" + ln.Addr().String() + "/api/v3/tasks/export?access_token=" + s.Token())
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("still listening")
	}
}
