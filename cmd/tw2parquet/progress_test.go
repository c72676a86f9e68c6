package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

const (
	aRun    = "nc65zsn2jbknkscfscg4mtke4g"
	aTask   = "b216e237-2106-4fd3-845f-5ddb398fb586"
	aFile   = "window_start=2024-01-01/part-" + aRun + "-00000.parquet"
	aNumber = 6820 // results of a window
)

// watched is a run of three windows on a terminal of that width, which a test's clock moves.
type watched struct {
	*progress
	*glass
	clock time.Time
}

func watch(t *testing.T, columns int, format, mode string) *watched {
	t.Helper()
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("TERM", "xterm")
	w := &watched{glass: &glass{t: t, columns: columns, lines: [][]rune{nil}}, clock: time.Now()}
	a := &app{globals: &globals{Progress: mode}, screen: newScreen(w.glass, true)}
	a.screen.columns = func() int { return columns }
	a.stderr = a.screen.port(w.glass, true)
	a.setLog(format, "info")
	w.progress = a.newProgress(3)
	w.now = func() time.Time { return w.clock }
	w.began, w.last = w.clock, w.clock
	return w
}

func (w *watched) after(d time.Duration, e pipeline.Event) {
	w.clock = w.clock.Add(d)
	w.observe(pipeline.Window{Run: aRun, Request: source.Request{Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Limit: 20000}}, e)
}

// A bug in the display ends the display, and nothing else.
func TestProgress_BugEndsTheDisplayAlone(t *testing.T) {
	w := watch(t, 80, "text", "on")
	tried, now := make(chan struct{}), w.now
	w.now = func() time.Time {
		w.now = now
		close(tried)
		panic("a bug")
	}
	stop := w.run()
	<-tried
	stop()
	if shown := w.glass.String(); !strings.Contains(shown, "nothing more is shown") {
		t.Errorf("it shows %s", shown)
	}
}

func acquired() pipeline.Event {
	return pipeline.Acquired{Acquired: source.Acquired{Task: source.Task{ID: aTask, Status: source.StatusQueued}}}
}

func task(status source.Status, processed int64, progress float64) pipeline.Event {
	return pipeline.TaskSeen{Task: source.Task{ID: aTask, Status: status, Processed: processed, Progress: progress}}
}

func moved(results int64) pipeline.Event {
	return pipeline.Moved{Counts: pipeline.Counts{Results: results, Rows: results, Bytes: 4096 * results}}
}

func published(rows int64) pipeline.Event {
	return pipeline.Published{File: pipeline.File{Name: aFile, Rows: rows, Bytes: 3 << 20}}
}

func TestProgress_TellsPercentRateAndTimeLeft(t *testing.T) {
	w := watch(t, 120, "auto", "auto")
	bar := func(want string) {
		t.Helper()
		lines := strings.Split(w.glass.String(), "\n")
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("the bar is\n%s, want\n%s", got, want)
		}
	}
	w.after(time.Second, acquired())
	bar("[························]  0/3 windows  0 rows  1s")
	w.after(time.Second, task(source.StatusRunning, 682, 0.1))
	bar("[························]  0/3 windows  0% of ~6,820  0 rows  2s")
	w.after(2*time.Second, moved(682)) // in 4 s; 6,138 of this window and two of 6,820 are to come
	bar("[························]  0/3 windows  10% of ~6,820  682 rows  170/s  ~1m56s left")
	w.after(4*time.Second, task(source.StatusFinished, aNumber, 1))
	w.after(2*time.Second, moved(5115))
	bar("[██████··················]  0/3 windows  75% of 6,820  5,115 rows  511/s  ~30s left")
	w.after(0, published(5115))
	bar("[██████··················]  0/3 windows  75% of 6,820  5,115 rows  511/s  ~30s left")
	w.after(time.Second, pipeline.Ended{})
	w.after(2*time.Second, moved(aNumber))
	bar("[████████················]  1/3 windows  6,820 rows  524/s  ~26s left")
	w.done = 3
	w.progress.run()()
	want := `2024-01-01  export task created  run nc65zsn  task b216e237  queued
2024-01-01  export task  running  682 processed  10%
2024-01-01  export task  finished  6,820 processed  100%
2024-01-01  file published  part-nc65zsn…-00000.parquet  5,115 rows  3.0 MiB
3 of 3 windows  6,820 rows  26.6 MiB read in 13s  524/s
`
	if got := w.glass.String(); got != want {
		t.Errorf("what stays is\n%s\nwant\n%s", got, want)
	}
}

// A run that finds everything complete says so.
func TestProgress_NothingToDo(t *testing.T) {
	w := watch(t, 120, "auto", "on")
	stop := w.progress.run()
	for range 3 {
		w.after(0, pipeline.Begun{Results: 7})
		w.after(0, pipeline.Ended{})
	}
	stop()
	if got := w.glass.String(); got != "3 of 3 windows  nothing read\n" {
		t.Errorf("what stays is %q", got)
	}
}

// The task counts all results of its window, and an earlier start may have read most of them.
func TestProgress_CountsWhatAnEarlierStartPublished(t *testing.T) {
	w := watch(t, 120, "auto", "on")
	w.after(0, pipeline.Begun{Results: 3410})
	w.after(0, task(source.StatusFinished, aNumber, 1))
	w.after(4*time.Second, moved(682))
	if got := w.glass.String(); !strings.Contains(got, "60% of 6,820  682 rows  170/s  ~1m36s left") {
		t.Errorf("the bar is %s", got)
	}
}

