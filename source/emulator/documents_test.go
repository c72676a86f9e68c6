package emulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"unicode/utf8"
)

// generate renders every document of a selection in [from, to).
func generate(t testing.TB, sel *selection, from, to int64) [][]byte {
	t.Helper()
	refs, total := sel.pick(from, to, 1<<30)
	if int64(len(refs)) != total {
		t.Fatalf("%d refs, total %d", len(refs), total)
	}
	r := newRenderer(sel)
	lines := make([][]byte, len(refs))
	for i, id := range refs {
		lines[i] = r.appendChunk(nil, id)
	}
	return lines
}

// day is a day's start in epoch milliseconds, counted from 2024-01-01.
func day(n int) int64 { return 1704067200000 + int64(n)*dayMS }

// world returns selections of all three origins.
func world(t testing.TB, seed uint64, perDay int) map[string]*selection {
	t.Helper()
	s, err := New(Config{Seed: seed, DocumentsPerDay: perDay})
	if err != nil {
		t.Fatal(err)
	}
	p := &s.cfg.Projects[0]
	st, apiErr := s.streamSelection(&s.cfg.Streams[0])
	if apiErr != nil {
		t.Fatal(apiErr)
	}
	q, apiErr := parseQuery(`coffee AND NOT "green tea"`)
	if apiErr != nil {
		t.Fatal(apiErr)
	}
	return map[string]*selection{
		"project": {corpus: s.corpus, universe: s.corpus.project(p.ID), project: p},
		"topics":  {corpus: s.corpus, universe: s.corpus.project(p.ID), project: p, topics: 0b1100, query: q},
		"stream":  st,
		"query":   {corpus: s.corpus, universe: s.corpus.global(), query: q},
	}
}

func TestDocuments_AreValidAndComplete(t *testing.T) {
	seen := map[string]bool{}
	values := map[string]bool{}
	for name, sel := range world(t, 7, 2500) {
		for _, line := range generate(t, sel, day(0), day(2)) {
			if !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r") {
				t.Fatalf("%s: bad chunk %s", name, line)
			}
			var chunk struct {
				Result struct {
					Data struct {
						Data        map[string]any `json:"data"`
						Highlighted []any          `json:"highlighted_data"`
					} `json:"data"`
				} `json:"chunk_result"`
			}
			if err := json.Unmarshal(line, &chunk); err != nil {
				t.Fatalf("%s: %v in %s", name, err, line)
			}
			paths(chunk.Result.Data.Data, "", seen, values)
			paths(chunk.Result.Data.Highlighted, "highlighted_data", seen, values)
		}
	}
	missing := slices.DeleteFunc(slices.Clone(documentedPaths), func(p string) bool { return seen[p] })
	if len(missing) > 0 {
		t.Errorf("never generated: %q", missing)
	}
	known := map[string]bool{}
	for _, p := range documentedPaths {
		known[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(seen)) {
		if !known[p] {
			t.Errorf("generated but not documented: %s", p)
		}
	}
	for _, want := range []string{"source_type:string", "source_type:list", "post_type:string", "post_type:list",
		"highlighted_data[].matched.profile:string", "highlighted_data[].matched.profile:list"} {
		if !values[want] {
			t.Errorf("form %s never generated", want)
		}
	}
}

// paths collects the paths of a value, with the members of open sets left out.
func paths(v any, prefix string, seen, forms map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			p := k
			if prefix != "" {
				p = prefix + "." + k
			}
			seen[p] = true
			if k == "docscore" || k == "custom" {
				continue
			}
			paths(member, p, seen, forms)
		}
	case []any:
		forms[prefix+":list"] = true
		for _, member := range v {
			switch member.(type) {
			case map[string]any:
				paths(member, prefix+"[]", seen, forms)
			}
		}
	case string:
		forms[prefix+":string"] = true
	}
}

// No object has a member twice; json.Unmarshal would not notice.
func TestDocuments_HaveNoMemberTwice(t *testing.T) {
	for name, sel := range world(t, 11, 2000) {
		for _, line := range generate(t, sel, day(0), day(1)) {
			d := json.NewDecoder(bytes.NewReader(line))
			if key, err := repeated(d); err != nil || key != "" {
				t.Fatalf("%s: %q twice (%v) in %s", name, key, err, line)
			}
		}
	}
}

// repeated reads one value and returns a key that an object in it has twice.
func repeated(d *json.Decoder) (string, error) {
	token, err := d.Token()
	if err != nil || token != json.Delim('{') && token != json.Delim('[') {
		return "", err
	}
	seen := map[string]bool{}
	for d.More() {
		if token == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return "", err
			}
			if seen[key.(string)] {
				return key.(string), nil
			}
			seen[key.(string)] = true
		}
		if key, err := repeated(d); key != "" || err != nil {
			return key, err
		}
	}
	_, err = d.Token()
	return "", err
}

