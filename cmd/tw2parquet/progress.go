package main

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/pipeline/bug"
	"tw2parquet/source"
)

// Two people watch a run: one at a terminal, and one who reads the log of a task that hangs. The
// heartbeat is for the second: often enough to see that it lives, seldom enough not to fill a log.
const (
	barEvery       = 200 * time.Millisecond
	heartbeatEvery = 30 * time.Second
)

// progress tells people how an export is getting on.
type progress struct {
	log    *slog.Logger
	screen *screen
	bar    bool
	beat   bool
	every  time.Duration // between two heartbeats
	now    func() time.Time
	mu     sync.Mutex
	dated  bool // it goes by windows
	total  int  // windows
	done   int
	states map[string]*windowState
	last   time.Time
	began  time.Time
}

type windowState struct {
	task   source.Task
	before int64 // results that an earlier start has published
	counts pipeline.Counts
	limit  int64
}

// expected is how many results the window's task counts, or will at its end by what it tells; 0 if that
// is not known yet.
func (s *windowState) expected() int64 {
	switch t := s.task; {
	case t.Status.Terminal():
		return t.Count()
	case t.Progress > 0 && t.Processed > 0:
		expected := int64(float64(t.Processed) / t.Progress)
		if s.limit > 0 {
			expected = min(expected, s.limit)
		}
		return max(expected, t.Processed)
	}
	return 0
}

func (s *windowState) results() int64 { return s.before + s.counts.Results }

func (a *app) newProgress(windows int) *progress {
	mode := a.globals.Progress
	now := time.Now()
	return &progress{
		log: a.log, screen: a.screen, now: time.Now, total: windows, states: map[string]*windowState{}, last: now, began: now,
		bar:  (mode == "on" || mode == "auto" && os.Getenv("TERM") != "dumb") && a.screen.terminal && !a.screen.json,
		beat: mode == "on" || mode == "auto", every: heartbeatEvery,
	}
}

func (p *progress) state(run string) *windowState {
	s := p.states[run]
	if s == nil {
		s = &windowState{}
		p.states[run] = s
	}
	return s
}

// observe is told everything that happens, from any window's goroutine.
func (p *progress) observe(w pipeline.Window, event pipeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state(w.Run)
	var window slog.Attr // a conversion has no window, and an empty attribute is left out
	dated := !w.Request.Start.IsZero()
	if dated {
		p.dated, s.limit = true, int64(w.Request.Limit)
		window = slog.String("window", pipeline.PartitionName(w.Request.Start))
	}
	switch e := event.(type) {
	case pipeline.Begun:
		s.before = e.Results
	case pipeline.Acquired:
		s.task = e.Task
		verb := "export task created"
		if e.Adopted {
			verb = "export task found, nothing bought"
		}
		p.log.Info(verb, window, "run", w.Run, "task", s.task.ID, "status", string(s.task.Status))
	case pipeline.TaskSeen:
		if e.Status != s.task.Status {
			p.log.Info("export task", window, "status", string(e.Status), "processed", e.Processed, "progress", percent(e.Task))
		}
		s.task = e.Task
	case pipeline.Moved:
		s.counts = e.Counts
	case pipeline.Published:
		p.log.Info("file published", window, "file", e.Name, "rows", e.Rows, "size", bytesText(e.Bytes))
	case pipeline.Ended, pipeline.Failed:
		if dated { // a recording may go on in the next run: whoever converts it says when it is finished
			p.done++
		}
	}
	p.tick()
}

// finished counts the end of a recording.
func (p *progress) finished() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.tick()
}

func (p *progress) tick() {
	now := p.now()
	every := p.every
	if p.bar {
		every = barEvery
	}
	if now.Sub(p.last) < every || !p.bar && !p.beat {
		return
	}
	p.last = now
	if p.bar {
		p.screen.show(func(columns int) string { return p.sum(now).bar(columns) })
		return
	}
	t := p.sum(now)
	p.log.Info("progress", "windows_done", t.done, "windows", t.total, "rows", t.rows, "processed", t.processed, "bytes", t.bytes, "seconds", int(t.elapsed.Seconds()))
}

// sum is where all windows stand together.
func (p *progress) sum(now time.Time) standing {
	t := standing{done: p.done, total: p.total, dated: p.dated || p.total > 1, elapsed: now.Sub(p.began)}
	var counted, known int64 // of all windows whose tasks tell how many there will be
	fresh := p.total         // windows that have not begun
	part := 0.0
	for _, s := range p.states {
		t.rows += s.counts.Rows
		t.bytes += s.counts.Bytes
		t.processed += s.task.Processed
		t.moved += s.counts.Results
		expected, results := s.expected(), s.results()
		if s.task.ID != "" || results > 0 {
			fresh--
		}
		if expected == 0 {
			continue
		}
		counted += expected
		known++
		if results < expected {
			part += float64(results) / float64(expected)
			t.got += results
			t.expected += expected
			t.estimate = t.estimate || !s.task.Status.Terminal()
		}
	}
	t.fraction = 1
	if p.total > 0 {
		t.fraction = min(1, (float64(p.done)+part)/float64(p.total))
	}
	if known > 0 && p.done < p.total {
		t.left = max(0, t.expected-t.got)
		fresh = max(0, min(fresh, p.total-p.done))
		t.left += counted / known * int64(fresh)
	}
	return t
}

// run keeps the display alive while nothing happens; stop ends it.
func (p *progress) run() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(barEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := bug.Guard(p.alive); err != nil {
					p.log.Warn("nothing more is shown of the progress", "error", err)
					return
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.bar {
			p.screen.leave(p.sum(p.now()).last())
		}
	}
}

func (p *progress) alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick()
	return nil
}

func percent(t source.Task) string { return fmt.Sprintf("%.0f%%", 100*t.Progress) }

// bytesText is a size for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, prefix := float64(n)/unit, 0
	for f >= unit && prefix < 3 {
		f /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[prefix])
}
