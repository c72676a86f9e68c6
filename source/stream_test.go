package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// drain reads a stream to its end the way a consumer must: what it was given since the last offset is
// thrown away upon ErrRewind, and a new stream opened.
func drain(t testing.TB, c *Client, cfg StreamConfig) (rows []string, rewinds int, err error) {
	t.Helper()
	s := c.Stream(cfg)
	defer func() { _ = s.Close() }()
	sealed, offset := 0, cfg.From
	b := Batch{Raw: make([]byte, 0, 2*readSize)}
	for {
		err := s.Next(t.Context(), &b)
		if errors.Is(err, ErrRewind) {
			if rewinds++; rewinds > 50 {
				t.Fatal("rewinding for ever")
			}
			_ = s.Close()
			rows = rows[:sealed]
			next := cfg
			next.From, next.Results = offset, cfg.Results+int64(sealed)
			s = c.Stream(next)
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && sealed != len(rows) {
				t.Fatalf("the end came with %d of %d results covered by an offset", sealed, len(rows))
			}
			return rows[:sealed], rewinds, err
		}
		if b.First != cfg.Results+int64(len(rows)) {
			t.Fatalf("a batch begins at %d, want %d", b.First, cfg.Results+int64(len(rows)))
		}
		for _, chunk := range b.Chunks {
			rows = append(rows, chunk.Reject+string(b.Raw[chunk.Start:chunk.End])+"\n")
		}
		if b.Offset != "" {
			sealed, offset = len(rows), b.Offset
		} else if len(b.Chunks) == 0 {
			t.Fatal("a batch without anything")
		}
	}
}

func checkRows(t testing.TB, rows []string, from, to int) {
	t.Helper()
	if len(rows) != to-from {
		t.Fatalf("%d rows, want %d", len(rows), to-from)
	}
	for i, row := range rows {
		if row != resultText(from+i) {
			t.Fatalf("row %d is %s", from+i, row)
		}
	}
}

func TestStream_ReadsOnceWhenTheCountAgrees(t *testing.T) {
	for _, every := range []int{0, 1, 7} {
		q := newQueue(t, 50, every)
		rows, _, err := drain(t, q.client(t, nil), q.config())
		if !errors.Is(err, io.EOF) || q.reads != 1 {
			t.Errorf("%v after %d reads", err, q.reads)
		}
		checkRows(t, rows, 0, 50)
	}
	q := newQueue(t, 0, 0)
	if rows, _, err := drain(t, q.client(t, nil), q.config()); !errors.Is(err, io.EOF) || len(rows) != 0 || q.reads != 1 {
		t.Errorf("an empty export: %v, %d rows, %d reads", err, len(rows), q.reads)
	}
	q = newQueue(t, 50, 5)
	q.task = q.AddTask(emulator.TaskSpec{Target: "c", Processed: 60})
	if _, _, err := drain(t, q.client(t, nil), q.config()); !errors.Is(err, io.EOF) || q.reads != 3 {
		t.Errorf("a count that is too high: %v after %d reads, want two more to confirm", err, q.reads)
	}
	q = newQueue(t, 50, 5)
	cfg := q.config()
	cfg.From, cfg.Results = q.offset(20), 20
	rows, _, err := drain(t, q.client(t, nil), cfg)
	if !errors.Is(err, io.EOF) || q.reads != 1 {
		t.Errorf("resumed: %v after %d reads", err, q.reads)
	}
	checkRows(t, rows, 20, 50)
}

func TestStream_CutAtEveryByteLosesAndDoublesNothing(t *testing.T) {
	for _, every := range []int{0, 1, 4} {
		for _, limits := range []BatchLimits{{}, {TargetRows: 3, MaxRows: 100}, {TargetRows: 2, MaxRows: 3}} {
			whole := newQueue(t, 12, every).whole(12)
			stride := 1
			if every != 4 || limits != (BatchLimits{}) {
				stride = 7 // other cadences and limits change batches, and nothing about bytes
			}
			for k := 0; k <= len(whole); k += stride {
				q := newQueue(t, 12, every)
				q.spoil = func(read int, body []byte) (int, []byte) {
					if read == 1 || read == 3 {
						return 200, body[:min(k, len(body))]
					}
					return 200, body
				}
				cfg := q.config()
				cfg.Limits = limits
				rows, _, err := drain(t, q.client(t, nil), cfg)
				if !errors.Is(err, io.EOF) {
					t.Fatalf("every %d, %+v, cut at %d: %v", every, limits, k, err)
				}
				checkRows(t, rows, 0, 12)
			}
		}
	}
}

