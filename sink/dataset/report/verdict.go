package report

import (
	"fmt"
	"strings"
	"time"
)

// verdict is the short answer to one of the four questions.
type verdict struct {
	ID       string
	Question string
	Level    string // ok, warn or bad
	Answer   string
	Notes    []note
}

// note is a fact that speaks for or against.
type note struct{ Level, Text string }

// add takes in a fact; the worst one is the level.
func (v *verdict) add(level, format string, args ...any) {
	v.Notes = append(v.Notes, note{level, fmt.Sprintf(format, args...)})
	if level == "bad" || level == "warn" && v.Level != "bad" {
		v.Level = level
	}
}

// Word says the level for those who do not see its colour.
func (v *verdict) Word() string { return word(v.Level) }

// Word is the same of a note.
func (n note) Word() string { return word(n.Level) }

func word(level string) string {
	return map[string]string{"ok": "In order", "warn": "Worth a look", "bad": "Needs you", "info": "Known"}[level]
}

// lasting are states in which nobody waits for a window.
func lasting(state string) bool {
	return state == "complete" || state == "truncated" || state == "partial" || state == "dropped" || state == "void"
}

func (r *Report) verdicts() []verdict {
	return []verdict{r.whole(), r.contents(), r.trust(), r.health()}
}

// whole: is it all there?
func (r *Report) whole() verdict {
	v := verdict{ID: "coverage", Question: "Is it all there?", Level: "ok"}
	var complete, begun, truncated, beyond, rejected, missing, lost, partial int64
	for _, w := range r.Windows {
		switch {
		case !lasting(w.State):
			begun++
		case w.State == "truncated":
			truncated++
			if w.Expected != nil {
				beyond += max(0, *w.Expected-w.Read)
			}
		case w.State == "partial":
			partial++
		case w.State == "complete":
			complete++
		}
		lost += int64(len(w.Lost))
		if w.State != "dropped" && w.State != "void" {
			rejected, missing = rejected+w.Rejected, missing+w.Missing
		}
	}
	gaps, out := 0, time.Duration(0)
	for _, s := range r.Sources {
		for _, g := range s.Gaps {
			gaps++
			out += g.Stop.Sub(g.Start)
		}
	}
	switch {
	case len(r.Windows) == 0:
		v.Level, v.Answer = "warn", "This output holds no runs yet."
		return v
	case gaps > 0:
		v.add("bad", "%s not covered, %s in all.", plural(int64(gaps), "gap"), length(out))
	case len(r.Sources) > 0:
		v.add("ok", "No gaps between the first window and the last.")
	}
	if begun > 0 {
		v.add("bad", "%s not finished.", plural(begun, "window"))
	}
	if lost > 0 {
		v.add("bad", "%s missing or changed.", plural(lost, "file"))
	}
	if truncated > 0 {
		text := plural(truncated, "window") + " ended at the limit"
		if beyond > 0 {
			text += ": about " + plural(beyond, "result") + " lie beyond"
		}
		v.add("bad", "%s.", text)
	}
	if partial > 0 {
		v.add("warn", "%s accepted although incomplete.", plural(partial, "window"))
	}
	if missing > 0 {
		v.add("warn", "%s counted by the tasks, but never delivered.", plural(missing, "result"))
	}
	if rejected > 0 {
		v.add("warn", "%s rejected and kept aside.", plural(rejected, "result"))
	}
	if missing+rejected == 0 {
		v.add("ok", "Every result that was counted is a row.")
	}
	v.Answer = fmt.Sprintf("%s of %s complete.", number(complete), plural(int64(len(r.Windows)), "window"))
	return v
}

// length is a duration in days, or in hours.
func length(d time.Duration) string {
	if d < 48*time.Hour {
		return plural(int64(d.Hours()+.5), "hour")
	}
	return plural(int64(d.Hours()/24+.5), "day")
}

// contents: what is in it?
func (r *Report) contents() verdict {
	d := &r.Documents
	v := verdict{ID: "contents", Question: "What is in it?", Level: "info", Answer: plural(d.Read, "document") + "."}
	if d.Read == 0 {
		return v
	}
	if s := d.over(); len(s.Bins) > 0 {
		v.add("info", "Published from %s to %s.", s.label(s.Bins[0].Start), s.label(s.Bins[len(s.Bins)-1].Start))
	}
	if len(d.Types) > 0 {
		v.add("info", "%s from %s, the largest source type.", percent(d.Types[0].Documents, d.Read), visible(d.Types[0].Value))
	}
	if top := d.Languages.Values; len(top) > 0 {
		v.add("info", "%s in %s; %s.", percent(top[0].Documents, d.Languages.Documents), visible(top[0].Value), plural(d.Languages.Distinct, "language"))
	}
	if d.Duplicates.Surplus > 0 {
		v.add("info", "%s another copy of a document that is there.", share(d.Duplicates.Surplus, d.Read))
	}
	return v
}

