package report

import (
	"math/bits"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"tw2parquet/sink/dataset"
)

// tally is what is counted of the rows of one file, and then of all.
type tally struct {
	rows, undated, outside, indexed int64

	days       map[int32]*dayTally
	types      names
	languages  top
	countries  top
	sites      top
	authors    top
	topics     top
	pairs      map[[2]string]int64
	sentiment  Sentiment
	appearance [appearances]int64
	engagement powers
	reach      powers
	late       [lateBuckets + 2]int64 // negative, by lateEdges, unknown
}

func newTally() *tally {
	return &tally{
		days: map[int32]*dayTally{}, languages: newTop(false), countries: newTop(false), sites: newTop(false), authors: newTop(true),
		topics: newTop(false), pairs: map[[2]string]int64{},
	}
}

type dayTally struct {
	documents, negative, neutral, positive int64
	types                                  [maxTypes]int64
}

// names gives numbers to the few values of a closed set. What is beyond shares the last number.
type names struct {
	list []string
	by   map[string]int
}

const (
	maxTypes = 16
	other    = "(other)"
	none     = "(none)"
	maxPairs = 20000
)

func (n *names) number(name string) int {
	if i, ok := n.by[name]; ok {
		return i
	}
	if n.by == nil {
		n.by = map[string]int{}
	}
	if len(n.list) == maxTypes-1 {
		name = other
	}
	i, ok := n.by[name]
	if !ok {
		name = strings.Clone(clip(name))
		i = len(n.list)
		n.list, n.by[name] = append(n.list, name), i
	}
	return i
}

// Values of matched.appearance.
const (
	appearedNew = iota
	appearedUpdated
	appearedUnknown
	appearedNone
	appearances
)

// powers counts numbers by how many digits they have: 0, 1 to 9, 10 to 99 and so on.
type powers struct {
	digits         [20]int64
	negative, none int64
}

func (p *powers) add(v int64) {
	if v < 0 {
		p.negative++
		return
	}
	n := 0
	for ; v > 0; v /= 10 {
		n++
	}
	p.digits[n]++
}

func (p *powers) merge(o *powers) {
	for i, n := range o.digits {
		p.digits[i] += n
	}
	p.negative += o.negative
	p.none += o.none
}

// lateEdges are how late a document may come, in seconds: an hour, 6 hours, a day, 3 days, a week, 30 days.
var lateEdges = [lateBuckets - 1]int64{3600, 6 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400}

const lateBuckets = 7

const (
	microsecond   = 1000000
	daySeconds    = 86400
	firstDay      = 7305  // 1990-01-01
	lastDay       = 47481 // 2099-12-31
	notDated      = lastDay + 1
	emptyDocument = ""
)

// fileTally takes the rows of a file.
type fileTally struct {
	*tally
	into   *reader
	footer *dataset.Footer
	hashes *sharedKeys
	found  []string // topics of one document
}

// sharedKeys are counted by several files at a time.
type sharedKeys struct {
	sync.Mutex
	keys
}

// Take counts a batch.
func (t *fileTally) Take(rec arrow.RecordBatch) error {
	c := newBatch(rec)
	n := int(rec.NumRows())
	t.rows += int64(n)
	t.hashes.Lock()
	for i := range n {
		if key, ok := c.key.at(i); ok {
			t.hashes.add(key)
		}
	}
	t.hashes.Unlock()
	for i := range n {
		t.document(c, i)
	}
	return nil
}

func (t *fileTally) document(c *batch, i int) {
	day := t.date(c, i)
	kind, ok := c.types.first(i)
	if !ok {
		kind = none
	}
	number := t.types.number(kind)
	if day != nil {
		day.documents++
		day.types[number]++
	} else {
		day = &dayTally{} // counted by nobody
	}
	switch v, ok := c.sentiment.at(i); {
	case !ok:
		t.sentiment.None++
	case v < 0:
		t.sentiment.Negative++
		day.negative++
	case v > 0:
		t.sentiment.Positive++
		day.positive++
	default:
		t.sentiment.Neutral++
		day.neutral++
	}
	reach, ok := c.reach.at(i)
	if ok {
		t.reach.add(reach)
	} else {
		t.reach.none++
	}
	if v, ok := c.engagement.at(i); ok {
		t.engagement.add(v)
	} else {
		t.engagement.none++
	}
	if v, ok := c.lang.at(i); ok {
		t.languages.add(v, "", 0)
	}
	for _, place := range c.countries {
		if v, ok := place.at(i); ok {
			t.countries.add(v, "", 0)
			break
		}
	}
	if v, ok := c.site.at(i); ok {
		t.sites.add(site(v), "", 0)
	}
	name, named := c.authorName.at(i)
	if id, ok := c.authorID.at(i); ok {
		t.authors.add(id, name, max(reach, 0))
	} else if named {
		t.authors.add(name, name, max(reach, 0))
	}
	v, ok := c.appearance.at(i)
	switch {
	case !ok:
		t.appearance[appearedNone]++
	case v == "NEW":
		t.appearance[appearedNew]++
	case v == "UPDATED":
		t.appearance[appearedUpdated]++
	default:
		t.appearance[appearedUnknown]++
	}
	t.topicsOf(c, i)
}

