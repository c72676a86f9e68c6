package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tw2parquet/pipeline"
	"tw2parquet/pipeline/bug"
	"tw2parquet/source"
)

type statusCmd struct {
	shown
	Out    string `arg:"" name:"out" help:"The output: its directory or URL."`
	Online bool   `name:"online" help:"Ask the API how far tasks are and which collectors are left; calls that cost nothing."`
}

// Help is the long form of --help.
func (statusCmd) Help() string {
	return `Lists the runs of an output: window, state, rows, rejects, credits, files, bytes, and how long the collector still
holds the results; then what is covered of each source, and the gaps. Nothing is changed. Where a run is not at its end, the
command that finishes it is printed.

States: planned (claimed, not bought), bought, reading (files are published), complete, truncated (ended at its limit),
partial (accepted as it is), failed (a retry does not mend it), at risk (not complete, and its results expire within 2
days, or did), dropping, dropped, void (another request took its time), unreadable (its records cannot be read).

Without --online no call is made, and no token is needed: the time left is estimated by the output's records and the local clock. Results live for
7 days after their export. The table shows the first characters of a run's id; drop takes them too.

Example:
  tw2parquet status lake
  tw2parquet status s3://bucket/lake --online --output json

Exit codes: 0 ok, whatever the runs' states, 2 usage (no such output), 10 auth, 20 unavailable (retry helps), 50 storage,
130 and 143 stopped.
See also: troubleshooting, money`
}

// coverageStatus is a source as `status --output json` prints it.
type coverageStatus struct {
	Source     string      `json:"source"`
	Host       string      `json:"host,omitempty"`
	Kind       source.Kind `json:"kind"`
	Project    string      `json:"project,omitempty"`
	Stream     string      `json:"stream,omitempty"`
	Topics     []string    `json:"topics,omitempty"`
	Datasets   []string    `json:"datasets,omitempty"`
	Query      string      `json:"query,omitempty"`
	Start      time.Time   `json:"start"`
	Stop       time.Time   `json:"stop"`
	Covered    []stretch   `json:"covered"`
	Unfinished []stretch   `json:"unfinished"` // begun, or claimed
	Gaps       []stretch   `json:"gaps"`
}

type stretch struct {
	Start time.Time `json:"start"`
	Stop  time.Time `json:"stop"`
}

// outputStatus is all that `status --output json` prints.
type outputStatus struct {
	Out      string           `json:"out"`
	Time     time.Time        `json:"time"` // of the server where it was asked, else the local one
	Online   bool             `json:"online"`
	Runs     []*runStatus     `json:"runs"`
	Sources  []coverageStatus `json:"sources"`
	Problems []string         `json:"problems,omitempty"` // what could not be read besides
}

// Run prints the state of an output.
func (c *statusCmd) Run(ctx context.Context, a *app) error {
	if c.Online { // a token that is missing is told before anything is listed
		if _, err := a.client(source.Config{}); err != nil {
			return err
		}
	}
	there, accounts, err := takeStock(ctx, a, c.Out)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer there.Close()
	s := &outputStatus{Out: publicName(c.Out), Time: time.Now().UTC().Truncate(time.Second), Runs: []*runStatus{}, Sources: []coverageStatus{}, Problems: there.problems}
	server := &serverView{}
	if c.Online {
		if server, err = askServer(ctx, a); err != nil {
			return interrupted(ctx, err)
		}
		s.Online, s.Time = true, server.now.UTC().Truncate(time.Second)
	}
	s.Runs = there.runs(accounts)
	if err := there.measure(ctx, s.Runs); err != nil {
		return interrupted(ctx, err)
	}
	compose := a.composer(c.Out)
	for _, r := range s.Runs {
		if err := server.tell(ctx, r); err != nil {
			return interrupted(ctx, err)
		}
		r.settle(s.Time)
		r.advise(compose)
	}
	for _, cover := range pipeline.Coverages(accounts) {
		s.Sources = append(s.Sources, newCoverageStatus(cover))
	}
	if c.Output == "json" {
		return a.indented(s)
	}
	return a.write(statusTable(s))
}

// stock is an output that is only read.
type stock struct {
	*destination
	*holdings
	problems []string
	heard    *attentive // of a bucket: what failed since
}

