package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// laterFirst and laterLast pace attempts at a POST that was refused for now, or did not leave.
	laterFirst, laterLast = 12 * time.Second, time.Minute
	// buyAttempts bounds POSTs that were not sent.
	buyAttempts = 5
	// maxAbsent is how many unclear POSTs of a run may turn out to have bought nothing before a person
	// has to look: each of them rests on the server's word alone.
	maxAbsent = 2
	// createAttempts bounds the rounds of looking for and creating the collector.
	createAttempts = 5
)

// Acquired is the export that a run reads.
type Acquired struct {
	// Task has no ID when results were found in the collector but the server lists no task.
	Task      Task
	Collector Collector
	Adopted   bool      // it was there before this call
	Expires   time.Time // when the collector loses its results, by the server's clock; zero if unknown
}

// Acquire finds the export of a run, or buys it, at most once, whoever died where before. The server is
// asked before anything is sent: is there the collector, is there a task with it as target. The journal
// holds an intent before each POST, so that a POST without an answer is known as such. After an unclear
// answer it looks again, for SettleTime, and buys only when looking works and finds nothing.
//
// Errors of the journal are returned wrapped; all others are *Error or ctx's.
func (c *Client) Acquire(ctx context.Context, run string, req Request, j Journal) (Acquired, error) {
	a := &acquisition{c: c, run: run, id: CollectorID(run), req: req, journal: j}
	got, err := a.acquire(ctx)
	if err != nil {
		return Acquired{}, err
	}
	got.expire()
	return got, nil
}

// expire finds out when the results will be lost.
func (a *Acquired) expire() {
	if !a.Task.Created.IsZero() {
		a.Expires = a.Task.Created.Add(Retention)
	} else if !a.Collector.Created.IsZero() {
		a.Expires = a.Collector.Created.Add(Retention)
	}
}

// acquisition is one call of Acquire.
type acquisition struct {
	c         *Client
	run, id   string
	req       Request
	journal   Journal
	history   history
	collector Collector
	existed   bool          // the collector was there before this call
	sentAt    time.Time     // server time after our own last unclear POST
	unclear   error         // its error
	asked     time.Duration // how long its answer asked to be left alone
}

func (a *acquisition) acquire(ctx context.Context) (Acquired, error) {
	var err error
	if a.history, err = readHistory(ctx, a.journal); err != nil {
		return Acquired{}, err
	}
	if a.history.void {
		return Acquired{}, errVoid()
	}
	if err := a.ensureCollector(ctx); err != nil {
		return Acquired{}, err
	}
	got, found, err := a.known(ctx)
	if err != nil || found {
		return got, err
	}
	if a.existed {
		if got, found, err = a.settle(ctx); err != nil || found {
			return got, err
		}
	}
	if a.history.bought {
		return Acquired{}, &Error{Class: ClassExpired, Message: "this export was bought before, and neither a task nor results of it are left",
			Hint: a.again(int64(a.req.Limit))}
	}
	if err := a.over(); err != nil {
		return Acquired{}, err
	}
	return a.buy(ctx)
}

// over refuses a range that is not over by the server's clock: the local one, which Validate goes by, may be
// wrong by days, and what comes later would be missed for good.
func (a *acquisition) over() error {
	now := a.c.server.now()
	if !a.req.Stop.After(now.Add(clockTolerance)) {
		return nil
	}
	return &Error{Class: ClassUsage, Message: fmt.Sprintf("stop %s is in the future (the server's time is %s): a window that is not over cannot be complete",
		a.req.Stop.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)), Hint: "nothing was bought; set this machine's clock, or choose an earlier stop"}
}

