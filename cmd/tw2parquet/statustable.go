package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tw2parquet/sink/store"
)

// shortRun is how much of a run's id a table shows, where that is enough to tell it from the others.
const shortRun = 8

// statusTable is an output's state for people.
func statusTable(s *outputStatus) string {
	var b strings.Builder
	if len(s.Runs) == 0 {
		b.WriteString(facts([]string{"This output holds no runs."}))
	}
	short := shorten(s.Runs)
	for left := s.Runs; len(left) > 0; {
		n := 1
		for n < len(left) && left[n].Source == left[0].Source {
			n++
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(sourceTable(s, left[:n], short))
		left = left[n:]
	}
	if advice := adviceText(s, short); advice != "" {
		b.WriteString("\n" + advice)
	}
	return b.String()
}

// shorten gives each run the beginning of its id that only it has.
func shorten(runs []*runStatus) map[string]string {
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.Run
	}
	slices.Sort(ids)
	short := map[string]string{}
	for i, id := range ids {
		n := shortRun
		for _, other := range []int{i - 1, i + 1} {
			if other < 0 || other == len(ids) {
				continue
			}
			for n < len(id) && strings.HasPrefix(ids[other], id[:n]) {
				n++
			}
		}
		short[id] = id[:min(n, len(id))]
	}
	return short
}

// sourceTable is one source: what it is, its runs, and what of its time is not covered.
func sourceTable(s *outputStatus, runs []*runStatus, short map[string]string) string {
	i := slices.IndexFunc(s.Sources, func(c coverageStatus) bool { return c.Source == runs[0].Source })
	heading, notes := "not exported: conversions and readings", []string{}
	if i >= 0 {
		heading, notes = sourceText(s.Sources[i]), coverageFacts(s.Sources[i])
	} else if runs[0].Source != "" {
		heading = "a source"
	}
	var rejected, credits int64
	unknown := false
	for _, r := range runs {
		rejected += r.Rejected
		if r.Credits != nil {
			credits += *r.Credits
		} else {
			unknown = true
		}
	}
	if runs[0].Source != "" {
		spent := fmt.Sprintf("Credits spent: %s", countText(credits))
		if unknown {
			spent += ", and what runs took that are not at their end"
		}
		notes = append(notes, spent+".")
	}
	notes = append(notes, tableNotes(runs)...)
	if rejected > 0 {
		notes = append(notes, fmt.Sprintf("Rejected documents: %s.", countText(rejected)))
	}
	return wrap(heading+"\n", tableWidth) + runTable(runs, short) + facts(notes)
}

// runTable has as many columns as fit.
func runTable(runs []*runStatus, short map[string]string) string {
	head := []heading{{name: "run"}, {name: "from"}, {name: "to"}, {name: "state"}, {name: "rows", right: true}, {name: "files", right: true},
		{name: "size", right: true}, {name: "left", right: true}}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{short[r.Run], windowMoment(r.Start), windowMoment(r.Stop), string(r.State), countText(r.Rows), fmt.Sprint(r.Files), bytesText(r.Bytes), r.leftText()}
	}
	for _, drop := range []string{"size", "files", "to"} { // JSON has them
		widest := 0
		for l := range strings.Lines(lay(head, rows, 0)) {
			widest = max(widest, displayed(strings.TrimSuffix(l, "\n")))
		}
		if widest <= tableWidth {
			break
		}
		i := slices.IndexFunc(head, func(h heading) bool { return h.name == drop })
		head = slices.Delete(head, i, i+1)
		for r := range rows {
			rows[r] = slices.Delete(rows[r], i, i+1)
		}
	}
	return lay(head, rows, 0)
}

// tableNotes say how many of the runs each table has.
func tableNotes(runs []*runStatus) (notes []string) {
	counts := map[string]int{}
	for _, r := range runs {
		for _, name := range r.Tables {
			counts[name]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		kind, rest, named := strings.Cut(name, " ")
		label := "Delta table"
		if named {
			label = strings.ToUpper(kind[:1]) + kind[1:] + " table " + rest
		}
		notes = append(notes, fmt.Sprintf("In the %s: %d of %d runs.", label, counts[name], len(runs)))
	}
	return notes
}

func windowMoment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}

// leftText is how long the collector still holds results.
func (r *runStatus) leftText() string {
	switch {
	case r.Gone:
		return "gone"
	case r.Left == nil:
		return ""
	case *r.Left == 0:
		return "expired"
	}
	return daysText(time.Duration(*r.Left) * time.Second)
}