func share(part, whole int64) string {
	if part == 1 {
		return "1 row is"
	}
	return fmt.Sprintf("%s rows (%s) are", number(part), percent(part, whole))
}

// trust: can I trust it?
func (r *Report) trust() verdict {
	v := verdict{ID: "trust", Question: "Can I trust it?", Level: "ok"}
	unknown, coerced := int64(0), int64(0)
	for _, u := range r.Drift.Unknown {
		unknown += u.Count
	}
	for _, c := range r.Drift.Coerced {
		coerced += c.Count
	}
	if n := len(r.Damaged); n > 0 {
		v.add("bad", "%s could not be read to the end.", plural(int64(n), "file"))
	}
	if gone := r.vanished(); len(gone) > 0 {
		names := []string{}
		for i, c := range gone {
			if i == 3 {
				names = append(names, "…")
				break
			}
			names = append(names, c.Path)
		}
		v.add("warn", "%s vanished or nearly so: %s.", plural(int64(len(gone)), "field"), strings.Join(names, ", "))
	}
	if len(r.Drift.Unknown) > 0 {
		v.add("warn", "%s without a column (%s), kept in _extra.", plural(int64(len(r.Drift.Unknown)), "field"), plural(unknown, "value"))
	} else {
		v.add("ok", "No field is unknown.")
	}
	if coerced > 0 {
		v.add("info", "%s of another type than the column, kept in _extra.", plural(coerced, "value"))
	}
	if n := r.Drift.ReplacedUTF8; n > 0 {
		v.add("info", "%s replaced because of invalid UTF-8.", plural(n, "character"))
	}
	switch v.Level {
	case "ok":
		v.Answer = "The documents are as the schema expects."
	case "warn":
		v.Answer = "Usable; some fields changed."
	default:
		v.Answer = "Not before the damage is repaired."
	}
	return v
}

// Least shares that a field had, and of that what is left, for it to count as vanished.
const (
	wasFilled = 0.05
	isGone    = 0.1
)

// vanished are the columns that had values and hardly have any in the last bin that has rows.
func (r *Report) vanished() (gone []Column) {
	for _, c := range r.Columns {
		if c.gone() {
			gone = append(gone, c)
		}
	}
	return gone
}

func (c *Column) gone() bool {
	const few = 100 // entries tell nothing
	last := -1
	entries, values := int64(0), int64(0)
	for i, b := range c.Bins {
		if b[0] >= few {
			last = i
		}
	}
	if last < 1 {
		return false
	}
	for _, b := range c.Bins[:last] {
		entries, values = entries+b[0], values+b[1]
	}
	if entries < few {
		return false
	}
	before := float64(values) / float64(entries)
	now := float64(c.Bins[last][1]) / float64(c.Bins[last][0])
	return before >= wasFilled && now < isGone*before
}

// health: is it healthy?
func (r *Report) health() verdict {
	x := &r.Files
	v := verdict{ID: "health", Question: "Is it healthy?", Level: "ok", Answer: fmt.Sprintf("%s, %s.", plural(int64(x.Count), "file"), bytesText(x.Bytes))}
	soon := 0
	for _, w := range r.Windows {
		if !lasting(w.State) && w.Left != nil && *w.Left < 2*daySeconds {
			soon++
		}
	}
	if soon > 0 {
		v.add("bad", "The results of %s expire within 2 days.", plural(int64(soon), "unfinished window"))
	}
	switch {
	case x.Count > 0 && x.crowded():
		v.add("warn", "%s of %s smaller than %s: engines read fewer, larger ones faster. A longer --split makes them.", number(int64(x.Small)), plural(int64(x.Count), "file"), bytesText(SmallFile))
	case x.Count > 0 && x.Small == 0:
		v.add("ok", "No file is smaller than %s.", bytesText(SmallFile))
	case x.Count > 0:
		v.add("ok", "Small files are too few to matter.")
	}
	if len(x.Schemas) > 1 {
		v.add("info", "%d schema versions.", len(x.Schemas))
	}
	if n := len(x.Strays); n > 0 {
		v.add("warn", "%s in the folder belong to no run; queries read them.", plural(int64(n), "Parquet file"))
	}
	if n := len(r.Problems); n > 0 {
		v.add("warn", "%s could not be read.", plural(int64(n), "record"))
	}
	return v
}

// crowded tells whether there are so many small files that it costs.
func (f *Files) crowded() bool { return f.Small >= 16 && 2*f.Small > f.Count }
