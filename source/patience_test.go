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
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/source/emulator"
)

// closed answers calls to one place with a status and Retry-After until its time, and notes when they came.
type closed struct {
	*account
	method, suffix string // of a task's path without its id
	task           string
	until          time.Time
	status         int
	after          func(now time.Time) string
	came           []time.Time // by the server's clock
	early          int         // calls before the time that an answer named
	open           time.Time   // named by the last answer
}

func (c *closed) serve(r *http.Request, w http.ResponseWriter) bool {
	if r.Method != c.method || !strings.HasSuffix(strings.TrimSuffix(r.URL.Path, c.task), c.suffix) {
		return false
	}
	now := c.clock.Now()
	c.came = append(c.came, now)
	if now.Before(c.open) {
		c.early++
	}
	if !now.Before(c.until) {
		return false
	}
	w.Header().Set("Date", now.Format(http.TimeFormat))
	w.Header().Set("Retry-After", c.after(now))
	reply(w, c.status, "<html>maintenance</html>")
	return true
}

// closedFor makes such an API. wait is what its answers ask for.
func closedFor(t testing.TB, method, suffix string, status int, closedFor, wait time.Duration, asDate bool) *closed {
	c := &closed{account: newAccount(t, emulator.Config{}), method: method, suffix: suffix, status: status}
	c.until = c.clock.Now().Add(closedFor)
	c.after = func(now time.Time) string {
		c.open = now.Add(wait)
		if asDate {
			return c.open.UTC().Format(http.TimeFormat)
		}
		return fmt.Sprint(int(wait / time.Second))
	}
	c.script = c.serve
	return c
}

// Every call that is tried again waits as long as the server asks for, and no call comes earlier.
func TestRetryAfter_IsHonouredByEveryCall(t *testing.T) {
	for name, tt := range map[string]struct {
		method, suffix string
		status         int
		call           func(context.Context, *Client, *closed) error
	}{
		"task poll": {"GET", tasksPath + "/", 503, func(ctx context.Context, api *Client, c *closed) error {
			c.collector(t, "c")
			c.task = c.AddTask(emulator.TaskSpec{Target: "c"})
			_, _, err := drain(t, api, StreamConfig{Collector: "c", Ending: TaskDone{ID: c.task}})
			return ended(err)
		}},
		"read": {"GET", "/c/results", 503, func(ctx context.Context, api *Client, c *closed) error {
			c.collector(t, "c")
			_, _, err := drain(t, api, StreamConfig{Collector: "c"})
			return ended(err)
		}},
		"read, 429": {"GET", "/c/results", 429, func(ctx context.Context, api *Client, c *closed) error {
			c.collector(t, "c")
			_, _, err := drain(t, api, StreamConfig{Collector: "c"})
			return ended(err)
		}},
		"tasks": {"GET", tasksPath, 503, func(ctx context.Context, api *Client, _ *closed) error { _, err := api.Tasks(ctx); return err }},
		"collector": {"GET", "/stream/c/c", 429, func(ctx context.Context, api *Client, c *closed) error {
			c.collector(t, "c")
			_, err := api.Collector(ctx, "c")
			return err
		}},
		"abort": {"DELETE", tasksPath + "/", 502, func(ctx context.Context, api *Client, c *closed) error {
			c.task = c.AddTask(emulator.TaskSpec{Status: emulator.StatusRunning})
			_, err := api.AbortTask(ctx, c.task)
			return err
		}},
		"creating":        {"PUT", "/" + CollectorID("run"), 503, buyOne},
		"buying":          {"POST", "/export", 429, buyOne},
		"buying, unclear": {"POST", "/export", 503, buyOne},
	} {
		for _, asDate := range []bool{false, true} {
			for _, wait := range []time.Duration{2 * time.Minute, 9 * time.Minute} {
				t.Run(fmt.Sprint(name, asDate, wait), func(t *testing.T) {
					c := closedFor(t, tt.method, tt.suffix, tt.status, wait, wait, asDate)
					began := c.clock.Now()
					if err := tt.call(t.Context(), c.client(t, nil), c); err != nil {
						t.Fatal(err)
					}
					took := c.clock.Now().Sub(began)
					if c.early > 0 || len(c.came) < 2 || took < wait || took > wait+2*time.Minute {
						t.Errorf("%d calls, %d of them early, in %s", len(c.came), c.early, took)
					}
				})
			}
		}
	}
}

func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("the stream ended with %w", err)
}

func buyOne(ctx context.Context, api *Client, c *closed) error {
	got, err := api.Acquire(ctx, "run", testRequest(), newJournal())
	if tasks := c.Ledger().Tasks; err == nil && (len(tasks) != 1 || got.Task.ID != tasks[0].ID) {
		return fmt.Errorf("bought %v, took %v", tasks, got.Task)
	}
	return err
}

