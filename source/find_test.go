package source

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

func TestFind_NeverBuys(t *testing.T) {
	id := CollectorID("run")
	for name, tt := range map[string]struct {
		prepare func(*account, *memoryJournal) (task string)
		class   Class
		task    string // "" = what prepare returned
		hint    string
	}{
		"nothing at all": {class: ClassExpired, hint: "without --refetch"},
		"an empty collector": {prepare: func(a *account, _ *memoryJournal) string {
			return a.collector(t, id)
		}, class: ClassExpired, hint: "without --refetch"},
		"a foreign collector": {prepare: func(a *account, _ *memoryJournal) string {
			return a.collector(t, id, []byte(`{"queries":[{"id":"q","query":"cats"}]}`)...)
		}, class: ClassForeign},
		"a task without collector": {prepare: func(a *account, _ *memoryJournal) string {
			return a.AddTask(emulator.TaskSpec{Target: id, Processed: 500})
		}, class: ClassExpired, hint: "500 credits"},
		"an unanswered intent": {prepare: func(_ *account, j *memoryJournal) string {
			j.records[intentRecord(1)] = []byte(`{"server_time":"2024-05-01T00:00:00Z"}`)
			return ""
		}, class: ClassAmbiguous},
		"a task": {prepare: func(a *account, _ *memoryJournal) string {
			a.collector(t, id)
			return a.AddTask(emulator.TaskSpec{Target: id, Status: emulator.StatusRunning})
		}},
		"a task that only the journal knows": {prepare: func(a *account, j *memoryJournal) string {
			j.records[TaskRecord] = []byte(`{"id":"gone","target":"` + id + `"}`)
			return a.collector(t, id)
		}, task: "gone"},
		"results without a task": {prepare: func(a *account, _ *memoryJournal) string {
			a.AddResults(id, documents(0, 1)...)
			return ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a, j := newAccount(t, emulator.Config{}), newJournal()
			task := ""
			if tt.prepare != nil {
				task = tt.prepare(a, j)
			}
			if tt.task != "" {
				task = tt.task
			}
			got, err := a.client(t, nil).Find(t.Context(), "run", testRequest(), j)
			checkClass(t, err, tt.class)
			var e *Error
			if errors.As(err, &e) && !strings.Contains(e.Hint, tt.hint) {
				t.Errorf("hint %q", e.Hint)
			}
			if err == nil && (got.Task.ID != task || got.Expires.IsZero() && task != "gone") {
				t.Errorf("got %+v", got)
			}
			if changing := a.Ledger().Changing(); len(changing) > 0 {
				t.Errorf("%+v", changing)
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
			q := newQueue(t, 50, 4)
			q.spoil = tt.spoil
			until := "never"
			if tt.until <= 50 {
				until = q.offset(tt.until)
			}
			cfg := StreamConfig{Collector: "c", From: q.offset(tt.from), Results: int64(tt.from),
				Ending: OffsetReached{Offset: until, Results: int64(tt.results)}, Expires: q.clock.Now().Add(Retention)}
			if tt.from == 0 {
				cfg.From = ""
			}
			q.clock.pass(tt.after)
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
			if calls := q.Ledger().Calls(emulator.EndpointTask); len(calls) > 0 {
				t.Errorf("%+v", calls)
			}
		})
	}
}

// From the fifth day on, by the server's clock, every start says that time is running out, once.
func TestStream_WarnsBeforeResultsAreLost(t *testing.T) {
	for _, tt := range []struct {
		age   time.Duration
		task  bool
		warns bool
		left  string
	}{
		{age: 5*24*time.Hour - time.Minute, task: true},
		{age: 5*24*time.Hour + time.Minute, task: true, warns: true, left: "47h59m"},
		{age: 6 * 24 * time.Hour, task: true, warns: true, left: "24h0m"},
		{age: 6 * 24 * time.Hour, warns: true, left: "24h0m"}, // the task is not known, or not asked for
		{age: 4 * 24 * time.Hour},
	} {
		q := newQueue(t, 10, 2)
		expires := q.clock.Now().Add(Retention)
		q.clock.pass(tt.age)
		var log bytes.Buffer
		c := q.client(t, nil)
		c.log = slog.New(slog.NewTextHandler(&log, nil))
		cfg := StreamConfig{Collector: "c", Expires: expires}
		if tt.task {
			cfg.Ending = TaskDone{ID: q.task}
		}
		if _, _, err := drain(t, c, cfg); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "results expire soon"); n > 1 || (n == 1) != tt.warns || !strings.Contains(log.String(), tt.left) {
			t.Errorf("after %v it was told %d times: %s", tt.age, n, &log)
		}
	}
}
