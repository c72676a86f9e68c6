// Package reporttest makes up reports: every state, gap and odd text that a real output would take long to come to. Same
// name, same bytes.
package reporttest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"tw2parquet/schema"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/dataset/report"
)

// Report is a report.
type Report = report.Report

// Naughty are texts that try to run, to leave their place, or to make the reader see something else.
var Naughty = []string{
	`<script>window.ran = true</script>`, `"><img src=x onerror="window.ran=true">`, `javascript:window.ran=true`, `</style><svg onload=window.ran=true>`,
	`{{.Policy}}`, `<!--`, `]]>`, "\u202eevil\u202c", "\u2066isolated", "שלום עולם", "a\u200eb\u200f", "\x00\x1b[31mred", "line\nbreak\u2028and\u2029more",
	"e" + strings.Repeat("\u0301", 200), strings.Repeat("W", 5000), strings.Repeat("ﷺ", 300), "👩‍👩‍👧‍👦 🏳️‍🌈", `<a href="https://evil.example/">x</a>`, "", "\xff\xfe",
	`' or 1=1 --`, `<iframe srcdoc="<script>top.ran=true</script>">`, `&lt;b&gt; &amp; "quoted"`, "ｆｕｌｌｗｉｄｔｈ", "\u202e\u202e\u202e",
}

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

func count(n int64) *int64 { return &n }

// Troubled is a report that has everything: gaps, each state, drift, damage, naughty texts.
func Troubled() Report {
	r := rand.New(rand.NewPCG(1, 2))
	out := base("s3://bucket/lake", day(2026, 11, 29).Add(10*time.Hour))
	states := []string{"complete", "truncated", "complete", "dropped", "partial", "at risk", "complete", "failed", "reading", "unreadable", "complete", "planned"}
	for i, state := range states {
		start := day(2025, time.Month(i+1), 1)
		rows := 40000 + r.Int64N(60000)
		w := report.Window{Run: fmt.Sprintf("%026d", i), Source: "one", Start: start, Stop: start.AddDate(0, 1, 0), State: state, Limit: 100000,
			Expected: count(rows), Processed: count(rows), Read: rows, Rows: rows, Credits: count(rows), Files: 3, Bytes: rows * 1100, Reason: Naughty[i]}
		switch state {
		case "truncated":
			w.Rows, w.Read, w.Processed, w.Credits, w.Expected = 100400, 100400, count(100400), count(100400), count(163211)
		case "partial":
			w.Missing, w.Rejected, w.Rows = 1200, 7, rows-1207
		case "at risk", "reading":
			w.Left, w.Expires = count(86400), out.Time.Add(24*time.Hour)
			w.Command = "tw2parquet export --project '" + Naughty[0] + "' --start 2025-06-01 --stop 2025-07-01 --split none --out s3://bucket/lake"
		case "planned":
			w.Expected, w.Processed, w.Credits, w.Read, w.Rows, w.Files, w.Bytes = nil, nil, nil, 0, 0, 0, 0
		}
		if i == 6 {
			w.Lost, w.Tables = []string{"window_start=2025-07-01/" + Naughty[1] + ".parquet"}, []string{"analytics.docs", Naughty[0]}
		}
		out.Windows = append(out.Windows, w)
	}
	out.Windows = append(out.Windows, report.Window{Run: "conversionconversionconver", State: "complete", Read: 1200, Rows: 1200, Files: 1, Bytes: 1 << 20})
	span := func(from, to time.Time) report.Span { return report.Span{Start: from, Stop: to} }
	out.Sources = []report.Source{
		{ID: "one", Kind: "project", Name: "7950d340-be1a-dc88-0214-0568fa159a0d", Topics: []string{"a", "b"}, Start: day(2025, 1, 1), Stop: day(2026, 1, 1),
			Covered: []report.Span{span(day(2025, 1, 1), day(2025, 4, 1)), span(day(2025, 5, 1), day(2025, 6, 1))},
			Gaps:    []report.Span{span(day(2025, 4, 1), day(2025, 5, 1)), span(day(2025, 9, 12), day(2025, 9, 19))}, Unfinished: []report.Span{span(day(2025, 6, 1), day(2025, 7, 1)), span(day(2025, 12, 1), day(2026, 1, 1))}},
		{ID: "two", Kind: "query", Name: Naughty[0], Query: Naughty[7], Start: day(2025, 10, 1), Stop: day(2025, 12, 1), Covered: []report.Span{span(day(2025, 10, 1), day(2025, 12, 1))}},
	}
	types := []string{"SOCIALMEDIA", "ONLINENEWS", "BLOG", "MESSAGEBOARD", "BROADCAST", Naughty[0], "PODCAST", "PRINT", "REVIEW", "(none)"}
	fill(&out.Documents, r, types, day(2025, 1, 1), 365, 2200)
	for i := range out.Sources {
		for _, d := range out.Documents.Days {
			if at, err := time.Parse(time.DateOnly, d.Day); err == nil && !at.Before(out.Sources[i].Start) && at.Before(out.Sources[i].Stop) && (at.Month() != 4 || i == 1) {
				out.Sources[i].Days = append(out.Sources[i].Days, report.DayCount{Day: d.Day, Documents: d.Documents / int64(i+1)})
			}
		}
	}
	for i, text := range Naughty {
		out.Drift.Unknown = append(out.Drift.Unknown, report.Unknown{Path: text, Count: int64(1000 - i), Type: Naughty[(i+1)%len(Naughty)], First: day(2025, 1, i+1), Run: "r"})
	}
	out.Drift.Coerced = []report.Coerced{{Path: "source_type", Count: 704}, {Path: "highlighted_data[].matched.profile", Count: 425}, {Path: Naughty[0], Count: 3}}
	out.Drift.ReplacedUTF8, out.Drift.DuplicateKeys = 12, 3
	out.Damaged = []dataset.Problem{{Path: "s3://bucket/lake/window_start=2025-03-01/part-x-00001.parquet", Reason: "row group 3, column content, page 2: its bytes do not match its checksum"}, {Path: Naughty[0], Reason: Naughty[1]}}
	out.Problems = []string{"run " + Naughty[0] + " cannot be read"}
	out.Files.Strays = []string{"mine.parquet", Naughty[7] + ".parquet"}
	for i := range out.Windows[:12] {
		out.Files.Bins = append(out.Files.Bins, span(out.Windows[i].Start, out.Windows[i].Stop))
	}
	columns(&out, r)
	return out
}

