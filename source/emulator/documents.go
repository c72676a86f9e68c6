package emulator

import (
	"strconv"
)

// page is one document being written. Every member is written with its leading comma; the first one is
// url or, for X, indexed.
type page struct {
	r                 *renderer
	t                 *traits
	b                 []byte
	d                 draw
	lang              *language
	title0, title1    int // where the title's text lies in b
	snippet, snippet1 int // likewise the content snippet
}

func (p *page) raw(s string)            { p.b = append(p.b, s...) }
func (p *page) int(key string, n int64) { p.b = strconv.AppendInt(append(p.b, key...), n, 10) }
func (p *page) text(key, value string)  { p.b = append(append(append(p.b, key...), value...), '"') }
func (p *page) digits(key string, x uint64) {
	p.b = append(strconv.AppendUint(append(p.b, key...), x, 10), '"')
}

// count draws a number whose size varies over powers of two.
func (p *page) count(bits int) int64 { return int64(p.d.next() >> (64 - 1 - p.d.n(bits))) }

func (p *page) document() {
	p.lang = p.r.sel.corpus.languages[p.t.lang]
	if p.t.kind == kindX {
		p.xPost()
		return
	}
	sites := p.r.sel.corpus.sites[p.t.kind][p.t.lang]
	s := &sites[p.d.n(len(sites))]

	u0 := len(p.b)
	p.url(s)
	url := p.b[u0+len(`{"url":"`) : len(p.b)-1]
	p.times()
	if p.t.kind != kindReview || p.d.chance(70) {
		p.raw(`,"title":"`)
		p.title0 = len(p.b)
		p.b = p.lang.appendWords(p.b, &p.d, 3+p.d.n(9))
		if p.d.chance(12) {
			p.raw(` - \"it's A&B\"`)
		}
		p.title1 = len(p.b)
		p.raw(`"`)
	}
	words := p.content()
	if p.r.sel.stream != "" {
		p.snippets()
	}
	p.raw(s.urls)
	p.parent(url, s)
	p.levels()
	p.raw(`,"source_type":`)
	p.raw(s.sourceType)
	p.postType()
	p.clusters(s)
	p.tokens()
	p.tags()
	p.media(s)
	p.links()
	if p.t.copy != copyNew {
		p.metrics()
	}
	p.raw(s.numbers)
	p.author(s)
	p.raw(s.source)
	p.place()
	p.kindMembers()
	p.appearance()
	p.int(`,"word_count":`, int64(words))
	if p.d.n(4) == 0 {
		p.rare(s)
	}
	p.raw("}")
}

// xPost is all that the API sends of a post on X (Talkwalker API, restrictions and X-exclusive fields).
func (p *page) xPost() {
	p.raw(`{"indexed":`)
	indexed := p.t.at + int64(p.d.n(90_000))
	p.b = strconv.AppendInt(p.b, indexed, 10)
	p.int(`,"search_indexed":`, indexed+int64(p.d.n(600_000)))
	p.text(`,"lang":"`, p.lang.code)
	p.int(`,"fluency_level":`, int64(60+p.d.n(41)))
	p.int(`,"sentiment":`, int64(p.t.sentiment))
	p.raw(`,"source_type":["SOCIALMEDIA","SOCIALMEDIA_TWITTER"]`)
	if p.d.chance(60) {
		p.raw([...]string{`,"post_type":["TEXT"]`, `,"post_type":["TEXT"]`, `,"post_type":["TEXT","IMAGE"]`, `,"post_type":["TEXT","LINK"]`, `,"post_type":["TEXT","VIDEO"]`}[p.d.n(5)])
	}
	p.raw(`,"external_provider":"twitter"`)
	// Like a snowflake: the time in the upper bits, far beyond 2^53.
	p.digits(`,"external_id":"`, uint64(max(p.t.at-1288834974657, 0))<<22|p.d.next()>>42)
	p.digits(`,"external_author_id":"`, p.d.next()>>(1+p.d.n(40)))
	if p.r.sel.project != nil && p.d.chance(4) {
		p.raw(`,"matched_profile":[]`)
	}
	p.appearance()
	p.raw("}")
}

