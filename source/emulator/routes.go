package emulator

import (
	"bytes"
	"crypto/subtle"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Names of the endpoints, as the ledger and the fault script use them.
const (
	EndpointCollectorPut    = "collector_put"
	EndpointCollectorGet    = "collector_get"
	EndpointCollectorDelete = "collector_delete"
	EndpointCollectorPause  = "collector_pause"
	EndpointCollectorResume = "collector_resume"
	EndpointResults         = "results"
	EndpointExport          = "export" // all three export posts
	EndpointTasks           = "tasks"
	EndpointTask            = "task"
	EndpointTaskDelete      = "task_delete"
	EndpointStreamInfo      = "stream_info"
	EndpointStreamPut       = "stream_put"
	EndpointStreamGet       = "stream_get"
	EndpointStreamDelete    = "stream_delete"
	EndpointInfo            = "search_info"
	EndpointCredits         = "credits"
	EndpointHistogram       = "histogram"
	EndpointSearch          = "search"
	EndpointResources       = "resources"
	EndpointTopics          = "topics"
	EndpointUnknown         = "unknown"
)

// route is one endpoint: a method, a path whose "*" segments are variables, and what the token needs.
type route struct {
	name, method, path string
	handle             func(*call) (result, *apiError)
	write              bool // needs a read_write token
	demo               bool // open to the demo token
	perMinute          int  // published call limit, 0: none
}

// routes lists the API (Talkwalker API; limits from its restrictions, collectors, credits and
// resources pages).
func routes() []route {
	return []route{
		{EndpointCollectorPut, "PUT", "/api/v3/stream/c/*", (*call).collectorPut, true, true, 0},
		{EndpointCollectorGet, "GET", "/api/v3/stream/c/*", (*call).collectorGet, true, true, 0},
		{EndpointCollectorDelete, "DELETE", "/api/v3/stream/c/*", (*call).collectorDelete, true, true, 0},
		{EndpointCollectorPause, "POST", "/api/v3/stream/c/*/pause", (*call).collectorPause, true, true, 0},
		{EndpointCollectorResume, "POST", "/api/v3/stream/c/*/resume", (*call).collectorResume, true, true, 0},
		{EndpointResults, "GET", "/api/v3/stream/c/*/results", (*call).results, true, true, 5},
		{EndpointExport, "POST", "/api/v3/stream/p/*/export", (*call).exportProject, true, false, 0},
		{EndpointExport, "POST", "/api/v3/stream/s/*/export", (*call).exportStream, true, false, 0},
		{EndpointExport, "POST", "/api/v3/stream/export", (*call).exportQuery, true, true, 0},
		{EndpointTasks, "GET", "/api/v3/tasks/export", (*call).taskList, true, true, 0},
		{EndpointTask, "GET", "/api/v3/tasks/export/*", (*call).taskGet, true, true, 0},
		{EndpointTaskDelete, "DELETE", "/api/v3/tasks/export/*", (*call).taskDelete, true, true, 0},
		{EndpointStreamInfo, "GET", "/api/v3/stream/info", (*call).streamInfo, true, true, 0},
		{EndpointStreamPut, "PUT", "/api/v3/stream/s/*", (*call).streamPut, true, false, 0},
		{EndpointStreamGet, "GET", "/api/v3/stream/s/*", (*call).streamGet, true, false, 0},
		{EndpointStreamDelete, "DELETE", "/api/v3/stream/s/*", (*call).streamDelete, true, false, 0},
		{EndpointInfo, "GET", "/api/v1/search/info", (*call).info, false, true, 10},
		{EndpointCredits, "GET", "/api/v1/status/credits", (*call).credits, false, true, 10},
		{EndpointHistogram, "GET", "/api/v1/search/p/*/histogram/*", (*call).histogram, false, false, 30},
		{EndpointSearch, "GET", "/api/v1/search/p/*/results", (*call).search, false, false, 60},
		{EndpointResources, "GET", "/api/v2/talkwalker/p/*/resources", (*call).resources, false, false, 20},
		{EndpointTopics, "GET", "/api/v2/talkwalker/p/*/topics/list", (*call).topics, false, false, 0},
		{EndpointTopics, "GET", "/api/v2/talkwalker/p/*/topics/list/*", (*call).topics, false, false, 0},
	}
}

// match returns the variables of path, or false.
func (rt *route) match(method string, path []string) ([]string, bool) {
	if method != rt.method {
		return nil, false
	}
	want := strings.Split(rt.path, "/")
	if len(want) != len(path) {
		return nil, false
	}
	var vars []string
	for i, w := range want {
		switch {
		case w == "*":
			v, err := url.PathUnescape(path[i])
			if err != nil {
				return nil, false
			}
			vars = append(vars, v)
		case w != path[i]:
			return nil, false
		}
	}
	return vars, true
}

// Kinds of token (Talkwalker API, access token page).
const (
	TokenReadWrite = "read_write"
	TokenReadOnly  = "read_only"
	TokenDemo      = "demo"
	TokenWrong     = "wrong"

	demoToken = "demo"
)

// call is one request on its way through the API.
type call struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	vars   []string
	body   []byte
	token  string // its kind
	number uint64 // of the request, from 1
	code   int    // status_code answered
	faults *effects
	entry  int // in the ledger
}

