package dataset

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Views are what SQL views over an output are made of. The files are found by their folders each time a view is read, so
// that new windows and dropped ones need no new views. What Runs and Paths say is written into the views.
type Views struct {
	// Root is the output as engines find it: an absolute path, or a URL.
	Root string
	// Schema is where the views go, "" for the engine's default.
	Schema string
	// Folders are the kinds of data folders that hold files, see Folders.
	Folders []string
	Runs    []ViewedRun
	// Paths are members that documents were seen to hold and that no column holds, or not always, as drift reports name them.
	Paths []string
}

// ViewedRun is what the views say of a run.
type ViewedRun struct {
	Run, Source, Kind, Project, Stream, Query string
	Topics, Datasets                          []string
	Generation                                int
	Start, Stop                               time.Time
}

// Folders are the patterns of the folders in which the runs' files lie, relative to the output: "window_start=*",
// "collector=*", or "" for the output itself.
func (d *Dataset) Folders() (patterns []string) {
	for _, r := range d.Runs {
		for _, e := range r.Files {
			dir := path.Dir(e.Name)
			key, _, hive := strings.Cut(dir, "=")
			switch {
			case dir == ".":
				patterns = append(patterns, "")
			case hive && !strings.Contains(dir, "/"):
				patterns = append(patterns, key+"=*")
			}
		}
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// filePattern matches the names of data files. Hidden files, and those of strangers, do not begin like that.
const filePattern = "part-*.parquet"

// ours are the columns of every view that tell where a row comes from.
var ours = []string{"_run", "_source", "window_start", "window_stop", "_ordinal", "_key"}

// DuckDB is the views in DuckDB's SQL. It can be run again.
func (v *Views) DuckDB() string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- Views over %s for DuckDB 1.3 or newer. Files of new windows are found without new views; print the\n", comment(v.Root))
	b.WriteString("-- views again to let them know the new windows' sources and ends, and new members of _extra.\n")
	if v.Schema != "" {
		fmt.Fprintf(&b, "CREATE SCHEMA IF NOT EXISTS %s;\n", name(v.Schema))
	}
	view := func(view, what, query string) {
		fmt.Fprintf(&b, "\n-- %s\nCREATE OR REPLACE VIEW %s AS\n%s;\n", what, v.name(view), strings.TrimSpace(query))
	}
	view("runs", "What each run was asked for.", v.duckRuns())
	view("documents", "Every row, with the run, the source and the window that it comes from. Times of windows are in UTC.", v.duckDocuments())
	from := strings.NewReplacer("{documents}", v.name("documents"), "{latest}", v.name("latest"), "{ours}", strings.Join(ours, ", "))
	for _, s := range duckViews {
		view(s.name, s.what, from.Replace(s.query))
	}
	extras, left := v.duckExtras()
	for _, why := range left {
		fmt.Fprintf(&b, "\n-- %s", why)
	}
	view("extras", "What has no column, or does not fit its column: the members of _extra by their paths, as JSON. Of lists, the values that are there.", extras)
	return b.String()
}

// duckRuns is the statement of the view of runs.
func (v *Views) duckRuns() string {
	var rows []string
	moment := func(t time.Time) string {
		if t.IsZero() {
			return "NULL"
		}
		return "TIMESTAMP '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "'"
	}
	texts := func(all []string) string {
		quoted := make([]string, len(all))
		for i, s := range all {
			quoted[i] = literal(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	for _, r := range v.Runs {
		generation := "NULL"
		if r.Generation > 0 {
			generation = fmt.Sprint(r.Generation)
		}
		rows = append(rows, "  ("+strings.Join([]string{literal(r.Run), literal(r.Source), literal(r.Kind), literal(r.Project), literal(r.Stream),
			texts(r.Topics), texts(r.Datasets), literal(r.Query), generation, moment(r.Start), moment(r.Stop)}, ", ")+")")
	}
	return `SELECT _run::VARCHAR AS _run, nullif(_source, '') AS _source, nullif(kind, '') AS kind, nullif(project, '') AS project, nullif(stream, '') AS stream,
  topics::VARCHAR[] AS topics, datasets::VARCHAR[] AS datasets, nullif(query, '') AS query, generation::INTEGER AS generation,
  window_start::TIMESTAMP AS window_start, window_stop::TIMESTAMP AS window_stop
FROM (VALUES
` + strings.Join(rows, ",\n") + `
) AS r(_run, _source, kind, project, stream, topics, datasets, query, generation, window_start, window_stop)`
}

// duckDocuments is the statement of the view of all rows. Folders of several kinds cannot be told to DuckDB as partitions of
// one table, so the file's name is asked. DuckDB skips files by conditions on what is made of their names.
func (v *Views) duckDocuments() string {
	var globs []string
	for _, f := range v.Folders {
		globs = append(globs, literal(duckGlob(path.Join("/", f, filePattern), v.Root)))
	}
	where := ""
	if strings.ContainsRune(v.Root, '\\') { // DuckDB cannot be told a backslash
		where = "\n  WHERE starts_with(filename, " + literal(v.Root+"/") + ")"
	}
	return `SELECT f.*, r._source, f.window_start_of_file AS window_start, r.window_stop
FROM (
  SELECT * EXCLUDE (filename), regexp_extract(filename, 'part-([a-z0-9]+)-[^/]*$', 1) AS _run,
    try_cast(url_decode(regexp_extract(filename, '/window_start=([^/]*)/[^/]*$', 1)) AS TIMESTAMP) AS window_start_of_file
  FROM read_parquet([` + strings.Join(globs, ", ") + `], filename = true, hive_partitioning = false)` + where + `
) AS f LEFT JOIN ` + v.name("runs") + ` AS r USING (_run)`
}

// duckGlob is a pattern below a root whose own characters mean themselves.
func duckGlob(pattern, root string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]", `\`, "?").Replace(root) + pattern
}

// duckViews are those that are the same for every output.
var duckViews = []struct{ name, what, query string }{
	{"latest", "One row for each document of a source: the copy that carries metrics, then the one indexed last. Documents without a key stay as they are.", `
SELECT * FROM {documents}
QUALIFY _key IS NULL OR row_number() OVER (PARTITION BY _source, _key ORDER BY
  engagement IS NOT NULL OR reach IS NOT NULL OR article_extended_attributes IS NOT NULL DESC,
  search_indexed DESC NULLS LAST, window_start DESC NULLS LAST, _run DESC, _ordinal DESC) = 1`},
	{"matches", "One row for each topic, rule or query that a row matched; kind is null where the API does not say which.", `
SELECT {ours}, published, m.kind, m.id, m.title, m.category, m.query, h.matched.project_id AS project_id, h.matched.stream_id AS stream_id,
  h.matched.panel_id AS panel_id, h.title_snippet, h.content_snippet
FROM (
  SELECT *, unnest(CASE WHEN len(found) = 0
    THEN [{'kind': NULL::VARCHAR, 'id': NULL::VARCHAR, 'title': NULL::VARCHAR, 'category': NULL::VARCHAR, 'query': h.matched.rule_query}] ELSE found END) AS m
  FROM (
    SELECT {ours}, published, h, flatten([
      coalesce([{'kind': 'topic', 'id': p.id, 'title': p.title, 'category': p.category, 'query': NULL::VARCHAR} FOR p IN h.matched.project_profiles], []),
      coalesce([{'kind': 'topic', 'id': p, 'title': NULL, 'category': NULL, 'query': NULL} FOR p IN h.matched.profile
        IF NOT list_contains(coalesce([q.id FOR q IN h.matched.project_profiles], []), p)], []),
      coalesce([{'kind': 'rule', 'id': p, 'title': NULL, 'category': NULL, 'query': h.matched.rule_query}
        FOR p IN list_distinct(coalesce(h.matched.rule_ids, []) || [h.matched.rule_id])], []),
      coalesce([{'kind': 'query', 'id': p, 'title': NULL, 'category': NULL, 'query': NULL} FOR p IN h.matched.collector_query_ids], [])]) AS found
    FROM (SELECT {ours}, published, unnest(highlighted_data) AS h FROM {documents})
  )
)
UNION ALL
SELECT {ours}, published, 'topic', unnest(matched_profile), NULL, NULL, NULL, NULL, NULL, NULL, title_snippet, content_snippet
FROM {documents} WHERE coalesce(len(highlighted_data), 0) = 0`},
	{"images", "One row for each image of a row.", `
SELECT {ours}, published, position, i.url, i.legend, i.width, i.height
FROM (SELECT {ours}, published, unnest(images) AS i, generate_subscripts(images, 1) AS position FROM {documents})`},
	{"entities", "One row for each entity that was given at import; name is the narrowest term of terms.", `
SELECT {ours}, published, position, e.type, e.id[-1] AS name, e.id AS terms
FROM (SELECT {ours}, published, unnest(customer_entities) AS e, generate_subscripts(customer_entities, 1) AS position FROM {documents})`},
	{"authors", "One row for each author, as the newest document shows it.", `
SELECT author, arg_max(a, published).name AS name, arg_max(a, published).short_name AS short_name, arg_max(a, published).url AS url,
  arg_max(a, published) AS attributes, count(DISTINCT coalesce(_key, _run || '#' || _ordinal)) AS documents, min(published) AS first_published, max(published) AS last_published
FROM (
  SELECT *, coalesce(a.id, external_provider || ':' || external_author_id, a.url, a.short_name, a.name) AS author FROM (SELECT *, extra_author_attributes AS a FROM {latest})
)
WHERE author IS NOT NULL
GROUP BY author`},
	{"daily", "Documents for each day (UTC) of publication, source and language. Documents of several sources count for each of them.", `
SELECT CAST(published AT TIME ZONE 'UTC' AS DATE) AS day, _source, lang, count(*) AS documents, sum(engagement) AS engagement, sum(reach) AS reach,
  avg(sentiment) AS sentiment, count(*) FILTER (sentiment > 0) AS positive, count(*) FILTER (sentiment < 0) AS negative
FROM {latest}
GROUP BY ALL`},
}

// duckExtras is the statement of the view of what _extra holds, and what is left out of it.
func (v *Views) duckExtras() (query string, left []string) {
	columns, left := v.extraColumns(func(p, column string) string { return duckValue(p) + " AS " + name(column) })
	return "SELECT " + strings.Join(columns, ", ") + "\nFROM " + v.name("documents") + "\nWHERE _extra IS NOT NULL", left
}

// extraColumns are the columns of a view with a member of _extra in each, and what is left out of it. To the engines upper and
// lower case are the same.
func (v *Views) extraColumns(as func(path, column string) string) (columns, left []string) {
	taken := map[string]bool{}
	for _, c := range ours {
		taken[c] = true
	}
	columns = slices.Clone(ours)
	for _, p := range slices.Compact(slices.Sorted(slices.Values(v.Paths))) {
		if why := unfit(p); why != "" {
			left = append(left, fmt.Sprintf("%s has no column: %s.", comment(p), why))
			continue
		}
		column := p
		for n := 2; taken[strings.ToLower(column)]; n++ {
			column = fmt.Sprintf("%s (%d)", p, n)
		}
		taken[strings.ToLower(column)] = true
		columns = append(columns, "\n  "+as(p, column))
	}
	return columns, left
}

// duckValue is the expression for a member of _extra.
func duckValue(p string) string {
	var all []string
	for _, at := range extraPlaces(p) {
		all = append(all, duckWalk(at))
	}
	if len(all) == 1 {
		return all[0]
	}
	return "coalesce(" + strings.Join(all, ", ") + ")"
}

// duckWalk asks for a member by its place: by a JSON pointer, or where lists are on the way by a path, which finds one value
// for each element that has it.
func duckWalk(p place) string {
	if len(p) == 1 {
		return "json_extract(_extra, " + literal(pointer(p[0])) + ")"
	}
	last := p[len(p)-1]
	key := last[len(last)-1]
	if key != "" && key != "*" {
		return "nullif(to_json(json_extract(_extra, " + literal(jsonPath(p)) + ")), '[]')"
	}
	// Between quotes, too, DuckDB takes these for mistakes and wildcards.
	elements := literal(jsonPath(append(slices.Clone(p[:len(p)-1]), nil)))
	value := "json_extract(x, " + literal(pointer(last)) + ")"
	return fmt.Sprintf("nullif(to_json([%s FOR x IN json_extract(_extra, %s) IF %s IS NOT NULL]), '[]')", value, elements, value)
}

// jsonPath is a place as DuckDB writes it.
func jsonPath(p place) string {
	escapes := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	lists := make([]string, len(p))
	for i, names := range p {
		for _, n := range names {
			lists[i] += `."` + escapes.Replace(n) + `"`
		}
	}
	return "$" + strings.Join(lists, "[*]")
}

// pointer is a JSON pointer (RFC 6901).
func pointer(names []string) string {
	escapes := strings.NewReplacer("~", "~0", "/", "~1")
	text := ""
	for _, n := range names {
		text += "/" + escapes.Replace(n)
	}
	return text
}

func (v *Views) name(view string) string {
	if v.Schema == "" {
		return view
	}
	return name(v.Schema) + "." + view
}

// name is an SQL identifier, literal a string.
func name(s string) string    { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func literal(s string) string { return "'" + strings.ReplaceAll(withoutNUL(s), "'", "''") + "'" }

// withoutNUL is for text that only describes: SQL cannot hold U+0000.
func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "\uFFFD") }

// comment is text that stays on its line.
func comment(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}
