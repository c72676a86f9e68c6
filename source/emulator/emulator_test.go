package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account is a server over HTTP with a clock that only the test moves.
type account struct {
	t   *testing.T
	s   *Server
	url string
	web *http.Client
}

var epoch = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T, cfg Config) *account {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return epoch }
	}
	cfg.Token = "TOKEN-rw"
	cfg.ReadOnlyToken = "TOKEN-ro"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	web := srv.Client()
	// A transport repeats a GET by itself when a connection it used before turns out dead.
	web.Transport.(*http.Transport).DisableKeepAlives = true
	web.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		web.CloseIdleConnections()
		srv.CloseClientConnections()
		srv.Close()
	})
	return &account{t, s, srv.URL, web}
}

// envelope is what a test looks at of an answer.
type envelope struct {
	Code    string `json:"status_code"`
	Message string `json:"status_message"`
	Request string `json:"request"`
	ID      string `json:"request_id"`
	Tasks   struct {
		Tasks []taskView `json:"tasks"`
	} `json:"result_tasks"`
	Stream struct {
		Collectors []map[string]any `json:"collectors"`
		Streams    []map[string]any `json:"streams"`
		Data       []map[string]any `json:"data"`
	} `json:"result_stream"`
	Error struct {
		Data []detail `json:"data"`
	} `json:"result_error"`
	Info      map[string]any `json:"result_accinfo"`
	Credit    map[string]any `json:"result_creditinfo"`
	Resources map[string]any `json:"result_resources"`
	Histogram struct {
		Header struct {
			V []string `json:"v"`
		} `json:"header"`
		Data []struct {
			T int64   `json:"t"`
			V []int64 `json:"v"`
		} `json:"data"`
	} `json:"result_histogram"`
	Pagination struct {
		Next  string `json:"next"`
		Total int64  `json:"total"`
	} `json:"pagination"`
	HTTP int    `json:"-"`
	Raw  string `json:"-"`
}

type taskView struct {
	ID        string      `json:"id"`
	Type      string      `json:"type"`
	Created   string      `json:"creation_date"`
	Target    string      `json:"target"`
	Status    string      `json:"status"`
	Processed int64       `json:"processed"`
	Ready     *int64      `json:"ready"`
	Progress  json.Number `json:"progress"`
}

// do sends a request; the path gets the read_write token unless it has one.
func (a *account) do(method, path, body string) envelope {
	a.t.Helper()
	status, raw, err := a.try(method, path, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	e := envelope{HTTP: status, Raw: string(raw)}
	if err := json.Unmarshal(raw, &e); err != nil {
		a.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
	}
	return e
}

func (a *account) try(method, path, body string) (int, []byte, error) {
	if !strings.Contains(path, "access_token=") && !strings.HasPrefix(path, "/_emulator") {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "access_token=TOKEN-rw"
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	res, err := a.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

func (a *account) ok(method, path, body string) envelope {
	a.t.Helper()
	e := a.do(method, path, body)
	if e.Code != "0" || e.HTTP != 200 {
		a.t.Fatalf("%s %s: %s", method, path, e.Raw)
	}
	return e
}

// export makes a collector and a task on [start, stop) of the first project, and returns the task.
func (a *account) export(collector, start, stop, more string) taskView {
	a.t.Helper()
	a.ok("PUT", "/api/v3/stream/c/"+collector, "{}")
	body := fmt.Sprintf(`{"start":%q,"stop":%q,"target":%q%s}`, start, stop, collector, more)
	return a.ok("POST", "/api/v3/stream/p/"+a.s.Projects()[0]+"/export", body).Tasks.Tasks[0]
}

// stream is a results read, taken apart.
type stream struct {
	chunks  []string // non-blank lines
	results []string
	offsets []string // of control chunks, the echo included
	after   []int    // results before each of them
	errors  []string
}

func (a *account) read(collector, query string) stream {
	a.t.Helper()
	_, raw, err := a.try("GET", "/api/v3/stream/c/"+collector+"/results?end_behaviour=stop"+query, "")
	if err != nil {
		a.t.Fatal(err)
	}
	return parseStream(a.t, raw)
}

func parseStream(t *testing.T, raw []byte) stream {
	t.Helper()
	var out stream
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var c struct {
			Type    string `json:"chunk_type"`
			Control struct {
				Offset string `json:"resume_offset"`
			} `json:"chunk_control"`
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("chunk: %v in %.300s", err, line)
		}
		out.chunks = append(out.chunks, string(line))
		switch c.Type {
		case "CT_RESULT":
			out.results = append(out.results, string(line))
		case "CT_CONTROL":
			out.offsets = append(out.offsets, c.Control.Offset)
			out.after = append(out.after, len(out.results))
		case "CT_ERROR":
			out.errors = append(out.errors, string(line))
		}
	}
	return out
}

// The main job from end to end: collector, task, results, the bill.
func TestExport_DeliversTheRange(t *testing.T) {
	a := serve(t, Config{})
	task := a.export("tw-1", "2024-01-01", "2024-01-03", "")
	if task.Status != StatusQueued || task.Ready != nil || task.Target != "tw-1" || task.Type != "export" {
		t.Errorf("new task: %+v", task)
	}
	got := a.ok("GET", "/api/v3/tasks/export/"+task.ID, "").Tasks.Tasks[0]
	if got.Status != StatusFinished || got.Processed != 500 || *got.Ready != 500 {
		t.Errorf("task: %+v", got)
	}
	st := a.read("tw-1", "")
	if len(st.results) != 500 || len(st.offsets) != 2 || st.offsets[0] != "earliest" {
		t.Errorf("%d results, offsets %v", len(st.results), st.offsets)
	}
	if n := a.s.Ledger().Credits(); n != 500 {
		t.Errorf("%d credits", n)
	}
	var oracle bytes.Buffer
	if err := a.s.WriteResults(&oracle, "tw-1"); err != nil {
		t.Fatal(err)
	}
	if oracle.String() != strings.Join(st.results, "\n")+"\n" {
		t.Error("the oracle differs from the read")
	}
}

func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
