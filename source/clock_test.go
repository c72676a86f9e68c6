package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// setClock is the clock of a machine on which somebody sets the time: each look at it finds the next of
// jumps, and time passes as it does in a bubble.
type setClock struct {
	realClock
	start time.Time // what it shows when the bubble's clock shows began
	began time.Time
	jumps []time.Duration
	looks atomic.Int64
}

// set makes a clock that starts at a time, in a bubble. now is from outside: times of a bubble have no
// monotonic reading, by which the code under test has to go.
func set(now, start time.Time, jumps ...time.Duration) *setClock {
	return &setClock{start: jumped(now, start.Sub(now)), began: time.Now(), jumps: jumps}
}

func (c *setClock) Now() time.Time {
	now := c.start.Add(time.Since(c.began)) // moves both readings
	return jumped(now, c.jumps[int(c.looks.Add(1))%len(c.jumps)])
}

// jumped is t as time.Now returns it after the machine's clock was set: another time of day, and the same
// monotonic reading. Nothing but time.Now makes such a time, so its seconds are changed in place; they are
// bits 30 to 62 of its first word.
func jumped(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << 30
	return t
}

// jumps are hours and days, forwards and back.
func jumps() []time.Duration {
	return []time.Duration{0, time.Hour, -time.Hour, 240 * time.Hour, -240 * time.Hour}
}

func TestJumped(t *testing.T) {
	for _, by := range jumps() {
		now := time.Now()
		then := jumped(now, by)
		if then.Sub(now) != 0 || then.Unix() != now.Add(by).Unix() {
			t.Errorf("%v: %v became %v", by, now, then)
		}
	}
}

// ticking lets the server's clock run with the bubble's.
type ticking struct {
	api   *fakeAPI
	start time.Time // what it shows when the bubble's clock shows began
	began time.Time
	next  http.RoundTripper
}

func (c ticking) RoundTrip(r *http.Request) (*http.Response, error) {
	c.api.mu.Lock()
	c.api.clock.now = c.start.Add(time.Since(c.began))
	c.api.mu.Unlock()
	return c.next.RoundTrip(r)
}

func clocked(t *testing.T, api *fakeAPI, next http.RoundTripper, clock Clock, log io.Writer) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Transport: ticking{api, api.clock.Now(), time.Now(), next},
		Clock: clock, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A purchase that has to be settled, an hour of waiting for the task, and reading: on a machine whose clock
// jumps all the time they take as long as elsewhere, and end in the same way.
func TestClock_MayJumpDuringARun(t *testing.T) {
	now := time.Now()
	for name, jumps := range map[string][]time.Duration{"steady": {0}, "wild": jumps()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, began := newFakeAPI(), time.Now()
				api.script = func(*http.Request, http.ResponseWriter) bool {
					for i := range api.tasks {
						task := &api.tasks[i]
						if task.Status = StatusRunning; api.clock.Now().Sub(task.Created) > time.Hour {
							task.Status, task.Processed = StatusFinished, 20
							api.results[task.Target] = strings.Repeat(resultText(1), 20)
						}
					}
					return false
				}
				var log bytes.Buffer
				c := clocked(t, api, &scripted{api: api, posts: []string{"500"}}, set(now, now, jumps...), &log)
				got, err := c.Acquire(t.Context(), "run", testRequest(), newJournal())
				settled := time.Since(began)
				if err != nil || api.posts != 2 || settled < defaultSettle || settled > defaultSettle+30*time.Second {
					t.Fatalf("%v, %d posts after %s", err, api.posts, settled)
				}
				rows, _, err := drain(t, c, StreamConfig{Collector: got.Collector.ID, Ending: TaskDone{ID: got.Task.ID}, Expires: got.Expires})
				if !errors.Is(err, io.EOF) || len(rows) != 20 || len(api.tasks) != 1 {
					t.Errorf("%v, %d rows, %d tasks", err, len(rows), len(api.tasks))
				}
				if took := time.Since(began) - settled; took < time.Hour || took > time.Hour+2*pollLast {
					t.Errorf("it was waited for %s", took)
				}
				if strings.Contains(log.String(), "results expire soon") || strings.Count(log.String(), "clock differs") != 1 {
					t.Errorf("told: %s", &log)
				}
			})
		})
	}
}

