package report

import (
	"fmt"
	"time"
)

// series is what happened over time, in bins of one length.
type series struct {
	Unit  string // day, week, month, quarter or year
	Bins  []bin
	Types []Value // the first ones; what is beyond is in the last, as other
	Most  int64   // in one bin
	// Before and After are documents that lie so far from the others that their time is left out.
	Before, After int64
}

type bin struct {
	Start     time.Time
	Documents int64
	Types     []int64
	Negative  int64
	Neutral   int64
	Positive  int64
}

// Judged are the documents that have a sentiment.
func (b bin) Judged() int64 { return b.Negative + b.Neutral + b.Positive }

const (
	mostSeries = 110 // bins that a chart has room for
	mostKinds  = 8   // colours
)

// over makes a series of the days. The few documents that lie far from all others (one in a thousand) would press the rest into
// a corner: they are counted beside it.
func (d *Documents) over() (s series) {
	total := int64(0)
	for _, day := range d.Days {
		total += day.Documents
	}
	first, last := 0, len(d.Days)-1
	for n := int64(0); first < last && !near(d.Days[first].Day, d.Days[last].Day); {
		if n += d.Days[first].Documents; n > total/1000 {
			break
		}
		s.Before += d.Days[first].Documents
		first++
	}
	for n := int64(0); first < last && !near(d.Days[first].Day, d.Days[last].Day); {
		if n += d.Days[last].Documents; n > total/1000 {
			break
		}
		s.After += d.Days[last].Documents
		last--
	}
	if last < first {
		return s
	}
	s.Types = d.Types
	if len(s.Types) > mostKinds {
		rest := Value{Value: other}
		for _, t := range s.Types[mostKinds-1:] {
			rest.Documents += t.Documents
		}
		s.Types = append(append([]Value{}, s.Types[:mostKinds-1]...), rest)
	}
	from, to := dayOf(d.Days[first].Day), dayOf(d.Days[last].Day)
	s.Unit = unitOf(from, to)
	for at := floor(from, s.Unit); !at.After(to); at = next(at, s.Unit) {
		s.Bins = append(s.Bins, bin{Start: at, Types: make([]int64, len(s.Types))})
	}
	i := 0
	for _, day := range d.Days[first : last+1] {
		for at := dayOf(day.Day); i+1 < len(s.Bins) && !at.Before(s.Bins[i+1].Start); {
			i++
		}
		b := &s.Bins[i]
		b.Documents += day.Documents
		b.Negative, b.Neutral, b.Positive = b.Negative+day.Negative, b.Neutral+day.Neutral, b.Positive+day.Positive
		for j, n := range day.Types {
			b.Types[min(j, len(s.Types)-1)] += n
		}
		s.Most = max(s.Most, b.Documents)
	}
	return s
}

// near tells whether days lie so close that nothing need be left out.
func near(from, to string) bool { return dayOf(to).Sub(dayOf(from)) < 92*24*time.Hour }

func dayOf(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{} // these are our own
	}
	return t
}

func unitOf(from, to time.Time) string {
	switch days := int(to.Sub(from).Hours()/24) + 1; {
	case days <= mostSeries:
		return "day"
	case days <= 7*(mostSeries-1):
		return "week"
	case days <= 28*(mostSeries-1):
		return "month"
	case days <= 90*(mostSeries-1):
		return "quarter"
	}
	return "year"
}

func floor(t time.Time, unit string) time.Time {
	switch unit {
	case "week": // they begin on Monday
		return t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "quarter":
		return time.Date(t.Year(), (t.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	case "year":
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}

func next(t time.Time, unit string) time.Time {
	switch unit {
	case "week":
		return t.AddDate(0, 0, 7)
	case "month":
		return t.AddDate(0, 1, 0)
	case "quarter":
		return t.AddDate(0, 3, 0)
	case "year":
		return t.AddDate(1, 0, 0)
	}
	return t.AddDate(0, 0, 1)
}

// label is a bin's time as an axis has it.
func (s *series) label(t time.Time) string {
	switch s.Unit {
	case "month":
		return t.Format("Jan 2006")
	case "quarter":
		return fmt.Sprintf("Q%d %d", (t.Month()+2)/3, t.Year())
	case "year":
		return t.Format("2006")
	}
	return t.Format("2 Jan 2006")
}

// calendar is what is covered of a source, day by day or month by month.
type calendar struct {
	Source *Source
	Blocks []block
	Unit   string
	Most   int64
	Gaps   int // cells
}

// block is a month of days, or a year of months.
type block struct {
	Label   string
	Columns int
	Cells   []cell
}

// cell is a day or a month. Class says how it is drawn.
type cell struct {
	Column, Row int
	Class       string
	Title       string
}

// mostCells is how many days all calendars show together; months are shown where there are more.
const mostCells = 2200

func calendars(sources []Source) (all []calendar) {
	days := 0
	for i := range sources {
		days += int(sources[i].Stop.Sub(sources[i].Start).Hours()/24) + 1
	}
	unit := "day"
	if days > mostCells {
		unit = "month"
	}
	cells := 0
	for i := range sources {
		c := calendarOf(&sources[i], unit)
		for _, b := range c.Blocks {
			cells += len(b.Cells)
		}
		if cells > 2*mostCells && len(all) > 0 {
			break
		}
		all = append(all, c)
	}
	return all
}

func calendarOf(s *Source, unit string) calendar {
	c := calendar{Source: s, Unit: unit}
	counts := map[time.Time]int64{}
	for _, d := range s.Days {
		at := floor(dayOf(d.Day), unit)
		counts[at] += d.Documents
		c.Most = max(c.Most, counts[at])
	}
	for at := floor(s.Start.Truncate(24*time.Hour), unit); at.Before(s.Stop); at = next(at, unit) {
		label, columns := at.Format("Jan 2006"), 7
		x := cell{Column: (int(at.Weekday()) + 6) % 7}
		x.Row = (at.Day() - 1 + int(floor(at, "month").Weekday()+6)%7) / 7
		if unit == "month" {
			label, columns = at.Format("2006"), 4
			x.Column, x.Row = (int(at.Month())-1)%4, (int(at.Month())-1)/4
		}
		if n := len(c.Blocks); n == 0 || c.Blocks[n-1].Label != label {
			if len(c.Blocks) == 120 {
				break
			}
			c.Blocks = append(c.Blocks, block{Label: label, Columns: columns})
		}
		b := &c.Blocks[len(c.Blocks)-1]
		till := next(at, unit)
		n := counts[at]
		x.Class = level(n, c.Most)
		x.Title = fmt.Sprintf("%s: %s", at.Format(map[string]string{"day": "2 Jan", "month": "Jan 2006"}[unit]), documents(n))
		switch {
		case meets(s.Gaps, at, till):
			x.Class, x.Title = "gap", x.Title+", not covered"
			c.Gaps++
		case meets(s.Unfinished, at, till):
			x.Class, x.Title = "open", x.Title+", not finished"
		}
		b.Cells = append(b.Cells, x)
	}
	return c
}

func documents(n int64) string {
	if n == 1 {
		return "1 document"
	}
	return number(n) + " documents"
}

func meets(spans []Span, from, to time.Time) bool {
	for _, s := range spans {
		if s.Start.Before(to) && from.Before(s.Stop) {
			return true
		}
	}
	return false
}

// level is the class of a shade, from q0 for nothing to q5 for the most.
func level(n, most int64) string {
	if n <= 0 || most <= 0 {
		return "q0"
	}
	return fmt.Sprintf("q%d", 1+min(4, int(5*(float64(n)-1)/float64(most))))
}