// Large has ten million documents of ten years in a thousand windows, and as much of everything else as is ever kept.
func Large() Report {
	r := rand.New(rand.NewPCG(3, 4))
	out := base(strings.Repeat("a-long-name/", 30), day(2026, 11, 29))
	start := day(2015, 1, 1)
	for i := range 1000 {
		w := report.Window{Run: fmt.Sprintf("%026d", i), Source: fmt.Sprint("source", i%12), Start: start.AddDate(0, 0, 4*i), Stop: start.AddDate(0, 0, 4*i+4), State: "complete", Limit: 1000000,
			Expected: count(10000), Processed: count(10000), Read: 10000, Rows: 10000, Credits: count(10000), Files: 2, Bytes: 12 << 20, Left: count(500000), Reason: strings.Repeat("because ", 30)}
		if i%3 == 0 {
			w.State, w.Lost, w.Command = "at risk", []string{"x"}, "tw2parquet export "+strings.Repeat("--topic some-topic ", 60)
		}
		out.Windows = append(out.Windows, w)
	}
	types := []string{}
	for i := range 16 {
		types = append(types, fmt.Sprint("SOME_QUITE_LONG_SOURCE_TYPE_", i))
	}
	fill(&out.Documents, r, types, start, 4000, 4400)
	for i := range 12 {
		s := report.Source{ID: fmt.Sprint("source", i), Kind: "project", Name: strings.Repeat("n", 160), Query: strings.Repeat("q", 4000), Start: start, Stop: start.AddDate(0, 0, 4000)}
		for k := range 400 {
			s.Gaps = append(s.Gaps, report.Span{Start: start.AddDate(0, 0, 10*k), Stop: start.AddDate(0, 0, 10*k+1)})
			s.Covered = append(s.Covered, report.Span{Start: start.AddDate(0, 0, 10*k+1), Stop: start.AddDate(0, 0, 10*k+10)})
		}
		for _, d := range out.Documents.Days {
			s.Days = append(s.Days, report.DayCount{Day: d.Day, Documents: d.Documents / 12})
		}
		out.Sources = append(out.Sources, s)
	}
	for i := range 1000 {
		out.Drift.Unknown = append(out.Drift.Unknown, report.Unknown{Path: fmt.Sprintf("%s.%d", strings.Repeat("é", 80), i), Count: 1000, Type: "object", First: start, Run: "0123456789"})
		out.Drift.Coerced = append(out.Drift.Coerced, report.Coerced{Path: fmt.Sprintf("%s.%d", strings.Repeat("é", 80), i), Count: 1000})
		out.Files.Strays = append(out.Files.Strays, strings.Repeat("s", 200))
		out.Problems = append(out.Problems, strings.Repeat("p", 400))
		out.Damaged = append(out.Damaged, dataset.Problem{Path: strings.Repeat("d", 200), Reason: strings.Repeat("r", 200)})
	}
	for i := range 36 {
		out.Files.Bins = append(out.Files.Bins, report.Span{Start: start.AddDate(0, 0, 110*i), Stop: start.AddDate(0, 0, 110*i+110)})
	}
	columns(&out, r)
	return out
}