// A task that stands still is given up after the same time, and the calls of a minute stay five.
func TestClock_MayJumpWhileWaiting(t *testing.T) {
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		q, began := newQueue(10, 2), time.Now()
		q.tasks[0].Status = StatusRunning
		_, _, err := drain(t, clocked(t, q.fakeAPI, memory{q}, set(now, now, jumps()...), io.Discard), StreamConfig{Collector: "c", Ending: TaskDone{ID: "t"}})
		checkClass(t, err, ClassUnavailable)
		if took := time.Since(began); took < maxStandstill || took > maxStandstill+2*pollLast {
			t.Errorf("it was waited for %s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		l := newLimiter(set(now, now, jumps()...), readCalls, limitWindow)
		for range 3*readCalls + 1 {
			answered, _, err := l.wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			answered()
		}
		if took := time.Since(began); took != 3*limitWindow {
			t.Errorf("%d calls took %s", 3*readCalls+1, took)
		}
	})
}

// When results are about to be lost, or are, is told by the server's clock alone.
func TestClock_OfTheServerDecidesAboutRetention(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		age   time.Duration
		left  string // "" = nothing is said
		class Class
	}{
		{age: 4 * 24 * time.Hour},
		{age: 6 * 24 * time.Hour, left: "24h0m0s"},
		{age: 8 * 24 * time.Hour, left: "0s", class: ClassExpired},
	} {
		for _, by := range jumps() {
			t.Run(fmt.Sprint(tt.age, by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := newQueue(10, 2)
					q.tasks[0].Created, q.tasks[0].Processed = q.clock.Now().Add(-tt.age), 25
					var log bytes.Buffer
					c := clocked(t, q.fakeAPI, memory{q}, set(now, q.clock.Now(), by), &log)
					rows, _, err := drain(t, c, q.config())
					if tt.class != 0 {
						checkClass(t, err, tt.class)
					} else if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					if warned := strings.Contains(log.String(), "retention_left="); len(rows) != 10 || warned != (tt.left != "") || !strings.Contains(log.String(), tt.left) {
						t.Errorf("%d rows, told: %s", len(rows), &log)
					}
				})
			})
		}
	}
}

// A start finds a POST without an answer that an earlier one may have sent, and its own clock set differently:
// it waits for what is left of the settling time by the server's clock, no less and no more.
func TestClock_MayJumpBetweenStarts(t *testing.T) {
	now := time.Now()
	for _, age := range []time.Duration{10 * time.Second, time.Hour, -time.Hour} { // the last: the server's was set back
		for _, by := range jumps() {
			t.Run(fmt.Sprint(age, by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api, j, began := newFakeAPI(), newJournal(), time.Now()
					sent := api.clock.Now().Add(-age)
					api.collectors[CollectorID("run")] = sent.Add(-time.Second)
					j.records[intentRecord(1)] = []byte(`{"attempt":"x","server_time":"` + sent.UTC().Format(time.RFC3339) + `"}`)
					c := clocked(t, api, memory{api}, set(now, api.clock.Now(), by), io.Discard)
					got, err := c.Acquire(t.Context(), "run", testRequest(), j)
					if err != nil || got.Adopted || api.posts != 1 {
						t.Errorf("%v, %d posts, %+v", err, api.posts, got.Task)
					}
					want := min(max(0, defaultSettle-age), defaultSettle)
					if took := time.Since(began); took < want || took > want+30*time.Second {
						t.Errorf("it took %s, want %s and a look into the collector", took, want)
					}
				})
			})
		}
	}
}

// A local clock that is days ahead takes a range for one that is over. The server's clock does not, and nothing
// is bought or changed; a minute more or less does not matter.
func TestClock_OfTheServerSaysWhatIsOver(t *testing.T) {
	for _, existing := range []bool{false, true} {
		for left, class := range map[time.Duration]Class{-time.Hour: 0, 30 * time.Second: 0, 10 * time.Minute: ClassUsage, 240 * time.Hour: ClassUsage} {
			api, req := newFakeAPI(), testRequest()
			if existing {
				api.collectors[CollectorID("run")] = api.clock.Now()
			}
			req.Stop = api.clock.Now().Add(left)
			_, err := api.client(t, nil).Acquire(t.Context(), "run", req, newJournal())
			if class == 0 && err == nil && api.posts == 1 {
				continue
			}
			checkClass(t, err, class)
			for _, r := range api.requests {
				if !strings.HasPrefix(r, "GET ") {
					t.Errorf("%v before the stop: %s", left, r)
				}
			}
		}
	}
}
