package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// shaper decides what the gaps of an export are bought as. It counts for that, which costs, and what it has counted it
// remembers: whoever loses a claim to another machine is asked again.
type shaper struct {
	c       *exportCmd
	api     *source.Client
	log     *slog.Logger
	result  *result
	claims  *pipeline.Claims
	there   *holdings
	survey  *pipeline.Survey
	counted map[[2]int64]counted // by the range, in milliseconds
}

// counted is a range as it was counted and cut.
type counted struct {
	windows []source.Request
	tallies []pipeline.Tally
}

// shape makes the claims cut gaps and lower limits where the flags ask for it.
func (c *exportCmd) shape(a *app, api *source.Client, claims *pipeline.Claims, there *holdings) {
	s := &shaper{c: c, api: api, log: a.log, result: a.result, claims: claims, there: there, counted: map[[2]int64]counted{}}
	s.survey = &pipeline.Survey{API: api}
	if claims.Ask.Split == pipeline.SplitAuto {
		claims.Cut = s.cut
	}
	if c.MaxCredits != nil {
		claims.Lower = s.lower
	}
}

// count counts a range once, and cuts it with auto.
func (s *shaper) count(ctx context.Context, r source.Request) (counted, error) {
	key := [2]int64{r.Start.UnixMilli(), r.Stop.UnixMilli()}
	if n, ok := s.counted[key]; ok {
		return n, nil
	}
	s.survey.Spend = func(calls int) error { return s.spend(ctx, calls) }
	var n counted
	var err error
	before, calls := s.c.asked, s.survey.Calls
	if s.claims.Ask.Split == pipeline.SplitAuto {
		n.windows, n.tallies, err = autoWindows(ctx, s.survey, r)
	} else {
		n.tallies, err = s.survey.Days(ctx, r)
	}
	if err != nil {
		s.c.asked = before + s.charged(calls, err)
		s.result.Histogram = s.c.asked
		return n, err
	}
	s.counted[key] = n
	return n, nil
}

// charged is what counting took that failed in the end: the calls that were made since, but for one that the API refused.
func (s *shaper) charged(before int, err error) int64 {
	made := s.survey.Calls - before
	var refused *source.Error
	if errors.As(err, &refused) && slices.Contains([]source.Class{source.ClassRejected, source.ClassAuth, source.ClassCredits}, refused.Class) {
		made--
	}
	return int64(max(made, 0)) * source.HistogramCredits
}

// spend refuses to count where a budget does not have the price of it.
func (s *shaper) spend(ctx context.Context, calls int) error {
	c, price := s.c, int64(calls)*source.HistogramCredits
	if c.MaxCredits != nil && c.asked+price > *c.MaxCredits {
		return &statusError{exitCredits, fmt.Sprintf("counting the results costs %d credits, over --max-credits %d", c.asked+price, *c.MaxCredits), "raise --max-credits, or choose a split by the calendar"}
	}
	if c.MinCreditsLeft != nil {
		credits, err := c.spendable(ctx)
		if err != nil {
			return err
		}
		if credits.Spendable()-price < *c.MinCreditsLeft {
			return &statusError{exitCredits, fmt.Sprintf("counting the results costs %d credits of the %d that are left: fewer than --min-credits-left %d would remain", price, credits.Spendable(), *c.MinCreditsLeft),
				"lower --min-credits-left, or wait for the monthly reset"}
		}
	}
	c.asked += price
	s.result.Histogram = c.asked
	return saySpending(s.log)(calls)
}

// cut cuts a gap by its counts.
func (s *shaper) cut(ctx context.Context, gap source.Request) ([]source.Request, error) {
	n, err := s.count(ctx, gap)
	return n.windows, err
}

// lower lowers the limits of the gaps so that the price is --max-credits at most. What was claimed, and what the server
// knows an export of, keeps its limit.
func (s *shaper) lower(ctx context.Context, pieces []pipeline.Piece) error {
	todo := s.c.arrange(s.claims, s.there, pieces)
	if priceOf(todo.windows, nil)+s.c.asked <= *s.c.MaxCredits {
		return nil
	}
	state, err := bought(ctx, s.api, todo.windows, todo.held)
	if err != nil {
		return err
	}
	price := priceOf(todo.windows, state)
	if price+s.c.asked <= *s.c.MaxCredits || s.claims.Ask.Range.Kind != source.KindProject {
		return nil // the price is judged later
	}
	var indexes []int
	var gaps []source.Request
	for i, p := range pieces {
		if p.Standing != "" {
			continue
		}
		r := s.claims.Ask.Range
		r.Start, r.Stop, r.Limit, r.Generation = p.Start, p.Stop, p.Limit, p.Generation
		if state[r.Run(s.claims.Ask.Host)] == "" {
			indexes, gaps = append(indexes, i), append(gaps, r)
		}
	}
	if len(gaps) == 0 {
		return nil
	}
	budget := *s.c.MaxCredits - (price - pipeline.Price(gaps))
	if err := s.affordCounting(budget, gaps); err != nil {
		return err
	}
	counts, err := s.countAll(ctx, gaps)
	if err != nil {
		return err
	}
	shared, err := pipeline.Share(budget, s.c.asked, gaps, counts)
	if short := (*pipeline.BudgetError)(nil); errors.As(err, &short) {
		needed := short.Needed + *s.c.MaxCredits - budget
		return &statusError{exitCredits, fmt.Sprintf("--max-credits %d is too little: what is counted, with 2 %% of room, and 1000 for the overshoot of each of %s, needs %d credits, %d for counting included",
			*s.c.MaxCredits, number(int64(len(gaps)), "window"), needed, s.c.asked), fmt.Sprintf("raise --max-credits to %d or more, take a shorter range, or use a split with fewer windows", needed)}
	}
	if err != nil {
		return err
	}
	for n, i := range indexes {
		pieces[i].Limit = shared[n].Limit
	}
	s.log.Info("the limits were lowered to fit --max-credits", "windows", len(gaps), "max_credits", pipeline.Price(shared)+s.c.asked)
	return nil
}