// Empty has nothing.
func Empty() Report { return base("lake", day(2026, 11, 29)) }

func base(out string, at time.Time) Report {
	return Report{Out: out, Time: at, Version: "1.2.3"}
}

func fill(d *report.Documents, r *rand.Rand, types []string, start time.Time, days int, perDay int64) {
	for _, t := range types {
		d.Types = append(d.Types, report.Value{Value: t})
	}
	for i := range days {
		at := start.AddDate(0, 0, i)
		weekday := int64(10)
		if at.Weekday() == 0 || at.Weekday() == 6 {
			weekday = 6
		}
		x := report.Day{Day: at.Format(time.DateOnly)}
		total := perDay * weekday / 10 * (80 + r.Int64N(40)) / 100
		if i == days*2/3 {
			total *= 3
		}
		if at.Month() == 4 && days < 1000 {
			total = 0
		}
		for j := range types {
			n := total / int64(2*j*j+2) * 2 / 3
			x.Types = append(x.Types, n)
			x.Documents += n
			d.Types[j].Documents += n
		}
		x.Negative, x.Positive = x.Documents*(15+r.Int64N(10))/100, x.Documents*(25+r.Int64N(10))/100
		x.Neutral = x.Documents - x.Negative - x.Positive
		d.Sentiment.Negative, d.Sentiment.Neutral, d.Sentiment.Positive = d.Sentiment.Negative+x.Negative, d.Sentiment.Neutral+x.Neutral, d.Sentiment.Positive+x.Positive
		d.Rows += x.Documents
		d.Days = append(d.Days, x)
	}
	d.Read, d.Undated, d.Outside, d.Indexed, d.Sentiment.None = d.Rows+21, 9, 12, d.Rows/6, 77
	list := func(names ...string) report.Top {
		t := report.Top{Distinct: 1234, Documents: d.Rows}
		for i, name := range names {
			t.Values = append(t.Values, report.Count{Value: name, Name: name, Documents: d.Rows / int64(i+2), Reach: 1 << 40 / int64(i+1)})
		}
		return t
	}
	d.Languages = list("en", "de", "fr", "es", "ru", "ja", "ar", "zh", Naughty[0])
	d.Countries = list("us", "de", "fr", "es", "ru", "jp", "sa", "cn", Naughty[7])
	d.Sites = list(append([]string{"youtube.com", "reddit.com", strings.Repeat("long-", 40) + ".example"}, Naughty...)...)
	d.Authors = list(Naughty...)
	d.Authors.Error = 17
	d.Topics = list("Brand", "Competitors", "Café & Küche", Naughty[0], Naughty[1], Naughty[9], strings.Repeat("W", 150), "Crisis", "more")
	for i := range d.Topics.Values {
		row := []int64{}
		for j := range d.Topics.Values {
			row = append(row, d.Topics.Values[i].Documents*int64(9-max(i-j, j-i))/9)
		}
		d.Overlap = append(d.Overlap, row)
	}
	d.Appearance = []report.Value{{Value: "NEW", Documents: d.Rows / 2}, {Value: "UPDATED", Documents: d.Rows / 30}, {Value: "UNKNOWN", Documents: d.Rows / 4}, {Value: "(none)", Documents: d.Rows / 5}}
	from, to := int64(0), int64(1)
	for i := range int64(8) {
		a, b := from, to
		d.Engagement = append(d.Engagement, report.Bucket{From: &a, To: &b, Documents: d.Rows / (i + 3)})
		from, to = to, to*10
	}
	d.Engagement = append(d.Engagement, report.Bucket{Documents: d.Rows / 9})
	d.Reach = d.Engagement
	hour, week := int64(3600), int64(7*86400)
	d.Late = []report.Bucket{{To: new(int64), Documents: 3}, {From: new(int64), To: &hour, Documents: d.Rows / 2}, {From: &hour, To: &week, Documents: d.Rows / 3}, {From: &week, Documents: 4}, {Documents: 5}}
	d.Duplicates = report.Duplicates{Keyed: d.Rows, Distinct: d.Rows - 5120, Surplus: 5120, Twice: 5000, More: 60, Estimated: true}
}

