package emulator

// renderer writes the results of one selection. It never changes after newRenderer, so any number of reads
// may use it at once.
type renderer struct {
	sel    *selection
	term   string   // what snippets mark, escaped for HTML and JSON
	titles []string // {"id":…,"title":…} of the project's topics
	rules  []string // ids of the stream's rules, quoted
	query  string   // the export's query, quoted
}

func newRenderer(sel *selection) *renderer {
	r := &renderer{sel: sel, term: sel.query.term, query: string(encode(sel.query.text))}
	if p := sel.project; p != nil {
		for i := range p.Topics {
			t := &p.Topics[i]
			if r.term == "" {
				r.term = t.Title
			}
			profile := struct {
				ID       string `json:"id"`
				Title    string `json:"title"`
				Category string `json:"category,omitempty"`
				Type     string `json:"type,omitempty"`
			}{t.ID, t.Title, t.Group, ""}
			if t.Group != "" {
				profile.Type = "SEARCH"
			}
			r.titles = append(r.titles, string(encode(profile)))
		}
	}
	for i := range sel.rules {
		r.rules = append(r.rules, string(encode(sel.rules[i].id)))
		if r.term == "" {
			r.term = sel.rules[i].query.term
		}
	}
	if r.term == "" {
		r.term = "example"
	}
	r.term = escapeTerm(r.term)
	return r
}

func escapeTerm(term string) string {
	quoted := encode(term)
	return string(appendHTML(nil, quoted[1:len(quoted)-1]))
}

// The chunk around a document.
const (
	chunkStart = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":`
	chunkEnd   = `}}}`
)

// appendChunk appends the CT_RESULT chunk of a document, without a newline.
func (r *renderer) appendChunk(dst []byte, id ref) []byte {
	t := r.sel.corpus.traits(r.sel.universe, id)
	dst = append(dst, chunkStart...)
	p := page{r: r, t: &t, b: dst, d: draw(t.key)}
	p.document()
	p.highlighted()
	return append(p.b, chunkEnd...)
}

// appendDocument appends the inner document alone, as a search result holds it.
func (r *renderer) appendDocument(dst []byte, id ref) []byte {
	t := r.sel.corpus.traits(r.sel.universe, id)
	p := page{r: r, t: &t, b: dst, d: draw(t.key)}
	p.document()
	return p.b
}
