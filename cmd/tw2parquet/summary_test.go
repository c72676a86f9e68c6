package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Of many windows those are shown that need a person, and how to go on is said once for each kind of failure.
func TestSummary_OfManyWindows(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	r := newResult()
	r.Out = "lake"
	for i := range 40 {
		day := time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC)
		w := windowResult{Start: rfc3339(day), Stop: rfc3339(day.AddDate(0, 0, 1)), Run: fmt.Sprint("run", i), Rows: 1000, Files: []string{"window_start=x/part"}, Bytes: 1 << 20, Credits: 1000}
		if i%2 == 0 && i < 32 {
			w.Error = &resultError{Code: "truncated", Message: "ended \x1b[2Jat its limit", Hint: fmt.Sprintf("it counts; after `tw2parquet drop lake run%d` it is bought again; elsewhere: tw2parquet export --query 'a b%d'", i, i)}
		}
		if i == 39 {
			w.Error = &resultError{Code: "stopped", Message: "stopped", Hint: hintStopped}
		}
		r.add(w)
	}
	o := outcome{Code: exitTruncated, Name: "truncated", Message: "window 1", Hint: "as below"}
	r.settle(o)
	for _, told := range []bool{true, false} {
		s := &summary{result: r, outcome: o, columns: 80, told: told}
		text := s.head() + s.windows() + s.failures() + s.where()
		for says, n := range map[string]int{
			"Complete up to the limit (exit 41, truncated): 40 windows, 40,000 rows, 40\nfiles": 1, "40.0 MiB, 40,000 credits in all": 1,
			"\nand 28 windows, 4 of them failed\n": 1, "it counts; after": 1, "\nand 4 more failed; --output json has them\n": 1,
			"    tw2parquet drop lake run": 12, "    tw2parquet export --query 'a b": 12, "ended \\x1b[2Jat its limit": 12, "window 1": 0, "stopped": 0,
		} {
			if strings.Count(text, says) != n {
				t.Errorf("told %v: %d times %q, want %d", told, strings.Count(text, says), says, n)
			}
		}
		if t.Failed() {
			t.Fatal(text)
		}
	}
}

// What went wrong is said once, wherever the error line went, and no screen is too narrow.
func TestSummary_SaysTheErrorOnce(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	window := windowResult{Start: "2024-01-01T00:00:00Z", Stop: "2024-02-01T00:00:00Z", Files: []string{}}
	failed := window
	failed.Error = &resultError{Code: "task", Message: "the task failed", Hint: "look: tw2parquet tasks list"}
	for _, c := range []struct {
		windows []windowResult
		told    bool
		message int
	}{
		{nil, false, 1}, {[]windowResult{window}, false, 1}, {[]windowResult{failed}, false, 1}, {[]windowResult{failed, window}, true, 0},
		{[]windowResult{failed, failed}, true, 2}, {[]windowResult{failed, failed}, false, 2},
	} {
		o := outcome{Code: exitTask, Name: "task", Message: "the task failed", Hint: "look: tw2parquet tasks list"}
		r := newResult()
		for _, w := range c.windows {
			r.add(w)
		}
		r.settle(o)
		for _, columns := range []int{1, 7, 40, 80, 200} {
			s := &summary{result: r, outcome: o, columns: columns, told: c.told}
			text := s.head() + s.windows() + s.failures() + s.notes() + s.where()
			if n := strings.Count(text, "the task failed"); columns >= 40 && n != c.message || !strings.Contains(text, "    tw2parquet tasks list\n") {
				t.Errorf("%d windows, told %v, %d columns: %d times in\n%s", len(c.windows), c.told, columns, n, text)
			}
		}
	}
}
