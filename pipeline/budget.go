package pipeline

import (
	"fmt"
	"slices"

	"tw2parquet/source"
)

// Batch is what the API exports at once: a limit is overshot by as much at most.
const Batch = 1000

// headRoom is the least room over a window's count that a lowered limit leaves, in percent: counts are approximate.
const headRoom = 2

// Price is what the windows could cost: each its limit, and a batch more.
func Price(windows []source.Request) int64 {
	var sum int64
	for _, w := range windows {
		sum += int64(w.Limit) + Batch
	}
	return sum
}

// BudgetError says that a budget is too small for what is counted.
type BudgetError struct {
	Budget, Needed int64 // credits
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("%d credits are too few: what is counted, with %d %% of room and the overshoot of each window, needs %d", e.Budget, headRoom, e.Needed)
}

// Share lowers the windows' limits so that together they cost at most budget, all of which is shared out by the
// counts, one for each window. spent is what asking for the counts took of the budget. Limits are never raised; where
// they fit as they are, they stay. A *BudgetError says that not every window could have its count and 2 % more.
//
// Lowered limits name other runs. So they must be written down before the first purchase, and never be computed again
// for the same windows.
func Share(budget, spent int64, windows []source.Request, counts []int64) ([]source.Request, error) {
	out := slices.Clone(windows)
	if Price(windows)+spent <= budget {
		return out, nil
	}
	left := budget - spent - Batch*int64(len(windows))
	for i, w := range windows {
		out[i].Limit = int(min(max(1, (counts[i]*(100+headRoom)+99)/100), int64(w.Limit)))
		left -= int64(out[i].Limit)
	}
	if left < 0 {
		return nil, &BudgetError{budget, budget - left}
	}
	for left > 0 {
		given := round(left, out, windows, counts)
		left -= given
		if given == 0 {
			break // all limits are as they were
		}
	}
	return out, nil
}

// round hands out as much of left as the windows with room take, by their counts. What rounding leaves goes to the
// first that take it.
func round(left int64, out, windows []source.Request, counts []int64) (given int64) {
	var weight int64
	room := func(i int) int64 { return int64(windows[i].Limit - out[i].Limit) }
	share := func(i int) int64 { return max(counts[i], 1) }
	for i := range out {
		if room(i) > 0 {
			weight += share(i)
		}
	}
	give := func(i int, n int64) {
		n = min(n, room(i), left-given)
		out[i].Limit += int(n)
		given += n
	}
	for i := range out {
		if room(i) > 0 {
			give(i, int64(float64(left)*float64(share(i))/float64(weight)))
		}
	}
	if given == 0 {
		for i := range out {
			give(i, room(i))
		}
	}
	return given
}
