package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-json"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "a1b2c3d4+e5f6/7890=abcd-ef0123456789"

var testSecret = NewToken(testToken) // once: its spellings take a moment

// fakeClock never waits: a sleep moves it on. Its timers never fire.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return nil
}

func (c *fakeClock) AfterFunc(time.Duration, func()) Timer { return deadTimer{} }

type deadTimer struct{}

func (deadTimer) Stop() bool               { return true }
func (deadTimer) Reset(time.Duration) bool { return true }

// fakeAPI is a small server of our own: collectors, tasks and results, and a script of replies that
// come before it.
type fakeAPI struct {
	mu         sync.Mutex
	clock      *fakeClock
	collectors map[string]time.Time
	live       bool // collectors have a query
	tasks      []Task
	lag        time.Duration // until a task is listed
	results    map[string]string
	requests   []string // "METHOD /path"
	posts      int      // export requests that arrived
	script     func(r *http.Request, w http.ResponseWriter) (handled bool)
}

func newFakeAPI() *fakeAPI {
	return &fakeAPI{clock: newFakeClock(), collectors: map[string]time.Time{}, results: map[string]string{}}
}

func envelopeText(code int, status string, rest string) string {
	if rest != "" {
		rest = "," + rest
	}
	return fmt.Sprintf(`{"status_code":"%d","status_message":%q,"request":"GET /x?access_token=%s","request_id":"#r#"%s}`, code, status, testToken, rest)
}

func reply(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Date", a.clock.Now().UTC().Format(http.TimeFormat))
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	if r.URL.Query().Get("access_token") != testToken {
		reply(w, 401, envelopeText(7, "wrong token", ""))
		return
	}
	if a.script != nil && a.script(r, w) {
		return
	}
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/export") && r.Method == "POST":
		a.posts++
		t := a.create(r)
		reply(w, 200, envelopeText(0, "OK", `"result_tasks":{"tasks":[`+taskText(t)+`]}`))
	case path == tasksPath:
		var list []string
		for _, t := range a.tasks {
			if !a.clock.Now().Before(t.Created.Add(a.lag)) {
				list = append(list, taskText(t))
			}
		}
		reply(w, 200, envelopeText(0, "OK", `"result_tasks":{"tasks":[`+strings.Join(list, ",")+`]}`))
	case strings.HasPrefix(path, tasksPath+"/"):
		for i := range a.tasks {
			if a.tasks[i].ID == strings.TrimPrefix(path, tasksPath+"/") {
				if r.Method == "DELETE" {
					a.tasks[i].Status = StatusAborted
					reply(w, 200, envelopeText(0, "OK", `"result_tasks":{"tasks":[{"id":"`+a.tasks[i].ID+`","status":"deleted"}]}`))
					return
				}
				reply(w, 200, envelopeText(0, "OK", `"result_tasks":{"tasks":[`+taskText(a.tasks[i])+`]}`))
				return
			}
		}
		reply(w, 404, envelopeText(26, "no such task", ""))
	case strings.HasSuffix(path, "/results"):
		id := strings.TrimSuffix(strings.TrimPrefix(path, "/api/v3/stream/c/"), "/results")
		if _, ok := a.collectors[id]; !ok {
			reply(w, 404, envelopeText(15, "no such collector", ""))
			return
		}
		_, _ = io.WriteString(w, controlText(r.URL.Query().Get("resume_offset"))+a.results[id]+controlText("end"))
	default:
		a.collector(w, r, strings.TrimPrefix(path, "/api/v3/stream/c/"))
	}
}

func (a *fakeAPI) collector(w http.ResponseWriter, r *http.Request, id string) {
	created, ok := a.collectors[id]
	switch {
	case r.Method == "PUT":
		created = a.clock.Now()
		a.collectors[id] = created
		a.results[id] = ""
	case !ok:
		reply(w, 404, envelopeText(15, "no such collector", ""))
		return
	}
	query := "{}"
	if a.live {
		query = `{"projects":["x"]}`
	}
	reply(w, 200, envelopeText(0, "OK", fmt.Sprintf(`"result_stream":{"collectors":[{"collector_id":%q,"state":"PAUSED","creation_date":%q,"collector_query":%s}]}`,
		id, created.Format(time.RFC3339), query)))
}

// create makes the task that an export request asks for.
func (a *fakeAPI) create(r *http.Request) Task {
	var body struct {
		Target string `json:"target"`
	}
	text, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(text, &body)
	t := Task{ID: fmt.Sprintf("task-%d", len(a.tasks)+1), Type: "export", Target: body.Target, Created: a.clock.Now(), Status: StatusQueued}
	a.tasks = append(a.tasks, t)
	return t
}

func taskText(t Task) string {
	return fmt.Sprintf(`{"id":%q,"type":"export","creation_date":%q,"target":%q,"status":%q,"processed":%d,"ready":%d,"progress":0.5}`,
		t.ID, t.Created.Format(time.RFC3339Nano), t.Target, t.Status, t.Processed, t.Processed)
}

func controlText(offset string) string {
	text, _ := json.Marshal(offset)
	return `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#c#","resume_offset":` + string(text) + `}}` + "\n"
}

func resultText(n int) string {
	return fmt.Sprintf(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/%d","title":"Title \"%d\""}}}}`+"\n", n, n)
}

// memory is a transport that calls the handler in place.
type memory struct{ handler http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body := []byte(nil)
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, copied)
	return w.Result(), nil
}

func (a *fakeAPI) client(t testing.TB, rt http.RoundTripper) *Client {
	t.Helper()
	if rt == nil {
		rt = memory{a}
	}
	c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Transport: rt, Clock: a.clock})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

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

// memoryJournal is a journal that forgets nothing.
type memoryJournal struct {
	mu      sync.Mutex
	records map[string][]byte
}

func newJournal() *memoryJournal { return &memoryJournal{records: map[string][]byte{}} }

func (j *memoryJournal) Put(_ context.Context, name string, data []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.records[name]; ok {
		return fs.ErrExist
	}
	j.records[name] = append([]byte(nil), data...)
	return nil
}

func (j *memoryJournal) Get(_ context.Context, name string) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	data, ok := j.records[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (j *memoryJournal) List(_ context.Context, prefix string) ([]string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var names []string
	for name := range j.records {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

func testRequest() Request {
	return Request{Kind: KindProject, Project: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Topics: []string{"t2", "t1"},
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Limit: 1000, Generation: 1}
}
