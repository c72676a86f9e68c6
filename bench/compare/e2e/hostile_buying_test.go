package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// run is the id that an export of the account's usual window will have.
func (a *account) runID() string {
	a.t.Helper()
	return a.export(0, a.output(), "--split", "none", "--dry-run").result.Windows[0].Run
}

// TestBuying_WhatIsThere finds what somebody left on the server, and touches nothing that is not ours.
func TestBuying_WhatIsThere(t *testing.T) {
	doc := json.RawMessage(`{"url":"https://example.org/1"}`)
	foreign := emulator.TaskSpec{Target: "somebody-elses", Status: emulator.StatusRunning, Total: 10}
	for name, tt := range map[string]struct {
		code    int
		prepare func(a *account, collector string) (kept string) // the task that must be read
		deletes int
		posts   int
		says    []string
	}{
		"two tasks": {0, func(a *account, c string) string {
			a.AddResults(c, doc)
			a.AddTask(emulator.TaskSpec{Target: c, Status: emulator.StatusRunning, Total: 9, Created: time.Now().Add(-time.Minute)})
			return a.AddTask(emulator.TaskSpec{Target: c, Processed: 1, Created: time.Now().Add(-time.Hour)})
		}, 1, 0, []string{"bought twice"}},
		"two tasks that are over": {0, func(a *account, c string) string {
			a.AddResults(c, doc)
			kept := a.AddTask(emulator.TaskSpec{Target: c, Processed: 1, Created: time.Now().Add(-time.Hour)})
			a.AddTask(emulator.TaskSpec{Target: c, Processed: 1, Created: time.Now().Add(-time.Minute)})
			return kept
		}, 0, 0, []string{"bought twice"}},
		"a foreign collector with a query": {53, func(a *account, c string) string {
			if err := a.AddCollector(c, time.Now(), json.RawMessage(`{"queries":[{"id":"q","query":"cats"}]}`)); err != nil {
				a.t.Fatal(err)
			}
			return ""
		}, 0, 0, []string{"has a query of its own", "nothing was changed"}},
		"a task whose collector is gone": {43, func(a *account, c string) string {
			a.AddTask(emulator.TaskSpec{Target: c, Processed: 77})
			return ""
		}, 0, 0, []string{"77 results", "--generation 2", "77 credits"}},
		"an empty collector of ours": {0, func(a *account, c string) string {
			if err := a.AddCollector(c, time.Now().Add(-time.Hour), nil); err != nil {
				a.t.Fatal(err)
			}
			return ""
		}, 0, 1, nil},
		"results without a task": {0, func(a *account, c string) string {
			a.AddResults(c, doc)
			return ""
		}, 0, 0, []string{"no task is listed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, tiny())
			collector := "tw2p-" + a.runID()
			other := a.AddTask(foreign)
			kept := tt.prepare(a, collector)
			out := a.output()
			e := a.export(tt.code, out, "--split", "none")
			if kept != "" && e.result.Windows[0].TaskID != kept {
				t.Errorf("task %s was read, want %s", e.result.Windows[0].TaskID, kept)
			}
			if tt.code != 0 {
				a.expectOneLine(e)
			}
			for _, text := range tt.says {
				if !strings.Contains(e.stderr, text) {
					t.Errorf("it does not say %q\n%s", text, e)
				}
			}
			l := a.Ledger()
			deletes := l.Calls(emulator.EndpointTaskDelete)
			if len(deletes) != tt.deletes || l.ExportPosts() != tt.posts || tt.code != 0 && len(l.Changing()) != 0 {
				t.Errorf("changing calls: %+v", l.Changing())
			}
			if slices.ContainsFunc(deletes, func(r emulator.Request) bool {
				return strings.Contains(r.Path, other) || kept != "" && strings.Contains(r.Path, kept)
			}) {
				t.Errorf("the wrong task was aborted: %+v", deletes)
			}
			if tt.code == 0 { // and is found complete
				a.expectQuiet(0, out, "--split", "none")
			}
		})
	}
}

// TestBuying_UnclearAnswers loses the POST's answer in every way, with the task made or not, listed at once or
// late. In the end there is one task, and its results are all there.
func TestBuying_UnclearAnswers(t *testing.T) {
	cases := map[string]struct {
		fault string
		posts int
	}{
		"lost, made":              {`"drop":"after"`, 1},
		"lost, made, listed late": {`"drop":"after","hide":"1800ms"`, 1},
		"lost, not made":          {`"drop":"before"`, 2},
		"504, made":               {`"respond":{"http":504,"body":"<html>","after":true}`, 1},
		"504, not made":           {`"respond":{"http":504,"body":"<html>"}`, 2},
		"500, made":               {`"respond":{"http":500,"code":1,"after":true}`, 1},
		"500, not made":           {`"respond":{"http":500,"code":1}`, 2},
		"half, made":              {`"respond":{"http":200,"body":"{\"status_code\":\"0\",\"result_ta","after":true}`, 1},
		"empty, made":             {`"respond":{"http":200,"body":"{\"status_code\":\"0\",\"result_tasks\":{\"tasks\":[]}}","after":true}`, 1},
		"two tasks named, made":   {`"respond":{"http":200,"body":"{\"status_code\":\"0\",\"result_tasks\":{\"tasks\":[{\"id\":\"a\"},{\"id\":\"b\"}]}}","after":true}`, 1},
		"garbage, not made":       {`"garbage":"nonsense"`, 2},
	}
	for _, name := range some(cases, 3) {
		tt := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, tiny())
			a.script(`{"endpoint":"export","nth":1,` + tt.fault + `}`)
			out := a.output()
			a.expectExact(a.export(0, out, "--split", "none"), out)
			if n := a.Ledger().ExportPosts(); n != tt.posts {
				t.Errorf("%d posts, want %d", n, tt.posts)
			}
		})
	}
}

// TestBuying_LookingFails means that nothing more is bought, however often it is tried.
func TestBuying_LookingFails(t *testing.T) {
	a := serve(t, tiny())
	a.env = []string{"TW2PARQUET_WAIT_SCALE=0.001"}
	a.script(`{"endpoint":"export","drop":"after"}`, `{"endpoint":"tasks","from":4,"respond":{"code":1}}`)
	out := a.output()
	a.expectOneLine(a.export(44, out, "--split", "none"))
	a.script(`{"endpoint":"tasks","respond":{"code":1}}`)
	a.expectOneLine(a.exportAny(out, "--split", "none"))
	if l := a.Ledger(); l.ExportPosts() != 1 || len(l.Tasks) != 1 {
		t.Errorf("%d posts, %d tasks", l.ExportPosts(), len(l.Tasks))
	}
	a.SetFaults(nil)
	a.expectExact(a.export(0, out, "--split", "none"), out)
}

// TestBuying_ListIsNoList answers the question for tasks with success and no list, which is not an empty list.
func TestBuying_ListIsNoList(t *testing.T) {
	for _, body := range []string{`{"status_code":"0"}`, `{"status_code":"0","result_tasks":[]}`, `{"status_code":"0","result_tasks":null}`} {
		a := serve(t, tiny())
		a.env = []string{"TW2PARQUET_WAIT_SCALE=0.001"}
		a.script(rule("tasks", map[string]any{"respond": map[string]any{"http": 200, "body": body}}))
		a.expectOneLine(a.export(20, a.output(), "--split", "none"))
		if n := a.Ledger().ExportPosts(); n != 0 {
			t.Errorf("%s: %d posts", body, n)
		}
	}
}
