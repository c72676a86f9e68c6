package source

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFind_NeverBuys(t *testing.T) {
	id := CollectorID("run")
	for name, tt := range map[string]struct {
		prepare func(*fakeAPI, *memoryJournal)
		class   Class
		task    string
		hint    string
	}{
		"nothing at all": {prepare: func(*fakeAPI, *memoryJournal) {}, class: ClassExpired, hint: "without --refetch"},
		"an empty collector": {prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
		}, class: ClassExpired, hint: "without --refetch"},
		"a foreign collector": {prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id], a.live = a.clock.Now(), true
		}, class: ClassForeign},
		"a task without collector": {prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.tasks = []Task{{ID: "t", Target: id, Status: StatusFinished, Processed: 500, Created: a.clock.Now()}}
		}, class: ClassExpired, hint: "500 credits"},
		"an unanswered intent": {prepare: func(_ *fakeAPI, j *memoryJournal) {
			j.records[intentRecord(1)] = []byte(`{"server_time":"2024-05-01T00:00:00Z"}`)
		}, class: ClassAmbiguous},
		"a task": {prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			a.tasks = []Task{{ID: "t", Target: id, Status: StatusRunning, Created: a.clock.Now()}}
		}, task: "t"},
		"a task that only the journal knows": {prepare: func(a *fakeAPI, j *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			j.records[TaskRecord] = []byte(`{"id":"gone","target":"` + id + `"}`)
		}, task: "gone"},
		"results without a task": {prepare: func(a *fakeAPI, _ *memoryJournal) {
			a.collectors[id] = a.clock.Now()
			a.results[id] = resultText(1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			api, j := newFakeAPI(), newJournal()
			tt.prepare(api, j)
			got, err := api.client(t, nil).Find(t.Context(), "run", testRequest(), j)
			checkClass(t, err, tt.class)
			var e *Error
			if errors.As(err, &e) && !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("hint %q", e.Hint)
			}
			if err == nil && (got.Task.ID != tt.task || got.Expires.IsZero() && tt.task != "gone") {
				t.Errorf("got %+v", got)
			}
			for _, r := range api.requests {
				if !strings.HasPrefix(r, "GET ") {
					t.Errorf("%s", r)
				}
			}
		})
	}
}

func TestStream_Until(t *testing.T) {
	for name, tt := range map[string]struct {
		from, until, results int
		class                Class
		replay               bool
		spoil                func(read int, body []byte) (int, []byte)
		after                time.Duration
	}{
		"a middle piece":          {from: 8, until: 24, results: 24},
		"from the beginning":      {from: 0, until: 12, results: 12},
		"up to the end":           {from: 36, until: 50, results: 50},
		"an offset in between":    {from: 8, until: 23, results: 24, replay: true},
		"more than there were":    {from: 8, until: 24, results: 20, replay: true},
		"less than there were":    {from: 8, until: 24, results: 28, replay: true},
		"an offset never reached": {from: 8, until: 999, results: 999, replay: true},
		"expired on the way":      {from: 8, until: 999, results: 999, class: ClassExpired, after: 8 * 24 * time.Hour},
		"cut at every read": {from: 8, until: 44, results: 44, spoil: func(_ int, body []byte) (int, []byte) {
			return 200, body[:min(len(body), 1500)]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(50, 4)
			q.spoil = tt.spoil
			expires := q.clock.Now().Add(retention)
			q.clock.now = q.clock.now.Add(tt.after)
			cfg := StreamConfig{Collector: "c", From: offsetOf(tt.from), Results: int64(tt.from),
				Ending: OffsetReached{Offset: offsetOf(tt.until), Results: int64(tt.results)}, Expires: expires}
			if tt.from == 0 {
				cfg.From = ""
			}
			rows, _, err := drain(t, q.client(t, nil), cfg)
			switch {
			case tt.replay:
				if !errors.Is(err, ErrReplay) {
					t.Errorf("got %v", err)
				}
			case tt.class != 0:
				checkClass(t, err, tt.class)
			default:
				if !errors.Is(err, io.EOF) {
					t.Errorf("got %v", err)
				}
				checkRows(t, rows, tt.from, tt.until)
			}
			for _, r := range q.requests {
				if strings.Contains(r, "/tasks/") {
					t.Errorf("%s", r)
				}
			}
		})
	}
}

// From the fifth day on, by the server's clock, every start says that time is running out, once.
func TestStream_WarnsBeforeResultsAreLost(t *testing.T) {
	for _, tt := range []struct {
		age   time.Duration
		task  string
		warns bool
		left  string
	}{
		{age: 5*24*time.Hour - time.Minute, task: "t"},
		{age: 5*24*time.Hour + time.Minute, task: "t", warns: true, left: "47h59m"},
		{age: 6 * 24 * time.Hour, task: "t", warns: true, left: "24h0m"},
		{age: 6 * 24 * time.Hour, warns: true, left: "24h0m"}, // the task is not known, or not asked for
		{age: 4 * 24 * time.Hour},
	} {
		q := newQueue(10, 2)
		expires := q.clock.Now().Add(retention)
		q.clock.now = q.clock.now.Add(tt.age)
		var log bytes.Buffer
		c := q.client(t, nil)
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		cfg := StreamConfig{Collector: "c", Expires: expires}
		if tt.task != "" {
			cfg.Ending = TaskDone{ID: tt.task}
		}
		if _, _, err := drain(t, c, cfg); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "results expire soon"); n > 1 || (n == 1) != tt.warns || !strings.Contains(log.String(), tt.left) {
			t.Errorf("after %v it was told %d times: %s", tt.age, n, &log)
		}
	}
}