// Answers that end properly right behind their first control chunk look as if nothing were left. Two of
// them in a row are believed; between these, results come, each time by a read that then breaks.
func TestStream_EmptyReadsAreNotInARowWhenResultsComeBetween(t *testing.T) {
	q := newQueue(t, 7, 1)
	q.spoil = func(read int, body []byte) (int, []byte) {
		lines := bytes.SplitAfter(body, []byte("\n"))
		if read%2 == 1 || len(lines) < 4 {
			return 200, lines[0]
		}
		return 200, append(bytes.Join(lines[:3], nil), lines[3][:len(lines[3])/2]...)
	}
	rows, _, err := drain(t, q.client(t, memory{q}), q.config())
	if !errors.Is(err, io.EOF) || len(rows) != 7 {
		t.Fatalf("%d of 7 results: %v", len(rows), err)
	}
}

func TestStream_Limits(t *testing.T) {
	q := newQueue(t, 100, 10)
	s := q.client(t, nil).Stream(StreamConfig{Collector: "c", Ending: TaskDone{ID: q.task}, Limits: BatchLimits{TargetRows: 26, MaxRows: 1000}})
	defer func() { _ = s.Close() }()
	var got []string
	var b Batch
	for s.Next(t.Context(), &b) == nil {
		got = append(got, fmt.Sprintf("%d %d %s", b.First, len(b.Chunks), b.Offset))
	}
	want := fmt.Sprint([]string{"0 30 " + q.offset(30), "30 30 " + q.offset(60), "60 30 " + q.offset(90), "90 10 " + q.offset(100)})
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	q = newQueue(t, 100, 0)
	s = q.client(t, nil).Stream(StreamConfig{Collector: "c", Ending: TaskDone{ID: q.task}, Limits: BatchLimits{MaxRows: 50}})
	defer func() { _ = s.Close() }()
	got = nil
	for s.Next(t.Context(), &b) == nil {
		got = append(got, fmt.Sprintf("%d %d %s", b.First, len(b.Chunks), b.Offset))
	}
	if want := fmt.Sprint([]string{"0 50 ", "50 50 ", "100 0 " + q.offset(100)}); fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if st := s.Stats(); st.Results != 100 || st.Reads != 1 || st.Controls != 2 || st.Bytes == 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestStream_WhatIsWrongInside(t *testing.T) {
	insert := func(read int, text string) func(int, []byte) (int, []byte) {
		return func(n int, body []byte) (int, []byte) {
			if n > read {
				return 200, body
			}
			lines := bytes.SplitAfter(body, []byte("\n"))
			at := len(lines) / 2
			return 200, bytes.Join(append(append(append([][]byte{}, lines[:at]...), []byte(text)), lines[at:]...), nil)
		}
	}
	replace := func(read, status int, text string) func(int, []byte) (int, []byte) {
		return func(n int, body []byte) (int, []byte) {
			if n > read {
				return 200, body
			}
			return status, []byte(text)
		}
	}
	ctError := func(inner string) string { return `{"chunk_type":"CT_ERROR","chunk_error":` + inner + "}\n" }
	always := 1 << 30
	tests := []struct {
		name  string
		spoil func(int, []byte) (int, []byte)
		class Class // 0 = all is read
		reads int
	}{
		{"an unknown chunk", insert(always, `{"chunk_type":"CT_NEWS"}`+"\n"), 0, 1},
		{"an error without a code, once", insert(1, ctError(`{"oops":"x"}`)), 0, 2},
		{"code 25, once", insert(1, ctError(`{"status_code":"25"}`)), 0, 2},
		{"code 24", insert(always, ctError(`{"status_code":"24"}`)), ClassLocked, 1},
		{"code 9", insert(always, ctError(`{"code":9}`)), ClassCredits, 1},
		{"code 7", insert(always, ctError(`{"code":"7"}`)), ClassAuth, 1},
		{"code 1, once", insert(1, ctError(`{"code":1}`)), 0, 2},
		{"an error, always first", replace(always, 200, controlText("earliest")+ctError(`{"oops":"`+testToken+`"}`)), ClassStream, 5},
		{"an envelope inside", insert(1, envelopeText(8, "limit", "")+"\n"), 0, 2},
		{"a rate limit", replace(2, 401, envelopeText(8, "limit", "")), 0, 3},
		{"a bare 429", replace(1, 429, "slow down"), 0, 2},
		{"a rate limit for ever", replace(always, 401, envelopeText(8, "limit", "")), ClassUnavailable, 0},
		{"too many streams, twice", replace(2, 429, envelopeText(30, "streams", "")), 0, 3},
		{"502, twice", replace(2, 502, "<html>"), 0, 3},
		{"502 for ever", replace(always, 502, "<html>"+testToken), ClassUnavailable, callAttempts},
		{"HTML with 200, once", replace(1, 200, "<html>\n<body>\n</html>\n"), 0, 2},
		{"HTML with 200 for ever", replace(always, 200, "<html>"), ClassUnavailable, callAttempts},
		{"a wrong token", replace(always, 401, envelopeText(7, "token", "")), ClassAuth, 1},
		{"no collector", replace(always, 404, envelopeText(15, "no", "")), ClassExpired, 1},
		{"an empty body", replace(always, 200, ""), ClassStream, 5},
		{"only results", replace(always, 200, resultText(1)), ClassStream, 5},
		{"offset with a line break", replace(always, 200, resultText(0)+controlText("a\nb")), ClassStream, 5},
		{"offset too long", replace(always, 200, resultText(0)+controlText(strings.Repeat("x", maxOffset+1))), ClassStream, 5},
		{"offset with the token", replace(always, 200, resultText(0)+controlText("x"+testToken)), ClassStream, 5},
		{"no offset", replace(always, 200, resultText(0)+controlText("")), ClassStream, 5},
		{"an offset that does not move", replace(always, 200, controlText("earliest")+resultText(0)+controlText("earliest")), ClassStream, 5},
		{"offsets in a circle", func(read int, _ []byte) (int, []byte) {
			return 200, []byte(resultText(0) + controlText([]string{"a", "b"}[read%2]))
		}, ClassStream, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newQueue(t, 20, 3)
			q.spoil = tt.spoil
			rows, _, err := drain(t, q.client(t, nil), q.config())
			if tt.reads > 0 && q.reads != tt.reads {
				t.Errorf("%d reads, want %d", q.reads, tt.reads)
			}
			if tt.class != 0 {
				checkClass(t, err, tt.class)
				return
			}
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			checkRows(t, rows, 0, 20)
		})
	}
}

