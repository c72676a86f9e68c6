package emulator

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
)

// searchPrice is what a histogram costs, and a search at least (Talkwalker API, credits).
const searchPrice = 10

// searched reads what histogram and search have in common: the documents asked for.
func (c *call) searched(p *Project, q url.Values) (*selection, *apiError) {
	sel := &selection{corpus: c.s.corpus, universe: c.s.corpus.project(p.ID), project: p}
	var apiErr *apiError
	if sel.topics, apiErr = p.mask(q["topic"]); apiErr != nil {
		return nil, apiErr
	}
	if sel.datasets, apiErr = p.datasetHashes(q["dataset"]); apiErr != nil {
		return nil, apiErr
	}
	sel.query, apiErr = parseQuery(q.Get("q"))
	return sel, apiErr
}

// pay takes the price of a search, or answers code 9.
func (c *call) pay(kind string, price int64) *apiError {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	if s.cfg.Credits-s.spent < price {
		return fail(9)
	}
	s.charge(kind, "", "", price, now)
	return nil
}

// histogram is GET /api/v1/search/p/{project}/histogram/{published or search_indexed}. Bins start at min; a range
// without bounds is the last 7 days.
func (c *call) histogram() (result, *apiError) {
	p, apiErr := c.s.project(c.vars[0])
	if apiErr != nil {
		return result{}, apiErr
	}
	if c.vars[1] != byPublished && c.vars[1] != bySearchIndexed {
		return result{}, fail(26)
	}
	q := c.r.URL.Query()
	sel, apiErr := c.searched(p, q)
	if apiErr != nil {
		return result{}, apiErr
	}
	now := c.s.Now().UnixMilli()
	b, apiErr := readBins(q, now)
	if apiErr != nil {
		return result{}, apiErr
	}
	header, column, apiErr := breakdown(c.s.corpus, p, q.Get("breakdown"))
	if apiErr != nil {
		return result{}, apiErr
	}
	if apiErr := c.pay("histogram", searchPrice); apiErr != nil {
		return result{}, apiErr
	}
	sel.asked = now
	b.values = make([][]int64, (b.to-b.from+b.step-1)/b.step)
	for i := range b.values {
		b.values[i] = make([]int64, max(1, len(header)))
	}
	if published, ok := c.s.givenDocuments(); ok {
		b.countGiven(published, c.vars[1])
	} else if c.vars[1] == bySearchIndexed {
		b.countIndexed(sel, column)
	} else {
		b.count(sel, column)
		b.countUnexported(sel, header, c.s.cfg.HistogramOnly)
	}
	data := make([]map[string]any, len(b.values))
	for i, v := range b.values {
		data[i] = map[string]any{"t": b.from + int64(i)*b.step, "v": v}
	}
	h := map[string]any{"data": data}
	if header != nil {
		h["header"] = map[string]any{"v": header}
	}
	return result{key: "result_histogram", value: h}, nil
}

// parseInterval reads "hour", "day", "week", or a number with h, d or w. Empty means day.
func parseInterval(text string) (int64, bool) {
	units := map[string]int64{"hour": 3_600_000, "day": dayMS, "week": 7 * dayMS, "h": 3_600_000, "d": dayMS, "w": 7 * dayMS, "": dayMS}
	if ms, ok := units[text]; ok {
		return ms, true
	}
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 32)
	unit, ok := units[text[len(text)-1:]]
	return n * unit, err == nil && ok && n > 0
}

// breakdown names the columns and sorts documents into them. Only topics put one into several.
func breakdown(c *corpus, p *Project, by string) ([]string, func(*traits) []int, *apiError) {
	one := make([]int, 1)
	switch by {
	case "":
		return nil, func(*traits) []int { return one }, nil
	case "sentiment":
		return []string{"POSITIVE", "NEUTRAL", "NEGATIVE"}, func(t *traits) []int {
			one[0] = map[int8]int{5: 0, 0: 1, -5: 2}[t.sentiment]
			return one
		}, nil
	case "sourcetype":
		names := slices.Clone(unexported)
		index := [numKinds]int{}
		for k := range kinds {
			i := slices.Index(names, kinds[k].sourceType)
			if i < 0 {
				i = len(names)
				names = append(names, kinds[k].sourceType)
			}
			index[k] = i
		}
		return names, func(t *traits) []int { one[0] = index[t.kind]; return one }, nil
	case "country":
		var names []string
		for i := range places {
			names = append(names, places[i].code)
		}
		return names, func(t *traits) []int { one[0] = int(t.country); return one }, nil
	case "topic":
		var names []string
		for i := range p.Topics {
			names = append(names, p.Topics[i].ID)
		}
		var some []int
		return names, func(t *traits) []int {
			some = some[:0]
			for i, mask := 0, p.topicsOf(t.key); mask != 0; i, mask = i+1, mask>>1 {
				if mask&1 == 1 {
					some = append(some, i)
				}
			}
			return some
		}, nil
	case "channel":
		return []string{}, func(*traits) []int { return nil }, nil
	}
	return nil, nil, fail(5, "param", "breakdown", "details", "sentiment, sourcetype, country, topic or channel")
}

// search is GET /api/v1/search/p/{project}/results: hpp=0 gives the number alone, a larger hpp documents
// as well. Without published: in the query it covers the last 7 days.
func (c *call) search() (result, *apiError) {
	p, apiErr := c.s.project(c.vars[0])
	if apiErr != nil {
		return result{}, apiErr
	}
	q := c.r.URL.Query()
	sel, apiErr := c.searched(p, q)
	if apiErr != nil {
		return result{}, apiErr
	}
	hpp := 10
	if q.Has("hpp") {
		n, err := strconv.Atoi(q.Get("hpp"))
		if err != nil || n < 0 || n > 500 {
			return result{}, fail(5, "param", "hpp", "details", "from 0 to 500")
		}
		hpp = n
	}
	now := c.s.Now().UnixMilli()
	from, to := publishedBounds(q.Get("q"), now-7*dayMS, now)
	refs, total := sel.pick(from, max(from, to), hpp)
	if apiErr := c.pay("search", max(searchPrice, int64(len(refs)))); apiErr != nil {
		return result{}, apiErr
	}
	r := newRenderer(sel)
	data := []any{}
	for _, id := range refs {
		data = append(data, map[string]any{"data": json.RawMessage(r.appendDocument(nil, id))})
	}
	next := c.r.Method + " " + c.r.URL.Path + "?hpp=" + strconv.Itoa(hpp) + "&offset=" + strconv.Itoa(len(refs))
	return result{key: "result_content", value: map[string]any{"data": data},
		extra: "pagination", more: map[string]any{"next": next, "total": total}}, nil
}

// publishedBounds narrows the days to look at to the bounds in a query; which documents match is still the
// query's decision.
func publishedBounds(text string, from, to int64) (int64, int64) {
	bounded := false
	low, high := int64(0), to
	for _, token := range lex(text) {
		for _, op := range []string{"published:>=", "published:>", "published:<=", "published:<"} {
			rest, ok := cutPrefix(token, op)
			if !ok {
				continue
			}
			bounded = true
			switch op[10] {
			case '>':
				low = max(low, rest)
			default:
				high = min(high, rest+1)
			}
			break
		}
	}
	if !bounded {
		return from, to
	}
	return low, high
}

func cutPrefix(token, prefix string) (int64, bool) {
	if len(token) <= len(prefix) || token[:len(prefix)] != prefix {
		return 0, false
	}
	ms, err := strconv.ParseInt(token[len(prefix):], 10, 64)
	return ms, err == nil
}
