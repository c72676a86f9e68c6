package emulator

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ledger is everything that happened to an account: the oracle of tests that ask whether something was
// paid twice, sent twice, or sent too often.
type Ledger struct {
	Requests []Request    `json:"requests"`
	Charges  []Charge     `json:"charges"`
	Tasks    []TaskRecord `json:"tasks"` // created by an export post
}

// Request is one call of the API. It is in the ledger as soon as it arrived; Status is 0 until it was answered.
type Request struct {
	Number   uint64            `json:"number"` // from 1
	Time     time.Time         `json:"time"`   // of arrival, the account's clock
	Endpoint string            `json:"endpoint"`
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Query    map[string]string `json:"query,omitempty"` // without access_token
	Token    string            `json:"token"`           // its kind: read_write, read_only, demo or wrong
	TokenOK  bool              `json:"token_ok"`
	Header   map[string]string `json:"header,omitempty"` // those that matter, see ledgerHeaders
	Body     string            `json:"body,omitempty"`
	Status   int               `json:"status"`
	Code     int               `json:"code"`
	Bytes    int64             `json:"bytes"`           // of the answer's body
	Fault    bool              `json:"fault,omitempty"` // a rule of the fault script applied
}

// Charge is credits taken.
type Charge struct {
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"` // export, live, histogram or search
	Task    string    `json:"task,omitempty"`
	Target  string    `json:"target,omitempty"` // collector
	Credits int64     `json:"credits"`
}

// TaskRecord is an accepted export post.
type TaskRecord struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Target  string    `json:"target"`
	Request uint64    `json:"request"`
}

// ledgerHeaders are the headers kept: what a client may get wrong, or leak a token through.
var ledgerHeaders = [...]string{"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Type", "Idempotency-Key", "Referer", "User-Agent", "X-Idempotency-Key"}

// ledger is the live form. Its lock is the innermost one.
type ledger struct {
	mu      sync.Mutex
	data    Ledger
	changed chan struct{}
}

// open writes a request down and returns its index.
func (l *ledger) open(at time.Time, endpoint string, c *call) int {
	e := Request{Number: c.number, Time: at, Endpoint: endpoint, Method: c.r.Method, Path: c.r.URL.Path,
		Token: c.token, TokenOK: c.token == TokenReadWrite || c.token == TokenReadOnly,
		Query: map[string]string{}, Header: map[string]string{}, Body: string(c.body)}
	for key, values := range c.r.URL.Query() {
		if key != "access_token" {
			e.Query[key] = strings.Join(values, ",")
		}
	}
	for _, key := range ledgerHeaders {
		if v := c.r.Header.Get(key); v != "" {
			e.Header[key] = v
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data.Requests = append(l.data.Requests, e)
	l.notify()
	return len(l.data.Requests) - 1
}

func (l *ledger) answered(i, status, code int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.data.Requests[i]
	e.Status, e.Code, e.Bytes = status, code, bytes
	l.notify()
}

func (l *ledger) faulted(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data.Requests[i].Fault = true
}

// charge adds to the last charge when that is of the same task, so that a task with ten thousand batches
// does not make as many entries.
func (l *ledger) charge(c Charge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Task != "" {
		for i := len(l.data.Charges) - 1; i >= 0; i-- {
			if last := &l.data.Charges[i]; last.Task == c.Task {
				last.Credits += c.Credits
				l.notify()
				return
			}
		}
	}
	l.data.Charges = append(l.data.Charges, c)
	l.notify()
}

func (l *ledger) task(t TaskRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data.Tasks = append(l.data.Tasks, t)
	l.notify()
}

func (l *ledger) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *ledger) snapshot() (Ledger, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Ledger{slices.Clone(l.data.Requests), slices.Clone(l.data.Charges), slices.Clone(l.data.Tasks)}, l.changed
}

// Ledger returns a copy of the ledger, with the exports brought up to date first.
func (s *Server) Ledger() Ledger {
	s.mu.Lock()
	s.settle(s.now())
	s.mu.Unlock()
	l, _ := s.ledger.snapshot()
	return l
}

// Await waits until the ledger fulfils a condition, which is asked after every change.
func (s *Server) Await(ctx context.Context, condition func(Ledger) bool) error {
	for {
		l, changed := s.ledger.snapshot()
		if condition(l) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Count returns the number of requests with the method ("" for any) whose path matches the pattern of
// path.Match, where "*" does not match a slash ("" for any path).
func (l Ledger) Count(method, pattern string) int {
	n := 0
	for _, r := range l.Requests {
		ok := pattern == ""
		if !ok {
			ok, _ = path.Match(pattern, r.Path)
		}
		if ok && (method == "" || r.Method == method) {
			n++
		}
	}
	return n
}

// Calls returns the requests of an endpoint.
func (l Ledger) Calls(endpoint string) []Request {
	var calls []Request
	for _, r := range l.Requests {
		if r.Endpoint == endpoint {
			calls = append(calls, r)
		}
	}
	return calls
}

// ExportPosts returns the number of export posts that arrived, accepted or not. len(l.Tasks) is the number
// of tasks that they made.
func (l Ledger) ExportPosts() int { return len(l.Calls(EndpointExport)) }

// Credits returns the credits charged in all.
func (l Ledger) Credits() int64 {
	n := int64(0)
	for _, c := range l.Charges {
		n += c.Credits
	}
	return n
}

// Changing returns the requests that change something or cost credits: all but the plain GETs.
func (l Ledger) Changing() []Request {
	var out []Request
	for _, r := range l.Requests {
		if r.Method != http.MethodGet || r.Endpoint == EndpointHistogram || r.Endpoint == EndpointSearch {
			out = append(out, r)
		}
	}
	return out
}

// Peak returns the largest number of calls of an endpoint within any span of the given length: compare it
// with the published limit, over Config.Minute.
func (l Ledger) Peak(endpoint string, span time.Duration) int {
	var times []time.Time
	peak := 0
	for _, r := range l.Calls(endpoint) {
		times = append(times, r.Time)
		for !times[0].Add(span).After(r.Time) {
			times = times[1:]
		}
		peak = max(peak, len(times))
	}
	return peak
}
