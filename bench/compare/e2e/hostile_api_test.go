package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// tiny is an account with little to read, for tests that are about answers.
func tiny() emulator.Config {
	return emulator.Config{Seed: 11, DocumentsPerDay: 2, ControlEvery: 10, NoRateLimits: true}
}

// expectOneLine holds that a failure says in one line what happened, and in the result what to do.
func (a *account) expectOneLine(e ended) {
	a.t.Helper()
	errors := 0
	for l := range strings.Lines(e.stderr) {
		if strings.Contains(l, "level=ERROR") {
			errors++
		}
		if !strings.HasPrefix(l, "time=") {
			a.t.Errorf("not a line of the log: %s", l)
		}
	}
	if errors != 1 || e.result.Error == nil || e.result.Error.Message == "" || strings.Contains(e.result.Error.Message, "\n") {
		a.t.Errorf("%d lines of trouble\n%s", errors, e)
	}
	if e.result.Error != nil && e.result.Error.Hint == "" {
		a.t.Errorf("nobody says what to do: %s", e)
	}
}

// expectExact holds that one export was bought, paid and read exactly. Requests that were refused before do
// not count.
func (a *account) expectExact(e ended, out string) {
	a.t.Helper()
	l := a.Ledger()
	if len(e.result.Windows) != 1 || len(l.Tasks) != 1 || l.Credits() != e.result.Rows {
		a.t.Fatalf("%d tasks, %d credits\n%s", len(l.Tasks), l.Credits(), e)
	}
	w := e.result.Windows[0]
	want := a.delivered(w.Run)
	if w.Rows != int64(len(want)) || w.Rejected != 0 {
		a.t.Errorf("%d rows and %d rejects of %d results", w.Rows, w.Rejected, len(want))
	}
	a.expectRows(out, w.Start[:10], want)
}