// A server that never opens is waited for as long as a rate limit; one that asks for more is left alone at once.
func TestRetryAfter_IsBounded(t *testing.T) {
	for _, tt := range []struct {
		after       string
		least, most time.Duration
		calls       int // 0: any number
		hint        string
	}{
		{"120", 8 * time.Minute, limitBudget, 0, "2m0s"},
		{"1", limitBudget - time.Minute, limitBudget + time.Minute, 0, ""},
		{"601", 0, 0, 1, "10m1s"},
		{"3600", 0, 0, 1, "1h0m0s"},
		{"999999999999999999999999", 0, 0, 1, "8760h0m0s"},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 0, 0, 1, "8760h0m0s"},
		// What asks for nothing leaves all as it is.
		{"0", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
		{"", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
		{"-5", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
		{"soon", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
		{"1.5", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
		{"Sat, 01 Jun 2019 00:00:00 GMT", 15 * time.Second, 2 * time.Minute, callAttempts, ""},
	} {
		for _, read := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.after, read), func(t *testing.T) {
				c := closedFor(t, "GET", "", 503, 1000*time.Hour, 0, false)
				c.after = func(time.Time) string { return tt.after }
				began := c.clock.Now()
				api := c.client(t, nil)
				var err error
				if read {
					_, _, err = drain(t, api, StreamConfig{Collector: "c"})
				} else {
					_, err = api.Projects(t.Context())
				}
				checkClass(t, err, ClassUnavailable)
				var e *Error
				took := c.clock.Now().Sub(began)
				if !errors.As(err, &e) || !e.Retryable || !strings.Contains(e.Hint, tt.hint) || took < tt.least || took > tt.most || tt.calls > 0 && len(c.came) != tt.calls {
					t.Errorf("%+v after %s and %d calls", e, took, len(c.came))
				}
				if len(c.came) > 25 {
					t.Errorf("%d calls", len(c.came))
				}
			})
		}
	}
	c := closedFor(t, "POST", "/export", 429, 1000*time.Hour, time.Hour, false)
	began := c.clock.Now()
	err := buyOne(t.Context(), c.client(t, nil), c)
	checkClass(t, err, ClassUnavailable)
	if took := c.clock.Now().Sub(began); len(c.came) != 1 || took > time.Minute {
		t.Errorf("%d POSTs in %s: %v", len(c.came), took, err)
	}
}

// A date is compared with the server's own, however wrong ours is.
func TestRetryAfter_GoesByTheServersClock(t *testing.T) {
	clock, quiet := newFakeClock(), slog.New(slog.DiscardHandler)
	c := &Client{pacer: pacer{clock: clock, server: &serverTime{clock: clock, log: quiet}, log: quiet}}
	at := func(date, after string) time.Duration {
		return c.retryAfter(http.Header{"Date": {date}, "Retry-After": {after}})
	}
	if got := at("Tue, 03 Jan 2034 10:00:00 GMT", "Tue, 03 Jan 2034 10:02:00 GMT"); got != 2*time.Minute {
		t.Errorf("the answer's own date: %s", got)
	}
	if got := at("", c.clock.Now().Add(time.Minute).Format(http.TimeFormat)); got != time.Minute {
		t.Errorf("no date: %s", got)
	}
	c.server.note(http.Header{"Date": {"Tue, 03 Jan 2034 10:00:00 GMT"}})
	if got := at("", "Tuesday, 03-Jan-34 10:03:00 GMT"); got != 3*time.Minute {
		t.Errorf("the date of an earlier answer: %s", got)
	}
}

// What one call is told holds for all that go to the same place, it is told once each, and a stop ends it.
func TestRetryAfter_HoldsAllCallsAndCanBeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var early, calls int
		var log bytes.Buffer
		c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Transport: memory{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if calls++; calls == 1 {
					w.Header().Set("Retry-After", "300")
					reply(w, 503, "")
					return
				}
				if time.Since(began) < 300*time.Second {
					early++
				}
				reply(w, 200, envelopeText(0, "OK", `"result_accinfo":{"projects":[]}`))
			})}})
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan error, 1)
		go func() { _, err := c.Projects(t.Context()); first <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Projects(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("stopped: %v after %s", err, time.Since(began))
		}
		if _, err := c.Projects(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if early > 0 || calls != 3 || strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "asks to wait") {
			t.Errorf("%d calls, %d early: %s", calls, early, &log)
		}
	})
}

// A server whose clock was never set is not believed, and ours is not blamed.
func TestServerTime_ThatCannotBeRightIsIgnored(t *testing.T) {
	for _, date := range []string{"Thu, 01 Jan 1970 00:00:07 GMT", "Tue, 01 Jan 1980 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"} {
		at, err := http.ParseTime(date)
		if err != nil {
			t.Fatal(err)
		}
		a, local := newAccount(t, emulator.Config{Now: func() time.Time { return at }}), newFakeClock()
		var log bytes.Buffer
		c, err := New(Config{BaseURL: "http://127.0.0.1:1", Token: testSecret, Transport: memory{a}, Clock: local,
			Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Acquire(t.Context(), "run", testRequest(), newJournal())
		if n := a.Ledger().ExportPosts(); err != nil || n != 1 {
			t.Errorf("%s: %v after %d POSTs", date, err, n)
		}
		if !c.server.now().Equal(local.Now()) {
			t.Errorf("%s: the time is %s", date, c.server.now())
		}
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "server's clock cannot be right") || strings.Contains(text, "local clock differs") {
			t.Errorf("%s: told %s", date, text)
		}
	}
}
