package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/bench/compare/duck"
)

// figures are what `report --format json` prints, as far as DuckDB can tell the same of the files alone.
type figures struct {
	Documents struct {
		Rows, Read, Undated, Outside, Indexed int64
		Days                                  []day
		Types                                 []counted
		Languages, Countries, Sites, Topics   ranking
		Authors                               ranking
		Overlap                               [][]int64
		Sentiment                             struct{ Negative, Neutral, Positive, None int64 }
		Appearance                            []counted
		Engagement, Reach, Late               []bucket
		Duplicates                            struct{ Keyed, Distinct, Surplus, Twice, More int64 }
	}
	Columns []struct {
		Path                        string
		Entries, Values, Bytes, Raw int64
		Bins                        [][2]int64
	}
	Files struct {
		Count, Small             int
		Bytes, Smallest, Largest int64
		RowGroups                int `json:"row_groups"`
		Bins                     []struct{ Start, Stop string }
	}
	Sources []struct {
		Source string
		Days   []struct {
			Day       string
			Documents int64
		}
	}
	Windows []struct {
		Run, Source           string
		Rows, Rejected, Bytes int64
		Files                 int
		State                 string
	}
	Drift struct {
		Coerced, Unknown []struct {
			Path  string
			Count int64
		}
	}
}

type day struct {
	Day                                    string
	Documents, Negative, Neutral, Positive int64
	Types                                  []int64
}

type counted struct {
	Value, Name      string
	Documents, Reach int64
}

type ranking struct {
	Values              []counted
	Distinct, Documents int64
	Error               int64
}

type bucket struct {
	From, To  *int64
	Documents int64
}