func TestStream_RejectsAreCounted(t *testing.T) {
	q := newQueue(t, 10, 2)
	q.spoil = func(_ int, body []byte) (int, []byte) {
		return 200, bytes.Replace(body, []byte(resultText(4)), []byte(resultText(4)[:60]+"\n"), 1)
	}
	rows, _, err := drain(t, q.client(t, nil), q.config())
	if !errors.Is(err, io.EOF) || len(rows) != 10 || !strings.HasPrefix(rows[4], "broken") || rows[5] != resultText(5) {
		t.Errorf("%v, %q", err, rows)
	}
}

// What is kept of bytes that are not a result must not hold the token that they may quote.
func TestStream_RejectsHoldNoToken(t *testing.T) {
	q := newQueue(t, 10, 2)
	page := `<a href="/x?access_token=` + url.QueryEscape(testToken) + `">` + testToken + "</a>\n"
	q.spoil = func(_ int, body []byte) (int, []byte) {
		return 200, bytes.Replace(body, []byte(resultText(4)), []byte(resultText(4)+page), 1)
	}
	rows, _, err := drain(t, q.client(t, nil), q.config())
	if !errors.Is(err, io.EOF) || len(rows) != 11 || rows[4] != resultText(4) || !strings.Contains(rows[5], `<a href="/x?access_token=***`) {
		t.Errorf("%v, %q", err, rows)
	}
	checkNoLeak(t, strings.Join(rows, ""))
}

func TestStream_FollowsARunningTask(t *testing.T) {
	q := runningQueue(t, 200*time.Second, 10, documents(0, 30)...)
	var seen []Status
	cfg := q.config()
	cfg.Ending = TaskDone{ID: q.task, OnTask: func(task Task) { seen = append(seen, task.Status) }}
	rows, _, err := drain(t, q.client(t, nil), cfg)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	checkRows(t, rows, 0, 30)
	if q.reads < 2 || q.reads > 4 {
		t.Errorf("%d reads: want some while it runs, and few", q.reads)
	}
	if len(seen) < 4 || seen[0] != StatusQueued || seen[len(seen)-1] != StatusFinished {
		t.Errorf("statuses %v", seen)
	}
}

