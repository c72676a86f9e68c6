package pipeline

import (
	"errors"
	"math/rand/v2"
	"testing"

	"tw2parquet/source"
)

// A budget is spent to the last credit, no limit is raised, every window gets its count and 2 % more, and it is
// refused exactly when that is impossible.
func TestShare_UsesAllOfTheBudget(t *testing.T) {
	refused := 0
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		n := 1 + rnd.IntN(12)
		windows, counts := make([]source.Request, n), make([]int64, n)
		var price, least int64
		for i := range windows {
			windows[i].Limit = 1 + rnd.IntN(1_000_000)
			if rnd.IntN(4) > 0 {
				counts[i] = int64(rnd.IntN(400_000))
			}
			price += int64(windows[i].Limit) + 1000
			need := counts[i] + counts[i]/50 // and 2 %, rounded up
			if counts[i]%50 != 0 {
				need++
			}
			least += min(max(need, 1), int64(windows[i].Limit)) + 1000
		}
		spent := int64(rnd.IntN(4)) * 10
		budget := int64(rnd.Float64() * 1.2 * float64(price+spent))
		if rnd.IntN(5) == 0 {
			budget = least + spent - int64(rnd.IntN(2)) // the border
		}
		got, err := Share(budget, spent, windows, counts)
		var short *BudgetError
		switch {
		case errors.As(err, &short):
			refused++
			if budget >= least+spent || short.Needed != least+spent || short.Budget != budget {
				t.Fatalf("seed %d: refused %d, which needs %d: %v", seed, budget, least+spent, err)
			}
			continue
		case err != nil:
			t.Fatal(err)
		case budget < least+spent:
			t.Fatalf("seed %d: %d was taken for enough, and %d are needed", seed, budget, least+spent)
		}
		total := spent
		for i, w := range got {
			total += int64(w.Limit) + 1000
			if w.Limit > windows[i].Limit || w.Limit < 1 || int64(w.Limit) < min(counts[i]+counts[i]/50, int64(windows[i].Limit)) {
				t.Errorf("seed %d: a limit of %d became %d for a count of %d", seed, windows[i].Limit, w.Limit, counts[i])
			}
		}
		if want := min(budget, price+spent); total != want {
			t.Errorf("seed %d: %d of %d are shared out", seed, total, want)
		}
	}
	if refused < 100 || refused > 2900 {
		t.Errorf("%d refused: the cases are one-sided", refused)
	}
}

func TestShare_ByTheCounts(t *testing.T) {
	windows := []source.Request{{Limit: 1_000_000}, {Limit: 1_000_000}, {Limit: 1_000_000}}
	got, err := Share(10+3000+60_000, 10, windows, []int64{10_000, 30_000, 0})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{15_000, 45_000, 1} {
		if diff := got[i].Limit - want; diff < -10 || diff > 10 {
			t.Errorf("window %d has a limit of %d, want about %d", i, got[i].Limit, want)
		}
	}
}
