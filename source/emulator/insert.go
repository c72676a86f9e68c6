package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"time"
)

// handmade is a document that a test wrote.
type handmade struct {
	chunk []byte
	at    int64 // published, 0: in every range
}

// SetDocuments replaces the generated documents: every export from now on delivers these, in this order,
// whatever its source and topics. A document is the inner one, and is wrapped into a chunk; one
// with a chunk_type is sent as it is, broken JSON included. A document with a positive `published`
// belongs to the ranges that hold it, any other to all. nil brings back the generated ones, or those of Config.DocumentFile.
func (s *Server) SetDocuments(documents []json.RawMessage) {
	list := make([]handmade, 0, len(documents))
	for _, doc := range documents {
		list = append(list, newHandmade(doc))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handmade, s.useHandmade = list, documents != nil
}

// givenDocuments are the times of the documents that a test or a file gives, 0 for one of every range; ok is false where
// documents are generated.
func (s *Server) givenDocuments() (published iter.Seq[int64], ok bool) {
	s.mu.Lock()
	list, use := s.handmade, s.useHandmade
	s.mu.Unlock()
	switch f := s.cfg.DocumentFile; {
	case use:
		return func(yield func(int64) bool) {
			for i := 0; i < len(list) && yield(list[i].at); i++ {
			}
		}, true
	case f != nil:
		return func(yield func(int64) bool) {
			for i := 0; i < len(f.lines) && yield(f.lines[i].published); i++ {
			}
		}, true
	}
	return nil, false
}

func newHandmade(doc []byte) handmade {
	var h handmade
	var outer struct {
		Type   json.RawMessage `json:"chunk_type"`
		Result struct {
			Data struct {
				Data published `json:"data"`
			} `json:"data"`
		} `json:"chunk_result"`
		published
	}
	err := json.Unmarshal(doc, &outer)
	if outer.Type != nil || err != nil && bytes.Contains(doc, []byte(`"chunk_type"`)) {
		h.chunk, h.at = bytes.Clone(doc), outer.Result.Data.Data.ms()
		return h
	}
	h.at = outer.ms()
	h.chunk = append(append(append(h.chunk, chunkStart...), bytes.ReplaceAll(doc, []byte("\n"), []byte(" "))...), chunkEnd...)
	return h
}

// published is read leniently: what is not a positive integer is not a time.
type published struct {
	Published json.RawMessage `json:"published"`
}

func (p published) ms() int64 {
	var n int64
	if json.Unmarshal(p.Published, &n) != nil || n < 0 {
		return 0
	}
	return n
}

// AddCollector creates a collector, or replaces one, as it was made at the given time (zero: now) with the
// given collector query (nil: none; then it is PAUSED).
func (s *Server) AddCollector(id string, created time.Time, query json.RawMessage) error {
	if !idRule.MatchString(id) {
		return fmt.Errorf("collector id %q does not match %s", id, idRule)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if created.IsZero() {
		created = now
	}
	var body []byte
	if query != nil {
		body = append(append([]byte(`{"collector_query":`), query...), '}')
	}
	live, raw, apiErr := s.liveSelections(body)
	if apiErr != nil {
		return apiErr
	}
	col := s.addCollector(id, created.UTC().Truncate(time.Millisecond))
	col.live, col.query, col.seen = live, raw, now
	if len(live) > 0 {
		col.state = StateActive
	}
	return nil
}

// AddResults appends results to a collector's queue, creating it when there is none: documents or
// chunks as in SetDocuments. Nothing is charged.
func (s *Server) AddResults(collector string, documents ...json.RawMessage) {
	src := &source{}
	for _, doc := range documents {
		src.lines = append(src.lines, newHandmade(doc))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	col, ok := s.collectors[collector]
	if !ok {
		col = s.addCollector(collector, now)
	}
	col.push(span{source: src, n: int64(len(src.lines)), at: now})
	s.notify()
}

// TaskSpec is a task for AddTask.
type TaskSpec struct {
	Target                  string
	Status                  string    // as shown; "" means finished
	Created                 time.Time // zero: now
	Processed, Total, Limit int64     // Total 0: as Processed; Limit 0: the API's default
}

// AddTask puts a task into the list that no request created, in whatever state, and returns its id. It
// never changes by itself, charges nothing and fills nothing; DELETE aborts it unless its status is
// terminal.
func (s *Server) AddTask(spec TaskSpec) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	stuck := 0.0
	t := &task{id: s.newUUID(), created: spec.Created, target: spec.Target, batch: s.cfg.LimitBatch, source: &source{},
		limit: spec.Limit, total: max(spec.Total, spec.Processed), exported: spec.Processed, planned: spec.Processed}
	if t.created.IsZero() {
		t.created = s.now()
	}
	t.created = t.created.UTC().Truncate(time.Millisecond)
	setDefault(&t.limit, maxLimit)
	switch spec.Status {
	case "":
		t.finish(StatusFinished, t.created)
	case StatusFinished, StatusFailed, StatusAborted, StatusDeleted, StatusLimit:
		t.finish(spec.Status, t.created)
	default:
		t.fate = &Fate{At: &stuck, Shown: spec.Status}
		t.shown = spec.Status
	}
	s.tasks = append(s.tasks, t)
	s.notify()
	return t.id
}
