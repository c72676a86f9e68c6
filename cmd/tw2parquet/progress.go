package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// screen is standard error: log lines, and on a terminal a bar that stays below them.
type screen struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	json     bool
	bar      string
}

func newScreen(w io.Writer, terminal bool) *screen { return &screen{w: w, terminal: terminal} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

const eraseLine = "\r\x1b[2K"

// Write prints a log line above the bar.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar == "" {
		return s.w.Write(p)
	}
	if _, err := s.w.Write([]byte(eraseLine + string(p) + s.bar)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *screen) show(bar string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bar != s.bar {
		s.bar = bar
		fmt.Fprint(s.w, eraseLine+bar)
	}
}

func (s *screen) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != "" {
		s.bar = ""
		fmt.Fprint(s.w, eraseLine)
	}
}

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
	total  int // windows
	done   int
	states map[string]*windowState
	last   time.Time
	began  time.Time
}

type windowState struct {
	task   source.Task
	counts pipeline.Counts
	files  int
}

func (a *app) newProgress(windows int) *progress {
	mode := a.globals.Progress
	now := time.Now()
	return &progress{
		log: a.log, screen: a.screen, now: time.Now, total: windows, states: map[string]*windowState{}, last: now, began: now,
		bar:  (mode == "on" || mode == "auto") && a.screen.terminal && !a.screen.json,
		beat: mode == "on" || mode == "auto", every: heartbeatEvery,
	}
}

// observe is told everything that happens, from any window's goroutine.
func (p *progress) observe(e pipeline.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.states[e.Window.Run]
	if s == nil {
		s = &windowState{}
		p.states[e.Window.Run] = s
	}
	var w slog.Attr // a conversion has no window, and an empty attribute is left out
	if start := e.Window.Request.Start; !start.IsZero() {
		w = slog.String("window", pipeline.PartitionName(start))
	}
	switch {
	case e.Acquired != nil:
		s.task = e.Acquired.Task
		verb := "export task created"
		if e.Acquired.Adopted {
			verb = "export task found, nothing bought"
		}
		p.log.Info(verb, w, "run", e.Window.Run, "task", s.task.ID, "status", string(s.task.Status))
	case e.Task != nil:
		if e.Task.Status != s.task.Status {
			p.log.Info("export task", w, "status", string(e.Task.Status), "processed", e.Task.Processed, "progress", percent(*e.Task))
		}
		s.task = *e.Task
	case e.Counts != nil:
		s.counts = *e.Counts
	case e.File != nil:
		s.files++
		p.log.Info("file published", w, "file", e.File.Name, "rows", e.File.Rows, "size", bytesText(e.File.Bytes))
	}
	p.tick()
}

// finished counts a window's end.
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
	var rows, bytes, processed int64
	for _, s := range p.states {
		rows += s.counts.Rows
		bytes += s.counts.Bytes
		processed += s.task.Processed
	}
	seconds := now.Sub(p.began).Seconds()
	if p.bar {
		fraction := 0.0
		if processed > 0 {
			fraction = min(1, float64(rows)/float64(processed))
		}
		const width = 24
		full := int(fraction * width)
		p.screen.show(fmt.Sprintf("[%s%s] window %d/%d  %d rows  %s  %s/s", strings.Repeat("█", full), strings.Repeat("·", width-full),
			min(p.done+1, p.total), p.total, rows, bytesText(bytes), bytesText(int64(float64(bytes)/max(seconds, 0.001)))))
		return
	}
	p.log.Info("progress", "windows_done", p.done, "windows", p.total, "rows", rows, "processed", processed, "bytes", bytes, "seconds", int(seconds))
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
				p.mu.Lock()
				p.tick()
				p.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		p.screen.clear()
	}
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