// A limit ends a task before its share of all results reaches 1.
func TestProgress_KnowsTheLimit(t *testing.T) {
	w := watch(t, 120, "auto", "on")
	w.after(0, task(source.StatusRunning, 10000, 0.1))
	w.after(4*time.Second, moved(5000))
	if got := w.glass.String(); !strings.Contains(got, "25% of ~20,000") {
		t.Errorf("the bar is %s", got)
	}
}

// No width makes the bar wrap, and the narrower the screen, the less important what is left out.
func TestBar_FitsEveryScreen(t *testing.T) {
	s := standing{
		dated: true, done: 1, total: 3, fraction: 0.5, got: 4300, expected: aNumber, moved: 11120, rows: 11120, left: 9340, elapsed: 11 * time.Second,
	}
	for _, locale := range []string{"C.UTF-8", "ja_JP.UTF-8"} {
		t.Setenv("LC_ALL", locale)
		for columns := 1; columns <= 200; columns++ {
			bar := s.bar(columns)
			if n := displayed(bar); n > columns {
				t.Errorf("%q takes %d of %d columns", bar, n, columns)
			}
			for need, text := range map[int]string{12: "1/3 windows", 25: "63% of 6,820", 37: "~9s left", 50: "11,120 rows", 60: "1,010/s"} {
				if columns >= need && !strings.Contains(bar, text) {
					t.Errorf("in %d columns %q lacks %q", columns, bar, text)
				}
			}
		}
	}
	t.Setenv("LC_ALL", "C.UTF-8")
	if got, want := s.bar(100), "[████████████············]  1/3 windows  63% of 6,820  11,120 rows  1,010/s  ~9s left"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// With JSON every line on standard error is JSON, the heartbeat included, whoever watches; names are whole.
func TestProgress_JSONIsAllJSON(t *testing.T) {
	w := watch(t, 80, "json", "on")
	w.every = time.Second
	for _, e := range []pipeline.Event{acquired(), task(source.StatusFinished, aNumber, 1), moved(682), published(682)} {
		w.after(2*time.Second, e)
	}
	w.after(0, pipeline.Failed{})
	w.progress.run()()
	messages := map[string]int{}
	for _, line := range strings.Split(strings.TrimSuffix(w.glass.String(), "\n"), "\n") {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("%v in %q", err, line)
		}
		messages[fmt.Sprint(record["msg"])]++
		for key, want := range map[string]string{"run": aRun, "task": aTask, "file": aFile} {
			if got, ok := record[key]; ok && got != want {
				t.Errorf("%s is %v", key, got)
			}
		}
	}
	if messages["progress"] < 3 || messages["file published"] != 1 || messages["export task created"] != 1 {
		t.Errorf("the lines are %v", messages)
	}
}

func TestProgress_Off(t *testing.T) {
	for _, mode := range []string{"off", "auto"} { // auto does not draw on what cannot be drawn on
		w := watch(t, 80, "auto", mode)
		t.Setenv("TERM", "dumb")
		a := &app{globals: &globals{Progress: mode}, screen: w.progress.screen, log: w.log}
		w.progress = a.newProgress(3)
		w.progress.run()()
		if got := w.glass.String(); got != "" {
			t.Errorf("--progress %s shows %q", mode, got)
		}
	}
}

func TestConsole_WritesForPeople(t *testing.T) {
	var out bytes.Buffer
	a := &app{globals: &globals{}, stderr: &out, screen: &screen{terminal: true}}
	a.setLog("auto", "debug")
	for _, c := range []struct {
		log  func()
		want string
	}{
		{func() {
			a.log.Info("file published", "window", "2024-01-01", "file", aFile, "rows", int64(1), "size", "3.1 MiB")
		},
			"2024-01-01  file published  part-nc65zsn…-00000.parquet  1 row  3.1 MiB"},
		{func() { a.log.Info("file published", "file", "part-"+aRun+"-00001.parquet", "rows", int64(2500)) },
			"file published  part-nc65zsn…-00001.parquet  2,500 rows"},
		{func() { a.log.Info("planned", "run", aRun, "task", "42", "what", "buy", "note", "two words") },
			`planned  run nc65zsn  task 42  what=buy  note="two words"`},
		{func() { a.log.With("run", aRun).WithGroup("g").Debug("x", "run", "short") }, "x  run nc65zsn  g.run=short"},
		// What a person copies into a command is whole.
		{func() { a.log.Warn("gone", "window", "2024-01-01", "file", aFile, "task", aTask) },
			"warning: gone  window=2024-01-01  file=\"" + aFile + "\"  task=" + aTask},
		{func() { a.log.Error("no", "code", 53, "hint", `run "tw2parquet drop lake `+aRun+`"`) },
			`error: no  code=53  hint: run "tw2parquet drop lake ` + aRun + `"`},
		// Nobody else moves the cursor.
		{func() { a.log.Info("a\x1b[2Jb", "file", "c\x1b]0;d\a", "x", "e\x9bf\u202e") }, `a\x1b[2Jb  c\x1b]0;d\a  x="e\x9bf\u202e"`},
	} {
		out.Reset()
		c.log()
		if got := out.String(); got != c.want+"\n" {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestTextsForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 12345678: "12,345,678"} {
		if got := countText(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 59*time.Second + 600*time.Millisecond: "1m00s", 200 * time.Second: "3m20s", 2*time.Hour + 5*time.Minute: "2h05m"} {
		if got := durationText(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
