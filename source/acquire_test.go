package source

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

var errReset = fmt.Errorf("read tcp: %w", syscall.ECONNRESET)

// scripted answers the nth export POST (and optionally other calls) as told.
type scripted struct {
	api   *fakeAPI
	posts []string
	n     int
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	inner := memory{s.api}
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/export") || s.n >= len(s.posts) {
		return inner.RoundTrip(r)
	}
	what := s.posts[s.n]
	s.n++
	answer := func(status int, text string) (*http.Response, error) {
		return memory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, status, text) })}.RoundTrip(r)
	}
	if strings.Contains(what, "created") {
		if resp, err := inner.RoundTrip(r); err != nil || resp.StatusCode != 200 {
			return resp, err
		}
	} else if what != "refused" && what != "no such host" {
		s.api.posts++
	}
	switch strings.TrimSuffix(what, " created") {
	case "refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "no such host":
		return nil, &net.DNSError{Err: "no such host", Name: "api"}
	case "reset":
		return nil, errReset
	case "500":
		return answer(500, envelopeText(1, "boom", ""))
	case "502":
		return answer(502, "<html>bad gateway</html>")
	case "307":
		return answer(307, "")
	case "half":
		return answer(200, `{"status_code":"0","result_tasks":{"ta`)
	case "empty":
		return answer(200, envelopeText(0, "OK", `"result_tasks":{"tasks":[]}`))
	case "other":
		return answer(200, envelopeText(0, "OK", `"result_tasks":{"tasks":[{"id":"x","target":"other","status":"queued"}]}`))
	case "0/500":
		return answer(500, envelopeText(0, "OK", ""))
	case "8":
		return answer(401, envelopeText(8, "limit", ""))
	case "30":
		return answer(429, envelopeText(30, "streams", ""))
	case "429":
		return answer(429, "slow down")
	}
	var code, status int
	if _, err := fmt.Sscanf(what, "%d/%d", &code, &status); err != nil {
		panic(what)
	}
	return answer(status, envelopeText(code, "refused "+testToken, ""))
}

func TestAcquire_EveryOutcomeOfThePost(t *testing.T) {
	tests := []struct {
		posts  []string
		arrive int // POSTs that reach the server
		tasks  int
		class  Class // 0 = acquired
		waits  time.Duration
	}{
		{posts: nil, arrive: 1, tasks: 1},
		{posts: []string{"refused"}, arrive: 1, tasks: 1, waits: 12 * time.Second},
		{posts: []string{"no such host", "refused"}, arrive: 1, tasks: 1},
		{posts: []string{"refused", "refused", "refused", "refused", "refused"}, arrive: 0, tasks: 0, class: ClassUnavailable},
		{posts: []string{"reset created"}, arrive: 1, tasks: 1},
		{posts: []string{"500 created"}, arrive: 1, tasks: 1},
		{posts: []string{"502 created"}, arrive: 1, tasks: 1},
		{posts: []string{"307 created"}, arrive: 1, tasks: 1},
		{posts: []string{"half created"}, arrive: 1, tasks: 1},
		{posts: []string{"empty created"}, arrive: 1, tasks: 1},
		{posts: []string{"other created"}, arrive: 1, tasks: 1},
		{posts: []string{"0/500 created"}, arrive: 1, tasks: 1},
		{posts: []string{"500"}, arrive: 2, tasks: 1, waits: 120 * time.Second},
		{posts: []string{"reset"}, arrive: 2, tasks: 1, waits: 120 * time.Second},
		{posts: []string{"502", "500"}, arrive: 2, tasks: 0, class: ClassAmbiguous},
		{posts: []string{"8"}, arrive: 2, tasks: 1, waits: 12 * time.Second},
		{posts: []string{"30", "429", "8"}, arrive: 4, tasks: 1},
		{posts: []string{"3/400"}, arrive: 1, class: ClassRejected},
		{posts: []string{"4/400"}, arrive: 1, class: ClassRejected},
		{posts: []string{"5/400"}, arrive: 1, class: ClassRejected},
		{posts: []string{"7/401"}, arrive: 1, class: ClassAuth},
		{posts: []string{"9/401"}, arrive: 1, class: ClassCredits},
		{posts: []string{"10/403"}, arrive: 1, class: ClassAuth},
		{posts: []string{"11/403"}, arrive: 1, class: ClassAuth},
		{posts: []string{"12/403"}, arrive: 1, class: ClassAuth},
		{posts: []string{"13/403"}, arrive: 1, class: ClassAuth},
		{posts: []string{"15/404"}, arrive: 1, class: ClassRejected},
		{posts: []string{"17/400"}, arrive: 1, class: ClassRejected},
		{posts: []string{"26/404"}, arrive: 1, class: ClassRejected},
		{posts: []string{"27/403"}, arrive: 1, class: ClassRejected},
		{posts: []string{"29/403"}, arrive: 1, class: ClassAuth},
		{posts: []string{"777/400", "777/400"}, arrive: 2, class: ClassAmbiguous},
		{posts: []string{"24/403", "24/403"}, arrive: 2, class: ClassAmbiguous},
	}
	for _, lag := range []time.Duration{0, 90 * time.Second} {
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.posts, lag), func(t *testing.T) {
				api := newFakeAPI()
				api.lag = lag
				c := api.client(t, &scripted{api: api, posts: tt.posts})
				began := api.clock.Now()
				j := newJournal()
				got, err := c.Acquire(t.Context(), "run", testRequest(), j)
				if api.posts != tt.arrive || len(api.tasks) != tt.tasks {
					t.Errorf("%d posts and %d tasks, want %d and %d", api.posts, len(api.tasks), tt.arrive, tt.tasks)
				}
				checkClass(t, err, tt.class)
				if e := (*Error)(nil); errors.As(err, &e) && e.Class == ClassAmbiguous && e.Retryable {
					t.Errorf("a person is asked, and it would be the same again: %+v", e)
				}
				if err == nil && (got.Task.ID != "task-1" || got.Collector.ID != "tw2p-run" || !got.Expires.Equal(got.Task.Created.Add(retention))) {
					t.Errorf("got %+v", got)
				}
				if waited := api.clock.Now().Sub(began); waited < tt.waits {
					t.Errorf("waited %s, want at least %s", waited, tt.waits)
				} else if tt.posts == nil && waited != 0 {
					t.Errorf("the happy path waited %s", waited)
				}
				if err == nil {
					again, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
					if err != nil || again.Task.ID != "task-1" || !again.Adopted || api.posts != tt.arrive {
						t.Errorf("a second start: %+v, %v, %d posts", again, err, api.posts)
					}
				}
			})
		}
	}
}

