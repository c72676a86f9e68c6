package report

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// What is among the first is found, and short by the error at most, however many other values there are.
func TestTop_ForgetsTheRarest(t *testing.T) {
	x := newTop(false)
	want := map[string]int64{}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 5 * maxValues {
		x.add(fmt.Sprint("rare ", i), "", 0)
		often := fmt.Sprint("often ", r.IntN(20))
		want[often]++
		x.add(often, "", 0)
	}
	got := x.figures(20)
	if len(x.values) > maxValues || got.Error < 1 || got.Documents != 10*maxValues {
		t.Errorf("%d values, error %d, %d documents", len(x.values), got.Error, got.Documents)
	}
	for _, c := range got.Values {
		if n, ok := want[c.Value]; !ok || c.Documents > n || c.Documents < n-got.Error {
			t.Errorf("%s: %d, want %d", c.Value, c.Documents, n)
		}
	}
}

func TestTop_IsExactWhereThereIsRoom(t *testing.T) {
	x, y := newTop(true), newTop(true)
	x.add("a", "first name", 5)
	x.add("b", "", 7)
	y.add("a", "second name", 3)
	x.merge(&y)
	got := x.figures(1)
	if len(got.Values) != 1 || got.Values[0] != (Count{"a", "first name", 2, 8}) || got.Distinct != 2 || got.Documents != 3 || got.Error != 0 {
		t.Errorf("%+v", got)
	}
}

// Long texts stay apart, short ones stay as they are, and cutting twice is cutting once.
func TestClip_KeepsTextsApart(t *testing.T) {
	long := strings.Repeat("ü", 10<<20)
	a, b := clip(long+"a"), clip(long+"b")
	if a == b || len(a) > maxText || !utf8.ValidString(a) || clip(a) != a || clip("short") != "short" {
		t.Errorf("%q and %q", a, b)
	}
}
