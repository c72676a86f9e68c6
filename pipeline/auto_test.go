package pipeline

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tw2parquet/source"
)

// world is a project whose documents are instants. It counts as the API does; whether bins begin at the range's
// start or at the unit's is not documented, so it can do both.
type world struct {
	documents []int64 // epoch ms, sorted
	calendar  bool    // bins begin where days and hours do
	calls     int
}

func (w *world) between(start, stop time.Time) int64 {
	from, _ := slices.BinarySearch(w.documents, start.UnixMilli())
	to, _ := slices.BinarySearch(w.documents, stop.UnixMilli())
	return int64(to - from)
}

func (w *world) Histogram(_ context.Context, req source.HistogramRequest) (source.Histogram, error) {
	w.calls++
	step, ok := map[string]time.Duration{"day": 24 * time.Hour, "hour": time.Hour}[req.Interval]
	if !ok {
		return source.Histogram{}, errors.New("no such interval: " + req.Interval)
	}
	h := source.Histogram{Header: []string{"BLOG"}}
	at := req.Start
	if w.calendar {
		at = at.Truncate(step)
	}
	for ; at.Before(req.Stop); at = at.Add(step) {
		from, to := at, at.Add(step)
		if from.Before(req.Start) {
			from = req.Start
		}
		if to.After(req.Stop) {
			to = req.Stop
		}
		h.Bins = append(h.Bins, source.Bin{Start: at, Values: []int64{w.between(from, to)}})
	}
	return h, nil
}

// skewed is a world of some days: most of them quiet, some with bursts, a few of which fall into one hour.
func skewed(rnd *rand.Rand, start time.Time, days int) *world {
	w := &world{calendar: rnd.IntN(2) == 0}
	for d := range days {
		n := int(math.Exp(rnd.NormFloat64()*1.5) * 20)
		span, offset := 86_400_000, 0
		if rnd.IntN(6) == 0 {
			n, span, offset = n*10, 3_600_000*(1+rnd.IntN(3)), 3_600_000*rnd.IntN(20)
		}
		for range n {
			w.documents = append(w.documents, start.UnixMilli()+int64(d)*86_400_000+int64(offset+rnd.IntN(span)))
		}
	}
	slices.Sort(w.documents)
	return w
}

// sameHour tells whether a window lies within one UTC hour.
func sameHour(r source.Request) bool {
	return r.Start.Truncate(time.Hour).Equal(r.Stop.Add(-time.Millisecond).Truncate(time.Hour))
}

// checkCover reports windows that are not contiguous or do not cover the range.
func checkCover(t *testing.T, r source.Request, windows []source.Request) {
	t.Helper()
	at := r.Start
	for _, w := range windows {
		if !w.Start.Equal(at) || !w.Start.Before(w.Stop) {
			t.Fatalf("a window [%s, %s) where %s was due", w.Start, w.Stop, at)
		}
		at = w.Stop
	}
	if !at.Equal(r.Stop) {
		t.Fatalf("the windows end at %s, the range at %s", at, r.Stop)
	}
}

// However the documents are spread: windows are contiguous, never hold 90 % of the limit or more unless they are an
// hour, and end at midnights, or at hours of a day that is too big. The counts are those of the documents.
func TestAuto_StaysUnderTheLimit(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		start := time.Date(2023, time.Month(1+rnd.IntN(14)), 1+rnd.IntN(28), 0, 0, 0, 0, time.UTC)
		w := skewed(rnd, start, 1+rnd.IntN(70))
		r := source.Request{Start: start, Stop: start.AddDate(0, 0, 1+rnd.IntN(70)), Limit: 1 + rnd.IntN(400)}
		if rnd.IntN(2) == 0 { // to the millisecond
			r.Start = r.Start.Add(time.Duration(rnd.IntN(86_400_000)) * time.Millisecond)
			r.Stop = r.Stop.Add(time.Duration(1+rnd.IntN(86_400_000)) * time.Millisecond)
		}
		said := 0
		survey := &Survey{API: w, Spend: func(calls int) error { said += calls; return nil }}
		tallies, err := survey.Days(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if said != CallsByDay(r) {
			t.Errorf("seed %d: %d calls by day were said, CallsByDay is %d", seed, said, CallsByDay(r))
		}
		if tallies, err = survey.Hours(t.Context(), r, tallies); err != nil {
			t.Fatal(err)
		}
		if said != survey.Calls || said != w.calls {
			t.Errorf("seed %d: said %d, noted %d, made %d", seed, said, survey.Calls, w.calls)
		}
		var sum int64
		for _, tally := range tallies {
			if n := w.between(tally.Start, tally.Stop); n != tally.Results || tally.Sources["BLOG"] != n {
				t.Fatalf("seed %d: [%s, %s) is counted as %d, has %d", seed, tally.Start, tally.Stop, tally.Results, n)
			}
			sum += tally.Results
		}
		if sum != w.between(r.Start, r.Stop) {
			t.Fatalf("seed %d: %d of %d", seed, sum, w.between(r.Start, r.Stop))
		}
		windows := Auto(r, tallies)
		checkCover(t, r, windows)
		for i, win := range windows {
			n := w.between(win.Start, win.Stop)
			if n*10 >= int64(r.Limit)*9 && !sameHour(win) {
				t.Errorf("seed %d: [%s, %s) holds %d of at most %d", seed, win.Start, win.Stop, n, r.Limit)
			}
			end, midnight := win.Stop, win.Stop.Truncate(24*time.Hour)
			if i == len(windows)-1 || end.Equal(midnight) {
				continue
			}
			from, to := midnight, midnight.AddDate(0, 0, 1)
			if from.Before(r.Start) {
				from = r.Start
			}
			if to.After(r.Stop) {
				to = r.Stop
			}
			if !end.Equal(end.Truncate(time.Hour)) || w.between(from, to)*10 < int64(r.Limit)*9 {
				t.Errorf("seed %d: a window ends at %s, in a day of %d for a limit of %d", seed, end, w.between(from, to), r.Limit)
			}
		}
	}
}

