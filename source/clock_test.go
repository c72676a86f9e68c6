package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"tw2parquet/source/emulator"
)

// fakeClock never waits: a sleep moves it on. Its timers never fire.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
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
	c.pass(d)
	return nil
}

func (c *fakeClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fakeClock) AfterFunc(time.Duration, func()) Timer { return deadTimer{} }

type deadTimer struct{}

func (deadTimer) Stop() bool               { return true }
func (deadTimer) Reset(time.Duration) bool { return true }

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

// ticking is a clock of a server that runs with the bubble's.
func ticking() func() time.Time {
	began := time.Now()
	return func() time.Time { return newFakeClock().now.Add(time.Since(began)) }
}

func clocked(t *testing.T, rt http.RoundTripper, clock Clock, log io.Writer) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Transport: rt,
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
				began := time.Now()
				a := newAccount(t, emulator.Config{Now: ticking(), TaskDuration: time.Hour, Documents: documents(0, 20)})
				var log bytes.Buffer
				c := clocked(t, posts(a, 0, "1/500"), set(now, now, jumps...), &log)
				got, err := c.Acquire(t.Context(), "run", testRequest(), newJournal())
				settled := time.Since(began)
				if n := a.Ledger().ExportPosts(); err != nil || n != 2 || settled < defaultSettle || settled > defaultSettle+30*time.Second {
					t.Fatalf("%v, %d posts after %s", err, n, settled)
				}
				rows, _, err := drain(t, c, StreamConfig{Collector: got.Collector.ID, Ending: TaskDone{ID: got.Task.ID}, Expires: got.Expires})
				if l := a.Ledger(); !errors.Is(err, io.EOF) || len(rows) != 20 || len(l.Tasks) != 1 || l.Credits() != 20 {
					t.Errorf("%v, %d rows, %d tasks, %d credits", err, len(rows), len(l.Tasks), l.Credits())
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
		began := time.Now()
		q := emptyQueue(t, emulator.Config{Now: ticking()})
		q.AddResults("c", documents(0, 10)...)
		q.task = q.AddTask(emulator.TaskSpec{Target: "c", Status: emulator.StatusRunning, Processed: 10})
		_, _, err := drain(t, clocked(t, memory{q}, set(now, now, jumps()...), io.Discard), q.config())
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
		rows  int
		class Class
	}{
		{age: 4 * 24 * time.Hour, rows: 10},
		{age: 6 * 24 * time.Hour, rows: 10, left: "24h0m0s"},
		{age: 8 * 24 * time.Hour, left: "0s", class: ClassExpired},
	} {
		for _, by := range jumps() {
			t.Run(fmt.Sprint(tt.age, by), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := emptyQueue(t, emulator.Config{Now: ticking()})
					q.AddResults("c", documents(0, 10)...)
					q.task = q.AddTask(emulator.TaskSpec{Target: "c", Processed: 10})
					q.Advance(tt.age)
					var log bytes.Buffer
					c := clocked(t, memory{q}, set(now, q.Now(), by), &log)
					rows, _, err := drain(t, c, q.config())
					if tt.class != 0 {
						checkClass(t, err, tt.class)
					} else if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					if warned := strings.Contains(log.String(), "retention_left="); len(rows) != tt.rows || warned != (tt.left != "") || !strings.Contains(log.String(), tt.left) {
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
					a, j, began := newAccount(t, emulator.Config{Now: ticking()}), newJournal(), time.Now()
					sent := a.Now().Add(-age)
					if err := a.AddCollector(CollectorID("run"), sent.Add(-time.Second), nil); err != nil {
						t.Fatal(err)
					}
					j.records[intentRecord(1)] = []byte(`{"attempt":"x","server_time":"` + sent.UTC().Format(time.RFC3339) + `"}`)
					got, err := clocked(t, memory{a}, set(now, a.Now(), by), io.Discard).Acquire(t.Context(), "run", testRequest(), j)
					if n := a.Ledger().ExportPosts(); err != nil || got.Adopted || n != 1 {
						t.Errorf("%v, %d posts, %+v", err, n, got.Task)
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
			a, req := newAccount(t, emulator.Config{}), testRequest()
			if existing {
				a.collector(t, CollectorID("run"))
			}
			req.Stop = a.clock.Now().Add(left)
			_, err := a.client(t, nil).Acquire(t.Context(), "run", req, newJournal())
			checkClass(t, err, class)
			if l := a.Ledger(); class == 0 && l.ExportPosts() != 1 || class != 0 && len(l.Changing()) > 0 {
				t.Errorf("%v before the stop: %+v", left, l.Changing())
			}
		}
	}
}
