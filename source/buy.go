package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// sendWithin is the part of the settle time within which the POST of an intent has to leave. Where nothing keeps a
// second runner out, it may find the intent, look for the task as long as it takes, and buy when there is none:
// whoever was stopped meanwhile and wakes must not send what it announced then.
const sendWithin = 4

// buy sends the POST: once per intent, and again only after an outcome that rules out a purchase.
func (a *acquisition) buy(ctx context.Context) (Acquired, error) {
	if a.req.Generation > 1 {
		a.c.log.Warn("this export is bought again", "generation", a.req.Generation, "max_credits", a.req.Limit)
	}
	started := a.c.clock.Now()
	for attempt := 0; ; attempt++ {
		k := a.history.last + 1
		_, template := a.req.path()
		announced := a.c.clock.Now()
		existing, err := note(ctx, a.journal, intentRecord(k), intentNote{Attempt: attemptID(), Run: a.run,
			Op: "POST " + template, ServerTime: a.c.server.now().UTC()})
		if err != nil {
			return Acquired{}, err
		}
		if existing {
			return Acquired{}, &Error{Class: ClassLocked, Message: "another process is about to buy this export", Retryable: true,
				Hint: "let it finish; this run then reads what it bought"}
		}
		a.history.last = k

		task, got, postErr := a.c.post(ctx, a.req, a.id, func() bool { return a.c.clock.Now().Sub(announced) > a.c.settle/sendWithin })
		n := outcomeNote{Outcome: got, TaskID: task.ID}
		var e *Error
		if errors.As(postErr, &e) {
			n.Code, n.HTTP = e.Code, e.HTTP
		}
		if got == outcomeAmbiguous {
			a.history.open = append(a.history.open, k)
			if ctx.Err() != nil {
				return Acquired{}, postErr // the next start finds the open intent
			}
			a.sentAt, a.unclear = a.c.server.now(), postErr
			if e != nil {
				a.asked = min(e.after, limitBudget)
			}
			a.c.log.Warn("the answer to the export request is unclear; looking for the task before anything else is sent", "error", postErr)
			if got, found, err := a.settle(ctx); err != nil || found {
				return got, err
			}
			continue
		}
		// The outcome is known: it is written down even if the process was told to stop meanwhile.
		if err := a.closeIntent(context.WithoutCancel(ctx), k, n); err != nil {
			return Acquired{}, err
		}
		switch got {
		case outcomeDone:
			a.history.bought = true
			return a.bought(ctx, task)
		case outcomeRejected:
			return Acquired{}, postErr
		}
		spent := a.c.clock.Now().Sub(started)
		if got == outcomeNotSent && (attempt+1 >= buyAttempts || e == nil || e.retry == retryNever) ||
			got == outcomeLater && (spent >= a.c.scaled(limitBudget) || !a.c.bearable(e, spent)) {
			return Acquired{}, postErr
		}
		if err := a.c.sleep(ctx, max(e.after, backoff(attempt, 2*laterFirst, laterLast))); err != nil {
			return Acquired{}, fmt.Errorf("buy the export: %w", err)
		}
		// Look before every POST.
		if got, found, err := a.look(ctx); err != nil || found {
			return got, err
		}
	}
}

// bought looks once more after a POST that succeeded: somebody with another journal may have bought in the
// same second, and then the younger task is ended while it has cost little. When the context ends meanwhile the
// task is returned all the same: the caller may have to abort it.
func (a *acquisition) bought(ctx context.Context, task Task) (Acquired, error) {
	tasks, err := a.tasks(ctx)
	if err == nil && len(tasks) > 1 {
		return a.adopt(ctx, tasks)
	}
	if err != nil && ctx.Err() == nil {
		a.c.log.Warn("cannot list the tasks after buying, to check that the export was bought only once", "error", err)
	}
	return a.record(context.WithoutCancel(ctx), task, false)
}