// daysText is a time for people that is days or hours: 6d 3h, 5h 20m.
func daysText(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day {
		return fmt.Sprintf("%dd %dh", d/day, d%day/time.Hour)
	}
	return fmt.Sprintf("%dh %02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// maxQueryShown bounds what a heading shows of a query, in characters.
const maxQueryShown = 200

func sourceText(c coverageStatus) string {
	parts := []string{}
	add := func(name string, values ...string) {
		for _, v := range values {
			if runes := []rune(v); len(runes) > maxQueryShown {
				v = string(runes[:maxQueryShown]) + "…"
			}
			if v != "" {
				parts = append(parts, name+" "+store.Printable(v))
			}
		}
	}
	add("project", c.Project)
	add("stream", c.Stream)
	add("topic", c.Topics...)
	add("dataset", c.Datasets...)
	add("query", c.Query)
	return strings.Join(parts, ", ")
}

// maxGaps is how many gaps of a source a table names.
const maxGaps = 10

func coverageFacts(c coverageStatus) []string {
	spans := func(all []stretch) string {
		var texts []string
		for i, x := range all {
			if i == maxGaps {
				texts = append(texts, fmt.Sprintf("and %d more", len(all)-i))
				break
			}
			texts = append(texts, moment(x.Start)+" to "+moment(x.Stop))
		}
		return strings.Join(texts, "; ")
	}
	whole := moment(c.Start) + " to " + moment(c.Stop)
	if len(c.Gaps)+len(c.Unfinished) == 0 {
		return []string{"Covered: " + whole + ", without gaps."}
	}
	var all []string
	if len(c.Covered) > 0 {
		all = append(all, "Covered: "+spans(c.Covered)+".")
	}
	if len(c.Unfinished) > 0 {
		all = append(all, "Not finished: "+spans(c.Unfinished)+".")
	}
	if len(c.Gaps) > 0 {
		all = append(all, "Gaps: "+spans(c.Gaps)+".")
	}
	return all
}

// maxAdvice is how many runs a table gives commands for.
const maxAdvice = 20

// adviceText is what is to be done, with commands to paste, and what else is to be known.
func adviceText(s *outputStatus, short map[string]string) string {
	var b strings.Builder
	told, estimated := 0, false
	for _, r := range s.Runs {
		estimated = estimated || r.Estimated
		if len(r.parts)+len(r.choices) == 0 && r.State != statusUnreadable {
			continue
		}
		if told++; told <= maxAdvice {
			b.WriteString(r.advice(short[r.Run]))
		}
	}
	var notes []string
	if told > maxAdvice {
		notes = append(notes, fmt.Sprintf("%d more runs are not at their end; --output json has their commands.", told-maxAdvice))
	}
	for _, p := range s.Problems {
		notes = append(notes, "Cannot be told: "+p)
	}
	if estimated {
		notes = append(notes, "The time left is estimated by the output's records and the local clock; --online asks the server, for free.")
	}
	return b.String() + facts(notes)
}

func (r *runStatus) advice(short string) string {
	what := ""
	switch {
	case r.State == statusUnreadable:
		return facts([]string{fmt.Sprintf("Run %s cannot be read: %s", short, r.Reason)})
	case len(r.Missing) > 0:
		what = fmt.Sprintf("Of run %s %d files are missing or changed.", short, len(r.Missing))
	case r.State == statusAtRisk && r.lost():
		what = fmt.Sprintf("The results of run %s are gone from the collector, and not all were read.", short)
	case r.State == statusAtRisk:
		what = fmt.Sprintf("The results of run %s expire soon.", short)
	case r.State == statusFailed:
		what = fmt.Sprintf("Run %s failed, and a retry does not mend it.", short)
	case r.State == statusDropping:
		what = fmt.Sprintf("Dropping run %s has begun.", short)
	case r.State == statusPlanned:
		what = fmt.Sprintf("Run %s is not bought yet.", short)
	default:
		what = fmt.Sprintf("Run %s is not at its end.", short)
	}
	text := ""
	if len(r.parts) > 0 {
		what += " To go on:"
		text = pasteable(r.parts)
	}
	if len(r.choices) > 0 {
		what += " To take what is there, or to let go of it:"
		if len(r.choices) == 1 {
			what = strings.Replace(what, "To take what is there, or to let", "To let", 1)
		}
		for _, c := range r.choices {
			text += pasteable(c)
		}
	}
	return facts([]string{what}) + text
}

// pasteable is a command over as many lines as it takes. One that holds control characters cannot be pasted.
func pasteable(parts []string) string {
	const indent = "  "
	if whole := commandText(parts); store.Printable(whole) != whole {
		return indent + "(a name in it holds control characters; --output json has it)\n"
	}
	var b strings.Builder
	line := indent + parts[0]
	for _, p := range parts[1:] {
		if displayed(line)+1+displayed(p)+2 > tableWidth {
			b.WriteString(line + " \\\n")
			line = indent + indent + p
			continue
		}
		line += " " + p
	}
	b.WriteString(line + "\n")
	return b.String()
}
