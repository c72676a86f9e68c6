package emulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Statuses of a task, as they look on the wire.
const (
	StatusQueued   = "queued"
	StatusRunning  = "running"
	StatusFinished = "finished"
	StatusFailed   = "failed"
	StatusAborted  = "aborted"
	StatusDeleted  = "deleted"
	StatusLimit    = "result_limit_reached"
)

// task is an export. Nothing runs: settle computes from the clock what has happened since it was last
// asked.
type task struct {
	id       string
	created  time.Time
	target   string
	duration time.Duration
	batch    int
	source   *source
	limit    int64
	total    int64 // results that match
	planned  int64 // results that will be exported: all, or the limit rounded up to whole batches
	exported int64
	status   string // "" while it is queued or runs
	ended    time.Time
	shown    string // a status shown until it ends
	messages json.RawMessage
	hidden   time.Time // not listed before
	fate     *Fate
}

// source is what an export writes: references to generated documents, lines, or rows of a file.
type source struct {
	renderer *renderer
	refs     []ref
	lines    []handmade
	file     *DocumentFile
	rows     []uint32
	total    int64
}

// appendChunks appends the chunks of results from i on, each but the last with a newline behind it: from one to n, and
// not much more than room bytes. It returns how many these are.
func (src *source) appendChunks(dst []byte, i, n int64, room int) ([]byte, int64, error) {
	switch {
	case src.file != nil:
		dst, got, err := src.file.appendChunks(dst, src.rows[i:i+n], room)
		return dst, int64(got), err
	case src.renderer != nil:
		return src.renderer.appendChunk(dst, src.refs[i]), 1, nil
	}
	return append(dst, src.lines[i].chunk...), 1, nil
}

// updatedCopy is how a chunk says that it is one, in a file perhaps with blanks.
var updatedCopy = regexp.MustCompile(`"appearance"\s*:\s*"UPDATED"`)

// updated says whether result i, whose chunk is given, is an UPDATED copy, which max_hits does not count.
func (src *source) updated(i int64, chunk []byte) bool {
	if src.renderer == nil {
		return updatedCopy.Match(chunk)
	}
	sel := src.renderer.sel
	return sel.corpus.traits(sel.universe, src.refs[i]).copy == copyUpdated
}

// pick collects what an export of [from, to) can deliver: at most limit results and a batch.
func (s *Server) pick(sel *selection, from, to int64, limit int) *source {
	s.mu.Lock()
	lines, handmade := s.handmade, s.useHandmade
	s.mu.Unlock()
	if handmade {
		src := &source{}
		for _, h := range lines {
			if h.at <= 0 || h.at >= from && h.at < to {
				src.lines = append(src.lines, h)
			}
		}
		src.total = int64(len(src.lines))
		return src
	}
	if f := s.cfg.DocumentFile; f != nil {
		src := &source{file: f}
		src.rows, src.total = f.pick(from, to, limit+s.cfg.LimitBatch)
		return src
	}
	src := &source{renderer: newRenderer(sel)}
	src.refs, src.total = sel.pick(from, to, limit+s.cfg.LimitBatch)
	return src
}

// due is the number of results that the task has exported at time t, were it not disturbed: none in the
// first tenth of its duration, then batch by batch.
func (t *task) due(now time.Time) int64 {
	gone := now.Sub(t.created)
	if gone >= t.duration {
		return t.planned
	}
	run := float64(gone-t.duration/10) / float64(t.duration-t.duration/10)
	if run <= 0 {
		return 0
	}
	n := int64(run * float64(t.planned))
	return n - n%int64(t.batch)
}

// when is the inverse of due.
func (t *task) when(n int64) time.Time {
	if t.planned == 0 {
		return t.created.Add(t.duration)
	}
	run := float64(t.duration-t.duration/10) * float64(n) / float64(t.planned)
	return t.created.Add(t.duration/10 + time.Duration(run))
}

// settle brings all tasks and live collectors up to date: results into queues, credits into the ledger. The caller holds s.mu.
func (s *Server) settle(now time.Time) {
	changed := false
	for _, t := range s.tasks {
		if t.status == "" {
			changed = s.settleTask(t, now) || changed
		}
	}
	for _, col := range s.order {
		changed = s.settleLive(col, now) || changed
	}
	if changed {
		s.notify()
	}
}

