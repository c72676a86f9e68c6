package bench

import "strconv"

// attachments appends images, videos and links.
func (g *generator) attachments(dst []byte, r *rng, l *language, s *site, kind Kind) []byte {
	if kind == News && r.percent(85) || kind == Blog && r.percent(75) || kind == Forum && r.percent(10) {
		dst = g.media(append(dst, `,"images":[`...), r, l, s, 1+r.below(3), ".jpg")
	}
	if r.percent(4) {
		dst = g.media(append(dst, `,"videos":[`...), r, l, s, 1, ".mp4")
	}
	if r.percent(70) {
		dst = append(dst, `,"entity_url":[`...)
		for i := range 1 + r.below(4) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, `{"url":"https://`...), s.host...), '/')
			dst = append(append(dst, g.languages[0].words[g.world.ranks.draw(r)]...), '/')
			dst = strconv.AppendUint(dst, r.next()>>44, 36)
			if r.percent(40) {
				dst = append(append(append(dst, `","resolved_url":"https://`...), s.host...), `/r/`...)
				dst = strconv.AppendUint(dst, r.next()>>30, 36)
			}
			dst = append(dst, `"}`...)
		}
		dst = append(dst, ']')
	}
	return dst
}

func (g *generator) media(dst []byte, r *rng, l *language, s *site, n int, ending string) []byte {
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"url":"https://cdn.`...), s.host...), `/media/2024/`...)
		dst = append(strconv.AppendUint(dst, r.next()>>16, 36), ending...)
		dst = append(dst, '"')
		if r.percent(25) {
			dst = append(g.sentence(append(dst, `,"legend":"`...), r, l), '"')
		}
		if r.percent(30) {
			dst = integer(dst, `,"width":`, int64(r.between(20, 160)*8))
			dst = integer(dst, `,"height":`, int64(r.between(20, 110)*8))
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// attributes appends the objects at a document's end: counters, place, author, site, and what only an
// imported review has.
func (g *generator) attributes(dst []byte, r *rng, l *language, s *site, kind Kind, c which) []byte {
	counted := r.fork()
	if c != copyNew && counted.percent(75) {
		dst = integer(dst, `,"article_extended_attributes":{"facebook_shares":`, int64(counted.spread(2, 200)))
		dst = integer(dst, `,"twitter_shares":`, int64(counted.spread(1, 200)))
		if kind == Blog || kind == Forum {
			dst = integer(dst, `,"num_comments":`, int64(counted.spread(4, 150)))
		}
		if counted.percent(10) {
			dst = integer(dst, `,"pinterest_likes":`, int64(counted.below(90)))
			dst = integer(dst, `,"url_views":`, int64(counted.spread(3000, 180)))
		}
		dst = append(dst, '}')
		if counted.percent(5) {
			dst = append(dst, `,"docscore":{"test_score":1.0}`...)
		}
	}
	if s.counters != "" {
		dst = append(append(dst, ','), s.counters...)
	}
	if r.percent(12) {
		dst = append(append(append(dst, `,"extra_article_attributes":{"world_data":`...), worldData(r, l)...), '}')
	}
	if kind != News || r.percent(60) {
		u := r.below(s.authors) * r.below(16) / 16 // some write more than others
		dst = g.author(append(dst, ','), s, u)
	}
	dst = append(append(dst, ','), s.source...)
	if kind == Review {
		dst = append(dst, `,"custom":{"score_service":0.`...)
		dst = integer(dst, ``, int64(r.between(11, 99)))
		dst = integer(dst, `,"branch":"B`, int64(r.below(400)))
		dst = append(dst, `","visit":"2024-02-`...)
		dst = integer(dst, ``, int64(r.between(10, 28)))
		dst = append(dst, `"},"label":[{"type":"topic","id":"`...)
		dst = append(dst, []string{"service", "price", "quality", "delivery"}[r.below(4)]...)
		dst = append(dst, `"}],"customer_entities":[{"type":"place","id":["`...)
		dst = append(append(append(append(dst, l.country...), `","`...), l.city...), `"]}]`...)
	}
	return dst
}
