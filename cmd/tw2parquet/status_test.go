package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// tool runs a command of this account that does not move data.
func (x *trial) tool(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(x.t.Context(), calling(x.url, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func (x *trial) status(flags ...string) *outputStatus {
	x.t.Helper()
	code, stdout, stderr := x.tool(append([]string{"status", x.out, "--output=json"}, flags...)...)
	s := &outputStatus{}
	if err := json.Unmarshal([]byte(stdout), s); code != exitOK || err != nil {
		x.t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return s
}

// at is the run whose window begins on the first of a month of 2024.
func (s *outputStatus) at(t *testing.T, month time.Month) *runStatus {
	t.Helper()
	start := time.Date(2024, month, 1, 0, 0, 0, 0, time.UTC)
	i := slices.IndexFunc(s.Runs, func(r *runStatus) bool { return r.Start.Equal(start) })
	if i < 0 {
		t.Fatalf("no run of %s: %+v", month, s.Runs)
	}
	return s.Runs[i]
}

// month exports one month.
func (x *trial) month(month time.Month, flags ...string) int {
	x.t.Helper()
	first := time.Date(2024, month, 1, 0, 0, 0, 0, time.UTC)
	code, _, _ := x.export(x.t.Context(), append([]string{"--start", first.Format(time.DateOnly), "--stop", first.AddDate(0, 1, 0).Format(time.DateOnly)}, flags...)...)
	return code
}

// record writes a record of a run by hand.
func (x *trial) record(run, name, text string) {
	x.t.Helper()
	dir := filepath.Join(x.out, sink.StateDir, run)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
		x.t.Fatal(err)
	}
}

// everyState is an output with a run in every state, one a month.
func everyState(t *testing.T) *trial {
	t.Helper()
	t.Chdir(t.TempDir())
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1, ControlEvery: 10})
	x.out = "lake"
	cut, refuse := `{"endpoint":"results","error":{"at":%d,"code":24}}`, `{"endpoint":"export","respond":{"code":9}}`
	expect := func(got, want int) {
		t.Helper()
		if got != want {
			t.Fatalf("exit %d, want %d", got, want)
		}
	}
	expect(x.month(time.January), exitOK)
	expect(x.month(time.February), exitOK)
	if code, _, stderr := x.tool("drop", x.out, x.status().at(t, time.February).Run[:shortRun], "--yes"); code != exitOK {
		t.Fatal(stderr)
	}
	for _, m := range []time.Month{time.March, time.September} {
		r := x.request(int(m) - 1).Run("127.0.0.1")
		if err := x.AddCollector(source.CollectorID(r), time.Now(), nil); err != nil {
			t.Fatal(err)
		}
		x.AddTask(emulator.TaskSpec{Target: source.CollectorID(r), Status: emulator.StatusFailed, Processed: 7})
	}
	expect(x.month(time.March), exitTask)
	expect(x.month(time.April, "--limit=10"), exitTruncated)
	x.script(fmt.Sprintf(cut, 3))
	expect(x.month(time.May), exitLocked)
	x.script(fmt.Sprintf(cut, 35))
	expect(x.month(time.June), exitLocked)
	x.script(refuse)
	expect(x.month(time.July), exitCredits)
	x.SetFaults(nil)
	expect(x.month(time.August), exitOK)
	august := x.status().at(t, time.August)
	text, err := os.ReadFile(filepath.Join(x.out, sink.StateDir, august.Run, pipeline.RequestRecord))
	if err != nil {
		t.Fatal(err)
	}
	x.record(august.Run, sink.DroppingRecord, string(text))
	expect(x.month(time.September, "--accept=40"), exitOK)
	for m, age := range map[time.Month]time.Duration{time.October: 6 * 24 * time.Hour, time.November: 8 * 24 * time.Hour} {
		x.Advance(-age)
		x.script(fmt.Sprintf(cut, 25))
		expect(x.month(m), exitLocked)
		x.Advance(age)
	}
	x.SetFaults(nil)
	return x
}

// Every state a run can be in is told, with what the run holds, what is covered, and how to go on; the commands that are
// printed do what they are printed for, and buy nothing but what was not bought.
func TestStatus_EveryState(t *testing.T) {
	x := everyState(t)
	before := len(x.Ledger().Requests)
	s := x.status()
	if len(x.Ledger().Requests) != before {
		t.Error("status made a call")
	}
	code, stdout, stderr := x.tool("status", x.out)
	if code != exitOK || strings.Count(stdout, "tw2parquet export") != 6 || !strings.Contains(stdout, "Gaps: 2024-02-01 to 2024-03-01.") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, state := range []statusOf{statusComplete, statusDropped, statusFailed, statusTruncated, statusBought, statusReading, statusPlanned, statusDropping, statusPartial, statusAtRisk} {
		if !strings.Contains(stdout, "  "+string(state)+" ") {
			t.Errorf("%s is missing:\n%s", state, stdout)
		}
	}
	bought := x.Ledger().Tasks
	for month, want := range map[time.Month]runStatus{
		time.January:   {State: statusComplete, Rows: 62, Files: 1},
		time.February:  {State: statusDropped, Rows: 58},
		time.March:     {State: statusFailed, Files: 1},
		time.April:     {State: statusTruncated, Rows: 10, Files: 1},
		time.May:       {State: statusBought},
		time.June:      {State: statusReading, Rows: 30, Files: 1},
		time.July:      {State: statusPlanned},
		time.August:    {State: statusDropping, Rows: 62, Files: 1},
		time.September: {State: statusPartial, Files: 1},
		time.October:   {State: statusAtRisk, Rows: 20, Files: 1},
		time.November:  {State: statusAtRisk, Rows: 20, Files: 1},
	} {
		got := s.at(t, month)
		if got.State != want.State || got.Rows != want.Rows || got.Files != want.Files || (got.Bytes > 0) != (want.Files > 0) {
			t.Errorf("%s: %+v, want %+v", month, got, want)
		}
		finishes := slices.Contains([]time.Month{time.May, time.June, time.July, time.August, time.October}, month)
		decides := month == time.March || month == time.November
		if (got.Command != "") != finishes || (len(got.Choices) == 2) != decides {
			t.Errorf("%s: %q, %q", month, got.Command, got.Choices)
		}
		timed := !slices.Contains([]time.Month{time.February, time.July, time.August}, month)
		if (got.Left != nil) != timed || timed && !got.Estimated {
			t.Errorf("%s: %v left, estimated: %v", month, got.Left, got.Estimated)
		}
	}
	if got := *s.at(t, time.January).Left; got < 7*24*3600-600 || got > 7*24*3600 {
		t.Errorf("%d seconds left", got)
	}
	if got := s.at(t, time.October); *got.Left < 24*3600-600 || *got.Left > 24*3600 || *s.at(t, time.November).Left != 0 {
		t.Errorf("%+v", got)
	}
	cover := s.Sources[0]
	day := func(m time.Month) time.Time { return time.Date(2024, m, 1, 0, 0, 0, 0, time.UTC) }
	if len(s.Sources) != 1 || !slices.Equal(cover.Gaps, []stretch{{day(2), day(3)}}) ||
		!slices.Equal(cover.Unfinished, []stretch{{day(3), day(4)}, {day(5), day(8)}, {day(10), day(12)}}) ||
		!slices.Equal(cover.Covered, []stretch{{day(1), day(2)}, {day(4), day(5)}, {day(8), day(10)}}) {
		t.Errorf("%+v", s.Sources)
	}
	for _, r := range s.Runs {
		if r.Command == "" {
			continue
		}
		code, stdout, stderr = x.tool(strings.Fields(strings.TrimPrefix(r.Command, "tw2parquet "))...)
		if code != exitOK {
			t.Fatalf("%s: exit %d\n%s%s", r.Command, code, stdout, stderr)
		}
	}
	if now := x.Ledger().Tasks; len(now) != len(bought)+1 {
		t.Errorf("%d tasks were bought", len(now)-len(bought))
	}
	after := x.status()
	for _, m := range []time.Month{time.May, time.June, time.July, time.October} {
		if r := after.at(t, m); r.State != statusComplete || r.Rows < 60 || r.Credits == nil || *r.Credits != r.Rows || r.Command != "" {
			t.Errorf("%s: %+v", m, r)
		}
	}
	if r := after.at(t, time.August); r.State != statusDropped || r.Files != 0 {
		t.Errorf("%+v", r)
	}
	x.checkOthers(t)
}

// The server is asked for what the output cannot know: tasks, their bill, and which collectors are left. It is free.
func TestStatus_Online(t *testing.T) {
	x := everyState(t)
	offline := x.status()
	if offline.at(t, time.May).Credits != nil || offline.at(t, time.January).Gone {
		t.Errorf("%+v", offline.at(t, time.May))
	}
	if code, _, stderr := x.tool("collectors", "delete", offline.at(t, time.January).Collector, "--yes"); code != exitOK {
		t.Fatal(stderr)
	}
	x.Advance(3 * 24 * time.Hour)
	before := x.Ledger()
	s := x.status("--online")
	after := x.Ledger()
	if after.Credits() != before.Credits() || len(after.Changing()) != len(before.Changing()) || len(after.Requests) == len(before.Requests) {
		t.Errorf("%d credits, %d calls", after.Credits()-before.Credits(), len(after.Requests)-len(before.Requests))
	}
	if r := s.at(t, time.May); r.Estimated || r.Credits == nil || *r.Credits != 62 || r.TaskStatus != emulator.StatusFinished || *r.Left > 4*24*3600 {
		t.Errorf("%+v", r)
	}
	if r := s.at(t, time.January); !r.Gone || r.State != statusComplete {
		t.Errorf("%+v", r)
	}
	if d := time.Until(s.Time); !s.Online || d < 71*time.Hour || d > 73*time.Hour {
		t.Errorf("%v", s.Time)
	}
	// A collector that is gone under a run that is not complete is the end of it.
	if code, _, stderr := x.tool("collectors", "delete", offline.at(t, time.May).Collector, "--yes"); code != exitOK {
		t.Fatal(stderr)
	}
	if r := x.status("--online"); r.at(t, time.May).State != statusAtRisk || len(r.at(t, time.May).Choices) != 2 || r.at(t, time.May).Command != "" {
		t.Errorf("%+v", r.at(t, time.May))
	}
	x.checkHostile(t)
	t.Setenv(tokenEnv, "")
	if code, _, _ := x.tool("status", x.out, "--online"); code != exitAuth {
		t.Errorf("exit %d", code)
	}
}

// checkHostile: the table fits 80 columns, whatever the windows, and no text of others gets through to the terminal.
func (x *trial) checkHostile(t *testing.T) {
	t.Helper()
	if code, _, stderr := x.export(t.Context(), "--start=2023-01-01T00:00:00.001Z", "--stop=2023-01-01T12:30:00.5Z"); code != exitOK {
		t.Fatal(stderr)
	}
	asking := pipeline.Asking{Start: time.Unix(0, 0), Stop: time.Unix(3600, 0), Run: "hostile", Asked: pipeline.Asked{Kind: source.KindQuery, Limit: 5, Generation: 1,
		Query: "cats\x1b[2J\u009b2K\n\u202edogs" + strings.Repeat(" and more", 100)}}
	text, err := jsonText(asking, "")
	if err != nil {
		t.Fatal(err)
	}
	x.record("hostile", pipeline.RequestRecord, string(text))
	x.record("unreadable", pipeline.RequestRecord, "{\x1b[2J")
	x.record("strange", sink.DroppedRecord, `{"run":"\u001b[2J","asked":{"kind":"\u001b[2J","project":"\u001b[2J"},"task_id":"\u001b[2J"}`)
	code, stdout, stderr := x.tool("status", x.out)
	if code != exitOK || !strings.Contains(stdout, "unreadable") || strings.Contains(stdout, "hostile export") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for line := range strings.Lines(stdout) {
		line = strings.TrimSuffix(line, "\n")
		if displayed(line) > tableWidth || strings.ContainsFunc(line, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }) {
			t.Errorf("%q", line)
		}
	}
}

