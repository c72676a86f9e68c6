package source

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
)

// Trace is what the records of a run say of it, without a look at the server.
type Trace struct {
	Begun bool // it was bought or adopted, or may have been
	Void  bool // nobody may buy it any more
	Next  int  // the number of the next intent
}

// ReadTrace reads the intents among the names of a run's records. Intents that are known to have bought nothing do not
// count.
func ReadTrace(ctx context.Context, names []string, get func(ctx context.Context, name string) ([]byte, error)) (Trace, error) {
	h, err := readHistory(ctx, listed{names, get})
	return Trace{
		Begun: h.bought || len(h.open) > 0 || slices.Contains(names, TaskRecord),
		Void:  h.void, Next: h.last + 1,
	}, err
}

// listed is the journal of a run whose names are known. Nothing is put there.
type listed struct {
	names []string
	get   func(ctx context.Context, name string) ([]byte, error)
}

func (l listed) Put(context.Context, string, []byte) error {
	return fmt.Errorf("put a record: the journal is only read")
}

func (l listed) Get(ctx context.Context, name string) ([]byte, error) {
	if !slices.Contains(l.names, name) {
		return nil, fs.ErrNotExist
	}
	return l.get(ctx, name)
}

func (l listed) List(context.Context, string) ([]string, error) {
	return slices.Sorted(slices.Values(l.names)), nil
}

// IsIntent tells whether a record is an intent or the outcome of one.
func IsIntent(name string) bool { return intentName.MatchString(name) }

// VoidIntent is the record that takes a run away from whoever was about to buy it: its next intent, if that is free.
// Its owner finds the number taken, and buys nothing.
func VoidIntent(run string, t Trace) (name string, data []byte) {
	data, err := json.Marshal(intentNote{Attempt: attemptID(), Run: run, Op: "void", Outcome: outcomeVoid}) //nolint:forbidigo // no text of others is in it
	if err != nil {                                                                                         // strings only
		panic("source: cannot encode a void intent: " + err.Error())
	}
	return intentRecord(max(t.Next, 1)), append(data, '\n')
}

// errVoid is what the owner of a run hears that another request has voided.
func errVoid() *Error {
	return &Error{Class: ClassLocked, Retryable: true, Message: "another request took the time of this window over before it was bought",
		Hint: "run again: what the other request does not cover is bought then"}
}

// begin announces that what somebody bought is adopted, unless an intent says so already: from here on nobody can void
// the run.
func (a *acquisition) begin(ctx context.Context) error {
	if a.history.bought || a.history.task.ID != "" || len(a.history.open) > 0 {
		return nil
	}
	k := a.history.last + 1
	existing, err := note(ctx, a.journal, intentRecord(k), intentNote{Attempt: attemptID(), Run: a.run, Op: "adopt", ServerTime: a.c.server.now().UTC()})
	if err != nil {
		return err
	}
	if existing { // by a twin, which began the run as well; or void
		h, err := readHistory(ctx, a.journal)
		if err == nil && h.void {
			err = errVoid()
		}
		if err != nil {
			return err
		}
		a.history.last = max(a.history.last, h.last)
		return nil
	}
	a.history.last = k
	a.history.open = append(a.history.open, k)
	return nil
}
