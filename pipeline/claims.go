package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"

	"tw2parquet/source"
)

// Ask is what one start of an export wants.
type Ask struct {
	Host string
	// Range is the whole request, with the limit and the generation of each task.
	Range source.Request
	// Windows cut it.
	Windows []source.Request
	// Split is how they were cut, as the user said it. With SplitAuto they are the whole range, and Claims.Cut cuts its gaps.
	Split Split
	// Budget is what limits are lowered for, in credits; 0: none. Another budget is another request.
	Budget int64
}

// Owner names the request, so that the same one finds its claims again.
func (a Ask) Owner() string {
	owner := fmt.Sprintf("%d-%d %s limit %d generation %d", a.Range.Start.UnixMilli(), a.Range.Stop.UnixMilli(), a.Split, a.Range.Limit, max(a.Range.Generation, 1))
	if a.Budget > 0 {
		owner += fmt.Sprintf(" budget %d", a.Budget)
	}
	return owner
}

// window is a request of the ask's source as a window, which its run names.
func (a Ask) window(r source.Request) Window {
	return Window{Request: r, Host: a.Host, Run: r.Run(a.Host), Partition: "window_start=" + PartitionName(r.Start)}
}

// Of is the window of a run of the same source.
func (a Ask) Of(h *Holding) Window {
	r := a.Range
	r.Start, r.Stop, r.Limit, r.Generation = h.Start, h.Stop, h.Limit, h.Generation
	return a.window(r)
}

// Claims are what a start of an export may buy. They are safe for concurrent use after Decide.
type Claims struct {
	Ask     Ask
	Archive Archive
	// Approve is asked about the pieces before anything is claimed; nil approves.
	Approve func([]Piece) error
	// Cut cuts a gap into windows; nil leaves it one. It is asked by Decide only, and never about what was claimed.
	Cut func(ctx context.Context, gap source.Request) ([]source.Request, error)
	// Lower lowers the limits of the gaps among the pieces; nil leaves them. It is asked as Cut is.
	Lower func(ctx context.Context, pieces []Piece) error
	Log   *slog.Logger // nil discards

	mu   sync.Mutex
	log  *claimLog
	seen map[string]*Holding // by the last look
}

// view is what one look at the output says of the source.
type view struct {
	listing  Listing
	log      *claimLog
	holdings map[string]*Holding
	traces   map[string]source.Trace
	learned  []logRun // what the log does not say yet
	sealed   []logRun // what it says of files that have been replaced since; it is not worth a record of its own
	others   []string // runs of other sources that the log does not name yet
}

// Look says what the output covers of the ask, and changes nothing. Done then knows the log. listing is of just now.
func (c *Claims) Look(ctx context.Context, listing Listing) ([]Piece, error) {
	v, err := c.view(ctx, listing)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = v.log
	return c.pieces(ctx, v)
}

// maxLost is how often others may be faster before a start gives up.
const maxLost = 100

// Decide says which runs bring what the ask wants, and claims the gaps: each is then a piece that is claimed. What was
// decided for the same request before holds. Nothing is claimed that anybody else covers, has begun, or has claimed and
// can still buy.
func (c *Claims) Decide(ctx context.Context) ([]Piece, error) {
	for range maxLost {
		listing, err := c.Archive.Look(ctx)
		if err != nil {
			return nil, err
		}
		pieces, err := c.decide(ctx, listing)
		if !errors.Is(err, fs.ErrExist) {
			return pieces, err
		}
	}
	return nil, &source.Error{Class: source.ClassLocked, Retryable: true, Message: "others keep claiming what this output does not cover yet", Hint: "run again when they are done"}
}

