package pipeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tw2parquet/source"
)

// State is how far a window is before anything is bought.
type State string

// The states of a planned window.
const (
	StateCovered State = "covered" // nothing is left to do
	StateBegun   State = "begun"   // paid for, and not complete
	StateToBuy   State = "to buy"
)

// Plan says what exporting windows brings, costs and leaves, before anything is bought.
type Plan struct {
	Start            time.Time       `json:"start"`
	Stop             time.Time       `json:"stop"`
	Split            Split           `json:"split"`
	Limit            int             `json:"limit"`
	Windows          []PlannedWindow `json:"windows"`           // in order; with auto, what is there already has its own
	Omitted          int             `json:"omitted"`           // windows that are left beside these, see First
	Sources          []PlannedSource `json:"sources"`           // by source type, over the windows to buy
	Results          *int64          `json:"results"`           // counted in all windows; null by calendar alone
	Credits          *int64          `json:"credits"`           // of the windows to buy, by their counts; null by calendar alone
	MaxCredits       int64           `json:"max_credits"`       // what they could cost at most
	HistogramCalls   int             `json:"histogram_calls"`   // that this plan took
	HistogramCredits int64           `json:"histogram_credits"` // what they cost
	Files            *int64          `json:"files"`             // to expect of the windows begun or to buy; null by calendar alone
	Bytes            *int64          `json:"bytes"`
	Minutes          *float64        `json:"minutes"`
	X                PlannedX        `json:"x"`
	Account          PlannedAccount  `json:"account"`
	Fits             bool            `json:"fits"`
	Reasons          []string        `json:"reasons"`
}

// PlannedWindow is one window of a plan.
type PlannedWindow struct {
	Start         time.Time `json:"start"`
	Stop          time.Time `json:"stop"`
	Run           string    `json:"run"`
	Limit         int       `json:"limit"`
	Generation    int       `json:"generation"`
	State         State     `json:"state"`
	Results       *int64    `json:"results"`        // counted; null by calendar alone
	NotExportable *int64    `json:"not_exportable"` // of these, known not to be handed over
	Credits       *int64    `json:"credits"`        // still to pay, by the count
	MaxCredits    int64     `json:"max_credits"`    // still to pay at most
	Files         *int64    `json:"files"`          // still to write
	Bytes         *int64    `json:"bytes"`
	Minutes       *float64  `json:"minutes"`
	OverLimit     bool      `json:"over_limit"` // it will be truncated
}

// PlannedSource is a source type in the windows to buy.
type PlannedSource struct {
	SourceType string `json:"source_type"`
	Results    int64  `json:"results"`
	Export     Reach  `json:"export"`
}

// PlannedX is the quota of posts on X.
type PlannedX struct {
	Posts *int64 `json:"posts"` // in the windows to buy; null by calendar alone
	Left  *int64 `json:"left"`  // this month; null if the API does not tell
}

// PlannedAccount is what the account has left.
type PlannedAccount struct {
	Monthly   int64      `json:"monthly"`
	OneTime   int64      `json:"one_time"`
	NextReset *time.Time `json:"next_reset"` // of the monthly credits; null if not told
}

// Draft is what a plan is made from. Windows and States go together; Tallies are the Survey's, nil by calendar alone.
type Draft struct {
	Windows  []Window
	States   []State
	Tallies  []Tally
	Credits  source.Credits
	Calls    int     // of the histogram, so far
	Written  Written // what earlier runs wrote
	FileSize int64   // at which files are closed
	Split    Split
	Omitted  int
}

// NewPlan makes a plan of at least one window. It calls nothing.
func NewPlan(d Draft) *Plan {
	first, last := d.Windows[0].Request, d.Windows[len(d.Windows)-1].Request
	p := &Plan{
		Start: first.Start.UTC(), Stop: last.Stop.UTC(), Split: d.Split, Limit: first.Limit, Omitted: d.Omitted,
		HistogramCalls: d.Calls, HistogramCredits: int64(d.Calls) * source.HistogramCredits,
		Account: PlannedAccount{Monthly: d.Credits.RemainingMonthly, OneTime: d.Credits.RemainingOnetime},
		Sources: []PlannedSource{}, Reasons: []string{},
	}
	if !d.Credits.NextBilling.IsZero() {
		next := d.Credits.NextBilling.UTC()
		p.Account.NextReset = &next
	}
	if d.Credits.RemainingX >= 0 {
		p.X.Left = &d.Credits.RemainingX
	}
	var all, buy Tally
	unknown := false // what a window to buy costs
	rate := d.Written.rate()
	for i, w := range d.Windows {
		win := PlannedWindow{Start: w.Request.Start.UTC(), Stop: w.Request.Stop.UTC(), Run: w.Run, State: d.States[i],
			Limit: w.Request.Limit, Generation: max(w.Request.Generation, 1)}
		if win.State == StateToBuy {
			win.MaxCredits = int64(w.Request.Limit) + Batch
		} else {
			win.Credits = new(int64)
		}
		if t, counted := within(d.Tallies, w.Request); counted {
			win.count(t, w.Request.Limit, rate, d.FileSize)
			all.merge(t)
			if win.State == StateToBuy {
				buy.merge(t)
			}
			p.Results = &all.Results
		} else if win.State == StateToBuy {
			unknown = true
		}
		p.Windows = append(p.Windows, win)
		p.add(win)
	}
	if unknown {
		p.Credits = nil
	} else {
		p.sources(buy)
	}
	p.judge(d.Credits)
	return p
}

