package bench

import "strconv"

// which tells the copies of a document apart.
type which int

const (
	copyOnly which = iota
	copyNew
	copyUpdated
)

// firstIndexed is where the corpus's time begins: 2024-01-01T00:00:00Z in epoch milliseconds. It spans
// three months.
const (
	firstIndexed = 1704067200000
	spanIndexed  = 91 * 24 * 3600 * 1000
)

// chunk appends a CT_RESULT chunk. Members stand in the order of the API's examples.
func (g *generator) chunk(dst []byte, r *rng, kind Kind, c which) []byte {
	dst = append(dst, `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{`...)
	indexed := int64(firstIndexed + r.below(spanIndexed))
	if kind == X {
		return g.post(dst, r, indexed)
	}
	place := g.places[kind]
	s := &place.sites[place.ranks.draw(r)]
	l := &g.languages[s.language]
	g.begin(r, l)
	if l.prose != nil {
		l.prose.begin(c == copyUpdated)
	}
	g.title = g.writer.title(g.title[:0], r, l)
	g.body = g.text(g.body[:0], r, l, g.length(r, kind))
	if g.rich != nil {
		own := r.fork()
		g.body = g.rich.adorn(&g.writer, g.body, &own, l, s, kind, c != copyNew)
	}
	words := g.words
	content := g.body
	if kind == News {
		at := cut(g.body, []int{125, 220}[r.below(2)])
		g.teaser = append(append(g.teaser[:0], g.body[:at]...), "..."...)
		content = g.teaser
		words = r.spread(450, 70)
	}
	g.address = g.url(g.address[:0], r, s, kind)

	dst = text(dst, `"url":"`, g.address)
	dst = integer(dst, `,"indexed":`, indexed)
	after := int64(r.below(90000))
	if c == copyNew {
		after += 600000
	}
	dst = integer(dst, `,"search_indexed":`, indexed+1000+after)
	if r.below(100) < 97 {
		dst = integer(dst, `,"published":`, indexed-int64(r.spread(1800000, 180)))
	}
	dst = text(dst, `,"title":"`, g.title)
	dst = text(dst, `,"content":"`, content)
	dst = append(append(dst, ','), s.addresses...)
	dst = text(dst, `,"parent_url":"`, g.address)
	dst = append(append(append(dst, `,"lang":"`...), l.code...), '"')
	dst = integer(dst, `,"porn_level":`, 0)
	dst = integer(dst, `,"fluency_level":`, int64(100-5*r.below(5)*r.below(2)))
	dst = g.judged(dst, r, kind, c)
	dst = append(append(dst, `,"source_type":`...), s.sourceType...)
	dst = append(dst, `,"post_type":["TEXT"]`...)
	if r.percent(40) {
		dst = append(append(append(dst, `,"cluster_id":"https://`...), s.host...), `/a/`...)
		dst = append(strconv.AppendUint(dst, r.next()>>40, 36), '"')
	}
	if r.percent(70) {
		dst = append(append(dst, `,"tags_internal":`...), []string{`["hasImage"]`, `["isQuestion"]`, `["hasImage","containsVideo"]`, `["containsImage","hasImage"]`, `["isComment"]`}[r.below(5)]...)
	}
	dst = g.tokens(dst, r, l)
	dst = append(dst, []string{`,"matched":{"appearance":"UNKNOWN"}`, `,"matched":{"appearance":"NEW"}`, `,"matched":{"appearance":"UPDATED"}`}[c]...)
	dst = integer(dst, `,"word_count":`, int64(words))
	dst = g.attachments(dst, r, l, s, kind)
	dst = g.attributes(dst, r, l, s, kind, c)
	dst = append(dst, `},"highlighted_data":[{`...)
	dst = append(snippet(append(dst, `"title_snippet":"`...), g.title, g.topic[0], 8), `","content_snippet":"...`...)
	if n := len(g.spans); n > 0 {
		at := g.spans[r.below(n)]
		dst = snippet(dst, g.body[at.from:at.to], g.topic[0], r.below(60))
	}
	dst = append(dst, `...",`...)
	return append(g.profiles(dst, r), `}]}}}`...)
}

// post appends what the API hands out of a post on X.
func (g *generator) post(dst []byte, r *rng, indexed int64) []byte {
	dst = integer(dst, `"indexed":`, indexed)
	dst = integer(dst, `,"search_indexed":`, indexed+1000+int64(r.below(9000)))
	dst = append(append(append(dst, `,"lang":"`...), g.languages[g.pickLanguage(r)].code...), '"')
	dst = integer(dst, `,"fluency_level":`, int64(100-10*r.below(3)))
	dst = integer(dst, `,"sentiment":`, int64(5*r.between(-1, 1)))
	dst = append(dst, `,"source_type":["SOCIALMEDIA","SOCIALMEDIA_TWITTER"],"post_type":["TEXT"],"external_provider":"twitter"`...)
	dst = append(dst, `,"external_id":"17`...)
	dst = strconv.AppendUint(dst, 10000000000000000+r.next()>>11%90000000000000000, 10)
	dst = append(dst, `","external_author_id":"`...)
	dst = append(strconv.AppendInt(dst, int64(r.spread(300000000, 200))+1000, 10), `"`...)
	dst = append(dst, `},"highlighted_data":[{`...)
	return append(g.profiles(dst, r), `}]}}}`...)
}

