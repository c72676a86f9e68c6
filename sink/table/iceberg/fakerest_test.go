package iceberg

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"
)

// fakeREST is a catalog with one table, behind the REST protocol. Requests fail as they are told to.
type fakeREST struct {
	t   *testing.T
	url string
	at  string // where the table is to lie

	mu      sync.Mutex
	meta    icebergtable.Metadata // nil: no table yet
	commits int                   // that took place
	// fault is asked before each request that changes anything, and again after it took place. A status above 0 is the
	// answer; below 0 there is none.
	fault func(r *http.Request, done bool) int
	token string // that is asked for; "" for none
}

func newFakeREST(t *testing.T, at string) *fakeREST {
	f := &fakeREST{t: t, at: at, fault: func(*http.Request, bool) int { return 0 }}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fakeREST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		f.answer(w, http.StatusUnauthorized, nil)
		return
	}
	if r.Method == http.MethodPost {
		if status := f.fault(r, false); status != 0 {
			f.fail(w, r, status)
			return
		}
	}
	status, body := f.serve(r)
	if r.Method == http.MethodPost && status == http.StatusOK {
		if other := f.fault(r, true); other != 0 {
			f.fail(w, r, other)
			return
		}
	}
	f.answer(w, status, body)
}

func (f *fakeREST) serve(r *http.Request) (int, any) {
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/config":
		return http.StatusOK, map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{}}
	case "POST /v1/namespaces":
		return http.StatusOK, map[string]any{"namespace": []string{"docs"}}
	case "GET /v1/namespaces/docs/tables/talkwalker":
		if f.meta == nil {
			return http.StatusNotFound, nil
		}
		return http.StatusOK, f.table()
	case "POST /v1/namespaces/docs/tables":
		if f.meta != nil {
			return http.StatusConflict, nil
		}
		var asked struct {
			Schema     *lib.Schema       `json:"schema"`
			Properties map[string]string `json:"properties"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			f.t.Error(err)
		}
		meta, err := icebergtable.NewMetadata(asked.Schema, lib.UnpartitionedSpec, icebergtable.UnsortedSortOrder, f.at, asked.Properties)
		if err != nil {
			f.t.Error(err)
		}
		f.meta = meta
		return http.StatusOK, f.table()
	case "POST /v1/namespaces/docs/tables/talkwalker":
		return f.commit(r)
	}
	f.t.Errorf("unexpected request: %s %s", r.Method, r.URL)
	return http.StatusNotFound, nil
}

func (f *fakeREST) commit(r *http.Request) (int, any) {
	var asked struct {
		Requirements icebergtable.Requirements `json:"requirements"`
		Updates      icebergtable.Updates      `json:"updates"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		f.t.Error(err)
	}
	for _, q := range asked.Requirements {
		if q.Validate(f.meta) != nil {
			return http.StatusConflict, nil
		}
	}
	meta, err := icebergtable.UpdateTableMetadata(f.meta, asked.Updates, "memory:before")
	if err != nil {
		f.t.Error(err)
		return http.StatusBadRequest, nil
	}
	f.meta = meta
	f.commits++
	return http.StatusOK, f.table()
}

func (f *fakeREST) table() any {
	return map[string]any{"metadata-location": "memory:now", "metadata": f.meta, "config": map[string]string{}}
}

// fail answers with a status, or ends the connection without an answer.
func (f *fakeREST) fail(w http.ResponseWriter, r *http.Request, status int) {
	if status > 0 {
		f.answer(w, status, nil)
		return
	}
	panic(http.ErrAbortHandler)
}

func (f *fakeREST) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if body == nil {
		body = map[string]any{"error": map[string]any{"message": "as the test wants it", "type": "TestException", "code": status}}
	}
	text, err := jsonText(body)
	if err != nil {
		f.t.Error(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may be gone
}