// within is what tallies count in a window, if they do.
func within(tallies []Tally, r source.Request) (t Tally, counted bool) {
	t = Tally{Start: r.Start, Stop: r.Stop}
	for _, part := range tallies {
		if !part.Start.Before(r.Start) && !part.Stop.After(r.Stop) {
			t.merge(part)
			counted = true
		}
	}
	return t, counted
}

func (t *Tally) merge(part Tally) {
	t.Results += part.Results
	for name, n := range part.Sources {
		if t.Sources == nil {
			t.Sources = map[string]int64{}
		}
		t.Sources[name] += n
	}
}

// count fills in what follows from a window's count.
func (w *PlannedWindow) count(t Tally, limit int, rate rate, fileSize int64) {
	hidden, zero := t.hidden(), int64(0)
	exported := t.Results - hidden
	w.Results, w.NotExportable, w.Credits = &t.Results, &hidden, &zero
	w.Files, w.Bytes, w.Minutes = &zero, &zero, new(float64)
	if w.State == StateCovered {
		return
	}
	w.OverLimit = exported > int64(limit)
	exported = min(exported, int64(limit)+Batch)
	if w.State == StateToBuy {
		w.Credits = &exported
	}
	size := rate.bytes(t, exported)
	files := max(1, (size+fileSize-1)/fileSize)
	minutes := minutesFor(exported)
	w.Files, w.Bytes, w.Minutes = &files, &size, &minutes
}

// add adds a window's share to the sums.
func (p *Plan) add(w PlannedWindow) {
	p.MaxCredits += w.MaxCredits
	p.Credits = sum(p.Credits, w.Credits)
	p.Files = sum(p.Files, w.Files)
	p.Bytes = sum(p.Bytes, w.Bytes)
	p.Minutes = sum(p.Minutes, w.Minutes)
}

// sum adds to a sum that is there as soon as there is something to add.
func sum[N int64 | float64](to, n *N) *N {
	if n == nil {
		return to
	}
	total := *n
	if to != nil {
		total += *to
	}
	return &total
}

func (p *Plan) sources(t Tally) {
	x := int64(0)
	for name, n := range t.Sources {
		p.Sources = append(p.Sources, PlannedSource{name, n, ReachOf(name)})
		if ReachOf(name) == ReachIDs {
			x += n
		}
	}
	p.X.Posts = &x
	slices.SortFunc(p.Sources, func(a, b PlannedSource) int {
		return cmp.Or(cmp.Compare(b.Results, a.Results), strings.Compare(a.SourceType, b.SourceType))
	})
}

// judge says whether the windows to buy fit, and why not.
func (p *Plan) judge(c source.Credits) {
	p.Fits = true
	no := func(format string, args ...any) {
		p.Fits = false
		p.Reasons = append(p.Reasons, fmt.Sprintf(format, args...))
	}
	left, over, begun := 0, 0, 0
	for _, w := range p.Windows {
		switch {
		case w.State == StateBegun:
			begun++
		case w.State == StateToBuy && w.OverLimit:
			over++
			left++
		case w.State == StateToBuy:
			left++
		}
	}
	switch {
	case left == 0 && begun == 0:
		p.Reasons = append(p.Reasons, "nothing is left to buy")
		return
	case left == 0:
		p.Reasons = append(p.Reasons, "nothing is left to buy, and what was begun is paid for")
		return
	case p.Credits == nil && p.MaxCredits > c.Spendable():
		no("it could cost %d credits, and %d are left", p.MaxCredits, c.Spendable())
	case p.Credits != nil && *p.Credits > c.Spendable():
		no("it needs %d credits, and %d are left", *p.Credits, c.Spendable())
	case p.MaxCredits > c.Spendable():
		p.Reasons = append(p.Reasons, fmt.Sprintf("the limits allow %d credits, more than the %d that are left: lower --limit to be sure", p.MaxCredits, c.Spendable()))
	}
	switch {
	case over > 0 && p.Split == SplitAuto:
		no("hours that hold more than --limit %d, and will be truncated: %d", p.Limit, over)
	case over > 0:
		no("windows that hold more than --limit %d, and will be truncated: %d of %d; use --split auto", p.Limit, over, left)
	}
	if p.X.Posts != nil && p.X.Left != nil && *p.X.Posts > *p.X.Left {
		no("it holds %d posts on X, and %d may still be handed over this month", *p.X.Posts, *p.X.Left)
	}
	if p.Credits == nil {
		p.Reasons = append(p.Reasons, "nothing was counted: this is what it could cost at most")
	}
}

// What an export takes is not documented: a minute to begin and end a window with five reads a minute, and a
// rate that is our guess.
const (
	minutesPerWindow = 1.0
	resultsPerMinute = 50_000.0
)

func minutesFor(results int64) float64 {
	return math.Round(10*(minutesPerWindow+float64(results)/resultsPerMinute)) / 10
}