// known is the task that fills our collector, as the server lists it or the journal names it.
func (a *acquisition) known(ctx context.Context) (Acquired, bool, error) {
	got, found, err := a.look(ctx)
	if err != nil || found {
		return got, found, err
	}
	if a.history.task.ID == "" {
		return Acquired{}, false, nil
	}
	// Bought for certain, and not in the list of recent tasks: ask for it by name.
	task, err := a.c.Task(ctx, a.history.task.ID)
	if errors.Is(err, ErrNotFound) {
		task, err = Task{ID: a.history.task.ID, Target: a.id, Created: a.history.task.Created, Status: StatusGone, Ready: -1}, nil
	}
	return Acquired{Task: task, Collector: a.collector, Adopted: true}, true, err
}

// foreign is a collector under our name that we did not make.
func (a *acquisition) foreign() *Error {
	return &Error{Class: ClassForeign, Op: "GET " + collectorTemplate,
		Message: "collector " + a.id + " has a query of its own, so it was not made by this tool",
		Hint:    "nothing was changed; rename or delete that collector, or use another --generation"}
}

// ensureCollector finds the run's collector or creates it. It is created only where it was looked for
// just before, and where nothing was bought into one that is gone. A claim comes first: without it, of two runners that
// both find nothing the slower one would replace the collector of the faster one, which may hold results by then.
func (a *acquisition) ensureCollector(ctx context.Context) error {
	started := a.c.clock.Now()
	var claimed time.Time // when we claimed it
	others := false       // somebody else may have created it since
	late := func() bool { return a.c.clock.Now().Sub(claimed) > a.c.settle/sendWithin }
	for attempt := 0; ; attempt++ {
		var err error
		a.collector, err = a.c.Collector(ctx, a.id)
		if err == nil {
			if a.collector.Live {
				return a.foreign()
			}
			a.existed = a.existed || attempt == 0 || others
			return nil
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if attempt == 0 {
			if refusal := a.refuseRepurchase(ctx); refusal != nil {
				others = true // somebody else may have created it, and bought, between the two looks
				if a.collector, err = a.c.Collector(ctx, a.id); err == nil {
					continue
				}
				return refusal
			}
			if err := a.over(); err != nil {
				return err
			}
		}
		if claimed.IsZero() || late() {
			// Whoever claimed it before us may still create it, in time.
			if left := a.history.claimed.Add(a.c.scaled(a.c.settle)).Sub(a.c.server.now()); !a.history.claimed.IsZero() && left > 0 {
				others = true
				if err := a.c.clock.Sleep(ctx, min(left, a.c.scaled(a.c.settle))); err != nil {
					return fmt.Errorf("wait for the collector: %w", err)
				}
				a.history.claimed = time.Time{} // and nobody's clock makes us wait again
				continue
			}
			claimed = a.c.clock.Now()
			if err := a.claim(ctx); err != nil {
				return err
			}
		}
		a.collector, err = a.c.createCollector(ctx, a.id, late)
		if err != nil && late() && attempt+1 < createAttempts {
			started, others = a.c.clock.Now(), true
			continue
		}
		var e *Error
		if err == nil || !errors.As(err, &e) || e.retry != retryBackoff || attempt+1 >= createAttempts || !a.c.bearable(e, a.c.clock.Now().Sub(started)) {
			return err
		}
		// It may exist now: look, rather than replace it.
		if err := a.c.sleep(ctx, max(e.after, backoff(attempt, time.Second, laterLast))); err != nil {
			return fmt.Errorf("create collector: %w", err)
		}
	}
}

// claim announces that the collector is about to be created. Only one runner can.
func (a *acquisition) claim(ctx context.Context) error {
	existing, err := note(ctx, a.journal, claimRecord(a.history.claims+1), intentNote{Attempt: attemptID(), Run: a.run,
		Op: "PUT " + collectorTemplate, ServerTime: a.c.server.now().UTC()})
	if err != nil {
		return err
	}
	if existing {
		return &Error{Class: ClassLocked, Message: "another process is about to create the collector of this export", Retryable: true,
			Hint: "let it finish; this run then reads what it bought"}
	}
	a.history.claims++
	return nil
}

// refuseRepurchase is asked when the collector does not exist: results that were bought into it are lost,
// and buying them again is a person's decision.
func (a *acquisition) refuseRepurchase(ctx context.Context) error {
	tasks, err := a.tasks(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(tasks) > 0:
		t := tasks[0]
		return &Error{Class: ClassExpired, Message: fmt.Sprintf("task %s exported %d results (%s), but its collector %s is gone, and the results with it",
			t.ID, t.Count(), t.Status, a.id), Hint: a.again(t.Count())}
	case a.history.task.ID != "" || a.history.bought:
		return &Error{Class: ClassExpired, Message: "this export was bought before, and its collector " + a.id + " is gone, and the results with it",
			Hint: a.again(int64(a.req.Limit))}
	case len(a.history.open) > 0:
		return &Error{Class: ClassAmbiguous, Message: "an attempt that got no answer may have bought this export, and its collector " + a.id + " is gone",
			Hint: "check the account's credits; " + a.again(int64(a.req.Limit))}
	}
	return nil
}

func (a *acquisition) again(credits int64) string {
	return fmt.Sprintf("buying it again takes --generation %d and costs up to %d credits", max(a.req.Generation, 1)+1, credits)
}

// tasks lists the tasks of our collector, the oldest first.
func (a *acquisition) tasks(ctx context.Context) ([]Task, error) {
	all, err := a.c.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	ours := slices.DeleteFunc(all, func(t Task) bool { return t.Target != a.id || t.ID == "" })
	slices.SortFunc(ours, func(x, y Task) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ID, y.ID))
	})
	return ours, nil
}

