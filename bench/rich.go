package bench

import "strconv"

// recentTexts is how many texts of a kind can be quoted in replies.
const recentTexts = 64

// rich adds to a text what people and web sites put around sentences: hashtags, mentions, links, emoji, the post that a
// reply answers, and the notices that a site ends all of its pages with.
type rich struct {
	notices [][]string // by language; sites share them
	recent  map[string][][]byte
	text    []byte
	spans   []span
}

func newRich(seed uint64, w *world) *rich {
	r := rng(seed ^ 0x726963685f746578)
	x := &rich{recent: map[string][][]byte{}}
	writer := writer{ranks: w.ranks, sayings: w.sayings}
	for i := range w.languages {
		own := r.fork()
		var list []string
		for range 24 {
			writer.begin(&own, &w.languages[i])
			list = append(list, string(writer.text(nil, &own, &w.languages[i], own.between(120, 700))))
		}
		x.notices = append(x.notices, list)
	}
	return x
}

// adorn replaces the writer's latest text and its spans. A text that is remembered may be quoted in later ones; of two copies
// of a document only the last is, so that both quote alike.
func (x *rich) adorn(w *writer, body []byte, r *rng, l *language, s *site, kind Kind, remember bool) []byte {
	dst := x.text[:0]
	x.spans = x.spans[:0]
	key := string(kind) + l.code
	if recent := x.recent[key]; len(recent) > 0 && (kind == Forum && r.percent(45) || kind == Review && r.percent(10)) {
		dst = append(append(dst, `> `...), recent[r.below(len(recent))]...)
		dst = append(dst, `\n\n`...)
	}
	if kind == Forum && r.percent(25) {
		dst = append(x.handle(dst, r, w), ' ')
	}
	end := 0
	for _, one := range w.spans {
		dst = append(dst, body[end:one.from]...) // blanks and paragraphs
		from := len(dst)
		dst = append(dst, body[one.from:one.to]...)
		dst = x.mark(dst, r, w, s, kind)
		x.spans = append(x.spans, span{from, len(dst)})
		end = one.to
	}
	dst = append(dst, body[end:]...)
	if own := r.fork(); remember && len(body) > 0 {
		x.keep(key, body, &own)
	}
	if notices := x.notices[s.language]; kind == Blog || kind == Forum && r.percent(30) {
		own := s.seed
		for range 1 + own.below(3) {
			dst = append(append(dst, `\n\n`...), notices[own.below(len(notices))]...)
		}
	}
	w.spans, x.spans = x.spans, w.spans
	x.text = body // its memory holds the next text
	return dst
}

// mark appends what follows some sentences.
func (x *rich) mark(dst []byte, r *rng, w *writer, s *site, kind Kind) []byte {
	u := r.below(100)
	if kind != Forum {
		u *= 2 // half as often
	}
	switch {
	case u < 8:
		for range 1 + r.below(4) {
			dst = append(append(dst, ` #`...), w.topic[r.below(len(w.topic))]...)
		}
	case u < 12:
		dst = x.handle(append(dst, ' '), r, w)
	case u < 19:
		dst = append(append(append(dst, ` https://`...), s.host...), `/p/`...)
		dst = strconv.AppendUint(dst, r.next()>>24, 36)
		if r.percent(30) {
			dst = append(dst, `?utm_source=share\u0026utm_medium=social`...)
		}
	case u < 33:
		emoji := w.emoji()
		one := emoji[r.below(len(emoji))]
		dst = append(dst, ' ')
		for range 1 + r.below(3) {
			dst = append(dst, one...)
		}
	}
	return dst
}

func (x *rich) handle(dst []byte, r *rng, w *writer) []byte {
	return strconv.AppendInt(append(append(dst, '@'), ascii(w.topic[r.below(len(w.topic))])...), int64(r.below(1000)), 10)
}

// keep remembers the beginning of a text as lines of a quotation.
func (x *rich) keep(key string, body []byte, r *rng) {
	var quoted []byte
	for _, c := range body[:cut(body, r.between(80, 500))] {
		quoted = append(quoted, c)
		if n := len(quoted); c == 'n' && n > 3 && quoted[n-2] == '\\' && quoted[n-3] != '\\' {
			quoted = append(quoted, `> `...)
		}
	}
	list := x.recent[key]
	if len(list) < recentTexts {
		x.recent[key] = append(list, quoted)
	} else {
		list[r.below(len(list))] = quoted
	}
}