// settle finds out what became of POSTs without an answer, by looking until SettleTime has passed since
// the newest sign of one, by the server's clock, or as long as its answer asked to wait. Found nothing means that looking worked and that there
// is nothing; the intents are then closed as such. When looking fails it is ClassAmbiguous.
func (a *acquisition) settle(ctx context.Context) (Acquired, bool, error) {
	until := a.newestSign().Add(a.c.scaled(max(a.c.settle, a.asked)))
	for attempt := 0; ; attempt++ {
		got, found, err := a.look(ctx)
		if err != nil {
			return Acquired{}, false, a.ambiguous(ctx, "the tasks cannot be listed", err, true)
		}
		if found {
			return got, true, nil
		}
		left := until.Sub(a.c.server.now())
		if left <= 0 {
			break
		}
		pause := min(a.c.scaled(backoff(attempt, pollFirst, laterLast)), left)
		if err := a.c.clock.Sleep(ctx, pause); err != nil {
			return Acquired{}, false, fmt.Errorf("look for the export: %w", err)
		}
	}
	filled, err := a.peek(ctx)
	var other *Error
	switch {
	case errors.As(err, &other) && other.Class == ClassLocked:
		return Acquired{}, false, err // somebody reads it: certainly it was bought
	case err != nil:
		return Acquired{}, false, a.ambiguous(ctx, "the collector cannot be read", err, true)
	}
	if filled {
		if err := a.begin(ctx); err != nil {
			return Acquired{}, false, err
		}
		a.c.log.Warn("the collector holds results although no task is listed for it; reading them", "collector", a.id)
		for _, k := range a.history.open {
			if err := a.closeIntent(ctx, k, outcomeNote{Outcome: outcomeFound}); err != nil {
				return Acquired{}, false, err
			}
		}
		return Acquired{Collector: a.collector, Adopted: true}, true, nil
	}
	for _, k := range a.history.open {
		if err := a.closeIntent(ctx, k, outcomeNote{Outcome: outcomeAbsent}); err != nil {
			return Acquired{}, false, err
		}
		a.history.absent++
	}
	a.history.open = nil
	if a.history.absent >= maxAbsent {
		return Acquired{}, false, a.ambiguous(ctx, fmt.Sprintf("%d export requests got an unclear answer and left no task", a.history.absent), a.unclear, false)
	}
	return Acquired{}, false, nil
}

// newestSign is the latest moment at which a POST of this run may have been sent.
func (a *acquisition) newestSign() time.Time {
	now := a.c.server.now()
	if !a.sentAt.IsZero() {
		return a.sentAt
	}
	if a.history.last == 0 || a.history.untimed {
		// A collector and no journal: whoever made it may have sent a POST just now.
		return now
	}
	newest := a.history.newest
	if a.collector.Created.After(newest) {
		newest = a.collector.Created
	}
	if newest.After(now) {
		return now // whatever clock said otherwise: nothing is sent in the future
	}
	return newest
}

// peek reports whether the collector holds any result.
func (a *acquisition) peek(ctx context.Context) (filled bool, err error) {
	s := a.c.Stream(StreamConfig{Collector: a.id, Ending: Peek{}})
	defer func() { _ = s.Close() }()
	var b Batch
	switch err := s.Next(ctx, &b); {
	case err == nil:
		return len(b.Chunks) > 0, nil
	case errors.Is(err, io.EOF):
		return false, nil
	default:
		return false, err
	}
}

// ambiguous asks for a person: an export was perhaps bought, and looking does not tell, or not yet. Nothing tries again
// by itself, even where looking may work later: it is somebody's money.
func (a *acquisition) ambiguous(ctx context.Context, why string, cause error, notYet bool) error {
	if ctx.Err() != nil && errors.Is(cause, ctx.Err()) {
		return cause // looking was stopped; it did not fail
	}
	e := &Error{Class: ClassAmbiguous,
		Message: "it cannot be told whether the export was bought: " + why,
		Hint:    "look for a task with target " + a.id + ", and if there is none, " + a.again(int64(a.req.Limit))}
	if notYet {
		e.Hint = "run again once the API answers; nothing is bought until looking works. Otherwise " + e.Hint
	}
	var inner *Error
	if errors.As(cause, &inner) {
		e.Op, e.Code, e.HTTP, e.RequestID = inner.Op, inner.Code, inner.HTTP, inner.RequestID
		e.Message = printable(e.Message+": "+inner.Message, maxText)
	}
	return e
}
