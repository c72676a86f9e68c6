package emulator

import (
	"encoding/json"
	"sort"
	"time"
)

// States of a collector.
const (
	StateActive  = "ACTIVE"
	StatePaused  = "PAUSED"
	StateDeleted = "DELETED"
)

// collector is a queue of results. Positions count from its creation, and are what offsets hide.
type collector struct {
	id      string
	created time.Time
	state   string
	query   json.RawMessage // of a live collector
	live    []*renderer     // what it collects, when ACTIVE
	seen    time.Time       // up to when it has collected
	epoch   uint64          // tells this collector from an earlier one of the same id
	spans   []span
	length  int64
	reader  chan struct{} // closed when a newer connection takes over
}

// span is a run of results that were exported together.
type span struct {
	source   *source
	from, n  int64 // results of the source
	at       time.Time
	position int64 // of the first one in the queue
}

func (col *collector) push(sp span) {
	sp.position = col.length
	col.spans = append(col.spans, sp)
	col.length += sp.n
}

// earliest is the position of the first result that has not expired.
func (col *collector) earliest(now time.Time, retention time.Duration) int64 {
	for i := range col.spans {
		if col.spans[i].at.Add(retention).After(now) {
			return col.spans[i].position
		}
	}
	return col.length
}

// find returns the index of the span that holds a position.
func find(spans []span, position int64) int {
	return sort.Search(len(spans), func(i int) bool { return spans[i].position+spans[i].n > position })
}

// collectorQuery is the body of a live collector.
type collectorQuery struct {
	Query *struct {
		Projects []string `json:"projects"`
		Streams  []string `json:"streams"`
		Queries  []struct {
			ID    string `json:"id"`
			Query string `json:"query"`
		} `json:"queries"`
		ProjectTopics json.RawMessage `json:"project_topics"`
		Filters       []string        `json:"filters"`
	} `json:"collector_query"`
}

// topicsOfProject accepts both forms in which the documentation shows project_topics.
type topicsOfProject struct {
	Project string   `json:"project"`
	Topics  []string `json:"topics"`
}

// liveSelections turns a collector query into what it collects.
func (s *Server) liveSelections(body []byte) ([]*renderer, json.RawMessage, *apiError) {
	var q collectorQuery
	if blank(body) {
		return nil, nil, nil
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, nil, fail(17, "details", err.Error())
	}
	if q.Query == nil {
		return nil, nil, nil
	}
	var raw struct {
		Query json.RawMessage `json:"collector_query"`
	}
	_ = json.Unmarshal(body, &raw)
	var pairs []topicsOfProject
	if !absent(q.Query.ProjectTopics) {
		if json.Unmarshal(q.Query.ProjectTopics, &pairs) != nil {
			pairs = make([]topicsOfProject, 1)
			if err := json.Unmarshal(q.Query.ProjectTopics, &pairs[0]); err != nil {
				return nil, nil, fail(5, "param", "project_topics", "details", "an object or an array of them")
			}
		}
	}
	if len(pairs) > 0 && len(q.Query.Projects) > 0 {
		return nil, nil, fail(5, "param", "project_topics", "details", "excludes projects")
	}
	for _, id := range q.Query.Projects {
		pairs = append(pairs, topicsOfProject{Project: id})
	}
	var live []*renderer
	for _, pair := range pairs {
		p, apiErr := s.project(pair.Project)
		if apiErr != nil {
			return nil, nil, apiErr
		}
		mask, apiErr := p.mask(pair.Topics)
		if apiErr != nil {
			return nil, nil, apiErr
		}
		live = append(live, newRenderer(&selection{corpus: s.corpus, universe: s.corpus.project(p.ID), project: p, topics: mask}))
	}
	for _, id := range q.Query.Streams {
		st, ok := s.streams[id]
		if !ok {
			return nil, nil, fail(15, "stream_id", id)
		}
		sel, apiErr := s.streamSelection(st)
		if apiErr != nil {
			return nil, nil, apiErr
		}
		live = append(live, newRenderer(sel))
	}
	for _, rule := range q.Query.Queries {
		if !idRule.MatchString(rule.ID) {
			return nil, nil, fail(5, "param", "id", "details", "lower-case letters, digits, - and _, a letter first")
		}
		parsed, apiErr := parseQuery(rule.Query)
		if apiErr != nil {
			return nil, nil, apiErr
		}
		live = append(live, newRenderer(&selection{corpus: s.corpus, universe: s.corpus.global(), query: parsed, live: rule.ID}))
	}
	if len(live) == 0 {
		return nil, nil, nil
	}
	return live, raw.Query, nil
}