func TestDocuments_AreDeterministic(t *testing.T) {
	a, b, other := world(t, 7, 300), world(t, 7, 300), world(t, 8, 300)
	for name := range a {
		// Another order of asking must not matter.
		generate(t, b[name], day(20), day(21))
		x, y := generate(t, a[name], day(0), day(4)), generate(t, b[name], day(0), day(4))
		if !slices.EqualFunc(x, y, bytes.Equal) {
			t.Errorf("%s: two servers of one seed differ", name)
		}
		if slices.EqualFunc(x, generate(t, other[name], day(0), day(4)), bytes.Equal) {
			t.Errorf("%s: another seed gives the same documents", name)
		}
	}
}

// [a,c) holds exactly the documents of [a,b) and [b,c).
func TestDocuments_RangesPartition(t *testing.T) {
	for name, sel := range world(t, 3, 200) {
		d := draw(99)
		for range 8 {
			a := day(0) + int64(d.n(5*dayMS))
			b := a + int64(d.n(3*dayMS))
			c := b + int64(d.n(3*dayMS))
			parts := append(generate(t, sel, a, b), generate(t, sel, b, c)...)
			whole := generate(t, sel, a, c)
			slices.SortFunc(parts, bytes.Compare)
			slices.SortFunc(whole, bytes.Compare)
			if !slices.EqualFunc(parts, whole, bytes.Equal) {
				t.Fatalf("%s: [%d,%d,%d): %d in parts, %d in all", name, a, b, c, len(parts), len(whole))
			}
		}
	}
}

func TestDocuments_PairsAreAdjacentAndOrderIsNot(t *testing.T) {
	sel := world(t, 5, 500)["project"]
	refs, _ := sel.pick(day(0), day(10), 1<<30)
	pairs, back := 0, 0
	for i := 1; i < len(refs); i++ {
		x, y := sel.corpus.traits(sel.universe, refs[i-1]), sel.corpus.traits(sel.universe, refs[i])
		if x.at > y.at {
			back++
		}
		if x.copy == copyNew && y.copy == copyUpdated && x.key == y.key {
			pairs++
		}
	}
	if pairs < len(refs)/100 || back < len(refs)/4 {
		t.Errorf("%d results: %d pairs, %d steps back in time", len(refs), pairs, back)
	}
}

// A NEW copy lacks the metrics that its UPDATED twin has, and was indexed later.
func TestDocuments_NewCopiesLackMetrics(t *testing.T) {
	sel := world(t, 5, 500)["project"]
	refs, _ := sel.pick(day(0), day(4), 1<<30)
	r := newRenderer(sel)
	type doc struct {
		URL           string           `json:"url"`
		SearchIndexed int64            `json:"search_indexed"`
		Engagement    *int64           `json:"engagement"`
		Reach         *int64           `json:"reach"`
		Attributes    *json.RawMessage `json:"article_extended_attributes"`
		Spam          *int64           `json:"DEPRECATED_spam_level"`
		Matched       struct {
			Appearance string `json:"appearance"`
		} `json:"matched"`
	}
	checked := 0
	for i, id := range refs[1:] {
		if sel.corpus.traits(sel.universe, id).copy != copyUpdated {
			continue
		}
		var first, second doc
		for _, d := range []struct {
			id   ref
			into *doc
		}{{refs[i], &first}, {id, &second}} {
			if err := json.Unmarshal(r.appendDocument(nil, d.id), d.into); err != nil {
				t.Fatal(err)
			}
		}
		checked++
		if first.URL != second.URL || first.Matched.Appearance != "NEW" || second.Matched.Appearance != "UPDATED" ||
			first.Engagement != nil || first.Reach != nil || first.Attributes != nil || first.Spam != nil ||
			second.Engagement == nil || second.Reach == nil || first.SearchIndexed <= second.SearchIndexed {
			t.Fatalf("pair %+v %+v", first, second)
		}
	}
	if checked < 20 {
		t.Errorf("only %d pairs", checked)
	}
}

// Posts on X hold ids and scores, never text, address or time.
func TestDocuments_XHoldsOnlyIDs(t *testing.T) {
	sel := world(t, 5, 1000)["project"]
	posts := 0
	for _, line := range generate(t, sel, day(0), day(1)) {
		if !bytes.Contains(line, []byte("SOCIALMEDIA_TWITTER")) {
			continue
		}
		posts++
		for _, key := range []string{`"url"`, `"content"`, `"published"`, `"title_snippet"`, `"content_snippet"`} {
			if bytes.Contains(line, []byte(key)) {
				t.Fatalf("%s in %s", key, line)
			}
		}
	}
	if posts < 80 {
		t.Errorf("%d posts on X of 1000", posts)
	}
	for _, line := range generate(t, world(t, 5, 1000)["query"], day(0), day(1)) {
		if bytes.Contains(line, []byte("SOCIALMEDIA")) {
			t.Fatalf("social media outside of a project: %s", line)
		}
	}
}

