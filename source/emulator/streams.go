package emulator

import (
	"fmt"
	"slices"
)

// Stream is a set of rules over the documents outside of projects.
type Stream struct {
	ID    string       `json:"stream_id"`
	Rules []StreamRule `json:"rules"`
}

// StreamRule is one query of a stream.
type StreamRule struct {
	ID    string `json:"rule_id"`
	Query string `json:"query"`
}

func defaultStreams() []Stream {
	return []Stream{{ID: "demo-stream", Rules: []StreamRule{{"rule_1", "coffee OR espresso"}, {"rule_2", "tea AND NOT coffee"}}}}
}

// Streams returns the ids of the streams.
func (s *Server) Streams() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streamIDs)
}

// putStream creates or replaces a stream. The caller holds s.mu, or nobody else knows s yet.
func (s *Server) putStream(st Stream) error {
	if !idRule.MatchString(st.ID) {
		return fail(5, "param", "stream_id", "details", "lower-case letters, digits, - and _, a letter first")
	}
	for _, r := range st.Rules {
		if !idRule.MatchString(r.ID) {
			return fail(5, "param", "rule_id", "details", "lower-case letters, digits, - and _, a letter first")
		}
		if _, apiErr := parseQuery(r.Query); apiErr != nil {
			return fmt.Errorf("stream %s, rule %s: %w", st.ID, r.ID, apiErr)
		}
	}
	if _, ok := s.streams[st.ID]; !ok {
		s.streamIDs = append(s.streamIDs, st.ID)
	}
	s.streams[st.ID] = &st
	return nil
}

// streamSelection is what a stream matches; one without rules is code 23.
func (s *Server) streamSelection(st *Stream) (*selection, *apiError) {
	if len(st.Rules) == 0 {
		return nil, fail(23)
	}
	sel := &selection{corpus: s.corpus, universe: s.corpus.global(), stream: st.ID}
	for _, r := range st.Rules {
		q, apiErr := parseQuery(r.Query)
		if apiErr != nil {
			return nil, apiErr
		}
		sel.rules = append(sel.rules, rule{r.ID, r.Query, q})
	}
	return sel, nil
}

func streamResult(view map[string]any) result {
	return result{key: "result_stream", value: map[string]any{"data": []any{view}}}
}

func (st *Stream) view() map[string]any {
	return map[string]any{"stream_id": st.ID, "enabled": true, "rules": st.Rules}
}

func (c *call) streamPut() (result, *apiError) {
	st := Stream{Rules: []StreamRule{}}
	if apiErr := c.parseBody(&st); apiErr != nil {
		return result{}, apiErr
	}
	st.ID = c.vars[0]
	for _, r := range st.Rules {
		if _, apiErr := parseQuery(r.Query); apiErr != nil {
			return result{}, apiErr
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err := c.s.putStream(st); err != nil {
		return result{}, fail(5, "param", "stream_id", "details", "ids: lower-case letters, digits, - and _, a letter first")
	}
	return streamResult(st.view()), nil
}

func (c *call) streamGet() (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	st, ok := c.s.streams[c.vars[0]]
	if !ok {
		return result{}, fail(15, "stream_id", c.vars[0])
	}
	return streamResult(st.view()), nil
}

func (c *call) streamDelete() (result, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	id := c.vars[0]
	if _, ok := c.s.streams[id]; !ok {
		return result{}, fail(15, "stream_id", id)
	}
	delete(c.s.streams, id)
	c.s.streamIDs = slices.DeleteFunc(c.s.streamIDs, func(other string) bool { return other == id })
	return streamResult(map[string]any{"stream_id": id, "state": StateDeleted}), nil
}