// settleLive lets an active collector collect, and bill, what was published since it was last asked: one
// credit for a result, none for an UPDATED copy. The caller holds s.mu.
func (s *Server) settleLive(col *collector, now time.Time) bool {
	if col.state != StateActive || len(col.live) == 0 || !now.After(col.seen) {
		return false
	}
	before := col.length
	for _, r := range col.live {
		src := &source{renderer: r}
		charged := int64(0)
		r.sel.each(col.seen.UnixMilli(), now.UnixMilli(), func(id ref, t *traits) bool {
			if t.copy != copyUpdated {
				if s.spent+charged >= s.cfg.Credits {
					return false
				}
				charged++
			}
			src.refs = append(src.refs, id)
			return true
		})
		s.charge("live", "", col.id, charged, now)
		if len(src.refs) > 0 {
			col.push(span{source: src, n: int64(len(src.refs)), at: now})
		}
	}
	col.seen = now
	return col.length > before
}

func (col *collector) view() map[string]any {
	return map[string]any{"collector_id": col.id, "state": col.state}
}

func collectorsResult(view map[string]any) result {
	return result{key: "result_stream", value: map[string]any{"collectors": []any{view}}}
}

// collectorPut creates a collector, or replaces one: then its results are dropped (Config.KeepOnPut).
func (c *call) collectorPut() (result, *apiError) {
	id := c.vars[0]
	if !idRule.MatchString(id) {
		return result{}, fail(5, "param", "collector_id", "details", "lower-case letters, digits, - and _, a letter first")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	live, query, apiErr := s.liveSelections(c.body)
	if apiErr != nil {
		return result{}, apiErr
	}
	now := s.now()
	s.settle(now)
	col := s.collectors[id]
	if col == nil || !s.cfg.KeepOnPut {
		col = s.addCollector(id, now)
	}
	col.state, col.live, col.query, col.seen = StatePaused, live, query, now
	if len(live) > 0 {
		col.state = StateActive
	}
	return collectorsResult(col.view()), nil
}

// addCollector puts an empty collector in the place of any of the same id. The caller holds s.mu.
func (s *Server) addCollector(id string, now time.Time) *collector {
	s.dropCollector(id)
	col := &collector{id: id, created: now, state: StatePaused, seen: now, epoch: mix(hashString(id) ^ s.requests ^ uint64(len(s.order))<<32)}
	s.collectors[id] = col
	s.order = append(s.order, col)
	return col
}

func (s *Server) dropCollector(id string) {
	for i, col := range s.order {
		if col.id == id {
			s.order = append(s.order[:i], s.order[i+1:]...)
			delete(s.collectors, id)
			s.notify()
			return
		}
	}
}

// withCollector runs f on the collector of the call; an unknown one is code 15, HTTP 404.
func (c *call) withCollector(f func(col *collector, now time.Time) map[string]any) (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	now := c.s.now()
	c.s.settle(now)
	col, ok := c.s.collectors[c.vars[0]]
	if !ok {
		return result{}, fail(15, "stream_id", c.vars[0])
	}
	return collectorsResult(f(col, now)), nil
}

func (c *call) collectorGet() (result, *apiError) {
	return c.withCollector(func(col *collector, _ time.Time) map[string]any {
		v := col.view()
		v["creation_date"] = wireTime(col.created)
		v["collector_query"] = json.RawMessage(`{}`)
		if col.query != nil {
			v["collector_query"] = col.query
		}
		return v
	})
}

// collectorDelete drops the queue. Tasks that target it go on, and bill, into nowhere: the worse of
// the readings of a silent documentation.
func (c *call) collectorDelete() (result, *apiError) {
	return c.withCollector(func(col *collector, _ time.Time) map[string]any {
		c.s.dropCollector(col.id)
		return map[string]any{"collector_id": col.id, "state": StateDeleted}
	})
}

func (c *call) collectorPause() (result, *apiError) {
	return c.withCollector(func(col *collector, _ time.Time) map[string]any {
		col.state = StatePaused
		return col.view()
	})
}

func (c *call) collectorResume() (result, *apiError) {
	return c.withCollector(func(col *collector, now time.Time) map[string]any {
		if col.state != StateActive {
			col.state, col.seen = StateActive, now
		}
		return col.view()
	})
}

// streamInfo is GET /api/v3/stream/info.
func (c *call) streamInfo() (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	collectors, streams := []any{}, []any{}
	for _, col := range c.s.order {
		collectors = append(collectors, col.view())
	}
	for _, id := range c.s.streamIDs {
		streams = append(streams, map[string]any{"stream_id": id, "enabled": true})
	}
	return result{key: "result_stream", value: map[string]any{"collectors": collectors, "streams": streams}}, nil
}