// TestAPI_Codes answers calls with every code and status there is. Whatever refuses the export's POST, when
// it is over the same command buys and reads, once.
func TestAPI_Codes(t *testing.T) {
	type answer struct {
		name string
		http int
		body string
	}
	envelope := func(code string) string {
		return `{"status_code":` + code + `,"status_message":"because","request_id":"#abc#","result_error":{"data":[{"key":"details","value":["near x"]}]}}`
	}
	for i, tt := range []struct {
		answer
		get, post int // exit codes where a free call, or the one that costs, is answered so
	}{
		{answer{"1", 500, envelope(`"1"`)}, 20, 44}, {answer{"2", 500, envelope(`"2"`)}, 20, 44},
		{answer{"3", 400, envelope(`"3"`)}, 12, 12}, {answer{"4", 400, envelope(`"4"`)}, 12, 12}, {answer{"5", 400, envelope(`"5"`)}, 12, 12},
		{answer{"7", 401, envelope(`"7"`)}, 10, 10}, {answer{"8", 401, envelope(`"8"`)}, 20, 20}, {answer{"9", 401, envelope(`"9"`)}, 11, 11},
		{answer{"10", 403, envelope(`"10"`)}, 10, 10}, {answer{"11", 403, envelope(`"11"`)}, 10, 10}, {answer{"12", 403, envelope(`"12"`)}, 10, 10},
		{answer{"13", 403, envelope(`"13"`)}, 10, 10}, {answer{"15", 404, envelope(`"15"`)}, 12, 12}, {answer{"16", 400, envelope(`"16"`)}, 12, 12}, {answer{"17", 400, envelope(`"17"`)}, 12, 12},
		{answer{"18", 400, envelope(`"18"`)}, 12, 12}, {answer{"19", 403, envelope(`"19"`)}, 12, 12}, {answer{"20", 403, envelope(`"20"`)}, 12, 12},
		{answer{"21", 403, envelope(`"21"`)}, 12, 12}, {answer{"22", 403, envelope(`"22"`)}, 12, 12}, {answer{"23", 403, envelope(`"23"`)}, 12, 12},
		{answer{"24", 403, envelope(`"24"`)}, 30, 44}, {answer{"25", 500, envelope(`"25"`)}, 21, 44}, {answer{"26", 404, envelope(`"26"`)}, 12, 12},
		{answer{"28", 400, envelope(`"28"`)}, 12, 12}, {answer{"27", 403, envelope(`"27"`)}, 12, 12}, {answer{"29", 403, envelope(`"29"`)}, 10, 10},
		{answer{"30", 429, envelope(`"30"`)}, 20, 20}, {answer{"bare 429", 429, "slow down"}, 20, 20},
		{answer{"a number", 401, envelope("9")}, 11, 11}, {answer{"a number with a point", 401, envelope("7.0")}, 10, 10},
		{answer{"7 with 200", 200, envelope(`"7"`)}, 10, 10}, {answer{"0 with 500", 500, envelope(`"0"`)}, 20, 44},
		{answer{"no code", 200, envelope("null")}, 20, 44}, {answer{"no number", 200, envelope(`"OK"`)}, 20, 44}, {answer{"an array", 200, "[]"}, 20, 44},
		{answer{"nothing", 200, ""}, 20, 44}, {answer{"half", 200, `{"status_code":"0","res`}, 20, 44}, {answer{"two", 200, `{"status_code":"0"}{"status_code":"0"}`}, 20, 44},
		{answer{"page 404", 404, "<html>not found</html>"}, 20, 44}, {answer{"page 401", 401, "<html>who are you</html>"}, 20, 44},
		{answer{"unknown code", 400, envelope(`"777"`)}, 12, 44}, {answer{"unknown code with 500", 500, envelope(`"777"`)}, 20, 44},
		{answer{"success without the task", 200, `{"status_code":"0","result_tasks":{"tasks":[]}}`}, 0, 44},
		{answer{"another task", 200, `{"status_code":"0","result_tasks":{"tasks":[{"id":"x","target":"y","status":"queued"}]}}`}, 0, 44},
	} {
		if testing.Short() && i%7 != 0 {
			continue // package source holds them all, of the POST and of the other calls
		}
		fault := map[string]any{"respond": map[string]any{"http": tt.http, "body": tt.body}}
		for endpoint, code := range map[string]int{"tasks": tt.get, "export": tt.post} {
			if code == 0 {
				continue
			}
			t.Run(endpoint+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				a := serve(t, tiny())
				a.env = []string{"TW2PARQUET_WAIT_SCALE=0.001"}
				a.script(rule(endpoint, fault))
				out := a.output()
				e := a.export(code, out, "--split", "none")
				a.expectOneLine(e)
				l := a.Ledger()
				if len(l.Tasks) != 0 || l.Credits() != 0 || endpoint == "tasks" && l.ExportPosts() != 0 {
					t.Errorf("%d tasks, %d posts", len(l.Tasks), l.ExportPosts())
				}
				if posts := l.ExportPosts(); endpoint == "export" && code != 20 && (code == 44 && posts != 2 || code != 44 && posts != 1) {
					t.Errorf("%d posts", posts)
				}
				a.SetFaults(nil)
				if code == 44 && endpoint == "export" { // a person decides: nothing more is sent
					a.expectOneLine(a.export(44, out, "--split", "none"))
					if posts := a.Ledger().ExportPosts(); posts != 2 {
						t.Errorf("%d posts", posts)
					}
					return
				}
				a.expectExact(a.export(0, out, "--split", "none"), out)
			})
		}
	}
}