// look adopts a task that fills our collector.
func (a *acquisition) look(ctx context.Context) (Acquired, bool, error) {
	tasks, err := a.tasks(ctx)
	if err != nil || len(tasks) == 0 {
		return Acquired{}, false, err
	}
	got, err := a.adopt(ctx, tasks)
	return got, true, err
}

// adopt takes the oldest of the tasks. A younger one is a purchase too many: it is ended before it costs
// more, and told.
func (a *acquisition) adopt(ctx context.Context, tasks []Task) (Acquired, error) {
	if err := a.begin(ctx); err != nil {
		return Acquired{}, err
	}
	for _, t := range tasks[1:] {
		a.c.log.Warn("the same export was bought twice; reading the older task and aborting the newer",
			"collector", a.id, "kept", tasks[0].ID, "aborted", t.ID, "status", string(t.Status), "processed", t.Processed)
		if t.Status.Terminal() {
			continue
		}
		if _, err := a.c.AbortTask(ctx, t.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return Acquired{}, fmt.Errorf("abort the newer task: %w", err)
		}
	}
	for _, k := range a.history.open {
		if err := a.closeIntent(ctx, k, outcomeNote{Outcome: outcomeFound, TaskID: tasks[0].ID}); err != nil {
			return Acquired{}, err
		}
	}
	a.history.open = nil
	return a.record(ctx, tasks[0], true)
}

// record writes the task down and returns it. The server knows it anyway; the record serves when its list
// does not reach back far enough.
func (a *acquisition) record(ctx context.Context, t Task, adopted bool) (Acquired, error) {
	existing, err := note(ctx, a.journal, TaskRecord, taskNote{ID: t.ID, Target: t.Target, Created: t.Created, Adopted: adopted})
	if err != nil {
		return Acquired{}, err
	}
	if known := a.history.task.ID; existing && known != "" && known != t.ID {
		a.c.log.Warn("the server lists a different task for this run than before; using the server's", "listed", t.ID, "known", known)
	}
	return Acquired{Task: t, Collector: a.collector, Adopted: adopted}, nil
}

func (a *acquisition) closeIntent(ctx context.Context, k int, n outcomeNote) error {
	n.ServerTime = a.c.server.now().UTC()
	_, err := note(ctx, a.journal, outcomeRecord(k), n)
	return err
}
