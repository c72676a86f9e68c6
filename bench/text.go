package bench

import "strconv"

// span is a piece of a text: byte offsets.
type span struct{ from, to int }

// writer makes texts, already escaped as the inside of a JSON string.
type writer struct {
	ranks   zipf // of words
	sayings zipf // of phrases
	topic   []string
	spans   []span // sentences of the last text
	words   int    // words of the last text
}

func (w *writer) emoji() []string {
	return []string{"😀", "🔥", "👍🏽", "🎉", "❤️", "😂", "🚀", "👀", "🙏", "🇱🇺", "👩‍💻", `\ud83d\ude0d`, `\ud83d\udc4f`}
}

// begin chooses the words that will recur in a document.
func (w *writer) begin(r *rng, l *language) {
	w.topic = w.topic[:0]
	for range 12 {
		w.topic = append(w.topic, l.words[200+r.below(len(l.words)-200)])
	}
}

// text appends about size bytes of sentences in paragraphs.
func (w *writer) text(dst []byte, r *rng, l *language, size int) []byte {
	if l.prose != nil {
		return w.quote(dst, l.prose, size)
	}
	start := len(dst)
	w.spans, w.words = w.spans[:0], 0
	paragraph := r.between(2, 6)
	for len(dst)-start < size {
		from := len(dst)
		dst = w.sentence(dst, r, l)
		w.spans = append(w.spans, span{from, len(dst)})
		if paragraph--; paragraph == 0 {
			paragraph = r.between(2, 6)
			dst = append(dst, `\n\n`...)
		} else if l.blank != "" {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// sentence appends one sentence without the blank after it.
func (w *writer) sentence(dst []byte, r *rng, l *language) []byte {
	n := 3 + r.below(9) + r.below(9)
	quoted := 0
	if r.percent(7) {
		quoted = 2 + r.below(n)
		dst = append(dst, `\"`...)
	}
	first := true
	for i := 0; i < n; {
		if !first {
			if r.below(100) < 7 {
				dst = append(dst, l.comma...)
			} else {
				dst = append(dst, l.blank...)
			}
		}
		var took int
		dst, took = w.piece(dst, r, l, first)
		first = false
		i += took
		w.words += took
		if quoted > 0 && i >= quoted {
			dst = append(dst, `\"`...)
			quoted = 0
		}
	}
	if quoted > 0 {
		dst = append(dst, `\"`...)
	}
	stop := l.stops[r.below(len(l.stops))]
	if l.blank != "" {
		stop = stop[:len(stop)-1]
	}
	dst = append(dst, stop...)
	if r.below(100) < 3 {
		emoji := w.emoji()
		dst = append(dst, ' ')
		dst = append(dst, emoji[r.below(len(emoji))]...)
	}
	return dst
}

// piece appends a word, a set phrase or a number, and says how many words that was.
func (w *writer) piece(dst []byte, r *rng, l *language, first bool) ([]byte, int) {
	u := r.below(1000)
	switch {
	case first:
		return append(dst, l.capitals[w.ranks.draw(r)]...), 1
	case u < 430:
		return append(dst, l.phrases[w.sayings.draw(r)]...), 3
	case u < 570:
		return append(dst, w.topic[r.below(len(w.topic))]...), 1
	case u < 585:
		return append(dst, l.capitals[200+r.below(4000)]...), 1
	case u < 595:
		return strconv.AppendInt(dst, int64(r.below(3000)), 10), 1
	case u < 597:
		return append(append(append(dst, `\u201c`...), l.words[w.ranks.draw(r)]...), `\u201d`...), 1
	default:
		return append(dst, l.words[w.ranks.draw(r)]...), 1
	}
}

// title appends a headline.
func (w *writer) title(dst []byte, r *rng, l *language) []byte {
	if l.prose != nil {
		return w.headline(dst, r, l.prose)
	}
	n := r.between(4, 12)
	for i := range n {
		if i > 0 {
			dst = append(dst, l.blank...)
		}
		switch {
		case i == 0 || r.percent(25):
			dst = append(dst, l.capitals[w.ranks.draw(r)]...)
		case r.percent(35):
			dst = append(dst, w.topic[r.below(len(w.topic))]...)
		default:
			dst = append(dst, l.words[w.ranks.draw(r)]...)
		}
	}
	if r.percent(4) {
		dst = append(dst, ` \"`...)
		dst = append(dst, w.topic[0]...)
		dst = append(dst, `\"`...)
	}
	return dst
}

// snippet appends text as the API's snippets show it: entities instead of quotation marks, and the match
// between <b> and </b>. text holds the inside of a JSON string and does not start inside an escape.
func snippet(dst, text []byte, match string, at int) []byte {
	marked := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && text[i+1] == '"':
			dst = append(dst, "&quot;"...)
			i++
		case c == '\\' && text[i+1] == 'n':
			dst = append(dst, ' ')
			i++
		case c == '\\':
			dst = append(dst, c, text[i+1])
			i++
		case c == '\'':
			dst = append(dst, "&#39;"...)
		case c == ' ' && !marked && i >= at:
			marked = true
			dst = append(append(append(dst, " <b>"...), match...), "</b> "...)
		default:
			dst = append(dst, c)
		}
	}
	if !marked {
		dst = append(append(append(dst, "<b>"...), match...), "</b>"...)
	}
	return dst
}

// cut returns the length of the first n characters of text, the inside of a JSON string. A pair of
// escaped surrogates counts as two but is not torn.
func cut(text []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		switch c := text[i]; {
		case c == '\\' && text[i+1] == 'u':
			if text[i+2] == 'd' && text[i+3] == '8' {
				i += 6
			}
			i += 6
		case c == '\\':
			i += 2
		default:
			i++
			for i < len(text) && text[i]&0xc0 == 0x80 {
				i++
			}
		}
	}
	return i
}