// decide is one attempt. An fs.ErrExist says that somebody was faster.
func (c *Claims) decide(ctx context.Context, listing Listing) ([]Piece, error) {
	v, err := c.view(ctx, listing)
	if err != nil {
		return nil, err
	}
	pieces, err := c.pieces(ctx, v)
	if err == nil {
		pieces, err = c.shape(ctx, v, pieces)
	}
	if err != nil {
		return nil, err
	}
	if c.Approve != nil {
		if err := c.Approve(pieces); err != nil {
			return nil, err
		}
	}
	changes := v.learned
	own := map[*Holding]bool{}
	for _, p := range pieces {
		if p.Standing == RunClaimed {
			own[p.Runs[0]] = true
		}
	}
	for _, h := range v.holdings {
		if h.Standing != RunClaimed || own[h] || h.Generation < max(c.Ask.Range.Generation, 1) || !bars(h, pieces) {
			continue
		}
		// Who wanted it has not begun. From here on it never will.
		name, data := source.VoidIntent(h.Run, v.traces[h.Run])
		if err := c.Archive.PutRun(ctx, h.Run, name, data); err != nil {
			return nil, fmt.Errorf("take over the time of run %s, which another request has claimed and not bought: %w", h.Run, err)
		}
		h.Standing = RunVoid
		changes = append(changes, h.logged())
	}
	buys := false
	for i, p := range pieces {
		if p.Standing == "" {
			buys = true
			h := &Holding{Start: p.Start, Stop: p.Stop, Limit: p.Limit, Generation: p.Generation, Standing: RunClaimed, Owner: c.Ask.Owner()}
			h.Run = c.Ask.Of(h).Run
			pieces[i].Standing, pieces[i].Runs = RunClaimed, []*Holding{h}
			changes = append(changes, h.logged())
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = v.log
	if len(changes)+len(v.others) == 0 {
		return pieces, nil
	}
	err = c.log.put(ctx, c.Archive, append(changes, v.sealed...), v.others)
	if err != nil && !buys && !errors.Is(err, fs.ErrExist) && ctx.Err() == nil {
		c.logger().Debug("cannot write down what was learned of the output", "error", err) // it may not even be allowed to write
		return pieces, nil
	}
	return pieces, err
}

// bars tells whether a claim of somebody else stands in the way of what is to be bought.
func bars(h *Holding, pieces []Piece) bool {
	return slices.ContainsFunc(pieces, func(p Piece) bool {
		return (p.Standing == "" || p.Standing == RunClaimed) && h.overlaps(p.Start, p.Stop)
	})
}

// Windows are the runs that have to be run to their end for the pieces to be covered: first those that are begun.
func (c *Claims) Windows(pieces []Piece) (windows []Window) {
	seen := map[string]bool{}
	for _, s := range []Standing{RunBegun, RunClaimed} {
		for _, p := range pieces {
			if p.Standing == s && !seen[p.Runs[0].Run] {
				seen[p.Runs[0].Run] = true
				windows = append(windows, c.Ask.Of(p.Runs[0]))
			}
		}
	}
	return windows
}

// Confirm is asked right before a claimed window is bought or adopted, after its request was written down: the log must
// still be the one that the claim is in. Whoever rebuilt it meanwhile has seen the request, and may have voided the run.
func (c *Claims) Confirm(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil || c.log.last == 0 {
		return nil
	}
	same, err := c.Archive.HasLog(ctx, c.log.id, c.log.last, c.log.text)
	if same || err != nil {
		return err
	}
	return &source.Error{Class: source.ClassLocked, Retryable: true, Message: "the log of what this output covers was lost while the export ran",
		Hint: "run again: it is rebuilt, and nothing is bought twice"}
}

// Done writes down that a run is complete, or that mending has replaced files of it. The log may lag: an error loses nothing.
func (c *Claims) Done(ctx context.Context, r Report) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.log == nil {
		return nil
	}
	if have := c.log.runs[r.Run]; have != nil &&
		(have.Standing.rank() > RunComplete.rank() || have.Standing == RunComplete && have.Seal == r.Seal) {
		return nil
	}
	h := holdingOf(Asking{r.Start, r.Stop, r.Run, r.Asked}, RunComplete)
	h.complete(r)
	return c.log.add(ctx, c.Archive, []logRun{h.logged()})
}

// WriteDropped writes into the log of its source that a run was dropped.
func WriteDropped(ctx context.Context, to Archive, a Asking) error {
	from, err := to.Look(ctx)
	if err != nil {
		return err
	}
	log := newClaimLog(a.Asked)
	if err := log.read(ctx, from); err != nil {
		return err
	}
	if log.last == 0 {
		return nil // the next start rebuilds it
	}
	return log.add(ctx, to, []logRun{holdingOf(a, RunDropped).logged()})
}

func holdingOf(a Asking, s Standing) *Holding {
	return &Holding{Run: a.Run, Start: a.Start, Stop: a.Stop, Limit: a.Asked.Limit, Generation: max(a.Asked.Generation, 1), Standing: s}
}

func (c *Claims) logger() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// pieces holds the ask against a view. The runs that close gaps have names that can be bought.
func (c *Claims) pieces(ctx context.Context, v *view) ([]Piece, error) {
	ours := map[string]bool{}
	for _, w := range c.Ask.Windows {
		ours[w.Run(c.Ask.Host)] = true
	}
	var all []*Holding
	for _, h := range v.holdings {
		all = append(all, h)
	}
	c.seen = v.holdings
	owner := c.Ask.Owner()
	pieces := Cover(c.Ask.Windows, all, func(h *Holding) bool { return h.Owner == owner || ours[h.Run] })
	return pieces, c.name(ctx, v, pieces)
}

// gone tells whether a run was dropped or voided, so that it cannot be bought.
func (c *Claims) gone(ctx context.Context, v *view, run string) (bool, error) {
	if h := v.holdings[run]; h != nil {
		return h.Standing == RunVoid || h.Standing == RunDropped, nil
	}
	held := v.listing.Run(run)
	if held == nil {
		return false, nil
	}
	_, dropped := held.Dropped()
	t, err := trace(ctx, held)
	return t.Void || dropped, err
}

// Twice names the runs of earlier generations that hold time of a window.
func (c *Claims) Twice(w Window) (runs []string) {
	for id, h := range c.seen {
		if h.Generation < w.Request.Generation && h.overlaps(w.Request.Start, w.Request.Stop) && (h.Standing == RunComplete || h.Standing == RunBegun) {
			runs = append(runs, id)
		}
	}
	slices.Sort(runs)
	return runs
}

// None tells whether the last look found nothing of the source at all.
func (c *Claims) None() bool { return len(c.seen) == 0 }

// maxRecordBytes bounds what is read of a record of a run; ours are shorter, whatever the query.
const maxRecordBytes = 1 << 20

func trace(ctx context.Context, held HeldRun) (source.Trace, error) {
	return source.ReadTrace(ctx, held.Records(), func(ctx context.Context, name string) ([]byte, error) { return held.Record(ctx, name, maxRecordBytes) })
}
