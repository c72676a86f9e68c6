package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's own files
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"sync"

	"tw2parquet/sink/dataset"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// policy is the page's Content-Security-Policy: this style, this script, and nothing from anywhere.
func policy() string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; img-src data:; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS) + "; base-uri 'none'; form-action 'none'"
}

// What a page shows of long lists. The figures for machines have all of it.
const (
	mostWindows = 250
	mostTop     = 12
	mostTopics  = 8
)

// view is the report as the template has it.
type view struct {
	*Report
	Policy    string
	Style     template.CSS
	Script    template.JS
	Verdicts  []verdict
	Series    series
	Calendars []calendar
	Shown     []Window // windows, those that need a look first
	Total     Window
	Hidden    int
	Several   bool // sources
	Gone      []Column
	Full      int // columns that always have a value
	Empty     int // and never
	Tiles     []tile
}

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"v": visible, "path": func(s string) string { return visibleTo(s, mostPath) }, "n": number, "bytes": bytesText, "pct": percent, "date": date, "left": left, "gauge": gauge, "plural": plural,
		"head": func(n int, list []Count) []Count { return list[:min(n, len(list))] },
		"most": func(list []Count) (most int64) {
			for _, c := range list {
				most = max(most, c.Documents)
			}
			return most
		},
		"reaches": func(list []Count) (most int64) {
			for _, c := range list {
				most = max(most, c.Reach)
			}
			return most
		},
		"fullest": func(list []Bucket) (most int64) {
			for _, b := range list {
				most = max(most, b.Documents)
			}
			return most
		},
		"topics":  func(t Top) []Count { return t.Values[:min(mostTopics, len(t.Values))] },
		"overlap": func(row []int64) []int64 { return row[:min(mostTopics, len(row))] },
		"inc":     func(i int) int { return i + 1 },
		"shade":   level,
		"name":    func(b Bucket) string { return b.name() },
		"delay":   func(b Bucket) string { return b.delay() },
		"size":    func(s FileSize) string { return s.size() },
		"largest": func(list []FileSize) (most int64) {
			for _, s := range list {
				most = max(most, s.Files)
			}
			return most
		},
		"part":  func(n int, list any) any { return part(n, list) },
		"ratio": func(raw, stored int64) string { return fmt.Sprintf("%.1f", float64(raw)/float64(max(stored, 1))) },
		"int64": func(n int) int64 { return int64(n) },
		"deref": func(n *int64) int64 { return *n },
		"top": func(title, head string, t Top, rows int64) map[string]any {
			return map[string]any{"Title": title, "Head": head, "Top": t, "Rows": rows}
		},
		"buckets": func(title, head string, list []Bucket) map[string]any {
			return map[string]any{"Title": title, "Head": head, "List": list}
		},
		"todo":       todo,
		"living":     living,
		"registered": registered,
	}).Parse(pageHTML))
})

// part is the beginning of one of the report's lists.
func part(n int, list any) any {
	switch l := list.(type) {
	case []Unknown:
		return l[:min(n, len(l))]
	case []Coerced:
		return l[:min(n, len(l))]
	case []string:
		return l[:min(n, len(l))]
	case []dataset.Problem:
		return l[:min(n, len(l))]
	case []Span:
		return l[:min(n, len(l))]
	}
	return list
}

