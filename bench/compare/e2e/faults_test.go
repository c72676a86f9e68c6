package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"tw2parquet/source/emulator"
)

// script parses a fault script of the given rules.
func (a *account) script(rules ...string) {
	a.t.Helper()
	list, err := json.Marshal(map[string][]json.RawMessage{"rules": raw(rules)})
	if err != nil {
		a.t.Fatal(err)
	}
	f, err := emulator.ParseFaults(list)
	if err != nil {
		a.t.Fatal(err)
	}
	a.SetFaults(f)
}

func raw(texts []string) []json.RawMessage {
	var list []json.RawMessage
	for _, text := range texts {
		list = append(list, json.RawMessage(text))
	}
	return list
}

// oneWindow are flags of an export with several row groups and files.
var oneWindow = [...]string{"--split", "none", "--row-group-size", "64KiB", "--file-rows", "75"}

// TestExport_SurvivesTheStream lets reads go wrong. Every result must arrive once, and be paid once. The tests of
// package source hold all of them against the emulator too.
func TestExport_SurvivesTheStream(t *testing.T) {
	cases := map[string][]string{
		"cut in the middle":        {`{"endpoint":"results","nth":1,"cut":{"at":75000,"how":"close"}}`, `{"endpoint":"results","nth":2,"cut":{"at":125000,"how":"reset"}}`},
		"ended without a control":  {`{"endpoint":"results","nth":1,"no_final":true}`},
		"cut with a proper end":    {`{"endpoint":"results","nth":1,"cut":{"at":175001,"how":"end"}}`},
		"cut before anything":      {`{"endpoint":"results","from":1,"to":2,"cut":{"at":0,"how":"close"}}`},
		"broken chunked framing":   {`{"endpoint":"results","nth":1,"cut":{"at":100000,"how":"chunk"}}`},
		"disconnected by an error": {`{"endpoint":"results","nth":1,"error":{"at":125,"code":25}}`},
		"an error without a code":  {`{"endpoint":"results","nth":1,"error":{"at":60,"code":0,"message":"something"}}`},
		"silence":                  {`{"endpoint":"results","nth":1,"stall":{"at":75000}}`},
		"rate limited":             {`{"endpoint":"results","from":1,"to":2,"respond":{"code":8}}`},
		"a bare 429":               {`{"endpoint":"results","nth":1,"respond":{"http":429,"body":"slow down"}}`},
		"bad gateway":              {`{"endpoint":"results","from":1,"to":2,"respond":{"http":502,"body":"<html>"}}`},
		"too many streams":         {`{"endpoint":"results","nth":1,"respond":{"code":30}}`},
		"compressed":               {`{"endpoint":"results","gzip":"correct"}`},
		"compressed and torn":      {`{"endpoint":"results","nth":1,"gzip":"truncated"}`},
		"windows line ends":        {`{"endpoint":"results","framing":"crlf"}`},
		"pretty":                   {`{"endpoint":"results","framing":"pretty"}`},
		"no line ends":             {`{"endpoint":"results","framing":"joined"}`},
		"answer of the post lost":  {`{"endpoint":"export","nth":1,"drop":"after"}`},
		"post answered by a proxy": {`{"endpoint":"export","nth":1,"respond":{"http":504,"body":"time-out","after":true}}`},
		"trouble everywhere":       {`{"endpoint":"task","every":2,"respond":{"code":1}}`, `{"endpoint":"collector_put","nth":1,"drop":"before"}`, `{"endpoint":"tasks","nth":1,"respond":{"code":8}}`},
	}
	for _, name := range some(cases, 5) {
		rules := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, small())
			a.script(rules...)
			out := a.output()
			e := a.export(0, out, oneWindow[:]...)
			a.expectComplete(e, out)
			a.SetFaults(nil)
			a.expectQuiet(0, out, oneWindow[:]...)
		})
	}
}

// TestExport_ReadsWhileTheTaskRuns gives the task some time, and reads of which each brings a part.
func TestExport_ReadsWhileTheTaskRuns(t *testing.T) {
	cfg := small()
	cfg.TaskDuration, cfg.MaxPerRead, cfg.LimitBatch = minute, 100, 25
	a := serve(t, cfg)
	out := a.output()
	e := a.export(0, out, oneWindow[:]...)
	a.expectComplete(e, out)
	l := a.Ledger()
	if reads := l.Calls(emulator.EndpointResults); len(reads) < 3 {
		t.Errorf("%d reads", len(reads))
	} else if done := l.Tasks[0].Time.Add(cfg.TaskDuration); !reads[0].Time.Before(done) {
		t.Errorf("the first read began at %s, the task was over at %s", reads[0].Time, done)
	}
}

