package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLimit is the default and the highest limit of a task (Talkwalker API, export principles).
const maxLimit = 1_000_000

// export is the body of the three posts.
type exportBody struct {
	Start    json.RawMessage `json:"start"`
	Stop     json.RawMessage `json:"stop"`
	Target   *string         `json:"target"`
	Query    string          `json:"query"`
	Limit    json.RawMessage `json:"limit"`
	Topics   []string        `json:"topics"`
	Datasets []string        `json:"datasets"`
}

// parseBody decodes a JSON object: code 17 when it is not JSON, code 5 naming the member when a type is
// wrong.
func (c *call) parseBody(into any) *apiError {
	d := json.NewDecoder(bytes.NewReader(c.body))
	err := d.Decode(into)
	if err == nil && len(bytes.TrimSpace(c.body[d.InputOffset():])) > 0 {
		return fail(17, "details", "text after the JSON object")
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fail(5, "param", wrong.Field, "details", "cannot be a "+wrong.Value)
	}
	if err != nil {
		return fail(17, "details", err.Error())
	}
	return nil
}

// validation collects what code 3 and code 5 name.
func (b *exportBody) validate(now time.Time) (from, to int64, limit int, apiErr *apiError) {
	var missing []string
	if absent(b.Start) {
		missing = append(missing, "start")
	}
	if b.Target == nil || *b.Target == "" {
		missing = append(missing, "target")
	}
	if len(missing) > 0 {
		return 0, 0, 0, &apiError{Code: 3, Details: []detail{{"params", missing}}}
	}
	from, ok := parseTime(b.Start)
	if !ok {
		return 0, 0, 0, fail(5, "param", "start", "details", "a date, or epoch milliseconds")
	}
	to = now.UnixMilli()
	if !absent(b.Stop) {
		if to, ok = parseTime(b.Stop); !ok {
			return 0, 0, 0, fail(5, "param", "stop", "details", "a date, or epoch milliseconds")
		}
		if to <= from {
			return 0, 0, 0, fail(5, "param", "stop", "details", "must be after start")
		}
	}
	limit = maxLimit
	if !absent(b.Limit) {
		// Digits in a string are accepted: a public client sends them so.
		n, err := strconv.Atoi(strings.Trim(string(b.Limit), `"`))
		if err != nil || n < 1 || n > maxLimit {
			return 0, 0, 0, fail(5, "param", "limit", "details", "an integer from 1 to 1000000")
		}
		limit = n
	}
	return from, min(to, now.UnixMilli()), limit, nil
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

var dateForms = []string{time.DateOnly, "2006-01-02T15", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.000"}

// parseTime reads epoch milliseconds or a date, which may carry a time, in UTC.
func parseTime(raw json.RawMessage) (int64, bool) {
	if ms, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return ms, ms >= 0 && ms < 4102444800000 // 2100
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0, false
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

func (c *call) exportProject() (result, *apiError) {
	p, apiErr := c.s.project(c.vars[0])
	if apiErr != nil {
		return result{}, apiErr
	}
	return c.export(&selection{corpus: c.s.corpus, universe: c.s.corpus.project(p.ID), project: p})
}

func (c *call) exportStream() (result, *apiError) {
	c.s.mu.Lock()
	st, ok := c.s.streams[c.vars[0]]
	c.s.mu.Unlock()
	if !ok {
		return result{}, fail(15, "stream_id", c.vars[0])
	}
	sel, apiErr := c.s.streamSelection(st)
	if apiErr != nil {
		return result{}, apiErr
	}
	return c.export(sel)
}

func (c *call) exportQuery() (result, *apiError) {
	return c.export(&selection{corpus: c.s.corpus, universe: c.s.corpus.global()})
}

// export creates the task.
func (c *call) export(sel *selection) (result, *apiError) {
	var b exportBody
	if apiErr := c.parseBody(&b); apiErr != nil {
		return result{}, apiErr
	}
	s := c.s
	s.mu.Lock()
	now := s.now()
	s.mu.Unlock()
	from, to, limit, apiErr := b.validate(now)
	if apiErr != nil {
		return result{}, apiErr
	}
	if sel.project == nil && (len(b.Topics) > 0 || len(b.Datasets) > 0) {
		return result{}, fail(5, "param", "topics", "details", "only exports of a project have topics and datasets")
	}
	if sel.project == nil && sel.stream == "" && strings.TrimSpace(b.Query) == "" {
		return result{}, fail(3, "params", "query")
	}
	if sel.project != nil {
		if sel.topics, apiErr = sel.project.mask(b.Topics); apiErr != nil {
			return result{}, apiErr
		}
		if sel.datasets, apiErr = sel.project.datasetHashes(b.Datasets); apiErr != nil {
			return result{}, apiErr
		}
	}
	if sel.query, apiErr = parseQuery(b.Query); apiErr != nil {
		return result{}, apiErr
	}
	if c.token == TokenDemo && !slices.Contains([]string{"cats", "dogs", "cats AND dogs"}, b.Query) {
		return result{}, fail(13, "rights_req", TokenReadWrite, "rights_got", TokenDemo)
	}
	sel.asked = now.UnixMilli()
	src := s.pick(sel, from, to, limit)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	target, ok := s.collectors[*b.Target]
	if !ok {
		return result{}, fail(15, "stream_id", *b.Target)
	}
	if s.spent >= s.cfg.Credits {
		return result{}, fail(9)
	}
	t := &task{
		id: s.newUUID(), created: s.now(), target: target.id, duration: s.cfg.TaskDuration, batch: s.cfg.LimitBatch,
		source: src, limit: int64(limit), total: src.total, fate: c.faults.fate(),
	}
	t.hidden = c.faults.hidden(t.created)
	t.planned = t.total
	if t.total > t.limit {
		batches := (t.limit + int64(t.batch) - 1) / int64(t.batch)
		t.planned = min(t.total, batches*int64(t.batch))
	}
	s.tasks = append(s.tasks, t)
	s.ledger.task(TaskRecord{Time: t.created, ID: t.id, Target: t.target, Request: c.number})
	view := t.view(s)
	view["status"], view["processed"], view["progress"] = StatusQueued, 0, json.RawMessage("0")
	delete(view, "ready")
	s.notify()
	return tasksResult(view), nil
}

// mask turns topic ids into a mask. "search" stands for all of them.
func (p *Project) mask(ids []string) (uint64, *apiError) {
	var mask uint64
	for _, id := range ids {
		i := slices.IndexFunc(p.Topics, func(t Topic) bool { return t.ID == id })
		switch {
		case i >= 0:
			mask |= 1 << i
		case id == "search":
			mask |= 1<<len(p.Topics) - 1
		default:
			return 0, fail(5, "param", "topics", "details", "no such topic: "+id)
		}
	}
	return mask, nil
}

func (p *Project) datasetHashes(ids []string) ([]uint64, *apiError) {
	var hashes []uint64
	for _, id := range ids {
		if !slices.Contains(p.Datasets, id) {
			return nil, fail(5, "param", "datasets", "details", "no such dataset: "+id)
		}
		hashes = append(hashes, hashString(id))
	}
	return hashes, nil
}

// idRule is what stream, rule and collector ids have to be (Talkwalker API, streaming introduction).
var idRule = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)
