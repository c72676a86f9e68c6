package pipeline

import (
	"time"

	"tw2parquet/source"
)

// SplitAuto cuts by the number of results: see Auto.
const SplitAuto Split = "auto"

// fits tells whether a window of so many results stays under 90 % of its limit. The rest is room: counts are
// approximate, and documents arrive late.
func fits(results int64, limit int) bool { return results*10 < int64(limit)*9 }

// Auto cuts the request's range into as few windows as keep each under 90 % of its limit. They are half open,
// contiguous, in order, cover [Start, Stop) exactly, and begin and end where tallies do: at midnights, or at hours of
// a day that is too big. Of all such cuts it takes the one that has the most of its ends at the beginnings of months,
// then of weeks, then of days. A tally that is too big by itself is a window of its own. The tallies are those of the
// request's Survey.
func Auto(r source.Request, tallies []Tally) []source.Request {
	n := len(tallies)
	best := make([]cut, n+1) // of the first i tallies
	for end := 1; end <= n; end++ {
		cost := roughness(tallies[end-1].Stop)
		if end == n {
			cost = 0 // the range's own end is nobody's choice
		}
		var sum int64
		for from := end - 1; from >= 0; from-- {
			sum += tallies[from].Results
			if from < end-1 && !fits(sum, r.Limit) {
				break
			}
			c := cut{windows: best[from].windows + 1, roughness: best[from].roughness + cost, from: from}
			if from == end-1 || c.less(best[end]) {
				best[end] = c
			}
			if !fits(sum, r.Limit) {
				break // one that is too big by itself
			}
		}
	}
	windows := make([]source.Request, best[n].windows)
	for i, end := len(windows)-1, n; i >= 0; i-- {
		w := r
		w.Start, w.Stop = tallies[best[end].from].Start, tallies[end-1].Stop
		windows[i], end = w, best[end].from
	}
	return windows
}

// cut is how a part of the range is cut: its last window begins at the tally from.
type cut struct{ windows, roughness, from int }

func (c cut) less(d cut) bool {
	return c.windows < d.windows || c.windows == d.windows && c.roughness < d.roughness
}

// roughness is how far an instant is from where people cut.
func roughness(t time.Time) int {
	switch {
	case !t.Equal(t.Truncate(day)):
		return 3
	case t.Day() == 1:
		return 0
	case t.Weekday() == time.Monday:
		return 1
	}
	return 2
}