// checkOthers: a conversion in the same output is listed, and files that are missing are told with the command that gets
// them back.
func (x *trial) checkOthers(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("stream.ndjson", []byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"http://a"}}}}`+"\n"+
		`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := x.tool("convert", "stream.ndjson", "--out", x.out); code != exitOK {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	january := x.status().at(t, time.January)
	files, err := filepath.Glob(filepath.Join(x.out, "*", "part-"+january.Run+"-*"))
	if err != nil || len(files) != 1 || os.Remove(files[0]) != nil {
		t.Fatal(files, err)
	}
	s := x.status()
	last := s.Runs[len(s.Runs)-1]
	if last.Source != "" || last.State != statusComplete || last.Rows != 1 || last.Credits != nil || last.Files != 1 {
		t.Errorf("%+v", last)
	}
	january = s.at(t, time.January)
	if len(january.Missing) != 1 || !strings.HasSuffix(january.Command, "--refetch") {
		t.Errorf("%+v", january)
	}
	if code, stdout, _ := x.tool("status", x.out); code != exitOK || !strings.Contains(stdout, "conversions") || !strings.Contains(stdout, "--refetch") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, stdout, stderr := x.tool(strings.Fields(strings.TrimPrefix(january.Command, "tw2parquet "))...); code != exitOK {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if got := x.status().at(t, time.January); len(got.Missing) != 0 || got.Rows != 62 {
		t.Errorf("%+v", got)
	}
}

// Where nothing is, there is nothing to tell; a directory without runs is an output that holds none.
func TestStatus_Nothing(t *testing.T) {
	if code, _, stderr := call(t, "status", filepath.Join(t.TempDir(), "none")); code != exitUsage || !strings.Contains(stderr, "no output") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	if code, stdout, stderr := call(t, "status", t.TempDir()); code != exitOK || !strings.Contains(stdout, "no runs") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := call(t, "status", t.TempDir(), "--output=json"); code != exitOK || !strings.Contains(stdout, `"runs": []`) || !strings.Contains(stdout, `"sources": []`) {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}