func (p *page) url(s *site) {
	p.raw(`{"url":"`)
	p.raw(s.base)
	switch p.t.kind {
	case kindYouTube:
		p.raw("/watch?v=")
		p.b = strconv.AppendUint(p.b, p.t.key>>4, 36)
		if p.d.chance(60) { // a comment on it
			p.raw("&lc=")
			p.b = strconv.AppendUint(p.b, p.d.next(), 36)
		}
	case kindTikTok:
		p.raw("/@user")
		p.b = strconv.AppendUint(p.b, p.d.next()>>40, 10)
		p.raw("/video/")
		p.b = strconv.AppendUint(p.b, p.t.key>>1, 10)
	case kindForum:
		p.raw("/forum/thread-")
		p.b = strconv.AppendUint(p.b, p.t.key>>8, 10)
		p.raw("#post-")
		p.b = strconv.AppendUint(p.b, p.d.next()>>44, 10)
	default:
		p.raw("/")
		p.raw(siteNames[p.d.n(len(siteNames))])
		p.raw("/")
		p.raw(siteNames[p.d.n(len(siteNames))])
		p.raw("-")
		p.b = strconv.AppendUint(p.b, p.t.key, 36)
		if p.d.chance(20) {
			p.raw(".html?utm_source=feed&id=")
			p.b = strconv.AppendUint(p.b, p.d.next()>>40, 10)
		}
	}
	p.raw(`"`)
}

// times writes indexed, search_indexed and published. The first copy of a pair was indexed for the search
// later than the second, as in the API's own examples.
func (p *page) times() {
	indexed := p.t.at + p.t.late + int64(p.d.n(7_200_000))
	search := indexed + int64(1000+p.d.n(60_000))
	if p.t.copy == copyNew {
		search += 3_600_000
	}
	p.int(`,"indexed":`, indexed)
	p.int(`,"search_indexed":`, search)
	if !p.d.chance(1) {
		p.int(`,"published":`, p.t.at)
	}
}

// content writes the text, cut for news, and returns the number of words it claims.
func (p *page) content() int {
	p.raw(`,"content":"`)
	start := len(p.b)
	words := 0
	if p.t.kind == kindNews {
		n := []int{128, 223}[p.d.n(2)]
		p.b = p.lang.appendText(p.b, &p.d, 4*n, false)
		p.b = append(p.b[:start+cutCharacters(p.b[start:], n-3)], "..."...)
		words = 120 + p.d.n(1800)
	} else {
		n := textLength(p.t.kind, &p.d)
		p.b = p.lang.appendText(p.b, &p.d, n, p.t.kind == kindBlog)
		words = max(1, (len(p.b)-start)/6)
	}
	p.raw(`"`)
	return words
}

func (p *page) parent(url []byte, s *site) {
	switch p.d.n(4) {
	case 0:
		return
	case 1:
		p.text(`,"parent_url":"`, s.base)
		p.b = p.b[:len(p.b)-1]
		p.raw("/topic/")
		p.b = strconv.AppendUint(p.b, p.d.next()>>44, 10)
		p.raw(`/"`)
	default:
		p.raw(`,"parent_url":"`)
		p.b = append(p.b, url...)
		p.raw(`"`)
	}
}

// levels writes the scores. NEW copies lack the spam level.
func (p *page) levels() {
	p.text(`,"lang":"`, p.lang.code)
	p.int(`,"porn_level":`, int64(max(0, p.d.n(24)-16)))
	p.int(`,"fluency_level":`, int64(60+p.d.n(41)))
	if p.t.copy != copyNew {
		p.raw(`,"DEPRECATED_spam_level":0`)
	}
	switch p.d.n(40) {
	case 0, 1, 2:
		p.int(`,"noise_level":`, int64(40+p.d.n(60)))
		p.text(`,"noise_category":"`, [...]string{"promotions", "seo_scam", "financial_news", "diet_pharma", "hate_speech"}[p.d.n(5)])
	case 3:
		p.int(`,"spam_level":`, int64(p.d.n(100)))
	}
	if !p.d.chance(2) {
		p.int(`,"sentiment":`, int64(p.t.sentiment))
	}
}

func (p *page) postType() {
	switch p.d.n(12) {
	case 0:
	case 1:
		p.raw(`,"post_type":["TEXT","IMAGE"]`)
	case 2:
		p.raw(`,"post_type":["TEXT","LINK","VIDEO"]`)
	case 3:
		if p.t.kind == kindOther || p.t.kind == kindReview {
			p.raw(`,"post_type":"TEXT"`)
			return
		}
		p.raw(`,"post_type":["TEXT","AUDIO"]`)
	default:
		p.raw(`,"post_type":["TEXT"]`)
	}
}

func (p *page) appearance() {
	switch p.t.copy {
	case copyNew:
		p.raw(`,"matched":{"appearance":"NEW"}`)
	case copyUpdated:
		p.raw(`,"matched":{"appearance":"UPDATED"}`)
	default:
		p.raw([...]string{`,"matched":{"appearance":"NEW"}`, `,"matched":{"appearance":"NEW"}`, `,"matched":{"appearance":"UNKNOWN"}`, ``}[p.d.n(4)])
	}
}
