package emulator

import "strconv"

// What a document holds beside its text and its source.

func (p *page) clusters(s *site) {
	if p.d.chance(15) {
		p.raw(`,"cluster_id":"`)
		p.raw(s.base)
		p.raw("/original/")
		p.b = strconv.AppendUint(p.b, p.d.next()>>30, 36)
		p.raw(`"`)
		if p.d.chance(20) {
			p.digits(`,"meta_cluster_id":"`, p.d.next()>>20)
		}
	}
}

// phrases writes a list of up to n phrases, some of them twice.
func (p *page) phrases(key string, n, words int, prefix string) {
	p.raw(key)
	for i := range n {
		if i > 0 {
			p.raw(",")
		}
		p.raw(`"`)
		p.raw(prefix)
		start := len(p.b)
		p.b = p.lang.appendWords(p.b, &p.d, 1+p.d.n(words))
		end := len(p.b)
		p.raw(`"`)
		if p.d.n(8) == 0 {
			p.raw(`,"`)
			p.raw(prefix)
			p.b = append(p.b, p.b[start:end]...)
			p.raw(`"`)
		}
	}
	p.raw("]")
}

func (p *page) tokens() {
	if p.title1 > p.title0 && p.d.chance(70) {
		p.phrases(`,"tokens_title":[`, p.d.n(3), 3, "")
	}
	if p.d.chance(80) {
		p.phrases(`,"tokens_content":[`, p.d.n(9), 3, "")
	}
	switch p.d.n(8) {
	case 0:
		p.phrases(`,"tokens_mention":[`, 1+p.d.n(3), 1, "@")
	case 1:
		p.phrases(`,"tokens_hashtag":[`, 1+p.d.n(4), 1, "#")
	}
}

func (p *page) tags() {
	if x := p.d.n(16); x < 10 {
		p.raw([...]string{
			`,"tags_internal":["hasImage"]`, `,"tags_internal":["hasImage","containsImage"]`, `,"tags_internal":["isQuestion","hasImage"]`,
			`,"tags_internal":["isComment"]`, `,"tags_internal":["containsVideo","hasImage"]`, `,"tags_internal":["hasComment"]`,
			`,"tags_internal":["isQuestion"]`, `,"tags_internal":[]`, `,"tags_internal":["hasImage","isQuestion","containsImage"]`,
			`,"tags_internal":["hasImage"]`,
		}[x])
	}
}

// media writes images and videos; sizes and legends are often missing.
func (p *page) media(s *site) {
	list := func(key, suffix string, n int) {
		p.raw(key)
		for i := range n {
			if i > 0 {
				p.raw(",")
			}
			p.raw(`{"url":"`)
			p.raw(s.base)
			p.raw("/media/")
			p.b = strconv.AppendUint(p.b, p.d.next(), 36)
			p.raw(suffix)
			switch p.d.n(4) {
			case 0:
				p.int(`,"width":`, int64(16+p.d.n(2000)))
				p.int(`,"height":`, int64(16+p.d.n(2000)))
			case 1:
				p.raw(`,"legend":"`)
				p.b = p.lang.appendWords(p.b, &p.d, 2+p.d.n(8))
				p.raw(`"`)
			case 2:
				p.int(`,"width":`, int64(16+p.d.n(2000)))
			}
			p.raw("}")
		}
		p.raw("]")
	}
	switch p.d.n(5) {
	case 0, 1:
		list(`,"images":[`, `.jpg"`, 1+p.d.n(3))
	case 2:
		list(`,"images":[`, `.png"`, 1+p.d.n(9))
	}
	if p.t.kind == kindYouTube || p.d.chance(4) {
		list(`,"videos":[`, `.mp4"`, 1+p.d.n(2))
	}
}

func (p *page) links() {
	if !p.d.chance(30) {
		return
	}
	p.raw(`,"entity_url":[`)
	for i := range 1 + p.d.n(5) {
		if i > 0 {
			p.raw(",")
		}
		p.raw(`{"url":"https://t.example/`)
		p.b = strconv.AppendUint(p.b, p.d.next()>>28, 36)
		p.raw(`"`)
		if p.d.chance(50) {
			p.raw(`,"resolved_url":"https://www.long.example/articles/`)
			p.b = strconv.AppendUint(p.b, p.d.next(), 36)
			p.raw(`?ref=1&x=%20y"`)
		}
		p.raw("}")
	}
	p.raw("]")
}

