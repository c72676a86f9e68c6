package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// balanceTime bounds asking for the balance: nothing depends on it.
const balanceTime = 5 * time.Second

// accountResult is what the account had before and after an export, in credits that can be spent.
type accountResult struct {
	Before     int64  `json:"before"`
	After      int64  `json:"after"`
	Spent      int64  `json:"spent"`                // before - after
	ByThisRun  int64  `json:"by_this_run"`          // results that were exported meanwhile for its windows, and counting
	Difference string `json:"difference,omitempty"` // why the two are not the same
}

// balance compares what an export takes with what the account loses meanwhile. It is told of the windows' events.
type balance struct {
	before  source.Credits
	counted int64 // credits that counting had taken by then

	mu    sync.Mutex
	found map[string]int64 // by run: results that its task had exported before this start
}

// askBalance asks for what the account has. An account that cannot be asked is nobody's trouble: not every token may.
func askBalance(ctx context.Context, log *slog.Logger, api *source.Client) (source.Credits, bool) {
	ctx, cancel := context.WithTimeout(ctx, balanceTime)
	defer cancel()
	credits, err := api.CreditsOnce(ctx)
	if err != nil {
		log.Debug("the account's credits are not compared", "error", err)
	}
	return credits, err == nil
}

// spendable asks for what the account has, where a flag depends on it. The answer is the balance before the export.
func (c *exportCmd) spendable(ctx context.Context) (source.Credits, error) {
	credits, err := c.api.Credits(ctx)
	if err == nil {
		c.noteBalance(credits)
	}
	return credits, err
}

func (c *exportCmd) noteBalance(credits source.Credits) {
	c.balance = &balance{before: credits, counted: c.asked, found: map[string]int64{}}
}

// compareBalance decides whether balances are compared: where all is complete, nothing is asked.
func (c *exportCmd) compareBalance(todo work) {
	missing := slices.ContainsFunc(todo.held, func(h held) bool { return !h.complete })
	if c.comparing = missing && !c.Refetch; !c.comparing {
		c.balance = nil
	}
}

// openBalance asks, unless that was done.
func (c *exportCmd) openBalance(ctx context.Context, a *app) {
	if !c.comparing || c.balance != nil {
		return
	}
	if credits, ok := askBalance(ctx, a.log, c.api); ok {
		c.noteBalance(credits)
	}
}

// observeBalance learns what a window's task had exported before this start. No window is acquired before it is opened, and
// the first that is opened asks for the balance.
func (c *exportCmd) observeBalance(w pipeline.Window, e pipeline.Event) {
	acquired, ok := e.(pipeline.Acquired)
	if !ok {
		return // a window that was never opened may end while another one asks for the balance
	}
	if b := c.balance; b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.found[w.Run] = acquired.Task.Processed
	}
}

// closeBalance asks again, and puts the two into the result.
func (c *exportCmd) closeBalance(ctx context.Context, a *app) {
	if c.balance == nil || ctx.Err() != nil {
		return
	}
	if after, ok := askBalance(ctx, a.log, c.api); ok {
		a.result.Account = c.balance.compare(after, a.result.Windows, c.asked)
	}
}

// compare holds what the account has now against what the windows took since.
func (b *balance) compare(after source.Credits, windows []windowResult, counted int64) *accountResult {
	r := &accountResult{Before: b.before.Spendable(), After: after.Spendable(), ByThisRun: counted - b.counted}
	r.Spent = r.Before - r.After
	running := false
	for _, w := range windows {
		if found, ok := b.found[w.Run]; ok {
			r.ByThisRun += max(w.Processed-found, 0)
			running = running || !source.Status(w.TaskStatus).Terminal()
		}
	}
	var why []string
	switch more := r.Spent - r.ByThisRun; {
	case more == 0:
		return r
	case !after.NextBilling.Equal(b.before.NextBilling):
		why = append(why, "a new billing period began, and the monthly credits with it")
	case more > 0:
		if running {
			why = append(why, "tasks of this run still export")
		}
		why = append(why, "something else uses the same account", "the API bills results that it does not count")
	default:
		why = append(why, "credits were added", "the API bills later than it counts")
	}
	r.Difference = fmt.Sprintf("the account lost %d credits, and this run took %d: %s", r.Spent, r.ByThisRun, strings.Join(why, ", or "))
	return r
}