// A second task, bought by somebody in the same moment, may fill the collector too. Then a read that began
// before the task's end can bring as many results as the task counts in the end, and yet not all of them.
func TestStream_BelievesTheCountOnlyOfAReadBegunAfterTheEnd(t *testing.T) {
	q := runningQueue(t, 1000*time.Second, 8, documents(2, 12)...)
	q.AddResults("c", documents(0, 2)...) // the second task's; then eight of ours, for three minutes
	rows, _, err := drain(t, q.client(t, nil), q.config())
	if !errors.Is(err, io.EOF) || q.reads != 3 {
		t.Fatalf("%v after %d reads, want one before the end and two behind it", err, q.reads)
	}
	checkRows(t, rows, 0, 12)
}

func TestStream_TaskIsGone(t *testing.T) {
	q := newQueue(t, 10, 2)
	q.task = "gone"
	s := q.client(t, nil).Stream(q.config())
	defer func() { _ = s.Close() }()
	var b Batch
	n := 0
	err := s.Next(t.Context(), &b)
	for ; err == nil; err = s.Next(t.Context(), &b) {
		n += len(b.Chunks)
	}
	if !errors.Is(err, io.EOF) || n != 10 || s.Task().Status != StatusGone || q.reads != 2 {
		t.Errorf("%v, %d rows, %s, %d reads", err, n, s.Task().Status, q.reads)
	}
}

func TestStream_ATaskThatNeverEndsIsNotWaitedForForEver(t *testing.T) {
	for _, status := range []Status{StatusRunning, StatusQueued, "brand_new"} {
		q := newQueue(t, 10, 2)
		q.task = q.AddTask(emulator.TaskSpec{Target: "c", Status: string(status), Processed: 10})
		rows, _, err := drain(t, q.client(t, nil), q.config())
		checkClass(t, err, ClassUnavailable)
		if len(rows) != 10 || q.reads != 1 {
			t.Errorf("%s: %d rows in %d reads", status, len(rows), q.reads)
		}
	}
}

func TestStream_WithoutATask(t *testing.T) {
	q := newQueue(t, 10, 2)
	c := q.client(t, nil)
	rows, _, err := drain(t, c, StreamConfig{Collector: "c"})
	if !errors.Is(err, io.EOF) || len(rows) != 10 || q.reads != 2 {
		t.Errorf("%v, %d rows, %d reads", err, len(rows), q.reads)
	}
	began := q.clock.Now()
	_, _, err = drain(t, c, StreamConfig{Collector: "c", Ending: Quiet{For: 2 * time.Minute}})
	if !errors.Is(err, io.EOF) || q.clock.Now().Sub(began) < 2*time.Minute {
		t.Errorf("%v after %s", err, q.clock.Now().Sub(began))
	}
	rows, _, err = drain(t, c, StreamConfig{Collector: "other"})
	checkClass(t, err, ClassRejected)
	if len(rows) != 0 || !errors.Is(err, ErrNotFound) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestStream_Expired(t *testing.T) {
	q := emptyQueue(t, emulator.Config{})
	q.task = q.AddTask(emulator.TaskSpec{Target: "c", Processed: 25})
	q.clock.pass(2 * 24 * time.Hour)
	q.AddResults("c", documents(0, 10)...) // these will be left
	q.clock.pass(6 * 24 * time.Hour)
	rows, _, err := drain(t, q.client(t, nil), q.config())
	checkClass(t, err, ClassExpired)
	if len(rows) != 10 || err == nil || !strings.Contains(err.Error(), "10 of 25") {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestStream_Cancelled(t *testing.T) {
	q := newQueue(t, 10, 4)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q.spoil = func(_ int, body []byte) (int, []byte) {
		cancel()
		return 200, body[:len(body)-100]
	}
	s := q.client(t, nil).Stream(q.config())
	defer func() { _ = s.Close() }()
	var b Batch
	if err := s.Next(ctx, &b); err != nil || len(b.Chunks) != 8 || b.Offset != q.offset(8) {
		t.Errorf("%v, %d chunks, %q: want what is covered by an offset", err, len(b.Chunks), b.Offset)
	}
	for range 2 {
		if err := s.Next(ctx, &b); !errors.Is(err, context.Canceled) || len(b.Chunks) != 0 {
			t.Errorf("then %v", err)
		}
	}
}