func checkClass(t *testing.T, err error, want Class) {
	t.Helper()
	if want == 0 {
		if err != nil {
			t.Errorf("error: %v", err)
		}
		return
	}
	var e *Error
	if !errors.As(err, &e) || e.Class != want {
		t.Errorf("error %v, want class %d", err, want)
	}
	if err != nil {
		checkNoLeak(t, err.Error())
	}
}

func TestAcquire_WhatIsFound(t *testing.T) {
	id := CollectorID("run")
	tests := []struct {
		name    string
		prepare func(*fakeAPI, *memoryJournal)
		class   Class
		posts   int
		check   func(*testing.T, *fakeAPI, Acquired)
	}{
		{name: "a foreign collector", class: ClassForeign, prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id], a.live = a.clock.Now(), true
		}},
		{name: "two tasks", prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			a.tasks = []Task{
				{ID: "younger", Target: id, Status: StatusRunning, Created: a.clock.Now().Add(time.Second)},
				{ID: "older", Target: id, Status: StatusRunning, Created: a.clock.Now()},
				{ID: "foreign", Target: "other", Status: StatusRunning, Created: a.clock.Now().Add(-time.Hour)},
			}
			a.clock.now = a.clock.now.Add(time.Minute)
		}, check: func(t *testing.T, a *fakeAPI, got Acquired) {
			if got.Task.ID != "older" || a.tasks[0].Status != StatusAborted || a.tasks[1].Status != StatusRunning || a.tasks[2].Status != StatusRunning {
				t.Errorf("got %+v, tasks %+v", got.Task, a.tasks)
			}
		}},
		{name: "task without collector", class: ClassExpired, prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.tasks = []Task{{ID: "t", Target: id, Status: StatusFinished, Processed: 500, Created: a.clock.Now()}}
		}},
		{name: "record of a task without collector", class: ClassExpired, prepare: func(_ *fakeAPI, j *memoryJournal) {
			j.records[TaskRecord] = []byte(`{"id":"t","target":"` + id + `"}`)
		}},
		{name: "open intent without collector", class: ClassAmbiguous, prepare: func(_ *fakeAPI, j *memoryJournal) {
			j.records[intentRecord(1)] = []byte(`{"server_time":"2024-05-01T00:00:00Z"}`)
		}},
		{name: "task that is not listed any more", prepare: func(a *fakeAPI, j *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			a.lag = 10000 * time.Hour
			a.tasks = []Task{{ID: "t", Target: id, Status: StatusFinished, Created: a.clock.Now()}}
			j.records[TaskRecord] = []byte(`{"id":"t","target":"` + id + `"}`)
		}, check: func(t *testing.T, _ *fakeAPI, got Acquired) {
			if got.Task.ID != "t" || got.Task.Status != StatusFinished {
				t.Errorf("got %+v", got.Task)
			}
		}},
		{name: "task that is gone, collector there", prepare: func(a *fakeAPI, j *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			j.records[TaskRecord] = []byte(`{"id":"t","target":"` + id + `"}`)
		}, check: func(t *testing.T, _ *fakeAPI, got Acquired) {
			if got.Task.ID != "t" || got.Task.Status != StatusGone {
				t.Errorf("got %+v", got.Task)
			}
		}},
		{name: "results without a task", prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			a.results[id] = resultText(1)
		}, check: func(t *testing.T, _ *fakeAPI, got Acquired) {
			if got.Task.ID != "" || !got.Adopted || got.Collector.ID != id {
				t.Errorf("got %+v", got)
			}
		}},
		{name: "an empty collector and no journal", posts: 1, prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
		}},
		{name: "an unreadable intent", class: ClassForeign, prepare: func(a *fakeAPI, j *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			j.records[intentRecord(1)] = []byte("\x00\x00")
		}},
		{name: "listing fails while looking", class: ClassAmbiguous, prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			lists := 0
			a.script = func(r *http.Request, w http.ResponseWriter) bool {
				if r.URL.Path != tasksPath {
					return false
				}
				if lists++; lists == 1 {
					return false
				}
				reply(w, 500, envelopeText(1, "boom", ""))
				return true
			}
		}},
		{name: "an answer without the list is not an empty list", class: ClassUnavailable, prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.script = func(r *http.Request, w http.ResponseWriter) bool {
				if r.URL.Path == tasksPath {
					reply(w, 200, envelopeText(0, "OK", ""))
					return true
				}
				return false
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api, j := newFakeAPI(), newJournal()
			tt.prepare(api, j)
			got, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
			checkClass(t, err, tt.class)
			if api.posts != tt.posts {
				t.Errorf("%d posts, want %d", api.posts, tt.posts)
			}
			if err == nil && tt.check != nil {
				tt.check(t, api, got)
			}
		})
	}
}