// Handler serves the API, and the emulator's own pages under /_emulator/.
func (s *Server) Handler() http.Handler {
	table := routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_emulator/") {
			s.control(w, r)
			return
		}
		s.serveAPI(table, w, r)
	})
}

func (s *Server) serveAPI(table []route, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	c := &call{s: s, r: r, number: s.requests}
	arrived := s.now()
	s.mu.Unlock()

	c.token = s.tokenKind(r.URL.Query().Get("access_token"))
	path := strings.Split(r.URL.EscapedPath(), "/")
	name := EndpointUnknown
	for i := range table {
		if vars, ok := table[i].match(r.Method, path); ok {
			c.route, c.vars, name = &table[i], vars, table[i].name
			break
		}
	}
	c.body, _ = io.ReadAll(io.LimitReader(r.Body, 1<<20))
	drain(r.Body)

	c.entry = s.ledger.open(arrived, name, c)
	count := &countingWriter{ResponseWriter: w}
	c.w = count
	w.Header().Set("Date", arrived.Format(http.TimeFormat)) // the account's time, not the machine's
	c.faults = s.faults.take(name, r)
	defer func() {
		// Also when a dropped connection ends the handler with a panic.
		s.ledger.answered(c.entry, count.status, c.code, count.bytes)
		s.cfg.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request",
			slog.String("endpoint", name), slog.String("method", r.Method),
			slog.Int("http", count.status), slog.Int("code", c.code), slog.Int64("bytes", count.bytes))
	}()
	c.faults.run(c, c.serve)
}

// serve checks what is common to all endpoints and runs the one that was called.
func (c *call) serve() {
	res, apiErr := c.check()
	if apiErr == nil {
		res, apiErr = c.route.handle(c)
		if apiErr == nil && res.key == "" {
			return // a stream, already written
		}
	}
	c.answer(res, apiErr)
}

func (c *call) check() (result, *apiError) {
	switch {
	case c.route == nil:
		return result{}, fail(26)
	case c.s.cfg.RequireHTTPS && c.r.TLS == nil:
		return result{}, fail(27)
	case c.token == TokenWrong:
		return result{}, fail(7)
	case c.token == TokenDemo && !c.route.demo,
		c.token == TokenReadOnly && c.route.write:
		return result{}, fail(13, "rights_req", TokenReadWrite, "rights_got", c.token)
	}
	if !c.s.cfg.NoRateLimits && c.route.perMinute > 0 {
		c.s.mu.Lock()
		now := c.s.now()
		c.s.mu.Unlock()
		if !c.s.limits.allow(c.token+" "+c.route.name, c.route.perMinute, now, c.s.cfg.Minute) {
			return result{}, fail(8)
		}
	}
	return result{}, nil
}

func (s *Server) tokenKind(token string) string {
	same := func(other string) bool { return subtle.ConstantTimeCompare([]byte(token), []byte(other)) == 1 }
	switch {
	case same(s.cfg.Token):
		return TokenReadWrite
	case same(s.cfg.ReadOnlyToken):
		return TokenReadOnly
	case same(demoToken):
		return TokenDemo
	}
	return TokenWrong
}

// loopback says whether a peer may see the emulator's own pages. A connection without an IP address is
// one inside the process.
func loopback(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return true
	}
	ip := net.ParseIP(host)
	return ip == nil || ip.IsLoopback()
}

// countingWriter knows what was answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// blank tells an absent body from an empty object; both are accepted where the API accepts both.
func blank(body []byte) bool { return len(bytes.TrimSpace(body)) == 0 }
