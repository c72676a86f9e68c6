package emulator

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"time"
)

// What a histogram counts by.
const (
	byPublished     = "published"
	bySearchIndexed = "search_indexed"
)

// unexported are the source types that histograms count and no export hands over (Talkwalker API, restrictions).
var unexported = []string{"SOCIALMEDIA_FACEBOOK", "SOCIALMEDIA_INSTAGRAM"}

// slowest is how long a document of the usual kind takes until it can be found, at most: see page.times.
const slowest = 7_200_000 + 61_000 + 3_600_000

// bins are a histogram's: [from, to) in steps, with a column for each part of a breakdown.
type bins struct {
	from, to, step int64
	values         [][]int64
}

func readBins(q url.Values, now int64) (bins, *apiError) {
	b := bins{from: now - 7*dayMS, to: now}
	for _, bound := range []struct {
		name  string
		into  *int64
		shift bool // exclusive lower, inclusive upper bounds are a millisecond further
	}{{"min", &b.from, q.Get("min_include") == "false"}, {"max", &b.to, q.Get("max_include") == "true"}} {
		if q.Has(bound.name) {
			ms, ok := parseTime(json.RawMessage(q.Get(bound.name)))
			if !ok {
				return b, fail(5, "param", bound.name, "details", "epoch milliseconds")
			}
			*bound.into = ms
		}
		if bound.shift {
			*bound.into++
		}
	}
	if b.to <= b.from {
		return b, fail(5, "param", "max", "details", "must be after min")
	}
	var ok bool
	if b.step, ok = parseInterval(q.Get("interval")); !ok {
		return b, fail(5, "param", "interval", "details", "such as hour, day, 2w, 720d")
	}
	if tz := q.Get("timezone"); tz != "" {
		if _, err := time.LoadLocation(tz); err != nil {
			return b, fail(5, "param", "timezone", "details", "an IANA name")
		}
	}
	if (b.to-b.from)/b.step > 100_000 {
		return b, fail(5, "param", "interval", "details", "more than 100000 bins")
	}
	return b, nil
}

// count sorts by publication. What is not published yet has no documents.
func (b *bins) count(sel *selection, column func(*traits) []int) {
	sel.each(b.from, min(b.to, sel.asked), func(_ ref, t *traits) bool {
		for _, i := range column(t) {
			b.values[(t.at-b.from)/b.step][i]++
		}
		return true
	})
}

// countIndexed sorts by when a document could be found first.
func (b *bins) countIndexed(sel *selection, column func(*traits) []int) {
	sel.each(max(0, b.from-slowest-sel.corpus.late), min(b.to, sel.asked), func(r ref, t *traits) bool {
		if at := sel.searchIndexed(r); at >= b.from && at < min(b.to, sel.asked+1) {
			for _, i := range column(t) {
				b.values[(at-b.from)/b.step][i]++
			}
		}
		return true
	})
}

// countHandmade sorts documents that a test wrote by publication, into the last column. Those that belong to every range are
// in no bin, and when one could be found first is not known.
func (b *bins) countHandmade(lines []handmade, by string) {
	for _, l := range lines {
		if by == byPublished && l.at > 0 && l.at >= b.from && l.at < b.to {
			v := b.values[(l.at-b.from)/b.step]
			v[len(v)-1]++
		}
	}
}

// countUnexported adds what only histograms know: so many documents on each day, of any topic, none for a query. A
// breakdown other than by source type counts them in its first column.
func (b *bins) countUnexported(sel *selection, header []string, perDay int) {
	if sel.query.node != nil {
		return
	}
	for day := b.from / dayMS; day*dayMS < b.to; day++ {
		for slot := range uint32(perDay) {
			key := mix(sel.universe.slotKey(int32(day), slot) + 6)
			at, i := day*dayMS+int64(key%dayMS), 0
			if len(header) > 1 && header[0] == unexported[0] {
				i = int(slot) % len(unexported)
			}
			if at >= b.from && at < min(b.to, sel.asked) {
				b.values[(at-b.from)/b.step][i]++
			}
		}
	}
}

// searchable tells whether a document that may be late can be found by the time of asking.
func (sel *selection) searchable(r ref, t *traits) bool {
	return t.late == 0 || sel.asked == 0 || sel.searchIndexed(r) <= sel.asked
}

// searchIndexed is a document's search_indexed, as it is written.
func (sel *selection) searchIndexed(r ref) int64 {
	const member = `,"search_indexed":`
	text := newRenderer(sel).appendDocument(nil, r)
	_, text, _ = bytes.Cut(text, []byte(member))
	end := bytes.IndexFunc(text, func(c rune) bool { return c < '0' || c > '9' })
	at, err := strconv.ParseInt(string(text[:max(end, 0)]), 10, 64)
	if err != nil {
		panic("emulator: a document has no search_indexed")
	}
	return at
}
