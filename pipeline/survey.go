package pipeline

import (
	"context"
	"fmt"
	"time"

	"tw2parquet/source"
)

// Tally is how many results the API counts in [Start, Stop), a part of one UTC day.
type Tally struct {
	Start, Stop time.Time
	Results     int64
	Sources     map[string]int64 // of these, by the API's source types; nil if not told
}

// Histograms is what a survey needs of the API; *source.Client is it.
type Histograms interface {
	Histogram(ctx context.Context, req source.HistogramRequest) (source.Histogram, error)
}

// Survey counts the results of a project's range. Each call costs source.HistogramCredits.
type Survey struct {
	API Histograms
	// Spend is told how many calls come next, before they cost anything. An error of it is the survey's.
	Spend func(calls int) error
	// Calls is how many were made.
	Calls int
}

const (
	day  = 24 * time.Hour
	hour = time.Hour
	// hourSpan bounds what one call counts by hour: 2,400 bins. How many the API answers is not documented.
	hourSpan = 100 * day
)

// CallsByDay is how many calls Days makes for a range.
func CallsByDay(r source.Request) int { return len(spans(r.Start, r.Stop, day)) }

// Days counts by UTC day: the tallies are contiguous, in order, and cover the request's range exactly.
func (s *Survey) Days(ctx context.Context, r source.Request) ([]Tally, error) {
	if err := s.spend(len(spans(r.Start, r.Stop, day))); err != nil {
		return nil, err
	}
	return s.count(ctx, r, r.Start.UTC(), r.Stop.UTC(), day)
}

// Hours counts the days that are too big for the request's limit again, by hour, and puts the hours in their places.
func (s *Survey) Hours(ctx context.Context, r source.Request, tallies []Tally) ([]Tally, error) {
	type group struct{ from, to time.Time }
	var groups []group
	for _, t := range tallies {
		if fits(t.Results, r.Limit) {
			continue
		}
		if n := len(groups); n > 0 && t.Stop.Sub(groups[n-1].from) <= hourSpan {
			groups[n-1].to = t.Stop
		} else {
			groups = append(groups, group{t.Start, t.Stop})
		}
	}
	calls := 0
	for _, g := range groups {
		calls += len(spans(g.from, g.to, hour))
	}
	if calls == 0 {
		return tallies, nil
	}
	if err := s.spend(calls); err != nil {
		return nil, err
	}
	var hours []Tally
	for _, g := range groups {
		counted, err := s.count(ctx, r, g.from, g.to, hour)
		if err != nil {
			return nil, err
		}
		hours = append(hours, counted...)
	}
	var out []Tally
	for _, t := range tallies {
		if fits(t.Results, r.Limit) {
			out = append(out, t)
			continue
		}
		for _, h := range hours {
			if !h.Start.Before(t.Start) && h.Start.Before(t.Stop) {
				out = append(out, h)
			}
		}
	}
	return out, nil
}

func (s *Survey) spend(calls int) error {
	if s.Spend == nil {
		return nil
	}
	return s.Spend(calls)
}

// span is what one call counts.
type span struct{ from, to time.Time }

// spans cuts a range where its first whole unit begins: whether the API's bins begin at the range's start or at
// the unit's is not documented, and from there on both are the same.
func spans(from, to time.Time, unit time.Duration) []span {
	first := from.Truncate(unit)
	if first.Equal(from) || !first.Add(unit).Before(to) {
		return []span{{from, to}}
	}
	return []span{{from, first.Add(unit)}, {first.Add(unit), to}}
}

// count asks for [from, to) by unit.
func (s *Survey) count(ctx context.Context, r source.Request, from, to time.Time, unit time.Duration) ([]Tally, error) {
	interval := "day"
	if unit == hour {
		interval = "hour"
	}
	var out []Tally
	for _, span := range spans(from, to, unit) {
		s.Calls++
		h, err := s.API.Histogram(ctx, source.HistogramRequest{Project: r.Project, Query: r.Query, Topics: r.Topics, Datasets: r.Datasets,
			Start: span.from, Stop: span.to, Interval: interval, Breakdown: "sourcetype"})
		if err != nil {
			return nil, fmt.Errorf("count the results by %s: %w", interval, err)
		}
		base := span.from.Truncate(unit)
		first := len(out)
		for at := base; at.Before(span.to); at = at.Add(unit) {
			t := Tally{Start: at, Stop: at.Add(unit)}
			if t.Start.Before(span.from) {
				t.Start = span.from
			}
			if t.Stop.After(span.to) {
				t.Stop = span.to
			}
			out = append(out, t)
		}
		for _, bin := range h.Bins {
			if !bin.Start.Before(span.to) {
				return nil, fmt.Errorf("count the results by %s: the API counted at %s, outside of the range it was asked for", interval, bin.Start.UTC().Format(time.RFC3339))
			}
			out[first+max(0, int(bin.Start.Sub(base)/unit))].add(h.Header, bin.Values)
		}
	}
	return out, nil
}

func (t *Tally) add(header []string, values []int64) {
	for i, n := range values {
		t.Results += n
		if n == 0 || i >= len(header) {
			continue
		}
		if t.Sources == nil {
			t.Sources = map[string]int64{}
		}
		t.Sources[header[i]] += n
	}
}

// CountLate asks how many results of r were first found since, up to now: what an export at that time cannot have
// handed over. It is one call.
func (s *Survey) CountLate(ctx context.Context, r source.Request, since, now time.Time) (int64, error) {
	if !since.Before(now) {
		return 0, nil
	}
	s.Calls++
	query := fmt.Sprintf("published:>=%d AND published:<%d", r.Start.UnixMilli(), r.Stop.UnixMilli())
	if r.Query != "" {
		query = "(" + r.Query + ") AND " + query
	}
	h, err := s.API.Histogram(ctx, source.HistogramRequest{By: source.BySearchIndexed, Project: r.Project, Query: query, Topics: r.Topics, Datasets: r.Datasets,
		Start: since, Stop: now, Interval: fmt.Sprintf("%dd", int(now.Sub(since)/day)+2), Breakdown: "sourcetype"})
	if err != nil {
		return 0, fmt.Errorf("count what arrived late: %w", err)
	}
	var t Tally
	for _, bin := range h.Bins {
		t.add(h.Header, bin.Values)
	}
	return t.Results - t.hidden(), nil
}
