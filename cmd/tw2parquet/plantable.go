package main

import (
	"fmt"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/sink/store"
)

// tableWidth is what a plan fits, wherever it is read; barWidth the longest bar in it.
const (
	tableWidth = 80
	barWidth   = 24
)

// barred is a table with a bar beside each row: as long as its value, of the largest. A negative value has none.
func barred(head []heading, rows [][]string, values []int64) string {
	var most int64 = 1
	for _, v := range values {
		most = max(most, v)
	}
	used := 0
	for line := range strings.Lines(lay(head, rows, 0)) {
		used = max(used, displayed(strings.TrimSuffix(line, "\n")))
	}
	room := min(barWidth, (tableWidth-used-columnGap)/displayed("█"))
	for i, v := range values {
		bar := ""
		if v > 0 && room > 0 {
			bar = strings.Repeat("█", max(1, int(float64(v)/float64(most)*float64(room))))
		}
		rows[i] = append(rows[i], bar)
	}
	return lay(append(head, heading{}), rows, 0)
}

// figure is a number that may not be known.
func figure(n *int64) string {
	if n == nil {
		return "?"
	}
	return countText(*n)
}

// planTable is a plan for people.
func planTable(p *pipeline.Plan) string {
	var rows [][]string
	var values []int64
	for _, w := range p.Windows {
		cost := figure(w.Credits)
		if w.Credits == nil {
			cost = "≤ " + countText(w.MaxCredits)
		}
		is := string(w.State)
		if w.OverLimit && w.State == pipeline.StateToBuy {
			is = "over limit"
		}
		rows = append(rows, []string{moment(w.Start), figure(w.Results), cost, is})
		value := int64(-1)
		if w.Results != nil {
			value = *w.Results
		}
		values = append(values, value)
	}
	total := figure(p.Credits)
	if p.Credits == nil {
		total = "≤ " + countText(p.MaxCredits)
	}
	rows = append(rows, []string{"to " + moment(p.Stop), figure(p.Results), total, "total"})
	head := []heading{{name: "window from"}, {name: "results", right: true}, {name: "credits", right: true}, {name: "state"}}
	return barred(head, rows, append(values, -1)) + "\n" + facts(planFacts(p))
}

// facts are sentences, one a line or more.
func facts(sentences []string) string {
	var b strings.Builder
	for _, s := range sentences {
		b.WriteString("- " + store.Printable(s) + "\n")
	}
	return wrap(b.String(), tableWidth)
}

var reachText = map[pipeline.Reach]string{
	pipeline.ReachCut:       "only the first words of the content",
	pipeline.ReachIDs:       "only ids, no text",
	pipeline.ReachUncertain: "may not be handed over; it depends on contracts",
	pipeline.ReachNothing:   "counted, but not handed over",
}

func planFacts(p *pipeline.Plan) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, s := range p.Sources {
		if text := reachText[s.Export]; text != "" {
			say("%s of %s: %s.", countText(s.Results), s.SourceType, text)
		}
	}
	switch {
	case p.X.Posts != nil && *p.X.Posts > 0 && p.X.Left != nil:
		say("Posts on X: %s; %s may still be handed over this month.", countText(*p.X.Posts), countText(*p.X.Left))
	case p.X.Posts != nil && *p.X.Posts > 0:
		say("Posts on X: %s; the API does not tell how many may still be handed over. An account has 1,500,000 a month.", countText(*p.X.Posts))
	}
	left := fmt.Sprintf("%s are left (monthly %s, one-time %s)", countText(p.Account.Monthly+p.Account.OneTime), countText(p.Account.Monthly), countText(p.Account.OneTime))
	if p.Account.NextReset != nil {
		left += ", next reset " + p.Account.NextReset.Format("2006-01-02 15:04") + " UTC"
	}
	if p.Credits != nil {
		say("Credits: %s by the counts, %s at most (--limit and %s more for each window); %s.", countText(*p.Credits), countText(p.MaxCredits), countText(batch), left)
	} else {
		say("Credits: %s at most (--limit and %s more for each window); %s.", countText(p.MaxCredits), countText(batch), left)
	}
	if p.HistogramCredits > 0 {
		say("This plan took %d credits.", p.HistogramCredits)
	}
	if p.Files != nil && *p.Files > 0 {
		say("To expect: %s files, %s, roughly %.0f minutes.", countText(*p.Files), bytesText(*p.Bytes), max(*p.Minutes, 1))
	}
	if p.Omitted > 0 {
		say("%s more windows are left, and not shown.", countText(int64(p.Omitted)))
	}
	verdict := "It fits"
	if !p.Fits {
		verdict = "It does not fit"
	}
	if len(p.Reasons) > 0 {
		verdict += ": " + strings.Join(p.Reasons, "; ")
	}
	return append(all, verdict+".")
}

// lateTable is a latePlan for people.
func lateTable(p *latePlan) string {
	var rows [][]string
	var values []int64
	var sum int64
	for _, w := range p.Windows {
		rows = append(rows, []string{moment(w.Start), countText(w.Rows), countText(w.Late), countText(w.Credits), fmt.Sprint(w.Generation)})
		values = append(values, w.Late)
		sum += w.Rows
	}
	rows = append(rows, []string{"total", countText(sum), countText(p.Late), countText(p.Credits), ""})
	head := []heading{{name: "window from"}, {name: "rows", right: true}, {name: "late", right: true}, {name: "credits", right: true}, {name: "generation", right: true}}
	all := []string{
		fmt.Sprintf("Buying the windows with late documents again costs %s credits by the counts, %s at most; %s are left.", countText(p.Credits), countText(p.MaxCredits), countText(p.CreditsLeft)),
		"Buy one with export --split none, its --start and --stop, its --limit, and the --generation shown. Its rows are then there twice.",
		fmt.Sprintf("This plan took %d credits.", p.HistogramCredits),
	}
	return barred(head, rows, append(values, -1)) + "\n" + facts(all)
}