// affordCounting refuses, before counting, where not even the least limits would fit.
func (s *shaper) affordCounting(budget int64, gaps []source.Request) error {
	least := int64(len(gaps))*(1+pipeline.Batch) + s.c.asked
	for _, g := range stretches(gaps) {
		if _, ok := s.tallies(g); !ok {
			least += int64(pipeline.CallsByDay(g)) * source.HistogramCredits
		}
	}
	if least <= budget {
		return nil
	}
	return &statusError{exitCredits, fmt.Sprintf("the price of %s to buy is %d credits at least, counting and the overshoot included, over what --max-credits %d leaves for them", number(int64(len(gaps)), "window"), least, *s.c.MaxCredits),
		"raise --max-credits, take a shorter range, or use a split with fewer windows"}
}

// tallies are what was counted of a range by auto.
func (s *shaper) tallies(r source.Request) ([]pipeline.Tally, bool) {
	for key, n := range s.counted {
		if key[0] <= r.Start.UnixMilli() && r.Stop.UnixMilli() <= key[1] {
			return n.tallies, true
		}
	}
	return nil, false
}

// countAll says how many results are in each of the windows, at most one call or two for each stretch without a hole.
func (s *shaper) countAll(ctx context.Context, windows []source.Request) ([]int64, error) {
	counts := make([]int64, len(windows))
	for _, stretch := range stretches(windows) {
		tallies, ok := s.tallies(stretch)
		if !ok {
			n, err := s.count(ctx, stretch)
			if err != nil {
				return nil, err
			}
			tallies = n.tallies
		}
		for i, w := range windows {
			for _, t := range tallies {
				if !t.Start.Before(w.Start) && !t.Stop.After(w.Stop) && !w.Start.Before(stretch.Start) && !w.Stop.After(stretch.Stop) {
					counts[i] += t.Results
				}
			}
		}
	}
	return counts, nil
}

// stretches joins windows that meet at midnights: those are counted together.
func stretches(windows []source.Request) (out []source.Request) {
	for _, w := range windows {
		last := len(out) - 1
		if last >= 0 && out[last].Stop.Equal(w.Start) && w.Start.Equal(w.Start.Truncate(24*time.Hour)) {
			out[last].Stop = w.Stop
			continue
		}
		out = append(out, w)
	}
	return out
}

// ranges are the windows that a range is cut into by the calendar. With auto only its gaps are cut, when they are known;
// with --dry-run, which does not count, calendar months are shown.
func (c *exportCmd) ranges(r source.Request, split pipeline.Split) ([]source.Request, error) {
	if split != pipeline.SplitAuto {
		return calendar(r, split)
	}
	if c.DryRun {
		return calendar(r, pipeline.SplitMonth)
	}
	return calendar(r, pipeline.SplitNone)
}

// sayGaps says, where nothing is counted, what cutting the gaps by their counts would cost.
func (c *exportCmd) sayGaps(log *slog.Logger, claims *pipeline.Claims, pieces []pipeline.Piece) {
	if claims.Ask.Split != pipeline.SplitAuto {
		return
	}
	var gaps []source.Request
	for _, p := range pieces {
		if p.Standing == "" {
			r := claims.Ask.Range
			r.Start, r.Stop = p.Start, p.Stop
			gaps = append(gaps, r)
		}
	}
	for _, g := range stretches(gaps) {
		sayAsking(log, g)
	}
}

// affordPlanned is afford for --dry-run: where lowering the limits by the counts may make them fit, that is said, and
// nothing refused, for counting costs.
func (c *exportCmd) affordPlanned(ctx context.Context, log *slog.Logger, r source.Request, toBuy int, price int64) error {
	if c.MaxCredits == nil || price <= *c.MaxCredits || r.Kind != source.KindProject {
		return c.afford(ctx, toBuy, price)
	}
	least := int64(toBuy)*(1+pipeline.Batch) + source.HistogramCredits
	if least > *c.MaxCredits {
		return c.afford(ctx, toBuy, price)
	}
	log.Warn("the windows could cost more than --max-credits: the histogram would be asked, and their limits lowered by its counts, or the run refused",
		"windows", toBuy, "could_cost", price, "max_credits", *c.MaxCredits, "histogram_credits", source.HistogramCredits)
	return c.afford(ctx, toBuy, *c.MaxCredits)
}