// site is a domain_url without what is the same for all.
func site(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	return strings.TrimSuffix(url, "/")
}

// date is the day of a document, nil if it has none.
func (t *fileTally) date(c *batch, i int) *dayTally {
	published, ok := c.published.at(i)
	indexed, also := c.indexed.at(i)
	switch {
	case !ok || !also:
		t.late[lateBuckets+1]++
	case indexed < published:
		t.late[0]++
	default:
		t.late[lateness((indexed-published)/microsecond)]++
	}
	at := published
	switch {
	case !ok && !also:
		t.undated++
		return nil
	case !ok:
		t.indexed++
		at = indexed
	}
	seconds := at / microsecond
	if at < 0 {
		seconds-- // towards the past; a fraction of a second does not matter
	}
	number := seconds / daySeconds
	if number < firstDay || number > lastDay {
		t.outside++
		return nil
	}
	day := t.days[int32(number)]
	if day == nil {
		day = &dayTally{}
		t.days[int32(number)] = day
	}
	return day
}

// lateness is the bucket of a delay, which is not below 0.
func lateness(seconds int64) int {
	for i, edge := range lateEdges {
		if seconds < edge {
			return i + 1
		}
	}
	return lateBuckets
}

// topicsOf counts the different topics of a document, and each two of them.
func (t *fileTally) topicsOf(c *batch, i int) {
	t.found = t.found[:0]
	c.topics.each(i, func(id, title string) {
		id = clip(id)
		for _, have := range t.found {
			if have == id {
				return
			}
		}
		if len(t.found) < 64 {
			t.found = append(t.found, id)
			t.topics.count(id, title, 1, 0)
		}
	})
	if len(t.found) > 0 {
		t.topics.documents++
	}
	for a := range t.found {
		for b := range a {
			t.pair(t.found[a], t.found[b], 1)
		}
	}
}

func (t *tally) pair(a, b string, n int64) {
	if a > b {
		a, b = b, a
	}
	key := [2]string{a, b}
	if _, ok := t.pairs[key]; !ok {
		if len(t.pairs) >= maxPairs {
			return
		}
		key = [2]string{strings.Clone(a), strings.Clone(b)}
	}
	t.pairs[key] += n
}

// merge adds what was counted of another file.
func (t *tally) merge(o *tally) {
	t.rows += o.rows
	t.undated += o.undated
	t.outside += o.outside
	t.indexed += o.indexed
	numbers := make([]int, len(o.types.list))
	for i, name := range o.types.list {
		numbers[i] = t.types.number(name)
	}
	for number, d := range o.days {
		day := t.days[number]
		if day == nil {
			day = &dayTally{}
			t.days[number] = day
		}
		day.documents += d.documents
		day.negative += d.negative
		day.neutral += d.neutral
		day.positive += d.positive
		for i, n := range numbers {
			day.types[n] += d.types[i]
		}
	}
	t.languages.merge(&o.languages)
	t.countries.merge(&o.countries)
	t.sites.merge(&o.sites)
	t.authors.merge(&o.authors)
	t.topics.merge(&o.topics)
	for key, n := range o.pairs {
		t.pair(key[0], key[1], n)
	}
	t.sentiment.Negative += o.sentiment.Negative
	t.sentiment.Neutral += o.sentiment.Neutral
	t.sentiment.Positive += o.sentiment.Positive
	t.sentiment.None += o.sentiment.None
	for i, n := range o.appearance {
		t.appearance[i] += n
	}
	t.engagement.merge(&o.engagement)
	t.reach.merge(&o.reach)
	for i, n := range o.late {
		t.late[i] += n
	}
}

// log2 is the power of two below a size.
func log2(n int64) int { return max(0, bits.Len64(uint64(n))-1) }
