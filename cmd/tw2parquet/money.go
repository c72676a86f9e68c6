package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// refuseTokens refuses a selection that holds the access token by mistake.
func (c *selection) refuseTokens(a *app) error {
	return errors.Join(a.refuseToken("project", c.Project), a.refuseToken("stream", c.Stream), a.refuseToken("topic", c.Topics...),
		a.refuseToken("dataset", c.Datasets...), a.refuseToken("query", c.Query))
}

// windowsOf are the runs of requests.
func windowsOf(host string, ranges []source.Request) []pipeline.Window {
	windows := make([]pipeline.Window, len(ranges))
	for i, w := range ranges {
		windows[i] = pipeline.Window{
			Request: w, Host: host, Run: w.Run(host), Partition: "window_start=" + pipeline.PartitionName(w.Start),
		}
	}
	return windows
}

// afford refuses to buy windows for more than the flags allow. The price has what counting took in it.
func (c *exportCmd) afford(ctx context.Context, toBuy int, price int64) error {
	if toBuy == 0 {
		return nil
	}
	what := fmt.Sprintf("%s to buy, with up to %d results each and %d for the overshoot, could cost %d credits", number(int64(toBuy), "window"), c.Limit, batch, price)
	if c.asked > 0 {
		what += fmt.Sprintf(", %d for counting included", c.asked)
	}
	if c.MaxCredits != nil && price > *c.MaxCredits {
		hint := "take a shorter range, or raise --max-credits"
		if fit := (*c.MaxCredits-c.asked)/int64(toBuy) - batch; fit > 0 {
			hint = fmt.Sprintf("lower --limit to %d, %s", fit, hint)
		}
		return &statusError{exitCredits, fmt.Sprintf("%s, over --max-credits %d", what, *c.MaxCredits), hint}
	}
	if c.MinCreditsLeft == nil {
		return nil
	}
	credits, err := c.spendable(ctx)
	if err != nil {
		return err
	}
	if left := credits.Spendable() - (price - c.asked); left < *c.MinCreditsLeft { // what counting took is gone already
		return &statusError{exitCredits, fmt.Sprintf("%s of the %d that are left: fewer than --min-credits-left %d would remain", what, credits.Spendable(), *c.MinCreditsLeft),
			"lower --limit, take a shorter range, lower --min-credits-left, or wait for the monthly reset"}
	}
	return nil
}

// counting adds to a refusal for money what counting for it took: what was counted is not kept.
func (c *exportCmd) counting(err error) error {
	var refused *statusError
	if !errors.As(err, &refused) || refused.code != exitCredits || c.asked == 0 {
		return err
	}
	told := *refused
	told.hint += fmt.Sprintf("; counting takes %d credits on each start, also of one that is refused", c.asked)
	return &told
}

func calendar(r source.Request, split pipeline.Split) ([]source.Request, error) {
	ranges, err := pipeline.Windows(r, split)
	if err != nil {
		return nil, &usageError{err}
	}
	return ranges, nil
}

// autoWindows counts the range, and cuts it by that.
func autoWindows(ctx context.Context, survey *pipeline.Survey, r source.Request) ([]source.Request, []pipeline.Tally, error) {
	tallies, err := survey.Days(ctx, r)
	if err == nil {
		tallies, err = survey.Hours(ctx, r, tallies)
	}
	if err != nil {
		return nil, nil, err
	}
	return pipeline.Auto(r, tallies), tallies, nil
}

// countable refuses to count what the API cannot.
func countable(r source.Request) error {
	if r.Kind != source.KindProject {
		return usagef("results cannot be counted for a %s: the API's histogram knows projects only; use plan --free, and a split by the calendar", r.Kind)
	}
	return nil
}

// saySpending says what calls of the histogram cost, before they do.
func saySpending(log *slog.Logger) func(calls int) error {
	return func(calls int) error {
		log.Info("asking the histogram", "calls", calls, "credits", int64(calls)*source.HistogramCredits)
		return nil
	}
}

// sayAsking says what counting would cost where it is not done.
func sayAsking(log *slog.Logger, r source.Request) {
	log.Info("calendar months are shown: cutting by the number of results would ask the histogram",
		"credits_by_day", int64(pipeline.CallsByDay(r))*source.HistogramCredits, "credits_for_each_100_days_with_too_big_days", source.HistogramCredits)
}
