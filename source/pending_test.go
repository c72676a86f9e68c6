package source

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// A task of an hour that is waited for until some time: what it has brought by then is read, and nothing is waited
// for. Whoever comes later reads the rest.
func TestTaskDone_EndsAsPendingWhenItsTimeIsOver(t *testing.T) {
	for name, wait := range map[string]time.Duration{"not waiting": 0, "half of it": 30 * time.Minute, "nearly all": 59 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			q := runningQueue(t, time.Hour, 10, documents(0, 100)...)
			c := q.client(t, nil)
			began := q.clock.Now()
			rows, _, err := drain(t, c, StreamConfig{Collector: "c", Ending: TaskDone{ID: q.task, Until: began.Add(wait)}})
			checkClass(t, err, ClassPending)
			var e *Error
			if !errors.As(err, &e) || !e.Retryable || e.Hint == "" {
				t.Errorf("%+v", e)
			}
			if took := q.clock.Now().Sub(began); took < wait || took > wait+2*time.Minute {
				t.Errorf("it took %s, want %s and at most two reads more", took, wait)
			}
			if got, exported := int64(len(rows)), int64(strings.Count(q.whole(1000), "CT_RESULT")); got > exported || exported-got > 10 {
				t.Errorf("%d rows of %d exported", got, exported)
			}
			q.clock.pass(time.Hour)
			rest, _, err := drain(t, c, StreamConfig{Collector: "c", From: q.offset(len(rows)), Results: int64(len(rows)), Ending: TaskDone{ID: q.task, Until: q.clock.Now()}})
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			checkRows(t, append(rows, rest...), 0, 100)
			if n := len(q.Ledger().Tasks); n != 1 {
				t.Errorf("%d tasks", n)
			}
		})
	}
}