// TestAPI_TaskEnds lets tasks end in every way the API names, and some it does not.
func TestAPI_TaskEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		code  int
		fault string
		flags []string
	}{
		"failed":                {40, `{"end":"failed","at":0.5}`, nil},
		"aborted":               {40, `{"end":"aborted","at":0.5}`, nil},
		"deleted":               {40, `{"end":"deleted","at":0.5}`, nil},
		"failed before a row":   {40, `{"end":"failed","at":0}`, nil},
		"result limit":          {41, `{"end":"result_limit_reached","at":0.5}`, nil},
		"capitals":              {0, `{"end":"FINISHED"}`, nil},
		"capitals, at a limit":  {41, `{"end":"RESULT_LIMIT_REACHED","at":0.5}`, nil},
		"unknown for some time": {0, `{"end":"finished","shown":"brand_new"}`, nil},
		"a status with control": {0, `{"end":"finished","shown":"a\u001b[31m\n\u202eb"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := tiny()
			cfg.LimitBatch, cfg.TaskDuration = 10, minute/4
			a := serve(t, cfg)
			a.script(`{"endpoint":"export","task":` + tt.fault + `}`)
			out := a.output()
			e := a.export(tt.code, out, "--split", "none")
			w := e.result.Windows[0]
			if got := len(a.delivered(w.Run)); w.Rows != int64(got) || w.Credits != int64(got) {
				t.Errorf("%d rows and %d credits of %d results\n%s", w.Rows, w.Credits, got, e)
			}
			if _, err := os.Stat(filepath.Join(out, "_tw2parquet", w.Run, "manifest.json")); (err == nil) != (tt.code == 0 || tt.code == 41) {
				t.Errorf("the manifest: %v", err)
			}
			if tt.code == 40 {
				a.expectOneLine(e)
			}
			if strings.ContainsAny(e.stderr, "\x1b\u202e") {
				t.Errorf("what the server sent reaches the terminal: %q", e.stderr)
			}
			before := listing(t, out)
			a.export(tt.code, out, "--split", "none")
			if now := listing(t, out); now != before || len(a.Ledger().Tasks) != 1 {
				t.Errorf("a second run: %d tasks\n%s\n%s", len(a.Ledger().Tasks), before, now)
			}
		})
	}
}

// TestAPI_TaskWaits never ends; a person may wait longer than a program.
func TestAPI_TaskWaits(t *testing.T) {
	a := serve(t, tiny())
	a.env = []string{"TW2PARQUET_WAIT_SCALE=0.0001"} // the six hours of standing still are two seconds
	a.script(`{"endpoint":"export","task":{"at":0.5}}`)
	out := a.output()
	e := a.export(20, out, "--split", "none")
	a.expectOneLine(e)
	if !e.result.Error.Retryable || !strings.Contains(e.result.Error.Message, "has not moved") {
		t.Errorf("%s", e)
	}
	if again := a.export(20, out, "--split", "none"); again.result.Rows != e.result.Rows || len(a.Ledger().Tasks) != 1 {
		t.Errorf("%s", again)
	}
}

// TestAPI_TaskVanishes while it is read: its results are taken all the same, and 40 says so.
func TestAPI_TaskVanishes(t *testing.T) {
	for _, status := range []string{`"respond":{"code":26}`, `"respond":{"http":200,"body":"{\"status_code\":\"0\",\"result_tasks\":{\"tasks\":[]}}"}`} {
		a := serve(t, tiny())
		a.script(`{"endpoint":"task",` + status + `}`)
		out := a.output()
		e := a.export(40, out, "--split", "none")
		a.expectOneLine(e)
		if got := len(a.delivered(e.result.Windows[0].Run)); e.result.Rows != int64(got) || got == 0 {
			t.Errorf("%d rows of %d results\n%s", e.result.Rows, got, e)
		}
		if len(a.Ledger().Tasks) != 1 {
			t.Error("bought twice")
		}
	}
}

// TestAPI_CreditsEnd in the middle of an export.
func TestAPI_CreditsEnd(t *testing.T) {
	for _, status := range []string{emulator.StatusFailed, emulator.StatusAborted} {
		cfg := tiny()
		cfg.Credits, cfg.CreditsEnd, cfg.LimitBatch = 70, status, 10
		a := serve(t, cfg)
		out := a.output()
		e := a.export(40, out, "--split", "none")
		a.expectOneLine(e)
		if e.result.Status != "partial" || e.result.Rows != a.Ledger().Credits() || e.result.Rows == 0 || e.result.Credits != e.result.Rows {
			t.Errorf("%d credits\n%s", a.Ledger().Credits(), e)
		}
		if n := one(t, out, "SELECT count(*) FROM lake"); n != fmt.Sprint(e.result.Rows) {
			t.Errorf("%s rows in the files", n)
		}
		// The next window cannot be bought at all.
		a.expectOneLine(a.export(11, a.output(), "--split", "none", "--generation", "2"))
	}
}

// TestAPI_LimitReached is complete, and says so with a code of its own, again and again.
func TestAPI_LimitReached(t *testing.T) {
	cfg := tiny()
	cfg.LimitBatch = 10
	a := serve(t, cfg)
	out := a.output()
	e := a.export(41, out, "--split", "none", "--limit", "33")
	if e.result.Status != "truncated" || e.result.Rows < 33 || e.result.Rows != a.Ledger().Credits() || !e.result.Windows[0].Truncated {
		t.Errorf("%s", e)
	}
	a.expectQuiet(41, out, "--split", "none", "--limit", "33")
}

// TestAPI_Nothing is an export without a result, and UPDATED copies are results of their own.
func TestAPI_Nothing(t *testing.T) {
	a := serve(t, tiny())
	a.SetDocuments([]json.RawMessage{})
	out := a.output()
	e := a.export(0, out, "--split", "none")
	if e.result.Status != "complete" || e.result.Rows != 0 || e.result.Files != 1 || one(t, out, "SELECT count(*) FROM lake") != "0" {
		t.Errorf("%s", e)
	}
	a.expectQuiet(0, out, "--split", "none")
	a.export(99, a.output(), "--split", "none", "--skip-empty")
}

func TestAPI_UpdatedCopies(t *testing.T) {
	a := serve(t, tiny())
	a.SetDocuments([]json.RawMessage{
		json.RawMessage(`{"url":"https://example.org/1","title":"old","matched":{"appearance":"NEW"}}`),
		json.RawMessage(`{"url":"https://example.org/2","title":"other","matched":{"appearance":"NEW"}}`),
		json.RawMessage(`{"url":"https://example.org/1","title":"new","matched":{"appearance":"UPDATED"}}`),
		json.RawMessage(`{"url":"https://example.org/2","title":"other","matched":{"appearance":"NEW"}}`),
	})
	out := a.output()
	e := a.export(0, out, "--split", "none")
	got := fmt.Sprint(lake(t, out, "SELECT _ordinal, url, title, matched.appearance FROM lake ORDER BY _ordinal"))
	if want := "[[0 https://example.org/1 old NEW] [1 https://example.org/2 other NEW] [2 https://example.org/1 new UPDATED] [3 https://example.org/2 other NEW]]"; got != want || e.result.Rows != 4 {
		t.Errorf("%s\n%s", got, e)
	}
}

// TestExport_RefusesHostileSettings beyond what TestExport_Refused has: nothing is called, nothing written.
func TestExport_RefusesHostileSettings(t *testing.T) {
	a := serve(t, tiny())
	for _, flags := range [][]string{
		{"--project", "../../etc"}, {"--project", "a/b"}, {"--project", "a?b=c"}, {"--project", "a%2Fb"}, {"--project", ".."}, {"--project", "a\nb"}, {"--project", strings.Repeat("a", 5000)},
		{"--stream", "../x"}, {"--stream", "Upper"}, {"--stream", "1x"}, {"--stream", "x/../y"}, {"--stream", "x\x00"},
		{"--topic", "a\x00b"}, {"--topic", ""}, {"--dataset", "a\nb"}, {"--query", "x", "--dataset", "d"},
		{"--limit", "-1"}, {"--limit", "2000000"}, {"--limit", "1e6"}, {"--limit", "9999999999999999999"}, {"--limit", "ten"},
		{"--generation", "-1"}, {"--max-credits", "-1"}, {"--start", "2024-02-30"}, {"--start", "2024-01-01T00:00:00"}, {"--start", "99999999999999999999"},
		{"--start", "2024-01-01T00:00:00.0000001Z"}, {"--start", "-5"}, {"--stop", "2024-01-01"}, {"--stop", time.Now().Add(48 * time.Hour).Format("2006-01-02")},
		{"--base-url", "ftp://127.0.0.1"}, {"--base-url", "http://127.0.0.1.example.org"}, {"--base-url", "https://u:p@127.0.0.1"}, {"--base-url", "https://127.0.0.1/x"}, {"--base-url", "::"},
		{"--file-rows", "-1"}, {"--workers", "-1"}, {"--row-group-size", "1KiB"}, {"--max-document-size", "0"}, {"--max-rejects", "-2"}, {"--idle-timeout", "-1s"}, {"--idle-timeout", "soon"},
		{"--out", ""}, {"--out", "ftp://x/y"}, {"--out", "file://elsewhere/x"}, {"--memory-limit", "lots"}, {"--log-format", "xml"}, {"extra"}, {"--no-such"}, {"--strict=perhaps"},
	} {
		out := a.output()
		if strings.Contains(strings.Join(flags, ""), "\x00") {
			continue // no argument holds one
		}
		e := a.export(2, out, append([]string{"--split", "none"}, flags...)...)
		if e.result.Error == nil || e.result.Error.Code != "usage" || e.result.Error.Hint == "" || strings.Count(e.stderr, "\n") != 1 || len(e.stderr) > 2000 {
			t.Errorf("%.100q\n%.3000s", flags, e)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%q: something was written", flags)
		}
	}
	if n := len(a.Ledger().Requests); n != 0 {
		t.Errorf("%d calls", n)
	}
}
