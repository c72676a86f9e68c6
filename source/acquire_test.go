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

	"tw2parquet/source/emulator"
)

// posts is a transport on which the export POSTs fare as told, each as one of the list; those behind it succeed.
// A task is listed after lag.
func posts(a *account, lag time.Duration, list ...string) http.RoundTripper {
	var rules []emulator.Rule
	p := &dialling{next: memory{a}}
	for _, what := range list {
		name, created := strings.CutSuffix(what, " created")
		switch name {
		case "refused":
			p.fails = append(p.fails, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
			continue
		case "no such host":
			p.fails = append(p.fails, &net.DNSError{Err: "no such host", Name: "api"})
			continue
		}
		rule := emulator.Rule{Endpoint: emulator.EndpointExport, Nth: len(rules) + 1, Hide: emulator.Duration(lag), Respond: answerTo(name)}
		if rule.Respond != nil {
			rule.Respond.After = created
		} else if rule.Drop = "before"; created {
			rule.Drop = "after"
		}
		rules = append(rules, rule)
	}
	a.SetFaults(faults(append(rules, emulator.Rule{Endpoint: emulator.EndpointExport, Hide: emulator.Duration(lag)})...))
	return p
}

// answerTo is an answer to the POST by its name, nil for none.
func answerTo(name string) *emulator.Respond {
	body := func(status int, text string) *emulator.Respond { return &emulator.Respond{HTTP: status, Body: &text} }
	switch name {
	case "reset":
		return nil
	case "502":
		return body(502, "<html>bad gateway</html>")
	case "307":
		return body(307, "")
	case "429":
		return body(429, "slow down")
	case "half":
		return body(200, `{"status_code":"0","result_tasks":{"ta`)
	case "empty":
		return body(200, envelopeText(0, "OK", `"result_tasks":{"tasks":[]}`))
	case "other":
		return body(200, envelopeText(0, "OK", `"result_tasks":{"tasks":[{"id":"x","target":"other","status":"queued"}]}`))
	}
	r := &emulator.Respond{Message: "refused " + testToken}
	if _, err := fmt.Sscanf(name, "%d/%d", &r.Code, &r.HTTP); err != nil {
		panic(name)
	}
	return r
}

// dialling is a transport whose first POSTs find nobody.
type dialling struct {
	next  http.RoundTripper
	fails []error
}

func (d *dialling) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && len(d.fails) > 0 {
		err := d.fails[0]
		d.fails = d.fails[1:]
		return nil, err
	}
	return d.next.RoundTrip(r)
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
		{posts: []string{"1/500 created"}, arrive: 1, tasks: 1},
		{posts: []string{"502 created"}, arrive: 1, tasks: 1},
		{posts: []string{"307 created"}, arrive: 1, tasks: 1},
		{posts: []string{"half created"}, arrive: 1, tasks: 1},
		{posts: []string{"empty created"}, arrive: 1, tasks: 1},
		{posts: []string{"other created"}, arrive: 1, tasks: 1},
		{posts: []string{"0/500 created"}, arrive: 1, tasks: 1},
		{posts: []string{"1/500"}, arrive: 2, tasks: 1, waits: 120 * time.Second},
		{posts: []string{"reset"}, arrive: 2, tasks: 1, waits: 120 * time.Second},
		{posts: []string{"502", "1/500"}, arrive: 2, tasks: 0, class: ClassAmbiguous},
		{posts: []string{"8/401"}, arrive: 2, tasks: 1, waits: 12 * time.Second},
		{posts: []string{"30/429", "429", "8/401"}, arrive: 4, tasks: 1},
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
				a, j := newAccount(t, emulator.Config{}), newJournal()
				began := a.clock.Now()
				got, err := a.client(t, posts(a, lag, tt.posts...)).Acquire(t.Context(), "run", testRequest(), j)
				l := a.Ledger()
				if l.ExportPosts() != tt.arrive || len(l.Tasks) != tt.tasks {
					t.Errorf("%d posts and %d tasks, want %d and %d", l.ExportPosts(), len(l.Tasks), tt.arrive, tt.tasks)
				}
				checkClass(t, err, tt.class)
				if e := (*Error)(nil); errors.As(err, &e) && e.Class == ClassAmbiguous && e.Retryable {
					t.Errorf("a person is asked, and it would be the same again: %+v", e)
				}
				if err == nil && (got.Task.ID != l.Tasks[0].ID || got.Collector.ID != "tw2p-run" || !got.Expires.Equal(got.Task.Created.Add(Retention))) {
					t.Errorf("got %+v", got)
				}
				if waited := a.clock.Now().Sub(began); waited < tt.waits {
					t.Errorf("waited %s, want at least %s", waited, tt.waits)
				} else if tt.posts == nil && waited != 0 {
					t.Errorf("the happy path waited %s", waited)
				}
				if err == nil {
					again, err := a.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
					if n := a.Ledger().ExportPosts(); err != nil || again.Task.ID != got.Task.ID || !again.Adopted || n != tt.arrive {
						t.Errorf("a second start: %+v, %v, %d posts", again, err, n)
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
	id, younger := CollectorID("run"), ""
	tests := []struct {
		name    string
		prepare func(*account, *memoryJournal) (task string) // that will be read
		class   Class
		posts   int
		status  Status
		aborts  int
	}{
		{name: "a foreign collector", class: ClassForeign, prepare: func(a *account, _ *memoryJournal) string {
			return a.collector(t, id, []byte(`{"queries":[{"id":"q","query":"cats"}]}`)...)
		}},
		{name: "two tasks", status: StatusRunning, aborts: 1, prepare: func(a *account, _ *memoryJournal) string {
			a.collector(t, id)
			task := func(target string, age time.Duration) string {
				return a.AddTask(emulator.TaskSpec{Target: target, Status: emulator.StatusRunning, Created: a.Now().Add(-age)})
			}
			younger = task(id, time.Minute)
			older := task(id, time.Minute+time.Second)
			task("other", time.Hour)
			return older
		}},
		{name: "task without collector", class: ClassExpired, prepare: func(a *account, _ *memoryJournal) string {
			return a.AddTask(emulator.TaskSpec{Target: id, Processed: 500})
		}},
		{name: "record of a task without collector", class: ClassExpired, prepare: func(_ *account, j *memoryJournal) string {
			j.records[TaskRecord] = []byte(`{"id":"t","target":"` + id + `"}`)
			return ""
		}},
		{name: "open intent without collector", class: ClassAmbiguous, prepare: func(_ *account, j *memoryJournal) string {
			j.records[intentRecord(1)] = []byte(`{"server_time":"2024-05-01T00:00:00Z"}`)
			return ""
		}},
		{name: "task that is not listed any more", status: StatusFinished, prepare: func(a *account, j *memoryJournal) string {
			a.collector(t, id)
			task := a.AddTask(emulator.TaskSpec{Target: id})
			listed := envelopeText(0, "OK", `"result_tasks":{"tasks":[]}`)
			a.SetFaults(faults(emulator.Rule{Endpoint: emulator.EndpointTasks, Respond: &emulator.Respond{Body: &listed}}))
			j.records[TaskRecord] = []byte(`{"id":"` + task + `","target":"` + id + `"}`)
			return task
		}},
		{name: "task that is gone, collector there", status: StatusGone, prepare: func(a *account, j *memoryJournal) string {
			a.collector(t, id)
			j.records[TaskRecord] = []byte(`{"id":"t","target":"` + id + `"}`)
			return "t"
		}},
		{name: "results without a task", prepare: func(a *account, _ *memoryJournal) string {
			a.AddResults(id, documents(0, 1)...)
			return ""
		}},
		{name: "an empty collector and no journal", posts: 1, status: StatusQueued, prepare: func(a *account, _ *memoryJournal) string {
			return a.collector(t, id)
		}},
		{name: "an unreadable intent", class: ClassForeign, prepare: func(a *account, j *memoryJournal) string {
			j.records[intentRecord(1)] = []byte("\x00\x00")
			return a.collector(t, id)
		}},
		{name: "listing fails while looking", class: ClassAmbiguous, prepare: func(a *account, _ *memoryJournal) string {
			a.SetFaults(faults(emulator.Rule{Endpoint: emulator.EndpointTasks, From: 2, Respond: &emulator.Respond{Code: 1}}))
			return a.collector(t, id)
		}},
		{name: "an answer without the list is not an empty list", class: ClassUnavailable, prepare: func(a *account, _ *memoryJournal) string {
			unlisted := envelopeText(0, "OK", "")
			a.SetFaults(faults(emulator.Rule{Endpoint: emulator.EndpointTasks, Respond: &emulator.Respond{Body: &unlisted}}))
			return ""
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, j := newAccount(t, emulator.Config{}), newJournal()
			task := tt.prepare(a, j)
			got, err := a.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
			checkClass(t, err, tt.class)
			l := a.Ledger()
			if l.ExportPosts() != tt.posts {
				t.Errorf("%d posts, want %d", l.ExportPosts(), tt.posts)
			}
			if aborts := l.Calls(emulator.EndpointTaskDelete); len(aborts) != tt.aborts || tt.aborts > 0 && aborts[0].Path != tasksPath+"/"+younger {
				t.Errorf("aborted: %+v", aborts)
			}
			if err != nil {
				return
			}
			if tt.posts > 0 {
				task = l.Tasks[0].ID
			}
			if got.Task.ID != task || got.Task.Status != tt.status || got.Collector.ID != id || got.Adopted != (tt.posts == 0) {
				t.Errorf("got %+v, want task %q", got, task)
			}
		})
	}
}

func TestAcquire_LosesTheRaceForAnIntent(t *testing.T) {
	a, j := newAccount(t, emulator.Config{}), newJournal()
	a.script = func(r *http.Request, _ http.ResponseWriter) bool {
		if r.Method == http.MethodPut { // somebody else, between our look and our intent
			j.records[intentRecord(1)] = []byte(`{}`)
		}
		return false
	}
	_, err := a.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
	checkClass(t, err, ClassLocked)
	if n := a.Ledger().ExportPosts(); n != 0 {
		t.Errorf("%d posts", n)
	}
}

// crasher kills the process before or after the nth operation on the network or the journal: from then
// on nothing works any more.
type crasher struct {
	api    http.RoundTripper
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
	resp, err := x.api.RoundTrip(r)
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
					a, j := newAccount(t, emulator.Config{}), newJournal()
					api := posts(a, lag)
					crashed := false
					for _, point := range []int{at, second} {
						if point == 0 {
							continue
						}
						ctx, cancel := context.WithCancel(t.Context())
						x := &crasher{api: api, j: j, at: point, cancel: cancel}
						_, err := a.client(t, x).Acquire(ctx, "run", testRequest(), x)
						cancel()
						crashed = crashed || err != nil && point == at
						if loseJournal {
							j = newJournal()
						}
					}
					got, err := a.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
					l := a.Ledger()
					if err != nil || len(l.Tasks) != 1 || got.Task.ID != l.Tasks[0].ID || l.ExportPosts() != 1 {
						t.Fatalf("lag %s, journal lost %v, crash at %d and %d: %v, task %q, %d posts\n%+v\n%s",
							lag, loseJournal, at, second, err, got.Task.ID, l.ExportPosts(), l.Requests, j.records)
					}
					if !crashed {
						break
					}
				}
			}
		}
	}
}
