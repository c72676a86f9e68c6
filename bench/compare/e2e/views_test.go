package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

// viewed is a database with the views that the program prints for an output.
func (a *account) viewed(out string, flags ...string) *duck.DB {
	a.t.Helper()
	e := a.run(0, append([]string{"views", out}, flags...)...)
	db, err := duck.Open(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = db.Close() })
	for range 2 { // they replace themselves
		if err := db.Exec(a.t.Context(), e.stdout); err != nil {
			a.t.Fatalf("%v\n%s", err, e.stdout)
		}
	}
	return db
}

// table is what a query answers: a line for each row, cells between bars.
func table(t *testing.T, db *duck.DB, query string) []string {
	t.Helper()
	_, rows, err := db.Text(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{}
	for _, row := range rows {
		lines = append(lines, strings.Join(row, "|"))
	}
	return lines
}

// sent is what the tests of views look at in a result.
type sent struct {
	Data struct {
		URL        *string   `json:"url"`
		Provider   *string   `json:"external_provider"`
		ID         *string   `json:"external_id"`
		Published  *int64    `json:"published"`
		Indexed    *int64    `json:"search_indexed"`
		Lang       *string   `json:"lang"`
		Engagement *float64  `json:"engagement"`
		Reach      *float64  `json:"reach"`
		Counters   any       `json:"article_extended_attributes"`
		Images     []*imageT `json:"images"`
		Entities   []struct {
			Type string   `json:"type"`
			ID   []string `json:"id"`
		} `json:"customer_entities"`
	} `json:"data"`
	Highlighted []struct {
		Matched struct {
			Profiles []struct {
				ID    string `json:"id"`
				Title string `json:"title"`
			} `json:"project_profiles"`
			Profile any `json:"profile"`
		} `json:"matched"`
	} `json:"highlighted_data"`
}

type imageT struct {
	URL string `json:"url"`
}

// key is that of column _key.
func (s *sent) key() string {
	switch {
	case s.Data.URL != nil:
		return *s.Data.URL
	case s.Data.Provider != nil && s.Data.ID != nil:
		return *s.Data.Provider + ":" + *s.Data.ID
	}
	return ""
}

func (s *sent) metrics() bool {
	return s.Data.Engagement != nil || s.Data.Reach != nil || s.Data.Counters != nil
}

// results are the results of a run, as the emulator sent them.
func (a *account) results(run string) (all []*sent) {
	a.t.Helper()
	var lines bytes.Buffer
	if err := a.WriteResults(&lines, "tw2p-"+run); err != nil {
		a.t.Fatal(err)
	}
	scan := bufio.NewScanner(&lines)
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		var chunk struct {
			Result struct {
				Data json.RawMessage `json:"data"`
			} `json:"chunk_result"`
		}
		if err := json.Unmarshal(scan.Bytes(), &chunk); err != nil {
			a.t.Fatal(err)
		}
		var s sent
		_ = json.Unmarshal(chunk.Result.Data, &s) // a member of another type is left out, as in the columns
		all = append(all, &s)
	}
	return all
}

