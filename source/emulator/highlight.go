package emulator

import "math/bits"

// highlighted closes the document's chunk with what matched: a sibling of the document, one entry per
// match, whose members depend on where the export came from (Talkwalker API, streaming fields).
func (p *page) highlighted() {
	p.raw(`,"highlighted_data":[`)
	sel := p.r.sel
	switch {
	case sel.project != nil:
		mask := sel.project.topicsOf(p.t.key)
		if sel.topics != 0 {
			mask &= sel.topics
		}
		if bits.OnesCount64(mask) > 1 && p.d.chance(20) { // an entry per topic
			for first := true; mask != 0; mask &= mask - 1 {
				if !first {
					p.raw(",")
				}
				first = false
				p.entry()
				p.profiles(mask & -mask)
			}
			break
		}
		p.entry()
		p.profiles(mask)
	case sel.stream != "":
		p.entry()
		p.text(`"matched":{"stream_id":"`, sel.stream)
		mask := sel.matchingRules(p.t)
		if one := bits.TrailingZeros64(mask); p.d.chance(20) && one < 64 {
			p.raw(`,"rule_id":`)
			p.raw(p.r.rules[one])
		} else {
			p.raw(`,"rule_ids":[`)
			p.pickFrom(p.r.rules, mask)
			p.raw("]")
		}
		if p.d.chance(5) {
			p.raw(`,"panel_id":"panel_1"`)
		}
		p.raw("}}")
	case sel.live != "":
		p.entry()
		p.text(`"matched":{"collector_query_ids":["`, sel.live)
		p.raw("]}}")
	default:
		p.entry()
		p.raw(`"matched":{"rule_query":`)
		p.raw(p.r.query)
		p.raw("}}")
	}
	p.raw("]")
}

// entry opens an entry and writes its snippets; X documents have none.
func (p *page) entry() {
	p.raw("{")
	if p.t.kind == kindX {
		return
	}
	if p.title1 > p.title0 {
		p.raw(`"title_snippet":"`)
		p.titleSnippet()
		p.raw(`",`)
	}
	p.raw(`"content_snippet":"`)
	p.contentSnippet()
	p.raw(`",`)
}

// snippets writes the document's own copies, which exports from streams have as well.
func (p *page) snippets() {
	if p.title1 > p.title0 {
		p.raw(`,"title_snippet":"`)
		p.titleSnippet()
		p.raw(`"`)
	}
	p.raw(`,"content_snippet":"`)
	p.contentSnippet()
	p.raw(`"`)
}

func (p *page) titleSnippet() {
	if p.d.chance(60) {
		p.raw("<b>")
		p.raw(p.r.term)
		p.raw("</b> ")
	}
	p.b = appendHTML(p.b, p.b[p.title0:p.title1])
}

// contentSnippet is made once and repeated, for the entries of one document agree on it.
func (p *page) contentSnippet() {
	if p.snippet1 > 0 {
		p.b = append(p.b, p.b[p.snippet:p.snippet1]...)
		return
	}
	p.snippet = len(p.b)
	p.raw("...")
	p.b = p.lang.appendWords(p.b, &p.d, 4+p.d.n(12))
	switch p.d.n(4) {
	case 0:
		p.raw(" &quot;so&#39;s this&quot; ")
	case 1:
		p.raw(" Q&amp;A &lt;3 ")
	default:
		p.raw(" ")
	}
	p.raw("<b>")
	p.raw(p.r.term)
	p.raw("</b> ")
	p.b = p.lang.appendWords(p.b, &p.d, 4+p.d.n(14))
	p.raw("...")
	p.snippet1 = len(p.b)
}

// profiles writes the topics that matched, and closes the entry.
func (p *page) profiles(mask uint64) {
	p.raw(`"matched":{"project_profiles":[`)
	p.pickFrom(p.r.titles, mask)
	p.raw("]")
	switch p.d.n(50) {
	case 0:
		p.raw(`,"project_id":`)
		p.b = append(p.b, encode(p.r.sel.project.ID)...)
	case 1:
		p.raw(`,"profile":["abcd1234_5e"]`)
	case 2:
		p.raw(`,"profile":"abcd1234_5e"`)
	}
	p.raw("}}")
}

func (p *page) pickFrom(list []string, mask uint64) {
	for first := true; mask != 0; mask &= mask - 1 {
		if i := bits.TrailingZeros64(mask); i < len(list) {
			if !first {
				p.raw(",")
			}
			first = false
			p.raw(list[i])
		}
	}
}

// appendHTML appends text, which is escaped for JSON, with quotes and ampersands as HTML entities: the way
// the API sends snippets.
func appendHTML(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && text[i+1] == '"':
			dst = append(dst, "&quot;"...)
			i++
		case c == '\'':
			dst = append(dst, "&#39;"...)
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