// The figures of a report are those that DuckDB computes from the same files.
func TestReport_SaysWhatDuckDBSays(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	first := a.export(0, out)
	second := a.export(0, out, "--query", "lang:en")
	e := a.run(0, "report", out, "--format", "json")
	var got figures
	if err := json.Unmarshal([]byte(e.stdout), &got); err != nil {
		t.Fatal(err)
	}
	d := &got.Documents
	same := func(what, query string, have ...[]any) {
		t.Helper()
		want := lake(t, out, query)
		if len(want) != len(have) {
			t.Errorf("%s: %d rows, DuckDB has %d", what, len(have), len(want))
			return
		}
		for i := range want {
			for j, cell := range have[i] {
				if fmt.Sprint(cell) != want[i][j] {
					t.Errorf("%s, row %d: %v, DuckDB has %v", what, i, have[i], want[i])
					return
				}
			}
		}
	}
	row := func(cells ...any) []any { return cells }
	if d.Rows != first.result.Rows+second.result.Rows || d.Read != d.Rows || d.Rows < 100 {
		t.Errorf("%d rows, %d read; %d and %d were exported", d.Rows, d.Read, first.result.Rows, second.result.Rows)
	}
	const at = "coalesce(published, search_indexed)"
	same("totals", "SELECT count(*), count(*) FILTER ("+at+" IS NULL), count(*) FILTER (published IS NULL AND search_indexed IS NOT NULL) FROM lake", row(d.Rows, d.Undated, d.Indexed))
	var days [][]any
	for _, x := range d.Days {
		days = append(days, row(x.Day, x.Documents, x.Negative, x.Neutral, x.Positive))
	}
	same("days", "SELECT "+at+"::DATE, count(*), count(*) FILTER (sentiment < 0), count(*) FILTER (sentiment = 0), count(*) FILTER (sentiment > 0) FROM lake WHERE "+at+" >= '1990-01-01' AND "+at+" < '2100-01-01' GROUP BY 1 ORDER BY 1", days...)
	var types, byDay [][]any
	for i, x := range d.Types {
		types = append(types, row(x.Value, x.Documents))
		for _, y := range d.Days {
			if y.Types[i] > 0 {
				byDay = append(byDay, row(y.Day, x.Value, y.Types[i]))
			}
		}
	}
	const kind = "coalesce(source_type[1], '(none)')"
	same("types", "SELECT "+kind+", count(*) FROM lake GROUP BY 1 ORDER BY 2 DESC, 1", types...)
	slices.SortFunc(byDay, func(a, b []any) int { return strings.Compare(fmt.Sprint(a[:2]), fmt.Sprint(b[:2])) })
	same("types by day", "SELECT "+at+"::DATE, "+kind+", count(*) FROM lake WHERE "+at+" >= '1990-01-01' AND "+at+" < '2100-01-01' GROUP BY 1, 2 ORDER BY 1, 2", byDay...)
	for _, x := range []struct {
		what, value string
		got         ranking
	}{
		{"languages", "lang", d.Languages},
		{"countries", "coalesce(world_data.country_code, extra_article_attributes.world_data.country_code, extra_source_attributes.world_data.country_code)", d.Countries},
		{"sites", "rtrim(regexp_replace(domain_url, '^[a-z]+://', ''), '/')", d.Sites},
	} {
		var rows [][]any
		for _, c := range x.got.Values {
			rows = append(rows, row(c.Value, c.Documents))
		}
		same(x.what, "SELECT "+x.value+" v, count(*) FROM lake WHERE v IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 25", rows...)
		same(x.what+" in all", "SELECT count(DISTINCT "+x.value+"), count("+x.value+") FROM lake", row(x.got.Distinct, x.got.Documents))
	}
	var authors [][]any
	for _, c := range d.Authors.Values {
		authors = append(authors, row(c.Value, c.Documents, c.Reach))
	}
	same("authors", "SELECT coalesce(extra_author_attributes.id, extra_author_attributes.name) a, count(*) n, sum(greatest(coalesce(reach, 0), 0))::BIGINT r FROM lake WHERE a IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1 LIMIT 25", authors...)
	topics(t, out, d.Topics, d.Overlap)
	same("sentiment", "SELECT count(*) FILTER (sentiment < 0), count(*) FILTER (sentiment = 0), count(*) FILTER (sentiment > 0), count(*) FILTER (sentiment IS NULL) FROM lake",
		row(d.Sentiment.Negative, d.Sentiment.Neutral, d.Sentiment.Positive, d.Sentiment.None))
	var appearance []any
	for _, c := range d.Appearance {
		appearance = append(appearance, c.Documents)
	}
	const appeared = "count(*) FILTER (matched.appearance = "
	same("appearance", "SELECT "+appeared+"'NEW'), "+appeared+"'UPDATED'), "+appeared+"'UNKNOWN'), count(*) FILTER (matched.appearance IS NULL) FROM lake", appearance)
	buckets := func(what, value string, list []bucket) {
		t.Helper()
		total := int64(0)
		for _, b := range list {
			where := value + " IS NULL"
			if b.From != nil || b.To != nil {
				low, high := int64(math.MinInt64), int64(math.MaxInt64)
				if b.From != nil {
					low = *b.From
				}
				if b.To != nil {
					high = *b.To
				}
				where = fmt.Sprintf("%s >= %d AND %s < %d", value, low, value, high)
			}
			same(what, "SELECT count(*) FROM lake WHERE "+where, row(b.Documents))
			total += b.Documents
		}
		if total != d.Rows {
			t.Errorf("%s: %d in all of %d", what, total, d.Rows)
		}
	}
	buckets("engagement", "engagement", d.Engagement)
	buckets("reach", "reach", d.Reach)
	buckets("late", "(epoch_us(search_indexed) - epoch_us(published)) / 1e6", d.Late)
	same("duplicates", "SELECT sum(n), count(*), sum(n) - count(*), count(*) FILTER (n = 2), count(*) FILTER (n > 2) FROM (SELECT count(*) n FROM lake WHERE _key IS NOT NULL GROUP BY _key)",
		row(d.Duplicates.Keyed, d.Duplicates.Distinct, d.Duplicates.Surplus, d.Duplicates.Twice, d.Duplicates.More))
	if d.Duplicates.Twice == 0 {
		t.Error("nothing is there twice: the second export brings the English documents again")
	}
	for _, s := range got.Sources {
		rows := [][]any{}
		for _, x := range s.Days {
			rows = append(rows, row(x.Day, x.Documents))
		}
		names := []string{}
		for _, w := range got.Windows {
			if w.Source == s.Source {
				names = append(names, "filename LIKE '%"+w.Run+"%'")
			}
		}
		same("days of a source", "SELECT "+at+"::DATE, count(*) FROM lake WHERE ("+strings.Join(names, " OR ")+
			") AND "+at+" >= '1990-01-01' AND "+at+" < '2100-01-01' GROUP BY 1 ORDER BY 1", rows...)
	}
	if len(got.Sources) != 2 || len(got.Windows) != 2*len(first.result.Windows) {
		t.Errorf("%d sources, %d windows", len(got.Sources), len(got.Windows))
	}
	coerced := map[string]int64{}
	for _, x := range got.Drift.Coerced {
		coerced[x.Path] = x.Count
	}
	same("coerced", "SELECT count(*) FROM lake WHERE json_exists(_extra, '$.source_type')", row(coerced["source_type"]))
	footers(t, out, &got)
}

