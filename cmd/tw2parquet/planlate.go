package main

import (
	"context"
	"fmt"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// late counts what arrived for complete windows since they were bought.
func (c *planCmd) late(ctx context.Context, a *app, api *source.Client, r source.Request, all []owned) error {
	p := &latePlan{Windows: []lateWindow{}}
	var look []owned
	for _, o := range newest(all) {
		if o.complete && o.Start.Before(r.Stop) && r.Start.Before(o.Stop) {
			look = append(look, o)
		}
	}
	if c.MaxWindows > 0 && len(look) > c.MaxWindows {
		a.log.Warn("more windows are complete; only the earliest are looked at", "windows", len(look)-c.MaxWindows)
		look = look[:c.MaxWindows]
	}
	survey := &pipeline.Survey{API: api}
	now := time.Now().UTC().Truncate(time.Millisecond)
	if len(look) > 0 {
		if err := saySpending(a.log)(len(look)); err != nil {
			return err
		}
	}
	for _, o := range look {
		w := lateWindow{Start: o.Start, Stop: o.Stop, Run: o.Run, Generation: max(o.Asked.Generation, 1) + 1, Limit: o.Asked.Limit, Rows: o.rows}
		bought, err := o.boughtAt(ctx)
		if err != nil {
			return err
		}
		w.BoughtAt = bought
		asked := r
		asked.Start, asked.Stop = o.Start, o.Stop
		if w.Late, err = survey.CountLate(ctx, asked, bought.Add(time.Millisecond), now); err != nil {
			return err
		}
		if w.Late > 0 {
			w.Credits = min(o.processed+w.Late, int64(w.Limit)+batch)
			w.MaxCredits = int64(w.Limit) + batch
		}
		p.add(w)
	}
	p.HistogramCalls, p.HistogramCredits = survey.Calls, int64(survey.Calls)*source.HistogramCredits
	var err error
	credits, err := api.Credits(ctx)
	if err != nil {
		return err
	}
	p.CreditsLeft = credits.Spendable()
	switch c.Output {
	case "json":
		return a.indented(p)
	case "airflow":
		list := []mapped{}
		for _, w := range p.Windows {
			if w.Late > 0 && len(list) < maxMapped {
				list = append(list, c.mapped(w.Start, w.Stop, w.Limit, w.Generation, w.MaxCredits))
			}
		}
		return a.oneLineJSON(list)
	}
	return a.write(lateTable(p))
}

// latePlan is what `plan --late` prints.
type latePlan struct {
	Windows          []lateWindow `json:"windows"`
	Late             int64        `json:"late"`
	Credits          int64        `json:"credits"`
	MaxCredits       int64        `json:"max_credits"`
	CreditsLeft      int64        `json:"credits_left"`
	HistogramCalls   int          `json:"histogram_calls"`
	HistogramCredits int64        `json:"histogram_credits"`
}

// lateWindow is a complete window, and what arrived since it was bought.
type lateWindow struct {
	Start      time.Time `json:"start"`
	Stop       time.Time `json:"stop"`
	Run        string    `json:"run"`
	BoughtAt   time.Time `json:"bought_at"`
	Rows       int64     `json:"rows"`
	Late       int64     `json:"late"`       // results that could be found only afterwards
	Generation int       `json:"generation"` // that would buy the window again
	Limit      int       `json:"limit"`
	Credits    int64     `json:"credits"`     // for that, by the count; 0 where nothing is late
	MaxCredits int64     `json:"max_credits"` // at most
}

func (p *latePlan) add(w lateWindow) {
	p.Windows = append(p.Windows, w)
	p.Late += w.Late
	p.Credits += w.Credits
	p.MaxCredits += w.MaxCredits
}

// boughtAt is when a run's task was created.
func (o owned) boughtAt(ctx context.Context) (time.Time, error) {
	record, err := o.held.Record(ctx, source.TaskRecord, maxRecord)
	if err != nil {
		return time.Time{}, err
	}
	at, err := source.BoughtAt(record)
	if err == nil && at.IsZero() {
		err = fmt.Errorf("run %s: its task record does not say when it was bought, so what arrived since cannot be counted", o.Run)
	}
	return at.UTC(), err
}
