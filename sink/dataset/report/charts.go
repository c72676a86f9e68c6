package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// Charts are SVG of our own: rectangles in a box that stretches to the width of the page, with all text beside it in HTML, so
// that a phone shows letters of the same size as a screen. Libraries for Go draw pictures of one size. Nothing here takes a
// text but through escape.

// escape makes a text fit for an SVG title or attribute.
func escape(s string) string { return template.HTMLEscapeString(visible(s)) }

// plot is a chart of bins: 100 high, and one unit wide for each.
type plot struct {
	strings.Builder
	bins int
}

func newPlot(bins int, label string) *plot {
	p := &plot{bins: bins}
	fmt.Fprintf(p, `<svg class="plot" viewBox="0 0 %d 100" preserveAspectRatio="none" role="img" aria-label="%s">`, max(bins, 1), escape(label))
	for _, y := range []int{0, 25, 50, 75} {
		fmt.Fprintf(p, `<path class="grid" d="M0 %dh%d"/>`, y, bins)
	}
	return p
}

// bars are one class of bars, each from a height to another.
func (p *plot) bars(class string, spans [][2]float64) {
	var d strings.Builder
	for i, s := range spans {
		if s[1] > s[0] {
			fmt.Fprintf(&d, "M%s %sh.86v%sh-.86z", short(float64(i)+.07), short(100-s[1]), short(s[1]-s[0]))
		}
	}
	if d.Len() > 0 {
		fmt.Fprintf(p, `<path class="%s" d="%s"/>`, class, d.String())
	}
}

// hints show a text where somebody points at a bin.
func (p *plot) hints(texts []string) {
	for i, t := range texts {
		fmt.Fprintf(p, `<rect class="hint" x="%d" width="1" height="100"><title>%s</title></rect>`, i, escape(t))
	}
}

func (p *plot) end() template.HTML {
	p.WriteString("</svg>")
	return template.HTML(p.String()) //nolint:gosec // made of numbers, and of texts that escape has seen
}

// short is a number with two digits behind the point, or as many as it needs.
func short(f float64) string {
	s := strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
	if s == "" || s == "-0" {
		return "0"
	}
	return s
}

// volume is documents over time, stacked by type.
func (s *series) volume() template.HTML {
	p := newPlot(len(s.Bins), fmt.Sprintf("Documents by %s, stacked by source type", s.Unit))
	base := make([]float64, len(s.Bins))
	for i := range s.Types {
		spans := make([][2]float64, len(s.Bins))
		for j, b := range s.Bins {
			top := base[j] + 100*float64(b.Types[i])/float64(max(s.Most, 1))
			spans[j], base[j] = [2]float64{base[j], top}, top
		}
		p.bars(fmt.Sprintf("s%d", i), spans)
	}
	texts := make([]string, len(s.Bins))
	for j, b := range s.Bins {
		texts[j] = s.label(b.Start) + ": " + documents(b.Documents)
	}
	p.hints(texts)
	return p.end()
}

// mood is the share of each sentiment over time.
func (s *series) mood() template.HTML {
	p := newPlot(len(s.Bins), fmt.Sprintf("Share of negative, neutral and positive documents by %s", s.Unit))
	spans := [3][][2]float64{}
	texts := make([]string, len(s.Bins))
	for j, b := range s.Bins {
		all := float64(max(b.Judged(), 1))
		low, high := 100*float64(b.Negative)/all, 100*float64(b.Negative+b.Neutral)/all
		top := 100.0
		if b.Judged() == 0 {
			top = 0
		}
		for i, span := range [3][2]float64{{0, low}, {low, high}, {high, top}} {
			spans[i] = append(spans[i], span)
		}
		texts[j] = fmt.Sprintf("%s: %.0f%% negative, %.0f%% positive", s.label(b.Start), low, 100-high)
	}
	for i, class := range []string{"negative", "neutral", "positive"} {
		p.bars(class, spans[i])
	}
	p.hints(texts)
	return p.end()
}

// gauge is a bar in a table's cell.
func gauge(part, whole int64) template.HTML {
	share := 0.0
	if whole > 0 {
		share = 100 * float64(part) / float64(whole)
	}
	return template.HTML(`<svg class="gauge" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><path class="rail" d="M0 0h100v1H0z"/><path d="M0 0h` +
		short(max(0, min(100, share))) + `v1H0z"/></svg>`) //nolint:gosec // made of numbers
}