func TestAcquire_LosesTheRaceForAnIntent(t *testing.T) {
	api, j := newFakeAPI(), newJournal()
	api.script = func(r *http.Request, _ http.ResponseWriter) bool {
		if r.Method == http.MethodPut { // somebody else, between our look and our intent
			j.records[intentRecord(1)] = []byte(`{}`)
		}
		return false
	}
	_, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
	checkClass(t, err, ClassLocked)
	if api.posts != 0 {
		t.Errorf("%d posts", api.posts)
	}
}

// crasher kills the process before or after the nth operation on the network or the journal: from then
// on nothing works any more.
type crasher struct {
	api    *fakeAPI
	j      *memoryJournal
	at, n  int
	cancel context.CancelFunc
}

var errCrash = errors.New("crash")

func (x *crasher) step() bool {
	x.n++
	if x.n >= x.at {
		x.cancel()
		return true
	}
	return false
}

func (x *crasher) RoundTrip(r *http.Request) (*http.Response, error) {
	if x.step() {
		return nil, errCrash
	}
	resp, err := memory{x.api}.RoundTrip(r)
	if x.step() {
		return nil, errCrash
	}
	return resp, err
}

func (x *crasher) Put(ctx context.Context, name string, data []byte) error {
	if x.step() {
		return errCrash
	}
	err := x.j.Put(ctx, name, data)
	if x.step() {
		return errCrash
	}
	return err
}

func (x *crasher) Get(ctx context.Context, name string) ([]byte, error) {
	if x.step() {
		return nil, errCrash
	}
	return x.j.Get(ctx, name)
}

func (x *crasher) List(ctx context.Context, prefix string) ([]string, error) {
	if x.step() {
		return nil, errCrash
	}
	return x.j.List(ctx, prefix)
}

func TestAcquire_CrashAnywhereBuysOnce(t *testing.T) {
	for _, lag := range []time.Duration{0, 90 * time.Second} {
		for _, loseJournal := range []bool{false, true} {
			for _, second := range []int{0, 3, 8} { // the next start may crash as well
				for at := 1; ; at++ {
					api, j := newFakeAPI(), newJournal()
					api.lag = lag
					crashed := false
					for _, point := range []int{at, second} {
						if point == 0 {
							continue
						}
						ctx, cancel := context.WithCancel(t.Context())
						x := &crasher{api: api, j: j, at: point, cancel: cancel}
						_, err := api.client(t, x).Acquire(ctx, "run", testRequest(), x)
						cancel()
						crashed = crashed || err != nil && point == at
						if loseJournal {
							j = newJournal()
						}
					}
					got, err := api.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
					if err != nil || got.Task.ID != "task-1" || api.posts != 1 {
						t.Fatalf("lag %s, journal lost %v, crash at %d and %d: %v, task %q, %d posts\n%s\n%s",
							lag, loseJournal, at, second, err, got.Task.ID, api.posts, strings.Join(api.requests, "\n"), j.records)
					}
					if !crashed {
						break
					}
				}
			}
		}
	}
}
