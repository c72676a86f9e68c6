package emulator

import (
	"math/bits"
	"math/rand/v2"
	"sync"
)

// A document is never stored. It is a pure function of (seed, universe, day, slot): `traits` gives what
// selects and counts it in a few nanoseconds, `render` writes its text. A queue therefore holds eight
// bytes per result, and every read renders the same bytes again.

const (
	dayMS     = 24 * 60 * 60 * 1000
	maxPerDay = 1_000_000
	maxTopics = 64
)

// corpus is what all documents of a server share.
type corpus struct {
	seed   uint64
	perDay uint32
	words
}

// words are what documents are put together from. They never change.
type words struct {
	languages []*language
	sites     [][][]site // by kind and language
	people    []string   // names, JSON-escaped
	places    []string   // world_data objects
	late      int64      // ms: how long some documents take until they can be found
	lateShare uint64     // percent of them
}

// sharedWords are the same for every server. Making them takes hundreds of times as long as the rest of a
// server, and tests make hundreds.
var sharedWords = sync.OnceValue(func() words {
	w := words{languages: newLanguages()}
	w.people = newPeople(w.languages)
	w.sites = newSites(w.languages)
	for i := range places {
		w.places = append(w.places, places[i].json())
	}
	return w
})

func newCorpus(seed uint64, perDay int) *corpus {
	return &corpus{seed: seed, perDay: uint32(perDay), words: sharedWords()}
}

// universe is a world of documents: a project's, or the one outside of projects, which has no social
// media (Talkwalker API, restrictions).
type universe struct {
	key    uint64
	social bool
}

func (c *corpus) project(id string) universe {
	return universe{mix(c.seed ^ hashString(id)), true}
}

func (c *corpus) global() universe { return universe{mix(c.seed ^ 0x67), false} }

// ref names a document within its universe.
type ref struct {
	day  int32 // days since 1970
	slot uint32
}

// Copies of a document: the same one, seen twice by the API, sits in two neighbouring slots.
const (
	copySingle  = iota
	copyNew     // the first sight: later search_indexed, no metrics
	copyUpdated // the second: with metrics
)

// traits is what selects, counts and breaks down documents.
type traits struct {
	key       uint64 // of the document; both copies share it
	at        int64  // the time the range applies to, epoch ms; published, where that exists
	copy      uint8
	kind      kind
	lang      uint8 // index into corpus.languages
	country   uint8 // index into places
	sentiment int8
	late      int64 // ms that it became searchable later than others
}

func (c *corpus) traits(u universe, r ref) traits {
	leader := r.slot &^ 1
	key := u.slotKey(r.day, leader)
	t := traits{key: key}
	t.kind = kindOf(key, u.social)
	if leader+1 < c.perDay && t.kind != kindX && mix(key+1)%100 < 8 {
		t.copy = copyNew + uint8(r.slot&1)
	} else if r.slot != leader {
		key = u.slotKey(r.day, r.slot)
		t.key, t.kind = key, kindOf(key, u.social)
	}
	t.at = int64(r.day)*dayMS + int64(mix(key+2)%dayMS)
	h := mix(key + 3)
	t.lang = languageOf(uint32(h) % 1000)
	t.country = countryOf(t.lang, uint32(h>>32)&15, uint32(h>>40)%uint32(len(places)))
	t.sentiment = [...]int8{0, 0, 0, 0, 0, 5, 5, 5, -5, -5}[(h>>52)%10]
	if c.lateShare > 0 && mix(key+5)%100 < c.lateShare {
		t.late = c.late
	}
	return t
}

func (u universe) slotKey(day int32, slot uint32) uint64 {
	return mix(u.key ^ mix(uint64(uint32(day))<<32|uint64(slot)))
}

// selection is what an export, a histogram or a live collector asks for.
type selection struct {
	corpus   *corpus
	universe universe
	project  *Project // nil outside of projects
	topics   uint64   // mask of the topics asked for; 0: all
	datasets []uint64 // hashes; a document is in one of them, when any is given
	rules    []rule   // of the stream; one of them must match
	query    query    // must match too; the zero query matches everything
	stream   string
	live     string // name of the collector query, for live collectors
	asked    int64  // when, epoch ms: what becomes searchable after it is not there yet; 0: everything is
}

// rule is a stream's rule, parsed.
type rule struct {
	id, text string
	query    query
}