func (s *Server) settleTask(t *task, now time.Time) (changed bool) {
	due := t.due(now)
	end, at := "", int64(0)
	if f := t.fate; f != nil {
		t.messages = f.Messages
		t.shown = f.Shown
		if f.At != nil {
			at = int64(*f.At * float64(t.planned))
			if due >= at {
				due, end = at, f.End
			}
		} else if f.End != "" && due == t.planned && now.Sub(t.created) >= t.duration {
			end = f.End
		}
	}
	for t.exported < due {
		n := min(due-t.exported, int64(t.batch))
		when := t.when(t.exported + n)
		paid := s.charge("export", t.id, t.target, n, when)
		if col, ok := s.collectors[t.target]; ok && paid > 0 {
			col.push(span{source: t.source, from: t.exported, n: paid, at: when})
		}
		t.exported += paid
		changed = true
		if paid < n {
			t.finish(s.cfg.CreditsEnd, when)
			return true
		}
	}
	switch {
	case end != "":
		t.finish(end, now)
	case t.fate != nil && t.fate.At != nil:
		return changed // stuck there
	case now.Sub(t.created) < t.duration:
		return changed
	case t.total > t.limit:
		t.finish(StatusLimit, t.created.Add(t.duration))
	default:
		t.finish(StatusFinished, t.created.Add(t.duration))
	}
	return true
}

func (t *task) finish(status string, at time.Time) { t.status, t.ended = status, at }

// state is the status on the wire.
func (t *task) state(now time.Time) string {
	switch {
	case t.status != "":
		return t.status
	case t.shown != "":
		return t.shown
	case t.exported == 0 && t.duration > 0 && now.Sub(t.created) < t.duration/10:
		return StatusQueued
	}
	return StatusRunning
}

// view is a task as lists show it. ready is absent while it is queued; progress divides the results
// counted, at most the limit, by all that match. The caller holds s.mu.
func (t *task) view(s *Server) map[string]any {
	state := t.state(s.now())
	v := map[string]any{
		"id": t.id, "type": "export", "creation_date": wireTime(t.created), "target": t.target,
		"status": state, "processed": t.exported, "progress": t.progress(s.requests),
	}
	if state != StatusQueued {
		v["ready"] = t.exported
	}
	if t.messages != nil {
		v["messages"] = t.messages
	}
	return v
}

// progress writes 0 and 1 sometimes with a fraction and sometimes without, as the API does.
func (t *task) progress(variant uint64) json.RawMessage {
	x := 0.0
	switch {
	case t.total > 0:
		x = float64(min(t.exported, t.limit)) / float64(t.total)
	case t.status == StatusFinished:
		x = 1
	}
	text := strconv.FormatFloat(x, 'g', -1, 64)
	if x == float64(int(x)) && variant%2 == 1 {
		text += ".0"
	}
	return json.RawMessage(text)
}

func wireTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

func tasksResult(tasks ...map[string]any) result {
	if tasks == nil {
		tasks = []map[string]any{}
	}
	return result{key: "result_tasks", value: map[string]any{"tasks": tasks}}
}

// taskList is GET /api/v3/tasks/export: all tasks, the newest first.
func (c *call) taskList() (result, *apiError) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	var views []map[string]any
	for i := len(s.tasks) - 1; i >= 0; i-- {
		if !now.Before(s.tasks[i].hidden) {
			views = append(views, s.tasks[i].view(s))
		}
	}
	return tasksResult(views...), nil
}

// findTask answers an unknown id with code 15 and HTTP 404, as an unknown stream; the API does not say. The
// caller holds s.mu.
func (c *call) findTask(now time.Time) (*task, *apiError) {
	for _, t := range c.s.tasks {
		if t.id == c.vars[0] && !now.Before(t.hidden) {
			return t, nil
		}
	}
	return nil, &apiError{Code: 15, Message: "Wrong task id. No such task.", Details: []detail{{"task_id", []string{c.vars[0]}}}}
}

func (c *call) taskGet() (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.s.now()
	c.s.settle(now)
	t, apiErr := c.findTask(now)
	if apiErr != nil {
		return result{}, apiErr
	}
	return tasksResult(t.view(c.s)), nil
}

// taskDelete aborts. A task that has ended stays what it is, and is answered alike.
func (c *call) taskDelete() (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.s.now()
	c.s.settle(now)
	t, apiErr := c.findTask(now)
	if apiErr != nil {
		return result{}, apiErr
	}
	if t.status == "" {
		t.finish(StatusAborted, now)
		c.s.notify()
	}
	return tasksResult(map[string]any{"id": t.id, "status": StatusDeleted}), nil
}

// newUUID is deterministic, so that two servers with the same history agree. The caller holds s.mu.
func (s *Server) newUUID() string {
	d := draw(mix(s.cfg.Seed ^ 0x7a5c ^ mix(uint64(len(s.tasks)))))
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", d.next()>>32, d.next()>>48, d.next()>>52, d.next()>>52, d.next()>>16)
}