// spark is the share of entries that have a value, over time.
func (c *Column) spark() template.HTML {
	if len(c.Bins) < 2 {
		return ""
	}
	var d strings.Builder
	for i, b := range c.Bins {
		if b[0] == 0 {
			continue
		}
		if height := 20 * float64(b[1]) / float64(b[0]); height > 0 {
			fmt.Fprintf(&d, "M%d 20v-%sh.9V20z", i, short(max(height, 1)))
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="spark" viewBox="0 0 %d 20" preserveAspectRatio="none" aria-hidden="true"><path class="rail" d="M0 19.4h%dv.6H0z"/><path d="%s"/></svg>`,
		len(c.Bins), len(c.Bins), d.String())) //nolint:gosec // made of numbers
}

// picture is a block of a calendar.
func (b *block) picture() template.HTML {
	const pitch, size = 14, 12
	rows := 0
	for _, c := range b.Cells {
		rows = max(rows, c.Row+1)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="month" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		b.Columns*pitch-2, rows*pitch-2, b.Columns*pitch-2, rows*pitch-2, escape(b.Label))
	for _, c := range b.Cells {
		x, y := c.Column*pitch, c.Row*pitch
		fmt.Fprintf(&s, `<g class="%s"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="2"/>`, c.Class, escape(c.Title), x, y, size, size)
		if c.Class == "gap" { // not by colour alone
			fmt.Fprintf(&s, `<path d="M%d %dl6 6m0-6l-6 6"/>`, x+3, y+3)
		}
		s.WriteString("</g>")
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // made of numbers, and of texts that escape has seen
}

// tile is a column in the treemap.
type tile struct {
	name       string
	bytes, raw int64
	x, y, w, h float64
}

// tiles are the columns by what they take, top-level ones.
func tiles(columns []Column) (all []tile) {
	at := map[string]int{}
	for _, c := range columns {
		name := c.Path
		if i := strings.IndexAny(name, ".["); i >= 0 {
			name = name[:i]
		}
		i, ok := at[name]
		if !ok {
			i = len(all)
			at[name] = i
			all = append(all, tile{name: name})
		}
		all[i].bytes += c.Bytes
		all[i].raw += c.Raw
	}
	slices.SortFunc(all, func(a, b tile) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name)) })
	return all
}

// place squares the tiles into a rectangle (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
func place(all []tile, x, y, w, h float64) {
	total := 0.0
	for _, t := range all {
		total += float64(t.bytes)
	}
	if total == 0 {
		return
	}
	scale := w * h / total
	for len(all) > 0 {
		side := min(w, h)
		n, sum := 0, 0.0
		worst := 0.0
		for n < len(all) {
			s := sum + float64(all[n].bytes)*scale
			ratio := 0.0
			for _, t := range all[:n+1] {
				a := max(float64(t.bytes)*scale, 1e-9)
				ratio = max(ratio, side*side*a/(s*s), s*s/(side*side*a))
			}
			if n > 0 && ratio > worst {
				break
			}
			n, sum, worst = n+1, s, ratio
		}
		deep := sum / max(side, 1e-9)
		along := 0.0
		for i := range all[:n] {
			t := &all[i]
			long := float64(t.bytes) * scale / max(deep, 1e-9)
			if w >= h {
				t.x, t.y, t.w, t.h = x, y+along, deep, long
			} else {
				t.x, t.y, t.w, t.h = x+along, y, long, deep
			}
			along += long
		}
		if w >= h {
			x, w = x+deep, w-deep
		} else {
			y, h = y+deep, h-deep
		}
		all = all[n:]
	}
}

// treemap shows what each column takes; its shade, how far it was compressed.
func treemap(columns []Column, width, height int, class string) template.HTML {
	all := tiles(columns)
	place(all, 0, 0, float64(width), float64(height))
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="treemap %s" viewBox="0 0 %d %d" role="img" aria-label="Bytes of each column; the table of columns has the figures">`, class, width, height)
	for _, t := range all {
		if t.w*t.h < 4 {
			continue
		}
		ratio := float64(t.raw) / float64(max(t.bytes, 1))
		shade := 1
		for _, step := range []float64{1.5, 2.5, 4, 8} {
			if ratio >= step {
				shade++
			}
		}
		fmt.Fprintf(&s, `<g><title>%s: %s, %.1f times smaller than before compression</title><rect class="t%d" x="%s" y="%s" width="%s" height="%s"/>`,
			escape(t.name), bytesText(t.bytes), ratio, shade, short(t.x), short(t.y), short(max(0, t.w-1)), short(max(0, t.h-1)))
		const letter = 6.7 // pixels of 12 px type
		if t.w > letter*float64(len(t.name))+10 && t.h > 20 {
			fmt.Fprintf(&s, `<text x="%s" y="%s">%s</text>`, short(t.x+6), short(t.y+16), escape(t.name))
			if t.h > 38 && t.w > 70 {
				fmt.Fprintf(&s, `<text class="small" x="%s" y="%s">%s</text>`, short(t.x+6), short(t.y+31), bytesText(t.bytes))
			}
		}
		s.WriteString("</g>")
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // made of numbers, and of texts that escape has seen
}