// topicsOf returns the mask of the project's topics that a document belongs to: at least one.
func (p *Project) topicsOf(key uint64) uint64 {
	if len(p.Topics) == 0 {
		return 0
	}
	var mask uint64
	for i := range p.Topics {
		share := p.Topics[i].Share
		if share == 0 {
			share = 0.3
		}
		if float64(mix(key^p.Topics[i].hash())>>11)/(1<<53) < share {
			mask |= 1 << i
		}
	}
	if mask == 0 {
		mask = 1 << (mix(key+4) % uint64(len(p.Topics)))
	}
	return mask
}

func (sel *selection) matches(t *traits) bool {
	if sel.topics != 0 && sel.project.topicsOf(t.key)&sel.topics == 0 {
		return false
	}
	if len(sel.datasets) > 0 {
		hit := false
		for _, d := range sel.datasets {
			hit = hit || mix(t.key^d)%5 == 0
		}
		if !hit {
			return false
		}
	}
	if len(sel.rules) > 0 && sel.matchingRules(t) == 0 {
		return false
	}
	return sel.query.matches(sel.corpus, t)
}

func (sel *selection) matchingRules(t *traits) uint64 {
	var mask uint64
	for i := range sel.rules {
		if i < 64 && sel.rules[i].query.matches(sel.corpus, t) {
			mask |= 1 << i
		}
	}
	return mask
}

func (sel *selection) everything() bool {
	return sel.topics == 0 && len(sel.datasets) == 0 && len(sel.rules) == 0 && sel.query.node == nil && sel.corpus.lateShare == 0
}

// each calls yield for every matching document of [from, to), epoch ms, day by day, until it returns
// false.
func (sel *selection) each(from, to int64, yield func(ref, *traits) bool) {
	var t traits
	for day := from / dayMS; day*dayMS < to; day++ {
		for slot := range sel.corpus.perDay {
			r := ref{int32(day), slot}
			t = sel.corpus.traits(sel.universe, r)
			if t.at >= from && t.at < to && sel.matches(&t) && sel.searchable(r, &t) && !yield(r, &t) {
				return
			}
		}
	}
}

// pick returns how many documents match in [from, to) and the first at most n of them in the order of
// export, which is not chronological: pairs stay together, everything else is shuffled. Counting costs a few
// nanoseconds per document; days beyond the first n results are not even looked at when everything matches.
func (sel *selection) pick(from, to int64, n int) (refs []ref, total int64) {
	visit := func(r ref, _ *traits) bool {
		total++
		if len(refs) < n {
			refs = append(refs, r)
		}
		return true
	}
	for day := from / dayMS; day*dayMS < to; day++ {
		whole := day*dayMS >= from && (day+1)*dayMS <= to
		if whole && len(refs) >= n && sel.everything() {
			total += int64(sel.corpus.perDay)
			continue
		}
		sel.each(max(from, day*dayMS), min(to, (day+1)*dayMS), visit)
	}
	sel.shuffle(refs, mix(uint64(from))^mix(uint64(to)+1))
	return refs, total
}

// shuffle permutes refs, keeping the two copies of a document side by side.
func (sel *selection) shuffle(refs []ref, salt uint64) {
	type group struct {
		start uint32
		pair  bool
	}
	groups := make([]group, 0, len(refs))
	for i := 0; i < len(refs); i++ {
		g := group{start: uint32(i)}
		if i+1 < len(refs) && refs[i].slot&1 == 0 && refs[i+1] == (ref{refs[i].day, refs[i].slot + 1}) &&
			sel.corpus.traits(sel.universe, refs[i]).copy != copySingle {
			g.pair = true
			i++
		}
		groups = append(groups, g)
	}
	rnd := rand.New(rand.NewPCG(sel.universe.key, salt))
	rnd.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	out := make([]ref, 0, len(refs))
	for _, g := range groups {
		out = append(out, refs[g.start])
		if g.pair {
			out = append(out, refs[g.start+1])
		}
	}
	copy(refs, out)
}

// mix is the finaliser of splitmix64: a bijection whose output bits all depend on all input bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashString is FNV-1a, finished with mix.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// draw is a small random generator (wyrand), one multiplication per 64 bits.
type draw uint64

func (d *draw) next() uint64 {
	*d += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(uint64(*d), uint64(*d)^0xe7037ed1a0b428db)
	return hi ^ lo
}

// n returns a number in [0, n).
func (d *draw) n(n int) int {
	hi, _ := bits.Mul64(d.next(), uint64(n))
	return int(hi)
}

// chance is true in percent of all cases.
func (d *draw) chance(percent int) bool { return d.n(100) < percent }