func (p *page) author(s *site) {
	if p.d.chance(12) {
		return
	}
	id := p.d.next() >> 20
	p.raw(`,"extra_author_attributes":{"id":"`)
	p.raw(s.provider)
	p.raw(":")
	p.raw(s.host)
	p.raw("-")
	p.b = strconv.AppendUint(p.b, id, 10)
	p.raw(`"`)
	if !p.d.chance(8) {
		p.text(`,"name":"`, p.r.sel.corpus.people[p.d.n(1024)])
	}
	p.text(`,"gender":"`, [...]string{"UNKNOWN", "UNKNOWN", "MALE", "FEMALE"}[p.d.n(4)])
	switch p.d.n(6) {
	case 0:
		p.raw(`,"world_data":`)
		p.raw(p.r.sel.corpus.places[p.t.country])
	case 1:
		p.digits(`,"short_name":"user_`, id)
		p.digits(`,"url":"https://profiles.example/`, id)
		p.digits(`,"image_url":"https://profiles.example/p.png?id=`, id)
		p.raw(`,"type":"PERSON"`)
		if p.d.chance(40) {
			p.raw(`,"description":"`)
			p.b = p.lang.appendText(p.b, &p.d, 20+p.d.n(160), false)
			p.raw(`"`)
		}
		if p.d.chance(30) {
			p.int(`,"birthdate":{"date":"`, int64(1950+p.d.n(55)))
			p.raw(`-01-01","resolution":"YEAR"}`)
		}
	}
	p.raw("}")
}

// place writes the document's own place.
func (p *page) place() {
	switch p.d.n(12) {
	case 0, 1, 2:
		p.raw(`,"extra_article_attributes":{"world_data":`)
		p.raw(p.r.sel.corpus.places[p.t.country])
		p.raw("}")
	case 3:
		p.text(`,"extra_article_attributes":{"geo":"`, places[p.t.country].code)
		p.raw(`,"id":"ex:place","type":"VENUE","name":"`)
		p.b = p.lang.appendWords(p.b, &p.d, 2)
		p.raw(`","gender":"UNKNOWN","image_url":"https://www.example.org/p.png","short_name":"place","url":"https://www.example.org/"}`)
	}
}

// kindMembers writes what only some kinds have.
func (p *page) kindMembers() {
	switch p.t.kind {
	case kindReview:
		p.int(`,"rating":`, int64(p.d.n(11)))
		p.raw(`,"provider":"company_x"`)
		switch p.d.n(3) {
		case 0:
			p.raw(`,"label":[{"type":"topic","id":"service"},{"type":"topic","id":"price"}]`)
		case 1:
			p.int(`,"custom":{"store":"Nº `, int64(p.d.n(90)))
			p.raw(`","score":0.75,"visit":"2024-01-02T03:04:05Z","items":`)
			p.b = strconv.AppendInt(p.b, int64(p.d.n(20)), 10)
			p.raw(`}`)
		}
	case kindYouTube:
		p.raw(`,"external_provider":"youtube","external_id":"`)
		p.b = strconv.AppendUint(p.b, p.t.key>>4, 36)
		p.raw(`"`)
		if p.d.chance(50) {
			p.raw(`,"iab_category":[{"tier1":"Automotive","tier2":"Electric cars"},{"tier1":"Technology & Computing"}]`)
		}
	case kindOther:
		p.raw(`,"provider":"import_1"`)
		if p.d.chance(50) {
			p.raw(`,"customer_entities":[{"type":"place","id":["USA","Austin TX"]},{"type":"PERSON","id":["Jane Example"]}]`)
		}
		if p.d.chance(30) {
			p.digits(`,"pagemonitoring_sitemon_siteid":"`, p.d.next()>>44)
		}
		if p.d.chance(30) {
			p.raw(`,"tags_customer":["Category / news"],"tags_marking":["important","read"]`)
		}
	}
}

// rare writes one group of seldom members, none of which the document has already.
func (p *page) rare(s *site) {
	imported := p.t.kind == kindReview || p.t.kind == kindOther
	switch n := p.d.n(16); {
	case n == 0:
		p.raw(`,"docscore":{"test_score":1}`)
	case n == 1:
		p.raw(`,"docscore":{"test_score":1.0}`)
	case n == 2:
		p.raw(`,"docscore":{"test_score":0.25,"other_score":-1e-3}`)
	case n == 3:
		p.int(`,"fakenews_level":`, int64(p.d.n(101)))
	case n == 4:
		p.raw(`,"collection_id":["col-1","col-2"]`)
	case n == 5:
		p.raw(`,"generator":{"type":"MOBILE_IOS"}`)
	case n == 6:
		p.raw(`,"world_data":`)
		p.raw(p.r.sel.corpus.places[p.t.country])
	case n == 7:
		p.int(`,"user_response_time":`, p.count(24))
	case n == 8:
		p.raw(`,"matched_profile":["abcd1234_5e"]`)
	case imported:
	case n == 9:
		p.raw(`,"tags_customer":["Category / news","Category / press"]`)
	case n == 10:
		p.raw(`,"custom":{"margin":12.5,"done":true,"note":"x \"y\" <z>","nested":{"a":[1,2,null]}}`)
	case n == 11:
		p.raw(`,"customer_entities":[{"type":"keyword","id":["`)
		p.b = p.lang.appendWords(p.b, &p.d, 2)
		p.raw(`"]}]`)
	case n == 12 && p.t.kind != kindYouTube:
		p.raw(`,"provider":"company_y","external_provider":"web","external_id":"`)
		p.raw(s.host)
		p.raw(`/1"`)
	}
}