// Page writes the report as one HTML page.
func (r *Report) Page(w io.Writer) error {
	v := &view{Report: r, Policy: policy(), Style: template.CSS(pageCSS), Script: template.JS(pageJS), //nolint:gosec // our own files
		Verdicts: r.verdicts(), Series: r.Documents.over(), Calendars: calendars(r.Sources), Several: len(r.Sources) > 1, Gone: r.vanished()}
	v.Shown = slices.Clone(r.Windows)
	if len(v.Shown) > mostWindows { // what needs a look is not left out
		slices.SortStableFunc(v.Shown, func(a, b Window) int { return cmp.Compare(a.rank(), b.rank()) })
		v.Hidden = len(v.Shown) - mostWindows
		v.Shown = v.Shown[:mostWindows]
	}
	v.Total = total(r.Windows)
	for _, c := range r.Columns {
		switch c.Values {
		case 0:
			v.Empty++
		case c.Entries:
			v.Full++
		}
	}
	v.Tiles = tiles(r.Columns)
	var b bytes.Buffer
	if err := page().Execute(&b, v); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// todo are windows that a command brings to an end.
func todo(windows []Window) (list []Window) {
	for _, w := range windows {
		if w.Command != "" && len(list) < 20 {
			list = append(list, w)
		}
	}
	return list
}

// living are windows whose collectors still hold results, the soonest to expire first.
func living(windows []Window) (list []Window) {
	for _, w := range windows {
		if w.Left != nil && *w.Left > 0 && w.State != "dropped" {
			list = append(list, w)
		}
	}
	slices.SortStableFunc(list, func(a, b Window) int { return cmp.Compare(*a.Left, *b.Left) })
	return list[:min(mostTop, len(list))]
}

// registered counts the windows in each table.
func registered(windows []Window) (list []Count) {
	at := map[string]int{}
	for _, w := range windows {
		for _, table := range w.Tables {
			i, ok := at[table]
			if !ok {
				i = len(list)
				at[table] = i
				list = append(list, Count{Value: table})
			}
			list[i].Documents++
		}
	}
	return list
}

// rank puts windows that need a look before the others.
func (w *Window) rank() int {
	switch {
	case !lasting(w.State), len(w.Lost) > 0:
		return 0
	case w.State == "truncated", w.State == "partial", w.Missing > 0, w.Rejected > 0:
		return 1
	}
	return 2
}

// Level is how its state is shown.
func (w Window) Level() string {
	switch {
	case len(w.Lost) > 0, w.State == "at risk", w.State == "failed", w.State == "unreadable", w.State == "truncated":
		return "bad"
	case w.State == "complete":
		return "ok"
	case w.State == "dropped", w.State == "void":
		return "info"
	}
	return "warn"
}

// total adds windows up.
func total(windows []Window) (t Window) {
	sum := func(to **int64, from *int64) {
		if from != nil {
			if *to == nil {
				*to = new(int64)
			}
			**to += *from
		}
	}
	for _, w := range windows {
		if w.State == "dropped" || w.State == "void" {
			continue
		}
		sum(&t.Expected, w.Expected)
		sum(&t.Processed, w.Processed)
		sum(&t.Credits, w.Credits)
		t.Limit += w.Limit
		t.Read, t.Rows, t.Rejected, t.Missing = t.Read+w.Read, t.Rows+w.Rows, t.Rejected+w.Rejected, t.Missing+w.Missing
		t.Files, t.Bytes = t.Files+w.Files, t.Bytes+w.Bytes
	}
	return t
}

// Volume is the chart of documents over time.
func (v *view) Volume() template.HTML { return v.Series.volume() }

// Mood is the chart of sentiment over time.
func (v *view) Mood() template.HTML { return v.Series.mood() }

// Treemap is the chart of columns; of two sizes, one is shown.
func (v *view) Treemap(width, height int, class string) template.HTML {
	return treemap(v.Columns, width, height, class)
}

// Label is a bin's time.
func (s series) Label(b bin) string { return s.label(b.Start) }

// Ends are the first, the middle and the last time on the axis.
func (s series) Ends() []string {
	n := len(s.Bins)
	switch {
	case n == 0:
		return nil
	case n < 3:
		return []string{s.label(s.Bins[0].Start), s.label(s.Bins[n-1].Start)}
	}
	return []string{s.label(s.Bins[0].Start), s.label(s.Bins[n/2].Start), s.label(s.Bins[n-1].Start)}
}

// Picture is a block of a calendar.
func (b block) Picture() template.HTML { return b.picture() }

// Spark is the fill of a column over time.
func (c Column) Spark() template.HTML { return c.spark() }

// Name, Bytes and Raw are a tile's.
func (t tile) Name() string { return t.name }

// Bytes is how much it takes.
func (t tile) Bytes() int64 { return t.bytes }

// Raw is how much it took before compression.
func (t tile) Raw() int64 { return t.raw }