// columns are all of the schema, of which one vanishes.
func columns(out *Report, r *rand.Rand) {
	parents := map[string]bool{}
	for _, f := range schema.Fields() {
		for i, c := range f.Path {
			if c == '.' || c == '[' {
				parents[f.Path[:i]] = true
			}
		}
	}
	for _, f := range schema.Fields() {
		if parents[f.Path] || f.Type == schema.Object || f.Type == schema.Objects {
			continue
		}
		c := report.Column{Path: f.Path, Bins: make([][2]int64, len(out.Files.Bins))}
		share := r.Int64N(120)
		for i := range c.Bins {
			n := int64(50000)
			v := n * min(share, 100) / 100
			if f.Path == "engagement" {
				if v = n * 80 / 100; i > len(c.Bins)*3/4 {
					v = 0
				}
			}
			c.Bins[i] = [2]int64{n, v}
			c.Entries, c.Values = c.Entries+n, c.Values+v
		}
		c.Bytes = 1000 + c.Values*(1+r.Int64N(40))/4
		if f.Path == "content" {
			c.Bytes *= 60
		}
		c.Raw = c.Bytes * (10 + r.Int64N(90)) / 10
		out.Columns = append(out.Columns, c)
		out.Files.Bytes += c.Bytes
	}
	out.Files.Count, out.Files.Small, out.Files.Groups, out.Files.GroupRows = 36, 30, 400, 7600
	out.Files.Smallest, out.Files.Median, out.Files.Largest = 1<<20, 12<<20, 256<<20
	out.Files.Sizes = []report.FileSize{{From: 8 << 20, To: 16 << 20, Files: 30}, {From: 16 << 20, To: 32 << 20, Files: 6}}
	out.Files.Schemas = []report.FileValue{{Value: "1", Files: 30}, {Value: Naughty[0], Files: 6}}
	out.Files.Writers = []report.FileValue{{Value: "tw2parquet version 1.2.3 (build abc)", Files: 36}}
}
