package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tw2parquet/source/emulator"
)

// serve starts a real server and a client for it.
func serve(t testing.TB, handler http.Handler, cfg Config) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg.BaseURL, cfg.Token = server.URL, NewToken(testToken)
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNew_Config(t *testing.T) {
	token := NewToken(testToken)
	for _, good := range []Config{
		{Token: token}, {Token: token, BaseURL: "https://api.example.org/"}, {Token: token, BaseURL: "http://127.0.0.1:80", WaitScale: 0.02},
		{Token: token, BaseURL: "http://localhost:1"}, {Token: token, BaseURL: "http://[::1]:1"}, {Token: token, WaitScale: 1},
	} {
		if _, err := New(good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, bad := range map[Class][]Config{
		ClassAuth: {{}, {Token: NewToken("a b")}, {Token: NewToken("a\x01b")}},
		ClassUsage: {
			{Token: token, BaseURL: "http://api.talkwalker.com"}, {Token: token, BaseURL: "ftp://127.0.0.1"}, {Token: token, BaseURL: "https://u:p@x"},
			{Token: token, BaseURL: "https://x?access_token=" + testToken}, {Token: token, BaseURL: "https://x/path"}, {Token: token, BaseURL: "https://x#"},
			{Token: token, BaseURL: "https://x/#lake"}, {Token: token, BaseURL: "https://x?"}, {Token: token, BaseURL: "https://x/%2F"}, {Token: token, BaseURL: "https://x/?a"}, {Token: token, BaseURL: "127.0.0.1"},
			{Token: token, BaseURL: "https://x/%zz" + testToken}, {Token: token, BaseURL: "http://127.0.0.1.example.org"},
			{Token: token, WaitScale: 0.5}, {Token: token, WaitScale: -1, BaseURL: "http://127.0.0.1"}, {Token: token, MaxDocumentBytes: -1},
		},
	} {
		for _, cfg := range bad {
			_, err := New(cfg)
			checkClass(t, err, want)
		}
	}
}

func TestClassify(t *testing.T) {
	type row struct {
		class Class
		retry retry
		sent  bool
	}
	for code, want := range map[int]row{
		1: {ClassUnavailable, retryBackoff, true}, 2: {ClassUnavailable, retryBackoff, true}, 3: {ClassRejected, retryNever, false},
		4: {ClassRejected, retryNever, false}, 5: {ClassRejected, retryNever, false}, 7: {ClassAuth, retryNever, false},
		8: {ClassUnavailable, retryLimited, false}, 9: {ClassCredits, retryNever, false}, 10: {ClassAuth, retryNever, false},
		11: {ClassAuth, retryNever, false}, 12: {ClassAuth, retryNever, false}, 13: {ClassAuth, retryNever, false},
		15: {ClassRejected, retryNever, false}, 20: {ClassRejected, retryNever, false}, 24: {ClassLocked, retryNever, true},
		25: {ClassStream, retryBackoff, true}, 26: {ClassRejected, retryNever, false}, 29: {ClassAuth, retryNever, false},
		30: {ClassUnavailable, retryLimited, false},
	} {
		for _, status := range []int{200, 400, 401, 403, 429, 500} { // the code decides, whatever the status
			e := classify("GET /x", status, code, "m")
			if got := (row{e.Class, e.retry, e.sent}); got != want || e.Code != code || e.HTTP != status {
				t.Errorf("code %d with HTTP %d: %+v, want %+v", code, status, got, want)
			}
		}
	}
	for status, want := range map[int]row{
		301: {ClassUnavailable, retryNever, true}, 401: {ClassUnavailable, retryBackoff, true}, 403: {ClassUnavailable, retryBackoff, true},
		429: {ClassUnavailable, retryLimited, false}, 502: {ClassUnavailable, retryBackoff, true}, 200: {ClassUnavailable, retryBackoff, true},
	} {
		e := classify("GET /x", status, -1, "")
		if got := (row{e.Class, e.retry, e.sent}); got != want {
			t.Errorf("HTTP %d: %+v, want %+v", status, got, want)
		}
	}
	if e := classify("GET /x", 400, 777, "m"); e.Class != ClassRejected || !e.sent {
		t.Errorf("a code that is not listed: %+v", e)
	}
}

func TestEnvelope_Forms(t *testing.T) {
	c := &Client{token: testSecret}
	for _, good := range []string{`{"status_code":"0"}`, `{"status_code":0}`, `{"status_code":0.0,"x":[]}`, " {\"x\":1,\"status_code\":\"0\"}\r\n"} {
		if _, err := c.envelope("GET /x", 200, []byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for text, want := range map[string]string{
		`{}`:                     "no status_code",
		`{"Status_Code":"0"}`:    "no status_code",
		`[]`:                     "not JSON",
		`{"status_code":"0"`:     "not JSON",
		``:                       "not JSON",
		`{"status_code":"0"}{}`:  "not JSON",
		`{"status_code":"zero"}`: "no status_code",
		`{"status_code":7}`:      "code 7",
		`{"status_code":"4","details":"near x","status_message":"no"}`:                                             "no; details near x (code 4)",
		`{"status_code":"15","result_error":{"data":[{"key":"stream_id","value":["a","b"]}]},"request_id":"#ab#"}`: "stream_id a, b (code 15, request #ab#)",
		`{"status_code":"19","number_max":5,"params":["a","b"]}`:                                                   `params ["a","b"]; number_max 5 (code 19)`,
		`{"status_code":"0","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`:                  "not JSON",
	} {
		_, err := c.envelope("GET /x", 200, []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
	if _, err := c.envelope("GET /x", 500, []byte(`{"status_code":"0"}`)); err == nil {
		t.Error("success with HTTP 500 was taken")
	}
}

func TestEndpoints(t *testing.T) {
	var got []string
	var body string
	answers := map[string]string{
		"/api/v1/status/credits": `"result_creditinfo":{"remaining_credits_monthly":21388,"remaining_credits_onetime":"100","next_billing_period":1700000000000,"monthly_total":3e4,"twitter_resyndication":{"used_credits_monthly":5,"remaining_credits_monthly":70,"remaining_credits_onetime":7}}`,
		"/api/v1/search/info":    `"result_accinfo":{"projects":[{"id":"p","name":"N","account_id":"a","account_name":"A","new":1}]}`,
		"/api/v2/talkwalker/p/p/resources": `"result_resources":{"projects":[{"id":"p","topics":[{"id":"default","title":"","nodes":[{"id":"t1","title":"Brand","description":"d"}]}],` +
			`"filters":[{"id":"g","title":"G","nodes":[]}],"datasets":[{"id":"d","title":"D"}]}]}`,
		"/api/v1/search/p/p/histogram/published":                       `"result_histogram":{"header":{"v":["A","B"]},"data":[{"t":1700000000000,"v":[3,11.0]},{"t":1,"v":7}]}`,
		"/api/v1/search/p/p/histogram/search_indexed":                  `"result_histogram":{"data":[{"t":5,"v":[4]}]}`,
		"/api/v3/stream/info":                                          `"result_stream":{"collectors":[{"collector_id":"c","state":"PAUSED"}],"streams":[{"stream_id":"s","enabled":true}]}`,
		"/api/v3/stream/c/c":                                           `"result_stream":{"collectors":[{"collector_id":"c","state":"PAUSED","collector_query":{"queries":[]},"creation_date":"2024-01-02T03:04:05.678Z"}]}`,
		"/api/v3/stream/p/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/export": `"result_tasks":{"tasks":[{"id":"x","target":"c","status":"QUEUED","processed":0,"progress":0.0}]}`,
	}
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Del("access_token")
		got = append(got, r.Method+" "+r.URL.Path+" "+q.Encode())
		if r.Method == "POST" || r.Method == "PUT" {
			text, _ := io.ReadAll(r.Body)
			body += string(text) + r.Header.Get("Content-Type") + r.Header.Get("Idempotency-Key")
		}
		if r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("User-Agent") != "tw2parquet" || r.Header.Get("Referer") != "" {
			t.Errorf("headers %v", r.Header)
		}
		reply(w, 200, envelopeText(0, "OK", answers[r.URL.Path]))
	}), Config{})
	ctx := t.Context()
	credits, err := c.Credits(ctx)
	if err != nil || credits.Spendable() != 21488 || credits.RemainingX != 77 || credits.MonthlyTotal != 30000 || !credits.NextBilling.Equal(time.UnixMilli(1700000000000)) {
		t.Errorf("%+v, %v", credits, err)
	}
	projects, err := c.Projects(ctx)
	if err != nil || len(projects) != 1 || projects[0].Name != "N" || projects[0].AccountName != "A" {
		t.Errorf("%+v, %v", projects, err)
	}
	resources, err := c.Resources(ctx, "p", "search", "filter")
	if diff := cmp.Diff([]Resource{{Kind: "topic", GroupID: "default", ID: "t1", Title: "Brand", Description: "d"}, {Kind: "dataset", ID: "d", Title: "D"}}, resources); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	h, err := c.Histogram(ctx, HistogramRequest{Project: "p", Topics: []string{"a", "b"}, Interval: "day", Start: time.UnixMilli(5), Stop: time.UnixMilli(9)})
	if err != nil || h.Total() != 21 || len(h.Bins) != 2 || len(h.Header) != 2 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err = c.Histogram(ctx, HistogramRequest{By: BySearchIndexed, Project: "p", Start: time.UnixMilli(5), Stop: time.UnixMilli(9)}); err != nil || h.Total() != 4 {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err = c.Histogram(ctx, HistogramRequest{By: "x/y", Project: "p", Start: time.UnixMilli(5), Stop: time.UnixMilli(9)}); err == nil {
		t.Error("a histogram by anything was asked for")
	}
	info, err := c.StreamInfo(ctx)
	if err != nil || len(info.Collectors) != 1 || !info.Streams[0].Enabled {
		t.Errorf("%+v, %v", info, err)
	}
	collector, err := c.CreateCollector(ctx, "c")
	if err != nil || collector.Live || collector.State != "PAUSED" || collector.Created.IsZero() {
		t.Errorf("%+v, %v", collector, err)
	}
	task, _, err := c.post(ctx, testRequest(), "c", nil)
	if err != nil || task.ID != "x" || task.Status != StatusQueued || task.Ready != -1 {
		t.Errorf("%+v, %v", task, err)
	}
	if want := "{}application/json" + `{"start":1704067200000,"stop":1706745600000,"target":"c","limit":1000,"topics":["t1","t2"]}application/json`; body != want {
		t.Errorf("bodies %s", body)
	}
	want := []string{"GET /api/v1/status/credits ", "GET /api/v1/search/info ", "GET /api/v2/talkwalker/p/p/resources type=search%2Cfilter",
		"GET /api/v1/search/p/p/histogram/published interval=day&max=9&max_include=false&min=5&min_include=true&timezone=UTC&topic=a&topic=b",
		"GET /api/v1/search/p/p/histogram/search_indexed max=9&max_include=false&min=5&min_include=true&timezone=UTC",
		"GET /api/v3/stream/info ", "PUT /api/v3/stream/c/c ", "POST /api/v3/stream/p/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/export "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"", "../x", "a/b", "A", "a?b", ".", "a b"} {
		_, err := c.Collector(ctx, id)
		checkClass(t, err, ClassUsage)
	}
}

func TestCollector_BareNotFoundIsCheckedAgainstTheList(t *testing.T) {
	for listed, want := range map[string]bool{"c": false, "other": true} {
		page := "<html>not here</html>"
		a := newAccount(t, emulator.Config{Faults: faults(emulator.Rule{Endpoint: emulator.EndpointCollectorGet, Respond: &emulator.Respond{HTTP: 404, Body: &page}})})
		a.collector(t, listed)
		_, err := a.client(t, nil).Collector(t.Context(), "c")
		if err == nil || errors.Is(err, ErrNotFound) != want {
			t.Errorf("%s is listed: %v", listed, err)
		}
	}
}

// A redirect is never followed: neither the other host nor this one sees a second request.
func TestRedirects_AreNotFollowed(t *testing.T) {
	var second, first atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { second.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		first.Store(0)
		c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first.Add(1)
			http.Redirect(w, r, other.URL+r.URL.String(), status)
		}), Config{})
		for name, call := range map[string]func() error{
			"GET":  func() error { _, err := c.Credits(t.Context()); return err },
			"POST": func() error { _, _, err := c.post(t.Context(), testRequest(), "c", nil); return err },
			"PUT":  func() error { _, err := c.CreateCollector(t.Context(), "c"); return err },
			"read": func() error {
				var b Batch
				s := c.Stream(StreamConfig{Collector: "c"})
				defer func() { _ = s.Close() }()
				return s.Next(t.Context(), &b)
			},
		} {
			err := call()
			checkClass(t, err, ClassUnavailable)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint("HTTP ", status)) || strings.Contains(err.Error(), other.URL) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if first.Load() != 4 || second.Load() != 0 {
			t.Errorf("HTTP %d: %d requests here, %d there", status, first.Load(), second.Load())
		}
	}
}

// The POST goes out on a connection of its own, once, whatever becomes of idle ones.
func TestPost_IsNeverSentTwice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var posts, conns atomic.Int32
	var kill sync.Map
	server := &http.Server{
		ConnState: func(conn net.Conn, s http.ConnState) {
			if s == http.StateNew {
				conns.Add(1)
			}
			if s == http.StateIdle {
				kill.Store(conn, true)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				posts.Add(1)
				if !r.Close {
					t.Error("the POST's connection would be used again")
				}
				panic(http.ErrAbortHandler) // no answer, connection gone
			}
			reply(w, 200, envelopeText(0, "OK", `"result_creditinfo":{}`))
		}),
	}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	c, err := New(Config{BaseURL: "http://" + l.Addr().String(), Token: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Credits(t.Context()); err != nil { // leaves an idle connection behind
		t.Fatal(err)
	}
	kill.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
	before := conns.Load()
	_, got, err := c.post(t.Context(), testRequest(), "c", nil)
	if posts.Load() != 1 || got != outcomeAmbiguous || conns.Load() != before+1 {
		t.Errorf("%d posts on %d new connections, outcome %s, %v", posts.Load(), conns.Load()-before, got, err)
	}
	_ = server.Close()
	if _, got, err := c.post(t.Context(), testRequest(), "c", nil); got != outcomeNotSent {
		t.Errorf("nobody listens: %s, %v", got, err)
	}
}

func TestDo_Retries(t *testing.T) {
	for name, tt := range map[string]struct {
		status, code int
		calls        int
		atLeast      time.Duration
	}{
		"server error": {500, 1, callAttempts, 15 * time.Second},
		"bare 502":     {502, -1, callAttempts, 15 * time.Second},
		"rate limit":   {401, 8, 0, limitBudget},
		"bad token":    {401, 7, 1, 0},
		"rejected":     {400, 4, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer := &emulator.Respond{HTTP: tt.status, Code: tt.code}
			if tt.code < 0 {
				page := "<html>"
				answer = &emulator.Respond{HTTP: tt.status, Body: &page}
			}
			a := newAccount(t, emulator.Config{Faults: faults(emulator.Rule{Respond: answer})})
			began := a.clock.Now()
			_, err := a.client(t, nil).Projects(t.Context())
			calls := len(a.Ledger().Requests)
			var e *Error
			if !errors.As(err, &e) || tt.calls > 0 && calls != tt.calls || calls > 15 {
				t.Errorf("%d calls, %v", calls, err)
			}
			if spent := a.clock.Now().Sub(began); spent < tt.atLeast || spent > limitBudget+2*time.Minute {
				t.Errorf("%s spent", spent)
			}
		})
	}
}

