package emulator

import (
	"net/http"
	"strconv"
	"time"
)

// flushSize is how many bytes of results are rendered before they are written.
const flushSize = 128 << 10

// read is one results call being answered.
type read struct {
	c       *call
	col     *collector
	id      string // connection id
	pos     int64
	buf     []byte
	results int64 // delivered by this read
	hits    int64 // those of them that max_hits counts
	since   int   // results since the last control chunk
	chunks  int   // chunks written

	wait    bool
	maxHits int64
	pretty  bool
	taken   chan struct{} // closed when a newer connection has the collector
	err     error         // of the connection
}

// results is GET /api/v3/stream/c/{collector}/results. First comes a control chunk that echoes the offset
// asked for, last one with the offset to continue from; no newline follows it.
func (c *call) results() (result, *apiError) {
	rd, echo, apiErr := c.openRead()
	if apiErr != nil {
		return result{}, apiErr
	}
	defer rd.release()
	c.w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	c.w.WriteHeader(http.StatusOK)
	rd.control(echo)
	rd.flush(true)
	rd.run()
	return result{}, nil
}

// openRead checks the parameters and takes the collector from an older connection.
func (c *call) openRead() (*read, string, *apiError) {
	q := c.r.URL.Query()
	rd := &read{c: c, wait: true, pretty: q.Get("pretty") == "true"}
	switch q.Get("end_behaviour") {
	case "", "wait":
	case "stop":
		rd.wait = false
	default:
		return nil, "", fail(5, "param", "end_behaviour", "details", "stop or wait")
	}
	if q.Has("max_hits") {
		n, err := strconv.ParseInt(q.Get("max_hits"), 10, 64)
		if err != nil || n < 1 {
			return nil, "", fail(5, "param", "max_hits", "details", "a positive integer")
		}
		rd.maxHits = n
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	col, ok := s.collectors[c.vars[0]]
	if !ok {
		return nil, "", fail(15, "stream_id", c.vars[0])
	}
	if s.cfg.MaxConnections > 0 && s.connections >= s.cfg.MaxConnections && col.reader == nil {
		return nil, "", fail(30)
	}
	rd.col, rd.id = col, opaqueID(mix(c.number^0xc0))
	echo := q.Get("resume_offset")
	first := col.earliest(now, s.cfg.Retention)
	switch echo {
	case "", "earliest":
		echo, rd.pos = "earliest", first
	case "latest":
		rd.pos = col.length
	default:
		if rd.pos, ok = col.position(echo); !ok {
			return nil, "", fail(5, "param", "resume_offset", "details", "unknown offset")
		}
		if rd.pos < first {
			if s.cfg.ExpiredOffsets == "reject" {
				return nil, "", fail(5, "param", "resume_offset", "details", "the results after this offset have expired")
			}
			rd.pos = first
		}
	}
	rd.pos = min(max(first, rd.pos+c.faults.shift()), col.length)
	if col.reader != nil {
		close(col.reader)
	}
	rd.taken = make(chan struct{})
	col.reader = rd.taken
	s.connections++
	return rd, echo, nil
}

func (rd *read) release() {
	s := rd.c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections--
	if rd.col.reader == rd.taken {
		rd.col.reader = nil
	}
}

// run delivers what is there, and with end_behaviour=wait what is still to come.
func (rd *read) run() {
	s := rd.c.s
	most := int64(s.cfg.MaxPerRead)
	for rd.err == nil {
		s.mu.Lock()
		s.settle(s.now())
		spans, length, changed := rd.col.spans, rd.col.length, s.changed
		s.mu.Unlock()
		if !rd.deliver(spans, length, most) {
			return
		}
		full := most > 0 && rd.results >= most || rd.maxHits > 0 && rd.hits >= rd.maxHits
		if !rd.wait || full {
			s.mu.Lock()
			more := rd.col.length > rd.pos && !full
			s.mu.Unlock()
			if more {
				continue
			}
			rd.last()
			return
		}
		if rd.since > 0 || rd.chunks == 1 {
			rd.control("")
		}
		rd.flush(true)
		if !rd.idle(changed) {
			return
		}
	}
}

// last ends a read.
func (rd *read) last() {
	if rd.c.faults.stream != nil && !rd.fault() {
		return
	}
	if !rd.c.faults.noFinal() {
		rd.control("")
	}
	rd.buf = append(rd.buf, rd.c.faults.suffix()...)
	rd.flush(true)
}

// deliver writes the results of [rd.pos, length), or up to what the read may deliver. It returns false when the read is over
// because the connection broke or was taken.
func (rd *read) deliver(spans []span, length, most int64) bool {
	every := rd.c.s.cfg.ControlEvery
	for i := find(spans, rd.pos); rd.pos < length; {
		if most > 0 && rd.results >= most || rd.maxHits > 0 && rd.hits >= rd.maxHits {
			return true
		}
		for rd.pos >= spans[i].position+spans[i].n {
			i++
		}
		if rd.c.faults.stream != nil && !rd.fault() {
			return false
		}
		rd.take(&spans[i], min(length, spans[i].position+spans[i].n)-rd.pos, most)
		if every > 0 && rd.since >= every {
			rd.control("")
		}
		if len(rd.buf) >= flushSize {
			select {
			case <-rd.taken:
				rd.disconnected()
				return false
			default:
			}
			if !rd.flush(false) {
				return false
			}
		}
	}
	return true
}

// take appends results of a span: one, or up to n in a row where the read asks for nothing between or within them.
func (rd *read) take(sp *span, n, most int64) {
	if most > 0 {
		n = min(n, most-rd.results)
	}
	if every := rd.c.s.cfg.ControlEvery; every > 0 {
		n = min(n, int64(every-rd.since))
	}
	if rd.maxHits > 0 || rd.pretty || rd.c.faults.rule != nil {
		n = 1
	}
	index := sp.from + rd.pos - sp.position
	start := rd.begin()
	var err error
	if rd.buf, n, err = sp.source.appendChunks(rd.buf, index, n, flushSize); err != nil {
		rd.broken(err)
	}
	if rd.maxHits > 0 && !sp.source.updated(index, rd.buf[start:]) {
		rd.hits++
	}
	rd.end(start)
	rd.pos, rd.results, rd.since = rd.pos+n, rd.results+n, rd.since+int(n)
	rd.chunks += int(n) - 1
}

// idle waits for news, writing a blank line now and then, and returns false when the read is over.
func (rd *read) idle(changed <-chan struct{}) bool {
	s := rd.c.s
	beat := time.NewTimer(s.cfg.KeepAlive)
	defer beat.Stop()
	// Tasks make progress without anybody telling, so look now and then.
	look := time.NewTicker(min(s.cfg.KeepAlive, max(s.cfg.TaskDuration/20, 20*time.Millisecond), time.Second))
	defer look.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-look.C:
			s.mu.Lock()
			s.settle(s.now())
			news := rd.col.length > rd.pos
			s.mu.Unlock()
			if news {
				return true
			}
		case <-beat.C:
			rd.buf = append(rd.buf, '\n')
			if !rd.flush(true) {
				return false
			}
			beat.Reset(s.cfg.KeepAlive)
		case <-rd.taken:
			rd.disconnected()
			return false
		case <-rd.c.r.Context().Done():
			return false
		}
	}
}
