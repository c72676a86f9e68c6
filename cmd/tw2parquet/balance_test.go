package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// creditCalls are how often the account was asked.
func (x *trial) creditCalls() (n int) {
	for _, r := range x.Ledger().Requests {
		if strings.Contains(r.Path, "status/credits") {
			n++
		}
	}
	return n
}

// The account is asked before and after, once each, and what it lost is what the ledger has.
func TestExport_TellsTheAccountBeforeAndAfter(t *testing.T) {
	for flags, counting := range map[string]int64{"": 0, "--min-credits-left=1 --limit=5000": 0, "--split=auto --limit=1000": 10, "--max-credits=5000": 10} {
		t.Run(flags, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 10, ControlEvery: 500, Credits: 50_000})
			code, r, stderr := x.export(t.Context(), strings.Fields(flags)...)
			if code != exitOK || r.Account == nil {
				t.Fatalf("exit %d, account %+v\n%s", code, r.Account, stderr)
			}
			spent := x.Ledger().Credits()
			asked := 0 // counting may be asked for before the account is
			if r.Account.Before != 50_000 {
				asked = int(counting)
			}
			if want := (accountResult{Before: 50_000 - int64(asked), After: 50_000 - spent, Spent: spent - int64(asked), ByThisRun: spent - int64(asked)}); *r.Account != want || x.creditCalls() != 2 {
				t.Errorf("%+v, expected %+v; asked %d times", *r.Account, want, x.creditCalls())
			}
			calls := len(x.Ledger().Requests)
			if code, r, _ := x.export(t.Context(), strings.Fields(flags)...); code != exitOK || r.Account != nil || len(x.Ledger().Requests) != calls {
				t.Errorf("nothing is missing: exit %d, account %+v, %d calls", code, r.Account, len(x.Ledger().Requests)-calls)
			}
		})
	}
}

// What an earlier start paid for is not this start's, and what others spend meanwhile is told.
func TestExport_ExplainsWhatTheAccountLost(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 10, ControlEvery: 500, Credits: 50_000})
	if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01"); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	posts := 0
	var other *http.Request
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if posts++; posts == 2 { // somebody counts
				other = httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v1/search/p/%s/histogram/published?interval=day&access_token=%s", x.Projects()[0], x.Token()), nil)
				x.Handler().ServeHTTP(httptest.NewRecorder(), other)
			}
		}
		x.Handler().ServeHTTP(w, r)
	}))
	defer proxy.Close()
	direct := x.url
	x.url, x.out = proxy.URL, x.out+"2" // which adopts the first window
	code, r, stderr := x.export(t.Context())
	if code != exitOK || r.Account == nil || other == nil {
		t.Fatalf("exit %d, account %+v, %d purchases\n%s", code, r.Account, posts, stderr)
	}
	if r.Credits != 910 || r.Account.ByThisRun != 600 || r.Account.Spent != 610 || !strings.Contains(r.Account.Difference, "lost 610 credits, and this run took 600: something else") {
		t.Errorf("%d credits, %+v", r.Credits, *r.Account)
	}
	// A token that may not ask, or a server that does not answer, changes nothing else.
	x.url, x.out = direct, x.out+"3"
	x.script(`{"endpoint":"credits","respond":{"http":500}}`)
	before := x.creditCalls()
	if code, r, stderr := x.export(t.Context()); code != exitOK || r.Account != nil || r.Rows != 910 || x.creditCalls() > before+2 {
		t.Errorf("exit %d, %+v\n%s", code, r.Account, stderr)
	}
}

func TestBalance_Compares(t *testing.T) {
	at := time.Date(2024, 2, 1, 3, 0, 0, 0, time.UTC)
	before := source.Credits{RemainingMonthly: 1000, RemainingOnetime: 50, NextBilling: at}
	windows := []windowResult{{Run: "a", Processed: 300, TaskStatus: "finished"}, {Run: "b", Processed: 100, TaskStatus: "running"}, {Run: "covered", Processed: 7}}
	for name, c := range map[string]struct {
		after source.Credits
		why   string
	}{
		"the same":      {source.Credits{RemainingMonthly: 690, RemainingOnetime: 50, NextBilling: at}, ""},
		"more":          {source.Credits{RemainingMonthly: 600, RemainingOnetime: 50, NextBilling: at}, "tasks of this run still export, or something else"},
		"fewer":         {source.Credits{RemainingMonthly: 900, RemainingOnetime: 50, NextBilling: at}, "credits were added"},
		"another month": {source.Credits{RemainingMonthly: 5000, RemainingOnetime: 50, NextBilling: at.AddDate(0, 1, 0)}, "billing period"},
	} {
		b := &balance{before: before, counted: 10, found: map[string]int64{"a": 100, "b": 0}}
		r := b.compare(c.after, windows, 20)
		if r.ByThisRun != 310 || r.Before != 1050 || r.After != c.after.Spendable() || r.Spent != r.Before-r.After || !strings.Contains(r.Difference, c.why) || c.why == "" && r.Difference != "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