// What costs is repeated only if the server certainly did not serve it.
func TestHistogram_IsNotRepeatedBlindly(t *testing.T) {
	for code, want := range map[int]int{1: 1, 8: 2} {
		a := newAccount(t, emulator.Config{Faults: faults(emulator.Rule{Nth: 1, Respond: &emulator.Respond{Code: code}})})
		_, err := a.client(t, nil).Histogram(t.Context(), HistogramRequest{Project: a.Projects()[0], Interval: "day",
			Start: testRequest().Start, Stop: testRequest().Stop})
		if calls := len(a.Ledger().Requests); calls != want || (err == nil) != (want == 2) {
			t.Errorf("code %d: %d calls, want %d: %v", code, calls, want, err)
		}
	}
}

func TestLimiter_NeverSixInAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(realClock{}, readCalls, limitWindow)
		var mu sync.Mutex
		var arrivals []time.Time
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for i := range 10 {
					answered, _, err := l.wait(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					// The request takes its time to arrive, the answer to come back.
					_ = realClock{}.Sleep(t.Context(), time.Duration(i%4)*3*time.Second)
					mu.Lock()
					arrivals = append(arrivals, time.Now())
					mu.Unlock()
					_ = realClock{}.Sleep(t.Context(), time.Second)
					answered()
				}
			})
		}
		wg.Wait()
		for i := readCalls; i < len(arrivals); i++ {
			if gap := arrivals[i].Sub(arrivals[i-readCalls]); gap < time.Minute {
				t.Fatalf("calls %d to %d arrived within %s", i-readCalls, i, gap)
			}
		}
	})
}

func TestLimiter_FirstCallsDoNotWaitAndCancelEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := newLimiter(realClock{}, 5, limitWindow)
		for range 5 {
			if _, _, err := l.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("waited %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := l.wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		l.pause(5 * time.Minute)
		if _, _, err := l.wait(t.Context()); err != nil || time.Since(began) != 5*time.Minute+time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestWaitScale_ScalesEveryWait(t *testing.T) {
	c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, WaitScale: 0.02})
	if err != nil {
		t.Fatal(err)
	}
	if c.limits.reads.window != time.Duration(0.02*float64(limitWindow)) || c.scaled(c.settle) != 2400*time.Millisecond || c.scaled(c.idle) != 1800*time.Millisecond {
		t.Errorf("window %s, settle %s, idle %s", c.limits.reads.window, c.scaled(c.settle), c.scaled(c.idle))
	}
}

func TestCancel_IsToldAsSuch(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }), Config{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() {})
	go cancel()
	_, err := c.Credits(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	checkNoLeak(t, err.Error())
}
