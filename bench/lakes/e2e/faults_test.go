package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tw2parquet/bench/lakes/servers"
)

// kind is what a request to S3 is about.
func kind(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "begin"
	case r.Method == http.MethodPost:
		return "complete"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "part"
	case r.Method == http.MethodPut:
		return "put"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "abort"
	case r.Method == http.MethodDelete:
		return "delete"
	case q.Has("uploads"):
		return "uploads"
	case q.Has("list-type"):
		return "list"
	}
	return "get"
}

// ofData tells whether a request is about a data file, and not about a record or the probe.
func ofData(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".parquet") }

// answer is an error of S3.
func answer(status int, code string) servers.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made by a test</Message><RequestId>test-request</RequestId></Error>`, code)
	}
}

// reset cuts the connection before the store hears of the request.
func reset(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// slowly forwards a request and keeps the answer back.
func slowly(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	forward.ServeHTTP(w, r)
}

// halfway forwards half of a body, and cuts the connection.
func halfway(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	panic(http.ErrAbortHandler)
}

// fault happens to requests of a kind about data files, from the first on, for so many of them.
type fault struct {
	kind  string // "": all
	first int64  // 0: the first
	times int64
	what  servers.Fault
	all   bool // to records, too

	large bool // files of several parts
	codes []int
	error string // error.code where it fails
}

func (f fault) hook() (hook servers.Fault, happened *atomic.Int64) {
	var seen atomic.Int64
	happened = &atomic.Int64{}
	var begun atomic.Bool // records come before
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if ofData(r) && kind(r) != "get" {
			begun.Store(true)
		}
		if (f.all && begun.Load() || ofData(r)) && (f.kind == "" || f.kind == kind(r)) {
			if n := seen.Add(1) - 1; n >= f.first && n < f.first+f.times {
				happened.Add(1)
				f.what(w, r, forward)
				return
			}
		}
		forward.ServeHTTP(w, r)
	}, happened
}

const always = 1 << 40

// Whatever a store does in the middle of a run: the exit code tells, and after a run again everything is as it is on a
// disk: each result once, paid once.
func TestFaults(t *testing.T) {
	slow, expired := answer(http.StatusServiceUnavailable, "SlowDown"), answer(http.StatusForbidden, "ExpiredToken")
	denied, conflict := answer(http.StatusForbidden, "AccessDenied"), answer(http.StatusConflict, "ConditionalRequestConflict")
	inside := answer(http.StatusOK, "InternalError")
	fine, unavailable := []int{0}, []int{50}
	for name, f := range map[string]fault{
		"put, answer lost":           {kind: "put", times: 1, what: servers.Lose, codes: fine},
		"second put, answer lost":    {kind: "put", first: 1, times: 1, what: servers.Lose, codes: fine},
		"part, answer lost":          {kind: "part", first: 1, times: 1, what: servers.Lose, large: true, codes: fine},
		"complete, answer lost":      {kind: "complete", times: 1, what: servers.Lose, large: true, codes: fine},
		"begin, answer lost":         {kind: "begin", times: 1, what: servers.Lose, large: true, codes: fine},
		"every answer lost once":     {times: 12, what: servers.Lose, all: true, codes: fine},
		"a storm of SlowDown":        {times: 20, what: slow, all: true, codes: fine},
		"SlowDown for parts":         {kind: "part", times: 9, what: slow, large: true, codes: fine},
		"SlowDown for ever":          {times: always, what: slow, all: true, codes: unavailable, error: "store_unavailable"},
		"SlowDown for ever, large":   {times: always, what: slow, large: true, codes: unavailable, error: "store_unavailable"},
		"resets between parts":       {kind: "part", first: 1, times: 4, what: reset, large: true, codes: fine},
		"a part is cut":              {kind: "part", times: 1, what: halfway, large: true, codes: fine},
		"resets of puts":             {kind: "put", times: 3, what: reset, codes: fine},
		"resets for ever":            {times: always, what: reset, all: true, codes: unavailable, error: "store_unavailable"},
		"409 for a put":              {kind: "put", times: 2, what: conflict, codes: fine},
		"409 for a complete":         {kind: "complete", times: 2, what: conflict, large: true, codes: fine},
		"200 with an error":          {kind: "complete", times: 1, what: inside, large: true, codes: fine},
		"200 with an error for ever": {kind: "complete", times: always, what: inside, large: true, codes: unavailable, error: "store_unavailable"},
		"expired, renewed":           {times: 2, what: expired, all: true, codes: fine},
		"expired":                    {times: always, what: expired, all: true, codes: unavailable, error: "store_expired"},
		"expired parts":              {kind: "part", first: 1, times: always, what: expired, large: true, codes: unavailable, error: "store_expired"},
		"denied":                     {kind: "put", times: always, what: denied, codes: unavailable, error: "store_denied"},
		"denied complete":            {kind: "complete", times: always, what: denied, large: true, codes: unavailable, error: "store_denied"},
		"slow part":                  {kind: "part", times: 1, what: slowly, large: true, codes: fine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, a, args := trial(t, f.large)
			hook, happened := f.hook()
			l.proxy.Hook(hook)
			e := a.launch(args...).end()
			l.proxy.Hook(nil)
			if happened.Load() == 0 {
				t.Fatalf("the fault did not happen: %s", e)
			}
			if e.code != f.codes[0] {
				t.Errorf("want %v: %s", f.codes, e)
			}
			if e.code != 0 {
				retryable := f.error == "store_unavailable" || f.error == "store_expired"
				if got := e.result.Error; got.Code != f.error || got.Retryable != retryable || got.Hint == "" {
					t.Errorf("the error is %+v; want %s, retryable %v", got, f.error, retryable)
				}
			}
			a.expectBeginning(l)
			a.expectWhole(l, a.through(args...))
			if f.kind != "begin" && f.error == "" {
				if open := l.uploads(); len(open) > 0 {
					t.Errorf("uploads are open: %q", open)
				}
			}
		})
	}
}

// trial is an export on S3, and its arguments.
func trial(t *testing.T, big bool) (*lake, *account, []string) {
	t.Helper()
	l, cfg := onS3(t), few()
	if big {
		cfg = large()
	}
	a := serve(t, cfg)
	a.env = l.env
	return l, a, a.export(l.out)
}