// Line lengths are those that the figures on performance were taken with.
func TestDocuments_LineLengths(t *testing.T) {
	var lengths []int
	for _, line := range generate(t, world(t, 1, 10_000)["project"], day(0), day(2)) {
		lengths = append(lengths, len(line))
	}
	slices.Sort(lengths)
	for _, q := range []struct{ percent, want, slack int }{{10, 400, 25}, {50, 3100, 15}, {90, 8600, 15}, {99, 18800, 15}} {
		got := lengths[len(lengths)*q.percent/100]
		t.Logf("p%d: %d bytes", q.percent, got)
		if 100*got < (100-q.slack)*q.want || 100*got > (100+q.slack)*q.want {
			t.Errorf("p%d: %d bytes, want %d ± %d %%", q.percent, got, q.want, q.slack)
		}
	}
	if longest := lengths[len(lengths)-1]; longest < 40_000 {
		t.Errorf("the longest line has %d bytes", longest)
	}
}

func TestDocuments_NewsIsCut(t *testing.T) {
	sel := world(t, 2, 2000)["project"]
	refs, _ := sel.pick(day(0), day(1), 1<<30)
	r := newRenderer(sel)
	for _, id := range refs {
		if sel.corpus.traits(sel.universe, id).kind != kindNews {
			continue
		}
		var doc struct {
			Content string `json:"content"`
		}
		if err := json.Unmarshal(r.appendDocument(nil, id), &doc); err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(doc.Content); n != 128 && n != 223 || doc.Content[len(doc.Content)-3:] != "..." {
			t.Fatalf("%d characters: %q", n, doc.Content)
		}
	}
}

// documentedPaths are the fields of a document that an API answer may hold (Talkwalker API, documents; and those seen in
// public examples and clients).
var documentedPaths = func() []string {
	list := []string{"url", "published", "title", "content", "indexed", "search_indexed", "title_snippet", "content_snippet",
		"root_url", "domain_url", "host_url", "parent_url", "lang", "porn_level", "fluency_level", "spam_level",
		"DEPRECATED_spam_level", "noise_level", "noise_category", "fakenews_level", "sentiment", "reach", "engagement", "rating",
		"provider", "source_type", "post_type", "cluster_id", "meta_cluster_id", "tags_internal", "tags_marking",
		"tags_customer", "matched_profile", "matched", "matched.appearance", "word_count", "trending_score", "docscore",
		"tokens_title", "tokens_content", "tokens_mention", "tokens_hashtag", "user_response_time", "iab_category",
		"iab_category[].tier1", "iab_category[].tier2", "collection_id", "pagemonitoring_sitemon_siteid", "generator",
		"generator.type", "custom", "label", "label[].type", "label[].id", "customer_entities", "customer_entities[].type",
		"customer_entities[].id", "entity_url", "entity_url[].url", "entity_url[].resolved_url", "external_provider",
		"external_id", "external_author_id", "article_extended_attributes", "source_extended_attributes",
		"extra_article_attributes", "extra_author_attributes", "extra_author_attributes.description",
		"extra_author_attributes.birthdate", "extra_author_attributes.birthdate.date",
		"extra_author_attributes.birthdate.resolution", "extra_source_attributes", "extra_source_attributes.id",
		"extra_source_attributes.name", "extra_source_attributes.url", "extra_source_attributes.geo"}
	for _, name := range articleNumbers {
		list = append(list, "article_extended_attributes."+name)
	}
	for _, name := range []string{"alexa_pageviews", "alexa_unique_visitors", "semrush_pageviews", "semrush_unique_visitors",
		"facebook_followers", "twitter_followers", "instagram_followers", "pinterest_followers", "linkedin_followers", "ave",
		"print_run_print", "print_run_sales", "print_run_circulation", "online_visits", "douyin_reach"} {
		list = append(list, "source_extended_attributes."+name)
	}
	for _, name := range []string{"geo", "id", "type", "name", "gender", "image_url", "short_name", "url"} {
		list = append(list, "extra_article_attributes."+name)
		if name != "geo" {
			list = append(list, "extra_author_attributes."+name)
		}
	}
	for _, object := range []string{"", "extra_article_attributes.", "extra_author_attributes.", "extra_source_attributes."} {
		list = append(list, object+"world_data")
		for _, name := range []string{"continent", "country", "region", "city", "longitude", "latitude", "country_code", "resolution"} {
			list = append(list, object+"world_data."+name)
		}
	}
	for _, media := range []string{"images", "videos"} {
		list = append(list, media, media+"[].url", media+"[].legend", media+"[].width", media+"[].height")
	}
	const h = "highlighted_data[]"
	list = append(list, h+".title_snippet", h+".content_snippet", h+".matched")
	for _, name := range []string{"stream_id", "rule_id", "rule_ids", "rule_query", "panel_id", "project_id", "profile",
		"project_profiles", "project_profiles[].id", "project_profiles[].title", "project_profiles[].category", "project_profiles[].type"} {
		list = append(list, h+".matched."+name)
	}
	return list
}()