// takeStock lists an output, once, and reads what the records of its runs say.
func takeStock(ctx context.Context, a *app, out string) (*stock, []pipeline.Account, error) {
	at, err := locateOutput(out)
	if err != nil {
		return nil, nil, usagef("%s: %w", publicName(out), err)
	}
	s := &stock{destination: &destination{place: at, how: a.opening(1)}}
	fail := func(err error) (*stock, []pipeline.Account, error) {
		s.Close()
		return nil, nil, err
	}
	opened, err := s.use(ctx, false)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(usagef("there is no output at %s", publicName(out)))
	}
	if err == nil && at.remote() {
		s.heard = &attentive{Store: opened}
		s.opened = s.heard
	}
	if s.holdings, err = openHoldings(ctx, s.destination); err != nil {
		return fail(err)
	}
	accounts, logs, err := pipeline.Census(ctx, listing{s.Dataset})
	if err != nil {
		return fail(err)
	}
	for _, err := range append(logs, s.err) {
		if err != nil {
			s.problems = append(s.problems, oneLine(err.Error()))
		}
	}
	return s, accounts, nil
}

// runs are those that the records tell of.
func (s *stock) runs(accounts []pipeline.Account) []*runStatus {
	runs := []*runStatus{}
	for i := range accounts {
		held := s.Run(accounts[i].Run)
		if held != nil && accounts[i].Standing == "" && len(held.Files) == 0 && !slices.ContainsFunc(held.Records(), func(name string) bool { return name != "lock" }) {
			continue // somebody looked, and began nothing
		}
		runs = append(runs, newRunStatus(&accounts[i]))
	}
	return runs
}

// measurers is how many runs are measured at the same time.
const measurers = 16

// measure counts files and bytes, and the rows of runs that are not complete.
func (s *stock) measure(ctx context.Context, runs []*runStatus) error {
	var group errgroup.Group
	group.SetLimit(measurers)
	for _, r := range runs {
		held := s.Run(r.Run)
		if held == nil {
			continue
		}
		group.Go(func() error { return bug.Guard(func() error { return r.measure(ctx, held) }) })
	}
	return group.Wait()
}

// serverView is what the API says of collectors and tasks; empty if it was not asked.
type serverView struct {
	api        *source.Client
	now        time.Time
	tasks      map[string][]source.Task // by target
	collectors map[string]bool
}

// askServer makes two calls, both free.
func askServer(ctx context.Context, a *app) (*serverView, error) {
	api, err := a.client(source.Config{})
	if err != nil {
		return nil, err
	}
	v := &serverView{api: api, tasks: map[string][]source.Task{}, collectors: map[string]bool{}}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tasks {
		v.tasks[t.Target] = append(v.tasks[t.Target], t)
	}
	info, err := api.StreamInfo(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range info.Collectors {
		v.collectors[c.ID] = c.State != "DELETED"
	}
	v.now = api.ServerTime()
	return v, nil
}

// tell takes over what the server says of a run.
func (v *serverView) tell(ctx context.Context, r *runStatus) error {
	a := r.account
	bought := a.Standing == pipeline.RunBegun || a.Standing == pipeline.RunComplete
	if v.api == nil || !a.Exported() || a.Asked.Host != "" && a.Asked.Host != v.api.Host() {
		r.Estimated = bought
		return nil
	}
	tasks := v.tasks[r.Collector]
	if len(tasks) > 0 && a.Standing != pipeline.RunComplete && a.Standing != pipeline.RunDropped {
		first := slices.MinFunc(tasks, func(x, y source.Task) int { return x.Created.Compare(y.Created) })
		var credits int64
		for _, t := range tasks {
			credits += t.Processed
		}
		r.TaskID, r.TaskStatus, r.Credits, a.Bought = first.ID, string(first.Status), &credits, first.Created
		if a.Standing == pipeline.RunClaimed { // bought by another output, or by a start that died
			a.Standing, bought = pipeline.RunBegun, true
		}
	}
	if !bought || v.collectors[r.Collector] {
		return nil
	}
	r.Gone = true
	if a.Standing == pipeline.RunBegun { // the list is believed only where nothing hangs on it
		_, err := v.api.Collector(ctx, r.Collector)
		r.Gone = errors.Is(err, source.ErrNotFound)
		if err != nil && !r.Gone {
			return err
		}
	}
	return nil
}

func newCoverageStatus(c pipeline.Coverage) coverageStatus {
	x := c.Source
	s := coverageStatus{Source: c.ID, Host: x.Host, Kind: x.Kind, Project: x.Project, Stream: x.Stream, Topics: x.Topics, Datasets: x.Datasets, Query: x.Query,
		Start: c.Start.UTC(), Stop: c.Stop.UTC(), Covered: []stretch{}, Unfinished: []stretch{}, Gaps: []stretch{}}
	for _, p := range c.Pieces {
		into := &s.Unfinished
		switch p.Standing {
		case pipeline.RunComplete:
			into = &s.Covered
		case "":
			into = &s.Gaps
		}
		if last := len(*into) - 1; last >= 0 && (*into)[last].Stop.Equal(p.Start) {
			(*into)[last].Stop = p.Stop.UTC()
			continue
		}
		*into = append(*into, stretch{p.Start.UTC(), p.Stop.UTC()})
	}
	return s
}