// Of all cuts there are, none has fewer windows, and none of as few ends at more beginnings of months, weeks, days.
func TestAuto_IsTheBestOfAllCuts(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		at := time.Date(2024, time.Month(1+rnd.IntN(3)), 20+rnd.IntN(10), 0, 0, 0, 0, time.UTC)
		var tallies []Tally
		for range 1 + rnd.IntN(11) {
			next := at.Add(24 * time.Hour)
			if rnd.IntN(3) == 0 || at.Hour() != 0 {
				next = at.Add(time.Hour)
			}
			tallies = append(tallies, Tally{Start: at, Stop: next, Results: int64(rnd.IntN(60))})
			at = next
		}
		r := source.Request{Start: tallies[0].Start, Stop: at, Limit: 50 + rnd.IntN(100)}
		grade := func(ends []int) (int, int, bool) {
			rough, from := 0, 0
			for _, end := range ends {
				var sum int64
				for _, tally := range tallies[from : end+1] {
					sum += tally.Results
				}
				if end > from && float64(sum) >= 0.9*float64(r.Limit) {
					return 0, 0, false
				}
				if end < len(tallies)-1 {
					stop := tallies[end].Stop
					year, week := stop.ISOWeek()
					yearBefore, weekBefore := stop.Add(-time.Millisecond).ISOWeek()
					switch {
					case stop.Format("15:04:05.000") != "00:00:00.000":
						rough += 3
					case stop.Month() != stop.Add(-time.Millisecond).Month():
					case year != yearBefore || week != weekBefore:
						rough++
					default:
						rough += 2
					}
				}
				from = end + 1
			}
			return len(ends), rough, true
		}
		bestWindows, bestRough := 99, 0
		for mask := range 1 << (len(tallies) - 1) {
			var ends []int
			for i := range len(tallies) - 1 {
				if mask>>i&1 == 1 {
					ends = append(ends, i)
				}
			}
			windows, rough, ok := grade(append(ends, len(tallies)-1))
			if ok && (windows < bestWindows || windows == bestWindows && rough < bestRough) {
				bestWindows, bestRough = windows, rough
			}
		}
		got := Auto(r, tallies)
		checkCover(t, r, got)
		var ends []int
		for _, w := range got {
			ends = append(ends, slices.IndexFunc(tallies, func(tally Tally) bool { return tally.Stop.Equal(w.Stop) }))
		}
		windows, rough, ok := grade(ends)
		if !ok || windows != bestWindows || rough != bestRough {
			t.Errorf("seed %d: %d windows of roughness %d (valid: %v), the best have %d and %d", seed, windows, rough, ok, bestWindows, bestRough)
		}
	}
}

func TestAuto_ByTheCalendar(t *testing.T) {
	days := func(start, stop string, perDay int64) (source.Request, []Tally) {
		r := source.Request{Start: at(start), Stop: at(stop), Limit: 1000}
		var tallies []Tally
		for d := r.Start; d.Before(r.Stop); d = d.AddDate(0, 0, 1) {
			tallies = append(tallies, Tally{Start: d, Stop: d.AddDate(0, 0, 1), Results: perDay})
		}
		return r, tallies
	}
	for name, c := range map[string]struct {
		start, stop string
		perDay      int64
		want        []string // ends but for the last
	}{
		"few results: one window":      {"2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z", 1, nil},
		"quarters, over a leap day":    {"2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", 9, []string{"2024-04-01", "2024-07-01", "2024-10-01"}},
		"months":                       {"2023-12-01T00:00:00Z", "2024-04-01T00:00:00Z", 29 - 1, []string{"2024-01-01", "2024-02-01", "2024-03-01"}},
		"weeks where there's a choice": {"2024-01-02T00:00:00Z", "2024-01-16T00:00:00Z", 100, []string{"2024-01-08"}},
	} {
		r, tallies := days(c.start, c.stop, c.perDay)
		var got []string
		windows := Auto(r, tallies)
		for _, w := range windows[:len(windows)-1] {
			got = append(got, w.Stop.Format(time.DateOnly))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: cut at %v, want %v", name, got, c.want)
		}
	}
}

// Ten years by day are cut in no time.
func TestAuto_IsQuickOnLongRanges(t *testing.T) {
	r := source.Request{Start: at("2014-01-01T00:00:00Z"), Stop: at("2024-01-01T00:00:00Z"), Limit: 1_000_000}
	w := &world{}
	tallies, err := (&Survey{API: w}).Days(t.Context(), r)
	if err != nil || len(tallies) != 3652 {
		t.Fatal(len(tallies), err)
	}
	if windows := Auto(r, tallies); len(windows) != 1 {
		t.Errorf("%d windows", len(windows))
	}
}

func TestSurvey_AsksNothingThatIsRefused(t *testing.T) {
	w := &world{}
	refused := errors.New("too dear")
	r := source.Request{Start: at("2024-01-01T05:00:00Z"), Stop: at("2024-02-01T00:00:00Z"), Limit: 10}
	survey := &Survey{API: w, Spend: func(int) error { return refused }}
	if _, err := survey.Days(t.Context(), r); !errors.Is(err, refused) || w.calls != 0 {
		t.Errorf("%v after %d calls", err, w.calls)
	}
	big := []Tally{{Start: r.Start, Stop: r.Stop, Results: 100}}
	if _, err := survey.Hours(t.Context(), r, big); !errors.Is(err, refused) || w.calls != 0 {
		t.Errorf("%v after %d calls", err, w.calls)
	}
}