// TestViews_OfEveryDocument compares each view with what encoding/json finds in the emulator's documents. Two sources share
// the folders.
func TestViews_OfEveryDocument(t *testing.T) {
	t.Parallel()
	a := serve(t, emulator.Config{Seed: 5, DocumentsPerDay: 60})
	out := a.output()
	a.exports++
	window := []string{"--start", "2024-01-01", "--stop", "2024-01-05", "--split", "day"}
	first := a.export(0, out, window...)
	second := a.run(0, append([]string{"export", "--out", out, "--stream", a.Streams()[0]}, window...)...)
	db := a.viewed(out)

	rows, images, matches := 0, []string{}, map[string]int{}
	latest, daily := map[string]*sent{}, map[string]int{}
	keyless := 0
	for source, e := range map[string]ended{"project": first, "stream": second} {
		for _, w := range e.result.Windows {
			for _, s := range a.results(w.Run) {
				rows++
				for i, image := range s.Data.Images {
					if image != nil {
						images = append(images, fmt.Sprintf("%s|%s|%d|%s", w.Run, s.key(), i+1, image.URL))
					}
				}
				for _, h := range s.Highlighted {
					for _, p := range h.Matched.Profiles {
						matches["topic|"+p.ID+"|"+p.Title]++
					}
				}
				k := source + "|" + s.key()
				if s.key() == "" {
					keyless++
					k = fmt.Sprintf("%s|%d", source, keyless)
				}
				if old := latest[k]; old == nil || s.metrics() && !old.metrics() || s.metrics() == old.metrics() && index(s) > index(old) {
					latest[k] = s
				}
			}
		}
	}
	for k, s := range latest {
		day := duck.Null
		if s.Data.Published != nil {
			day = fmt.Sprint(*s.Data.Published / 86400000)
		}
		source, _, _ := strings.Cut(k, "|")
		daily[fmt.Sprintf("%s|%s|%s", day, source, shownText(s.Data.Lang))]++
	}
	expect := func(what string, got, want []string) {
		t.Helper()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %d lines, want %d; the first are %.3q and %.3q", what, len(got), len(want), got[:min(3, len(got))], want[:min(3, len(want))])
		}
	}
	expect("documents", table(t, db, "SELECT count(*), count(DISTINCT _source), count(DISTINCT _run), count(window_start), count(window_stop - window_start = INTERVAL 1 DAY OR NULL) FROM documents"),
		[]string{fmt.Sprintf("%d|2|8|%d|%d", rows, rows, rows)})
	expect("runs", table(t, db, "SELECT kind, count(*), min(window_start), max(window_stop) FROM runs GROUP BY kind"),
		[]string{"project|4|2024-01-01 00:00:00|2024-01-05 00:00:00", "stream|4|2024-01-01 00:00:00|2024-01-05 00:00:00"})
	expect("images", table(t, db, "SELECT _run, coalesce(_key, ''), position, url FROM images WHERE url IS NOT NULL"), images)
	expect("matches", table(t, db, "SELECT kind, id, title, count(*) FROM matches WHERE kind = 'topic' AND title IS NOT NULL GROUP BY ALL"), countLines(matches))
	expect("latest", table(t, db, "SELECT count(*) FROM latest"), []string{fmt.Sprint(len(latest))})
	keys := []string{}
	for k, s := range latest {
		if s.key() != "" {
			keys = append(keys, fmt.Sprintf("%s|%d", k, index(s)))
		}
	}
	expect("copies", table(t, db, "SELECT kind, _key, epoch_ms(search_indexed) FROM latest JOIN runs USING (_run) WHERE _key IS NOT NULL"), keys)
	expect("daily", table(t, db, "SELECT day - DATE '1970-01-01', kind, lang, sum(documents) FROM daily JOIN (SELECT DISTINCT _source, kind FROM runs) USING (_source) GROUP BY ALL"), countLines(daily))
	expect("authors", table(t, db, "SELECT count(*) = count(DISTINCT author), sum(documents) > 0 FROM authors"), []string{"true|true"})
	in := filepath.Join(t.TempDir(), "in.ndjson") // lies beside the folders, and is no export
	if err := os.WriteFile(in, []byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u","brand.new":1}}}}`+"\n"+
		`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	a.run(0, "convert", in, "--out", out)
	mixed := a.viewed(out)
	expect("with a conversion", table(t, mixed, `SELECT count(*), count(_source), count(window_start) FROM documents`), []string{fmt.Sprintf("%d|%d|%d", rows+1, rows, rows)})
	expect("its member", table(t, mixed, `SELECT _source, "brand.new" FROM extras WHERE _key = 'u'`), []string{"NULL|1"})
	scanned := strings.Join(table(t, db, "EXPLAIN ANALYZE SELECT count(*) FROM documents WHERE window_start = '2024-01-02'"), "")
	if !strings.Contains(scanned, "Scanning Files: 2/8") {
		t.Errorf("a condition on window_start skips no files:\n%s", scanned)
	}
}

func index(s *sent) int64 {
	if s.Data.Indexed == nil {
		return -1 << 62
	}
	return *s.Data.Indexed
}

func shownText(s *string) string {
	if s == nil {
		return duck.Null
	}
	return *s
}

func countLines(all map[string]int) (lines []string) {
	for k, n := range all {
		lines = append(lines, fmt.Sprintf("%s|%d", k, n))
	}
	return lines
}

// TestViews_OfTheHandWritten looks at every column of the views that unnest, on the document that has everything.
func TestViews_OfTheHandWritten(t *testing.T) {
	t.Parallel()
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents("full", "odd", "empty"))
	out := a.output()
	a.export(0, out, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01")
	db := a.viewed(out)
	for query, want := range map[string]string{
		"SELECT position, type, name, terms FROM entities ORDER BY 1":                                                  "1|place|Austin TX|[USA, Austin TX]\n2|person|NULL|[]\n3|keyword|NULL|NULL",
		"SELECT url, legend, width, height FROM images ORDER BY position":                                              "https://example.org/a.jpg|A caption|735|365\nhttps://example.org/b.jpg|NULL|NULL|NULL",
		"SELECT author, name, short_name, url, documents FROM authors ORDER BY 1":                                      "Odd|Odd|NULL|NULL|1\nex:example.org-123456789|Jane Example|jane_example|https://example.org/jane|1",
		`SELECT published_by, "extra_author_attributes.karma", source_type, porn_level FROM extras WHERE _ordinal = 1`: `{"robot":true}|17|"MESSAGEBOARD"|3000000000`,
		"SELECT kind, id, title, query FROM matches WHERE kind IN ('rule', 'query') AND _ordinal = 0 ORDER BY ALL":     "query|query_1|NULL|NULL\nquery|query_2|NULL|NULL\nrule|rule_1|NULL|cats AND dogs\nrule|rule_2|NULL|cats AND dogs",
	} {
		got := strings.Join(table(t, db, query), "\n")
		if got != want {
			t.Errorf("%s\n%s\nwant\n%s", query, got, want)
		}
	}
}

// hostileNames are names that break careless quoting, as members of documents, as schemas and as directories.
func hostileNames() (names []string) {
	for c := rune(1); c < 0x250; c++ {
		if c < 0x80 || c > 0xa0 && c%7 == 0 {
			names = append(names, string(c), "a"+string(c)+"b")
		}
	}
	return append(names, "'; DROP TABLE x; --", `"; DROP TABLE x; --`, `""`, "''", "'''", `"""`, "$$", "$$x$$", "$1", "?1", ":name", "--", "/*", "*/", "/* */", "a--b\nc", "\r\n",
		"[]", "[*]", "[0]", "x[]", "[].x", "a.b", "a.b.c", ".", "..", "...", "a..b", "$.a", "$[0]", "~0", "~1", "~01", "/", "//", "a/b", "0", "12", "-1", "-", "#", "*", "**",
		"SELECT", "select", "from", "NULL", "null", "true", "_extra", "_key", "_run", "window_start", "filename", "day", "x", "X", "foo", "Foo", "FOO", "é", "É", "日本語", "🙂", "\u202e", "\u2028", "\ufeff",
		"{}", "{{x}}", "${HOME}", "$(id)", "`id`", "%s", "%d%n", `\`, `\\`, `\'`, `\"`, `\n`, `\x41`, `U&"\0041"`, "E'x'", "x'00'", "a b", " a", "a ", "\t", strings.Repeat("n", 190), strings.Repeat("ü", 90),
		"images", "images.url", "extra_author_attributes.name", "docscore.x", "$chunk", "$chunk.x", "highlighted_data", "highlighted_data.x", "(2)", "foo (2)")
}

// TestViews_HostileMembers puts every hostile name everywhere where a member may be unknown, and finds each value under its own
// name again.
func TestViews_HostileMembers(t *testing.T) {
	long(t, "TestViews_OfTheHandWritten")
	t.Parallel()
	a := serve(t, emulator.Config{})
	names := slices.Compact(slices.Sorted(slices.Values(hostileNames())))
	places := map[string]struct {
		chunk func(member string) string
		path  string
		list  bool
	}{
		"document": {func(m string) string { return `{"chunk_result":{"data":{"data":{` + m + `}}}}` }, "", false},
		"author": {func(m string) string {
			return `{"chunk_result":{"data":{"data":{"extra_author_attributes":{` + m + `}}}}}`
		}, "extra_author_attributes.", false},
		"images": {func(m string) string {
			return `{"chunk_result":{"data":{"data":{"images":[{"url":"u"},{` + m + `},{` + m + `}]}}}}`
		}, "images[].", true},
		"matched": {func(m string) string {
			return `{"chunk_result":{"data":{"data":{},"highlighted_data":[{"matched":{"project_profiles":[{` + m + `}]}}]}}}`
		}, "highlighted_data[].matched.project_profiles[].", true},
		"chunk":  {func(m string) string { return `{` + m + `,"chunk_result":{"data":{"data":{}}}}` }, "$chunk.", false},
		"beside": {func(m string) string { return `{"chunk_result":{"data":{"data":{},` + m + `}}}` }, "$chunk.chunk_result.data.", false},
	}
	for _, place := range some(places, 3) {
		p := places[place]
		var stream bytes.Buffer
		want := map[string]string{}
		for i, name := range names {
			quoted, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			value := fmt.Sprintf(`{"at":%d}`, i)
			line := p.chunk(string(quoted) + ":" + value)
			if known(place, name) || len(p.path+name) >= 197 {
				continue
			}
			stream.WriteString(strings.Replace(line, "{", `{"chunk_type":"CT_RESULT",`, 1) + "\n")
			if p.list {
				value = "[" + value + "]"
			}
			if place == "images" {
				value = value[:len(value)-1] + "," + value[1:]
			}
			want[p.path+name] = value
		}
		stream.WriteString(`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"end"}}`)
		in := filepath.Join(t.TempDir(), "in.ndjson")
		if err := os.WriteFile(in, stream.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		out := a.output()
		a.run(0, "convert", in, "--out", out)
		db := a.viewed(out)
		columns, rows, err := db.Text(t.Context(), "SELECT * EXCLUDE (_run, _source, window_start, window_stop, _ordinal, _key) FROM extras")
		if err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		found := map[string]string{}
		twins := 0
		for i, column := range columns {
			for _, row := range rows {
				if row[i] == duck.Null {
					continue
				}
				if _, twice := found[column]; twice {
					t.Errorf("%s: %q has values in several rows", place, column)
				}
				found[column] = row[i]
			}
		}
		for name, value := range want {
			if found[name] == value {
				continue
			}
			// Names that DuckDB takes for one another, and for columns of ours, are told apart.
			other := slices.ContainsFunc([]string{" (2)", " (3)", " (4)"}, func(s string) bool { return found[name+s] == value })
			if twins++; !other {
				t.Errorf("%s: %q is %q, want %q", place, name, found[name], value)
			}
		}
		if len(want) < 300 || len(found) != len(want) || twins > 90 {
			t.Errorf("%s: %d names, %d columns, %d of them under another name", place, len(want), len(found), twins)
		}
	}
}

// known tells whether a hostile name is a member that has a column at a place, or none that the report can name.
func known(place, name string) bool {
	switch place {
	case "document":
		return slices.Contains([]string{"images"}, name)
	case "chunk", "beside":
		return name == "highlighted_data"
	}
	return false
}

// TestViews_HostilePlaces reads outputs from directories, and through schemas, with hostile names, and what was asked for in a
// hostile query. Beside each directory lie some that a pattern would match.
func TestViews_HostilePlaces(t *testing.T) {
	long(t, "TestViews_OfEveryDocument, and the tests of views of package sink/dataset")
	t.Parallel()
	a := serve(t, emulator.Config{})
	a.SetDocuments(documents("post"))
	names := slices.DeleteFunc(hostileNames(), func(s string) bool { return strings.Contains(s, "/") || s == "." || s == ".." })
	names = append(names, "[a]", "[!a]", "[^a]", "[a-z]", "{a,b}", "a[", "a]", "[[]", "[]]", `a\[b`, `\*`, "~", "s3:", "file:", "window_start=2020-01-01", "x.parquet")
	query := `"` + strings.NewReplacer(`"`, "", `\`, "").Replace(strings.Join(names, " ")) + `"`
	out := a.output()
	a.run(0, "export", "--query", query, "--split", "none", "--start", "2020-01-01", "--stop", "2024-01-01", "--out", out)
	root := t.TempDir()
	for _, decoy := range []string{"a", "b", "aXb", "aYb", "abc"} {
		if err := os.CopyFS(filepath.Join(root, decoy), os.DirFS(out)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	asked := 0
	for _, name := range names {
		asked++
		lake, schema := filepath.Join(root, name), "s"+name
		if err := os.CopyFS(lake, os.DirFS(out)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		statements := a.run(0, "views", lake, "--schema="+schema).stdout
		if err := db.Exec(t.Context(), statements); err != nil {
			t.Errorf("%q: %v\n%s", name, err, statements)
			continue
		}
		in := duck.Name(schema) + "."
		got, err := db.Query(t.Context(), "SELECT count(*), any_value(query) FROM "+in+"documents JOIN "+in+"runs USING (_run)")
		if err != nil || got.Rows[0][0] != int64(1) || got.Rows[0][1] != query {
			t.Errorf("%q: %v, %v", name, got.Rows, err)
		}
		views, err := db.Query(t.Context(), "SELECT count(*) FROM duckdb_views() WHERE schema_name = ?", schema)
		if err != nil || views.Rows[0][0] != int64(strings.Count(statements, "CREATE OR REPLACE VIEW ")) {
			t.Errorf("%q: %v views in the schema, %v", name, views.Rows, err)
		}
		if err := db.Exec(t.Context(), "DROP SCHEMA "+duck.Name(schema)+" CASCADE"); err != nil {
			t.Error(err)
		}
	}
	if len(names) < 250 || asked < 60 {
		t.Errorf("only %d of %d names", asked, len(names))
	}
}
