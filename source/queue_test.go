package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// queue is an account with collector c, which holds results, and the task that brought them there. It spoils reads
// as told.
type queue struct {
	*account
	task  string
	spoil func(read int, body []byte) (int, []byte) // status and body sent in the place of body
	reads int                                       // by the client
}

// newQueue makes one with n results and as many between control chunks (0 = only at the end). The task is
// finished.
func newQueue(t testing.TB, n, every int) *queue {
	t.Helper()
	q := emptyQueue(t, emulator.Config{ControlEvery: every})
	q.AddResults("c", documents(0, n)...)
	q.task = q.AddTask(emulator.TaskSpec{Target: "c", Processed: int64(n)})
	return q
}

// runningQueue is one that a task fills while time passes: batch by batch, after a tenth of its time.
func runningQueue(t testing.TB, lasts time.Duration, batch int, docs ...json.RawMessage) *queue {
	t.Helper()
	q := emptyQueue(t, emulator.Config{ControlEvery: 5, TaskDuration: lasts, LimitBatch: batch, Documents: docs})
	task, _, err := q.client(t, nil).post(t.Context(), testRequest(), "c", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.task = task.ID
	return q
}

func emptyQueue(t testing.TB, cfg emulator.Config) *queue {
	t.Helper()
	q := &queue{account: newAccount(t, cfg)}
	q.collector(t, "c")
	return q
}

func documents(from, to int) (docs []json.RawMessage) {
	for n := from; n < to; n++ {
		docs = append(docs, fmt.Appendf(nil, `{"url":"https://example.org/%d","title":"Title \"%d\""}`, n, n))
	}
	return docs
}

// resultText is document n as the emulator sends it, and a newline.
func resultText(n int) string {
	return `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + string(documents(n, n+1)[0]) + "}}}\n"
}

func controlText(offset string) string {
	text, _ := json.Marshal(offset)
	return `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#c#","resume_offset":` + string(text) + `}}` + "\n"
}

func (q *queue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/c/results") {
		q.account.ServeHTTP(w, r)
		return
	}
	q.reads++
	answer := httptest.NewRecorder()
	q.account.ServeHTTP(answer, r)
	maps.Copy(w.Header(), answer.Header())
	status, body := answer.Code, answer.Body.Bytes()
	if q.spoil != nil {
		status, body = q.spoil(q.reads, body)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (q *queue) client(t testing.TB, rt http.RoundTripper) *Client {
	if rt == nil {
		rt = memory{q}
	}
	return q.account.client(t, rt)
}

// whole is what a read with another token answers that may bring n results, from the beginning.
func (q *queue) whole(n int) string {
	q.clock.pass(limitWindow / readCalls) // the limit holds for that token too
	w := httptest.NewRecorder()
	q.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v3/stream/c/c/results?end_behaviour=stop&max_hits=%d&access_token=demo", n), http.NoBody))
	return w.Body.String()
}

// offset is the one behind n results.
func (q *queue) offset(n int) string {
	if n == 0 {
		return earliest
	}
	lines := strings.Split(q.whole(n), "\n")
	var last struct {
		Control struct {
			Offset string `json:"resume_offset"`
		} `json:"chunk_control"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		panic(err)
	}
	return last.Control.Offset
}

func (q *queue) config() StreamConfig {
	return StreamConfig{Collector: "c", Ending: TaskDone{ID: q.task}}
}