// TestExport_NeedsOneReadPerWindow matters because five reads a minute are all there are.
func TestExport_NeedsOneReadPerWindow(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	flags := []string{"--split", "day", "--start", "2024-01-01", "--stop", "2024-01-13"}
	e := a.export(0, out, flags...)
	a.expectComplete(e, out)
	if n := len(a.Ledger().Calls(emulator.EndpointResults)); n != 12 {
		t.Errorf("%d reads for 12 windows", n)
	}
}

func TestExport_GivesUp(t *testing.T) {
	for name, tt := range map[string]struct {
		code  int
		rules []string
	}{
		"no server behind the proxy":  {20, []string{`{"endpoint":"*","respond":{"http":503,"body":"maintenance"}}`}},
		"redirected":                  {20, []string{`{"endpoint":"*","redirect":{"http":307,"to":"http://127.0.0.1:1/"}}`}},
		"a stream that always breaks": {21, []string{`{"endpoint":"results","cut":{"at":20000,"how":"close"}}`}},
		"another reader":              {30, []string{`{"endpoint":"results","error":{"at":75,"code":24}}`}},
		"credits end in the stream":   {11, []string{`{"endpoint":"results","error":{"at":75,"code":9}}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, small())
			a.script(tt.rules...)
			out := a.output()
			a.export(tt.code, out, oneWindow[:]...)
			bought := a.Ledger()
			if len(bought.Tasks) > 1 {
				t.Errorf("%d tasks", len(bought.Tasks))
			}
			// When the trouble is over, the same command finishes the job.
			a.SetFaults(nil)
			e := a.export(0, out, oneWindow[:]...)
			a.expectComplete(e, out)
		})
	}
}

func TestExport_TaskFails(t *testing.T) {
	cfg := small()
	cfg.LimitBatch = 25
	a := serve(t, cfg)
	a.script(`{"endpoint":"export","task":{"end":"failed","at":0.5}}`)
	out := a.output()
	e := a.export(40, out, oneWindow[:]...)
	if e.result.Status != "partial" || e.result.Rows == 0 || e.result.Rows != int64(len(a.delivered(e.result.Windows[0].Run))) {
		t.Errorf("%s", e)
	}
	if _, err := os.Stat(filepath.Join(out, "_tw2parquet", e.result.Windows[0].Run, "manifest.json")); err == nil {
		t.Error("a failed task has a manifest")
	}
	if n := one(t, out, "SELECT count(*) FROM lake"); n != fmt.Sprint(e.result.Rows) {
		t.Errorf("%s rows in the files", n)
	}
	if again := a.export(40, out, oneWindow[:]...); again.result.Rows != e.result.Rows || len(a.Ledger().Tasks) != 1 {
		t.Errorf("run again: %s", again)
	}
}

// TestExport_Rejects puts broken lines between good ones.
func TestExport_Rejects(t *testing.T) {
	a := serve(t, small())
	a.script(`{"endpoint":"results","inject":{"at":150,"lines":["{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{\"data\":{\"data\":{\"url\":\"broken\"","{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{}}"]}}`)
	out := a.output()
	e := a.export(60, out, oneWindow[:]...)
	run := e.result.Windows[0].Run
	want := len(a.delivered(run))
	if e.result.Rejected != 2 || e.result.Rows != int64(want) {
		t.Errorf("%d rejected and %d rows, want 2 and %d\n%s", e.result.Rejected, e.result.Rows, want, e)
	}
	if got := one(t, out, "SELECT count(*) || ' ' || max(_ordinal) || ' ' || count(*) FILTER (_ordinal IN (150, 151)) FROM lake"); got != fmt.Sprintf("%d %d 0", want, want+1) {
		t.Errorf("rows, last ordinal and rows in the place of rejects are %s", got)
	}
	rejects, err := filepath.Glob(filepath.Join(out, "_tw2parquet", run, "rejects-*"))
	if err != nil || len(rejects) == 0 {
		t.Errorf("no rejects were kept: %v", err)
	}
	reads := len(a.Ledger().Calls(emulator.EndpointResults))
	a.expectQuiet(60, out, oneWindow[:]...)
	a.expectQuiet(0, out, append(oneWindow[:], "--max-rejects", "2")...)
	if n := len(a.Ledger().Calls(emulator.EndpointResults)); n != reads {
		t.Errorf("%d reads more", n-reads)
	}
}
