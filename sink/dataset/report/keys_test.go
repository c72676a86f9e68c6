package report

import (
	"fmt"
	"math"
	"testing"
)

// Where there is room for all keys every count is exact.
func TestKeys_AreCounted(t *testing.T) {
	k := &keys{}
	copies := map[string]int{}
	for i := range 60000 {
		key := fmt.Sprint("key ", i*i%9973)
		copies[key]++
		k.add(key)
	}
	want := Duplicates{Keyed: 60000, Distinct: int64(len(copies)), Surplus: 60000 - int64(len(copies))}
	for _, n := range copies {
		switch {
		case n == 2:
			want.Twice++
		case n > 2:
			want.More++
		}
	}
	if got := k.figures(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Beyond, they are estimates that are close, in memory that does not grow.
func TestKeys_AreEstimatedBeyondTheirRoom(t *testing.T) {
	const slots = 1 << 16
	k := &keys{most: slots}
	const distinct, twice = 1_000_000, 200_000
	for i := range distinct {
		k.add(fmt.Sprint("https://example.org/", i))
		if i < twice {
			k.add(fmt.Sprint("https://example.org/", i))
		}
	}
	got := k.figures()
	near := func(what string, n, want int64) {
		if math.Abs(float64(n-want)) > 0.03*float64(want) {
			t.Errorf("%d %s, want about %d", n, what, want)
		}
	}
	near("distinct keys", got.Distinct, distinct)
	near("keys twice", got.Twice, twice)
	if got.Keyed != distinct+twice || got.More != 0 || !got.Estimated || len(k.hashes) != slots {
		t.Errorf("%+v in %d slots", got, len(k.hashes))
	}
}