// topics counts them with SQL that takes the lists apart.
func topics(t *testing.T, out string, got ranking, overlap [][]int64) {
	t.Helper()
	const from = "(SELECT DISTINCT d, coalesce(p.id, p.title) topic FROM (SELECT d, unnest(h.matched.project_profiles) p FROM (SELECT filename || ' ' || file_row_number d, unnest(highlighted_data) h FROM lake)) WHERE topic IS NOT NULL)"
	for i, row := range lake(t, out, "SELECT topic, count(*) FROM "+from+" GROUP BY 1 ORDER BY 2 DESC, 1") {
		if i >= len(got.Values) || got.Values[i].Value != row[0] || fmt.Sprint(got.Values[i].Documents) != row[1] {
			t.Fatalf("topics %+v, DuckDB has %v at %d", got.Values, row, i)
		}
	}
	if one(t, out, "SELECT count(DISTINCT d) FROM "+from) != fmt.Sprint(got.Documents) || len(got.Values) < 2 {
		t.Errorf("topics of %d documents: %+v", got.Documents, got.Values)
	}
	for i, a := range got.Values {
		for j, b := range got.Values {
			want := one(t, out, "SELECT count(*) FROM "+from+" x JOIN "+from+" y USING (d) WHERE x.topic = "+duck.Quote(a.Value)+" AND y.topic = "+duck.Quote(b.Value))
			if fmt.Sprint(overlap[i][j]) != want {
				t.Errorf("topics %s and %s: %d, DuckDB has %s", a.Value, b.Value, overlap[i][j], want)
			}
		}
	}
}

// footers compares what is told of files and columns with DuckDB's own reading of the footers, and of the values.
func footers(t *testing.T, out string, got *figures) {
	t.Helper()
	glob := duck.Quote(filepath.Join(out, "*", "*.parquet"))
	total := map[string][4]string{}
	for _, row := range lake(t, out, "SELECT regexp_replace(regexp_replace(replace(path_in_schema, ', ', '.'), '[.]key_value.*', ''), '[.]list[.]element', '[]', 'g') p, sum(num_values), sum(num_values - stats_null_count), sum(total_compressed_size), sum(total_uncompressed_size) FROM parquet_metadata("+glob+") WHERE path_in_schema NOT LIKE '%key_value%' GROUP BY 1") {
		total[strings.TrimSuffix(row[0], "[]")] = [4]string{row[1], row[2], row[3], row[4]}
	}
	if len(total) < 190 {
		t.Fatalf("DuckDB finds %d columns", len(total))
	}
	entries := map[string]int64{}
	for _, c := range got.Columns {
		want, ok := total[c.Path]
		if have := [4]string{fmt.Sprint(c.Entries), fmt.Sprint(c.Values), fmt.Sprint(c.Bytes), fmt.Sprint(c.Raw)}; ok && have != want {
			t.Errorf("column %s: %v, DuckDB has %v", c.Path, have, want)
		}
		delete(total, c.Path)
		entries[c.Path] = c.Values
		values := int64(0)
		for _, b := range c.Bins {
			values += b[1]
		}
		if values != c.Values || len(c.Bins) != len(got.Files.Bins) {
			t.Errorf("column %s: %d values over time, %d in all", c.Path, values, c.Values)
		}
	}
	if len(total) > 0 {
		t.Errorf("columns that the report does not have: %v", total)
	}
	for path, sql := range map[string]string{"url": "url", "sentiment": "sentiment", "world_data.country": "world_data.country", "extra_author_attributes.name": "extra_author_attributes.name"} {
		if want := one(t, out, "SELECT count("+sql+") FROM lake"); fmt.Sprint(entries[path]) != want {
			t.Errorf("%d values of %s, DuckDB counts %s", entries[path], path, want)
		}
	}
	if want := one(t, out, "SELECT count(*) FROM (SELECT unnest(images) FROM lake)"); fmt.Sprint(entries["images[].url"]) != want {
		t.Errorf("%d images, DuckDB counts %s", entries["images[].url"], want)
	}
	f := &got.Files
	want := lake(t, out, "SELECT count(*), sum(size), min(size), max(size) FROM read_blob("+glob+")")[0]
	if have := []string{fmt.Sprint(f.Count), fmt.Sprint(f.Bytes), fmt.Sprint(f.Smallest), fmt.Sprint(f.Largest)}; !slices.Equal(have, want) {
		t.Errorf("files %v, DuckDB has %v", have, want)
	}
	if want := one(t, out, "SELECT sum(num_row_groups) FROM parquet_file_metadata("+glob+")"); fmt.Sprint(f.RowGroups) != want {
		t.Errorf("%d row groups, DuckDB has %s", f.RowGroups, want)
	}
}