// length draws the size of a text in bytes.
func (g *generator) length(r *rng, kind Kind) int {
	switch kind {
	case Blog:
		return min(r.spread(4000, 77), 49000)
	case Forum:
		return min(r.spread(900, 110), 49000)
	case Review:
		return r.spread(420, 80)
	default:
		return 600 // news: cut to a teaser, and the rest only feeds the snippet
	}
}

// url appends an address of the site.
func (g *generator) url(dst []byte, r *rng, s *site, kind Kind) []byte {
	english := &g.languages[0]
	dst = append(append(dst, `https://`...), s.host...)
	switch kind {
	case Forum:
		dst = strconv.AppendInt(append(dst, `/t/`...), int64(r.below(4000000)), 10)
	case Review:
		dst = append(append(dst, `/reviews/`...), english.words[100+r.below(2000)]...)
	default:
		dst = strconv.AppendInt(append(dst, `/2024/`...), int64(r.between(1, 3)), 10)
	}
	dst = append(dst, '/')
	for range r.between(3, 7) {
		dst = append(append(dst, english.words[g.world.ranks.draw(r)]...), '-')
	}
	dst = strconv.AppendUint(dst, r.next()>>36, 10)
	if kind == Forum && r.percent(60) {
		dst = strconv.AppendInt(append(dst, `#p`...), int64(r.below(90000000)), 10)
	}
	return dst
}

// judged appends what Talkwalker computes of a text, counters last.
func (g *generator) judged(dst []byte, r *rng, kind Kind, c which) []byte {
	counted := r.fork()
	if c != copyNew {
		dst = append(dst, `,"DEPRECATED_spam_level":0`...)
	}
	if r.percent(9) {
		dst = integer(dst, `,"noise_level":`, int64(r.below(100)))
		dst = append(append(append(dst, `,"noise_category":"`...), []string{"promotions", "seo_scam", "financial_news", "diet_pharma", "hate_speech"}[r.below(5)]...), '"')
	}
	dst = integer(dst, `,"sentiment":`, int64(5*r.between(-1, 1)))
	if c != copyNew && counted.percent(92) {
		dst = integer(dst, `,"reach":`, int64(counted.spread(20000, 260)))
		dst = integer(dst, `,"engagement":`, int64(counted.spread(3, 200)))
	}
	if kind == Review {
		dst = integer(dst, `,"rating":`, int64(r.below(11)))
		dst = append(append(append(dst, `,"provider":"`...), []string{"company_x", "trust_y", "shops_24"}[r.below(3)]...), '"')
	}
	return dst
}

// tokens appends the lists of notable phrases.
func (g *generator) tokens(dst []byte, r *rng, l *language) []byte {
	list := func(name string, n int, mark string) {
		dst = append(dst, name...)
		for i := range n {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(dst, '"'), mark...)
			if r.percent(50) {
				dst = append(append(dst, l.capitals[g.world.ranks.draw(r)]...), ' ')
			}
			dst = append(append(dst, g.topic[r.below(len(g.topic))]...), '"')
		}
		dst = append(dst, ']')
	}
	if r.percent(75) {
		list(`,"tokens_title":[`, r.between(1, 3), "")
	}
	if r.percent(90) {
		list(`,"tokens_content":[`, r.between(1, 10), "")
	}
	if r.percent(8) {
		list(`,"tokens_mention":[`, r.between(1, 3), "@")
	}
	if r.percent(12) {
		list(`,"tokens_hashtag":[`, r.between(1, 5), "#")
	}
	return dst
}

// profiles appends which topics of the project matched.
func (g *generator) profiles(dst []byte, r *rng) []byte {
	dst = append(dst, `"matched":{"project_profiles":[`...)
	first := r.below(6)
	for i := range 1 + r.below(5)/4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, []string{`{"id":"k3jd91xa_5e","title":"Brand"}`, `{"id":"k3jd91xa_7q","title":"Rival"}`,
			`{"id":"m20dk3la_1b","title":"Market "}`, `{"id":"m20dk3la_2c","title":"Products","category":"Group 1","type":"SEARCH"}`,
			`{"id":"zz81kdla_9w","title":"People"}`, `{"id":"zz81kdla_4r","title":"Événements"}`}[(first+i)%6]...)
	}
	return append(dst, `]}`...)
}

func integer(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(append(dst, name...), v, 10)
}

func text(dst []byte, name string, v []byte) []byte {
	return append(append(append(dst, name...), v...), '"')
}
