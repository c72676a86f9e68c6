package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// dying is a process that ends as soon as it has the answer to its POST.
type dying struct {
	next http.RoundTripper
	die  func()
}

func (d *dying) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(r)
	if r.Method == http.MethodPost {
		d.die()
	}
	return resp, err
}

// Every unclear answer to the POST, whether it bought or not, the process living on or not, its journal
// lost or kept, and the server listing the task at once or late: what was bought is found and read, what
// was not is bought after a settling time, and no more than one task is ever made.
func TestAcquire_UnclearAnswers(t *testing.T) {
	unclear := []string{"reset", "502", "307", "half", "empty", "other", "0/500", "777/400", "24/403", "1/500", "2/200"}
	for _, what := range unclear {
		for _, created := range []bool{true, false} {
			for _, end := range []string{"lives on", "dies", "dies, and its journal is lost"} {
				for _, lag := range []time.Duration{0, 90 * time.Second} {
					t.Run(fmt.Sprint(what, created, end, lag), func(t *testing.T) {
						a, j := newAccount(t, emulator.Config{}), newJournal()
						began := a.clock.Now()
						post := what
						if created {
							post += " created"
						}
						rt := posts(a, lag, post)
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if end != "lives on" {
							rt = &dying{rt, cancel}
						}
						got, err := a.client(t, rt).Acquire(ctx, "run", testRequest(), j)
						if end != "lives on" {
							if err == nil {
								t.Fatal("it did not die")
							}
							if strings.Contains(end, "lost") {
								j = newJournal()
							}
							got, err = a.client(t, nil).Acquire(t.Context(), "run", testRequest(), j)
						}
						l := a.Ledger()
						if err != nil || len(l.Tasks) != 1 || got.Task.ID != l.Tasks[0].ID {
							t.Fatalf("%v, task %q of %+v", err, got.Task.ID, l.Tasks)
						}
						want, settle := 1, time.Duration(0)
						if !created {
							want, settle = 2, defaultSettle
						}
						if l.ExportPosts() != want {
							t.Errorf("%d posts, want %d", l.ExportPosts(), want)
						}
						if waited := a.clock.Now().Sub(began); waited < settle || waited > defaultSettle+10*time.Second {
							t.Errorf("waited %s", waited)
						}
					})
				}
			}
		}
	}
}

// A context that ended hides only what it caused.
func TestAmbiguous_IsToldThoughTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &acquisition{id: "tw2p-x", req: testRequest()}
	if err := a.ambiguous(ctx, "because", fmt.Errorf("look: %w", context.Canceled), true); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped while looking: %v", err)
	}
	var e *Error
	if err := a.ambiguous(ctx, "because", &Error{Class: ClassUnavailable, Message: "no answer"}, false); !errors.As(err, &e) || e.Class != ClassAmbiguous {
		t.Errorf("found out and stopped: %v", err)
	}
}
