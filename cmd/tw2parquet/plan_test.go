package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"tw2parquet/pipeline"
	"tw2parquet/source/emulator"
)

// show runs a command that prints something.
func (x *trial) show(args ...string) (code int, stdout, stderr string) {
	x.t.Helper()
	var out, errs bytes.Buffer
	code = run(x.t.Context(), append(args, "--base-url", x.url), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// plan runs plan with --output json.
func (x *trial) plan(flags ...string) (p pipeline.Plan, stderr string) {
	x.t.Helper()
	code, stdout, stderr := x.show(append([]string{"plan", "--output=json", "--project", x.Projects()[0]}, flags...)...)
	if code != exitOK {
		x.t.Fatalf("plan %v: exit %d\n%s", flags, code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		x.t.Fatalf("%v\n%s", err, stdout)
	}
	return p, stderr
}

// near tells whether two sizes differ by at most 20 %.
func near(a, b int64) bool { return 5*max(a, b) <= 6*min(a, b) }

// What a plan says, the run that follows is charged and writes; what the plan itself costs is said, and charged.
func TestPlan_SaysWhatTheRunCosts(t *testing.T) {
	for name, flags := range map[string]string{
		"months":              "--start=2024-01-01 --stop=2024-04-01",
		"days over leap day":  "--start=2024-02-27 --stop=2024-03-02 --split=day",
		"weeks over new year": "--start=2023-12-20 --stop=2024-01-10 --split=week",
		"one window":          "--start=2024-01-01 --stop=2024-02-01 --split=none",
		"milliseconds":        "--start=2024-01-30T13:14:15.678Z --stop=2024-02-02T01:02:03.004Z --split=day",
		"within an hour":      "--start=2024-01-30T13:14:15.678Z --stop=2024-01-30T13:59:00Z",
		"a local midnight":    "--start=2024-03-31T00:00:00+01:00 --stop=2024-04-01T00:00:00+02:00 --split=day",
		"a query":             "--start=2024-01-01 --stop=2024-01-08 --split=none --query=coffee",
		"truncated":           "--start=2024-01-01 --stop=2024-03-01 --limit=2000",
		"nothing":             "--start=2024-01-01 --stop=2024-01-03 --split=none --query=lang:none",
	} {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 100, HistogramOnly: 17, ControlEvery: 500})
			range_ := append(strings.Fields(flags), "--topic", x.Topics()[0], "--topic", x.Topics()[1])
			p, stderr := x.plan(append(range_, "--out", x.out)...)
			asked := x.Ledger().Credits()
			if asked != p.HistogramCredits || asked == 0 || !strings.Contains(stderr, fmt.Sprintf("credits=%d", asked)) || len(x.Ledger().Changing()) != p.HistogramCalls {
				t.Errorf("the plan took %d credits, and says %d\n%s", asked, p.HistogramCredits, stderr)
			}
			code, r, stderr := x.command(t.Context(), append([]string{"export", "--project", x.Projects()[0], "--out", x.out}, range_...)...)
			if code != exitOK && code != exitTruncated {
				t.Fatalf("exit %d\n%s", code, stderr)
			}
			charged := x.Ledger().Credits() - asked
			var unsure int64 // how far a limit is overshot is not known before: a batch at most
			for _, w := range p.Windows {
				if w.OverLimit {
					unsure += pipeline.Batch
				}
			}
			if p.Credits == nil || *p.Credits < charged || *p.Credits-unsure > charged || p.MaxCredits < charged || len(p.Windows) != len(r.Windows) {
				t.Fatalf("charged %d for %d windows, planned %+v", charged, len(r.Windows), p)
			}
			var hidden int64
			for i, w := range p.Windows {
				got := r.Windows[i]
				if rfc3339(w.Start) != got.Start || rfc3339(w.Stop) != got.Stop || w.Run != got.Run || !w.OverLimit && *w.Credits != got.Credits || w.OverLimit != got.Truncated || w.State != pipeline.StateToBuy {
					t.Errorf("planned %+v (%d credits), got %+v", w, *w.Credits, got)
				}
				hidden += *w.NotExportable
			}
			for _, s := range p.Sources {
				if s.Export == pipeline.ReachNothing {
					hidden -= s.Results
				}
			}
			if hidden != 0 {
				t.Errorf("what is not exportable: windows and sources differ by %d", hidden)
			}
			if d := *p.Files - int64(r.Files); d < -1 || d > 1 || !near(*p.Bytes, r.Bytes) {
				t.Errorf("planned %d files of %d bytes, got %d of %d", *p.Files, *p.Bytes, r.Files, r.Bytes)
			}
			again, stderr := x.plan(append(range_, "--out", x.out)...)
			if again.MaxCredits != 0 || *again.Credits != 0 || x.Ledger().Credits() != asked+charged || again.Windows[0].State != pipeline.StateCovered {
				t.Errorf("after the run: %+v\n%s", again, stderr)
			}
		})
	}
}

// Bytes and files of the next month are told from what the output holds.
func TestPlan_LearnsFromTheOutput(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 60, ControlEvery: 500})
	flags := []string{"--query=sourcetype:BLOG", "--out", x.out, "--compression=none"}
	if code, _, stderr := x.export(t.Context(), append(flags, "--stop=2024-04-01")...); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	p, _ := x.plan(append(flags[:1:1], "--start=2024-04-01", "--stop=2024-05-01", "--out", x.out)...)
	_, r, _ := x.export(t.Context(), append(flags, "--start=2024-04-01", "--stop=2024-05-01")...)
	if !near(*p.Bytes, r.Bytes) || *p.Files != int64(r.Files) {
		t.Errorf("planned %d bytes in %d files, got %d in %d", *p.Bytes, *p.Files, r.Bytes, r.Files)
	}
}

func TestPlan_FreeCostsNothing(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 5})
	for _, split := range []string{"none", "day", "week", "month", "auto"} {
		p, stderr := x.plan("--start=2024-01-01", "--stop=2024-04-01", "--free", "--split", split, "--limit=7000", "--out", x.out)
		if p.Credits != nil || p.Results != nil || p.MaxCredits != int64(len(p.Windows))*8000 || !p.Fits || split == "auto" && !strings.Contains(stderr, "credits_by_day=10") {
			t.Errorf("%s: %+v\n%s", split, p, stderr)
		}
	}
	code, _, stderr := x.show("plan", "--stream", x.Streams()[0], "--start=2024-01-01", "--stop=2024-04-01", "--free")
	if l := x.Ledger(); code != exitOK || l.Credits() != 0 || len(l.Changing()) != 0 {
		t.Errorf("exit %d, %d credits, %v\n%s", code, l.Credits(), l.Changing(), stderr)
	}
}

func TestPlan_RefusesBeforeAnyCall(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 5})
	p := x.Projects()[0]
	for _, c := range []struct{ flags, says string }{
		{"--stream " + x.Streams()[0], "histogram"},
		{"--query cats", "histogram"},
		{"--query cats --split auto --free", "histogram"},
		{"--project " + p + " --late --out lake --free", "--free"},
		{"--project " + p + " --late", "--out"},
		{"--project " + p + " --max-windows=-1", "--max-windows"},
		{"--project " + p + " --output airflow --max-windows 1025", "1024"},
		{"--project " + p + " --limit 0", "limit"},
		{"--project " + p + " --split year", "split"},
		{"--project " + p + " --max-credits 9", "max-credits"},
	} {
		code, stdout, stderr := x.show(append([]string{"plan", "--start=2024-01-01", "--stop=2024-04-01"}, strings.Fields(c.flags)...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit %d\n%s%s", c.flags, code, stdout, stderr)
		}
	}
	if n := len(x.Ledger().Requests); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// What is there, whatever split it came from, and what is begun, is not priced again.
func TestPlan_KnowsWhatTheOutputHolds(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 4, ControlEvery: 10})
	x.export(t.Context(), "--stop=2024-02-01")
	x.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	x.export(t.Context(), "--start=2024-02-01", "--stop=2024-03-01")
	x.SetFaults(nil)
	states := func(flags ...string) string {
		p, _ := x.plan(append(flags, "--out", x.out)...)
		var all []string
		for _, w := range p.Windows {
			all = append(all, string(w.State))
		}
		return strings.Join(all, ", ")
	}
	for flags, want := range map[string]string{
		"--start=2024-01-01 --stop=2024-04-01":                          "covered, begun, to buy",
		"--start=2024-01-31 --stop=2024-02-02 --split=day":              "covered, to buy",
		"--start=2024-01-03 --stop=2024-01-29 --split=none --limit=9":   "covered",
		"--start=2024-01-03 --stop=2024-01-29 --split=auto":             "covered",
		"--start=2024-01-01 --stop=2024-02-01 --generation=2":           "to buy",
		"--start=2024-01-01 --stop=2024-02-01 --query=cats":             "to buy",
		"--start=2024-01-01 --stop=2024-02-01 --topic=" + x.Topics()[0]: "to buy",
		"--start=2023-12-01 --stop=2024-02-01":                          "to buy, covered",
		"--start=2023-12-31 --stop=2024-01-02 --split=none":             "to buy",
	} {
		if got := states(strings.Fields(flags)...); got != want {
			t.Errorf("%s: %s, want %s", flags, got, want)
		}
	}
}

// The objects for Airflow are export's flags: run as they are, one by one, they leave nothing to do.
func TestPlan_AirflowRunsWhatItIsHanded(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 40, ControlEvery: 100})
	topic := x.Topics()[0]
	flags := []string{"plan", "--project", x.Projects()[0], "--topic", topic, "--query=a OR b", "--start=2024-01-01", "--stop=2024-01-20", "--limit=250",
		"--split=auto", "--out", x.out, "--output=airflow"}
	file := filepath.Join(t.TempDir(), "result.json") // what a pod hands on
	plan := func() []map[string]any {
		code, stdout, stderr := x.show(append(flags, "--result-file", file)...)
		var list []map[string]any
		if kept, err := os.ReadFile(file); err != nil || string(kept) != stdout {
			t.Errorf("the result file has %s, %v; printed was %s", kept, err, stdout)
		}
		if err := json.Unmarshal([]byte(stdout), &list); code != exitOK || err != nil || strings.Count(stdout, "\n") != 1 {
			t.Fatalf("exit %d, %v: %s\n%s", code, err, stdout, stderr)
		}
		return list
	}
	if code, _, _ := x.show(append(flags, "--max-windows=-1", "--result-file", file)...); code != exitUsage || stored(t, file).Error.Code != "usage" {
		t.Errorf("refused: exit %d, %+v", code, stored(t, file).Error)
	}
	list := plan()
	if len(list) < 2 || len(list) > 19 {
		t.Fatalf("%d windows", len(list))
	}
	known := readLine(model(), []string{"export"}).command
	for _, object := range list {
		args := []string{"export"}
		for key, value := range object {
			if !slices.ContainsFunc(known.Flags, func(f *kong.Flag) bool { return f.Name == key }) {
				t.Errorf("export has no flag --%s", key)
			}
			values, many := value.([]any)
			if !many {
				values = []any{value}
			}
			for _, v := range values {
				if f, ok := v.(float64); ok {
					v = int64(f)
				}
				args = append(args, fmt.Sprintf("--%s=%v", key, v))
			}
		}
		if code, _, stderr := x.command(t.Context(), args...); code != exitOK {
			t.Fatalf("%v: exit %d\n%s", args, code, stderr)
		}
	}
	before := x.Ledger().Credits()
	if code, stdout, stderr := x.show(flags...); code != exitOK || stdout != "[]\n" || x.Ledger().Credits() != before {
		t.Errorf("exit %d: %s\n%s", code, stdout, stderr)
	}
}

// With auto, what is there keeps its windows, whatever counts say later: no instant is handed out twice, and none is left out.
func TestPlan_AutoCutsTheGapsAlone(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 40, ControlEvery: 10})
	for _, part := range [][]string{
		{"--start=2023-12-28", "--stop=2024-01-02"}, {"--start=2024-01-05T10:30:00Z", "--stop=2024-01-08", "--limit=5000"}, {"--start=2024-01-18", "--stop=2024-02-05"},
	} {
		if code, _, stderr := x.export(t.Context(), append(part, "--split=none")...); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
	}
	x.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	x.export(t.Context(), "--start=2024-01-10", "--stop=2024-01-12", "--split=none", "--limit=7000") // begun
	x.SetFaults(nil)
	before := x.Ledger().Credits()
	flags := []string{"--start=2024-01-01", "--stop=2024-01-20", "--split=auto", "--limit=200", "--out", x.out}
	p, stderr := x.plan(flags...)
	if asked := x.Ledger().Credits() - before; asked != p.HistogramCredits || strings.Contains(stderr, "bought again") {
		t.Errorf("%d credits, %d said\n%s", asked, p.HistogramCredits, stderr)
	}
	at, states := x.request(0).Start.AddDate(0, 0, -4), map[pipeline.State]int{}
	for _, w := range p.Windows {
		if !w.Start.Equal(at) {
			t.Errorf("a window begins at %s, the one before ends at %s", w.Start, at)
		}
		at = w.Stop
		states[w.State]++
		want := map[pipeline.State]int{pipeline.StateToBuy: 200, pipeline.StateBegun: 7000}[w.State]
		if want != 0 && w.Limit != want || w.State == pipeline.StateToBuy && *w.Results >= 180 {
			t.Errorf("%+v", w)
		}
	}
	if states[pipeline.StateCovered] != 3 || states[pipeline.StateBegun] != 1 || !at.Equal(x.request(1).Start.AddDate(0, 0, 4)) {
		t.Errorf("%v, up to %s", states, at)
	}
	for _, w := range p.Windows {
		if w.State != pipeline.StateCovered {
			x.export(t.Context(), "--start", rfc3339(w.Start), "--stop", rfc3339(w.Stop), "--split=none", "--limit", fmt.Sprint(w.Limit))
		}
	}
	if l := x.Ledger(); l.Credits() != 40*(4+31+4)+p.HistogramCredits {
		t.Errorf("%d credits for 39 days of 40, and %d for counting", l.Credits(), p.HistogramCredits)
	}
	if p, _ = x.plan(flags...); *p.Credits != 0 || p.HistogramCalls != 0 || len(p.Reasons) != 1 {
		t.Errorf("afterwards: %+v", p)
	}
}

func TestPlan_AirflowMapsOver1024AtMost(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	for most, want := range map[string]int{"": 1024, "--max-windows=3": 3} {
		args := append([]string{"plan", "--project", x.Projects()[0], "--start=2020-01-01", "--stop=2024-01-01", "--split=day", "--free", "--output=airflow"}, strings.Fields(most)...)
		code, stdout, stderr := x.show(args...)
		var list []mapped
		if err := json.Unmarshal([]byte(stdout), &list); code != exitOK || err != nil || len(list) != want || list[0].Start != "2020-01-01T00:00:00Z" || !strings.Contains(stderr, fmt.Sprintf("windows=%d", 1461-want)) {
			t.Errorf("%s: exit %d, %d objects\n%s", most, code, len(list), stderr)
		}
	}
}

func TestPlan_Verdict(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   emulator.Config
		flags string
		fits  bool
		says  string
	}{
		"fits":           {emulator.Config{DocumentsPerDay: 10, XQuota: 1000}, "--limit=5000", true, ""},
		"no credits":     {emulator.Config{DocumentsPerDay: 10, Credits: 500}, "", false, "needs 910 credits, and 490 are left"},
		"limits":         {emulator.Config{DocumentsPerDay: 10, Credits: 2000}, "", true, "lower --limit"},
		"over limit":     {emulator.Config{DocumentsPerDay: 10}, "--limit=300", false, "hold more than --limit 300"},
		"X":              {emulator.Config{DocumentsPerDay: 10, XQuota: 50}, "", false, "and 50 may still be handed over"},
		"calendar, dear": {emulator.Config{DocumentsPerDay: 10}, "--free", false, "it could cost 3003000 credits, and 1000000 are left"},
		"one hour":       {emulator.Config{DocumentsPerDay: 1000}, "--stop=2024-01-02 --split=auto --limit=30", false, "hours that hold more than --limit 30"},
		"by calendar":    {emulator.Config{DocumentsPerDay: 10}, "--free --limit=1000", true, "nothing was counted"},
	} {
		x := newTrial(t, c.cfg)
		p, _ := x.plan(append([]string{"--start=2024-01-01", "--stop=2024-04-01"}, strings.Fields(c.flags)...)...)
		if reasons := strings.Join(p.Reasons, "; "); p.Fits != c.fits || !strings.Contains(reasons, c.says) || c.says == "" && reasons != "" {
			t.Errorf("%s: fits %v: %s", name, p.Fits, reasons)
		}
	}
}

// People read the table on a terminal of 80 columns, also with large numbers and odd times.
func TestPlan_TableFits80Columns(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 100, HistogramOnly: 20, XQuota: 1_500_000})
	for _, flags := range []string{
		"--start=2024-01-01 --stop=2024-04-01", "--start=2024-01-01 --stop=2024-04-01 --free", "--start=2024-01-01 --stop=2024-04-01 --limit=2000",
		"--start=2024-01-30T13:14:15.678Z --stop=2024-02-02T01:02:03.004Z --split=day", "--start=2024-01-01 --stop=2024-01-05 --split=auto --limit=60",
	} {
		code, stdout, stderr := x.show(append([]string{"plan", "--project", x.Projects()[0]}, strings.Fields(flags)...)...)
		if code != exitOK {
			t.Fatalf("%s: exit %d\n%s", flags, code, stderr)
		}
		for line := range strings.Lines(stdout) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", flags, n, line)
			}
		}
	}
	code, stdout, _ := x.show("plan", "--project", x.Projects()[0], "--start=2024-01-01", "--stop=2024-04-01", "--limit=3000")
	want := `window from    results  credits  state
2024-01-01       3,720    3,100  over limit  ████████████████████████
2024-02-01       3,480    2,900  to buy      ██████████████████████
2024-03-01       3,720    3,100  over limit  ████████████████████████
to 2024-04-01   10,920    9,100  total
`
	if code != exitOK || !strings.HasPrefix(stdout, want) || !strings.Contains(stdout, "910 of SOCIALMEDIA_FACEBOOK: counted, but not handed over.") || !strings.Contains(stdout, "It does not fit: windows that hold more than --limit 3000") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

// auto counts, cuts by that, and never spends more than a budget allows.
func TestExport_AutoCutsByTheCounts(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 100, ControlEvery: 500})
	export := func(change func(*exportCmd)) (*result, string, error) {
		var errs bytes.Buffer
		a := &app{globals: &globals{BaseURL: x.url}, stdout: io.Discard, stderr: &errs, result: newResult(), screen: newScreen(io.Discard, false), log: slog.New(slog.NewTextHandler(&errs, nil)), line: &line{}}
		c := exportCmd{
			selection: selection{Project: x.Projects()[0], Limit: 1000, Generation: 1, Start: instant{x.request(0).Start}, Stop: until{instant: instant{x.request(1).Stop}}},
			Out:       x.out, Split: "auto", Parallel: 1, IdleTimeout: time.Hour,
			writing: writing{FileSize: 256 << 20, RowGroupSize: 1 << 20, Compression: "zstd:3", MaxDocumentSize: 64 << 20},
		}
		change(&c)
		err := c.run(t.Context(), a)
		return a.result, errs.String(), err
	}
	credits := func(n int64) *int64 { return &n }
	r, said, err := export(func(c *exportCmd) { c.DryRun = true })
	if err != nil || len(r.Windows) != 2 || x.Ledger().Credits() != 0 || !strings.Contains(said, "credits_by_day=10") {
		t.Errorf("dry: %v, %+v\n%s", err, r.Windows, said)
	}
	if _, _, err = export(func(c *exportCmd) { c.Project, c.Stream = "", "s" }); classify(err).Code != exitUsage {
		t.Errorf("of a stream: %v", err)
	}
	if _, _, err = export(func(c *exportCmd) { c.MaxCredits = credits(9) }); classify(err).Code != exitCredits || x.Ledger().Credits() != 0 {
		t.Errorf("with 9 credits: %v, %d were taken", err, x.Ledger().Credits())
	}
	// 6,000 documents, at most 800 of whole days in each window: eight windows with 2 % of room, 1,000 for the overshoot of
	// each, and 10 to count.
	if _, _, err = export(func(c *exportCmd) { c.MaxCredits = credits(14_129) }); classify(err).Code != exitCredits || x.Ledger().Credits() != 10 {
		t.Errorf("with 14,129 credits: %v, %d were taken", err, x.Ledger().Credits())
	}
	r, said, err = export(func(c *exportCmd) { c.MaxCredits = credits(16_010) })
	if err != nil || len(r.Windows) != 8 || r.Rows != 6000 || x.Ledger().Credits() != 6020 || x.Ledger().ExportPosts() != 8 {
		t.Errorf("%v: %d windows, %d rows, %d credits\n%s", err, len(r.Windows), r.Rows, x.Ledger().Credits(), said)
	}
	for _, w := range r.Windows {
		if w.Rows >= 900 || w.Truncated || !strings.HasSuffix(w.Stop, "T00:00:00Z") {
			t.Errorf("%+v", w)
		}
	}
}

// Budgets refuse before anything is bought, to the credit.
func TestExport_BudgetsToTheCredit(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, Credits: 50_000})
	for _, c := range []struct {
		flags string
		code  int
	}{
		{"--limit=9000 --max-credits=3012", exitCredits}, {"--limit=9000 --max-credits=3012 --dry-run", exitCredits},
		{"--limit=9000 --max-credits=29999 --min-credits-left=49991", exitCredits}, // not even counting
		{"--limit=9000 --max-credits=29999 --dry-run", exitOK},                     // which lowering may make fit
		{"--limit=9000 --min-credits-left=20001", exitCredits}, {"--limit=9000 --min-credits-left=20001 --dry-run", exitCredits},
		{"--limit=9000 --min-credits-left=-1", exitUsage},
		{"--limit=9000 --max-credits=30000 --min-credits-left=20000 --dry-run", exitOK},
		{"--limit=9000 --max-credits=30000 --min-credits-left=20000", exitOK},
		{"--limit=9000 --max-credits=0 --min-credits-left=50000", exitOK}, // nothing is left to buy
		{"--limit=8000 --max-credits=0", exitOK},                          // covered, whatever limit it was bought with
	} {
		before := x.Ledger()
		code, r, stderr := x.export(t.Context(), strings.Fields(c.flags)...)
		after := x.Ledger()
		if code != c.code || code != exitOK && (len(after.Changing()) != len(before.Changing()) || after.Credits() != before.Credits()) {
			t.Errorf("%s: exit %d, changing calls %v\n%s", c.flags, code, after.Changing()[len(before.Changing()):], stderr)
		}
		if code == exitCredits && (r.Error.Code != "credits" || r.Error.Hint == "" || r.Error.Retryable) {
			t.Errorf("%s: %+v", c.flags, r.Error)
		}
	}
}

// What arrived since is what buying the window again brings more.
func TestPlan_LateIsWhatANewGenerationBrings(t *testing.T) {
	now := time.Date(2024, 2, 3, 0, 0, 0, 0, time.UTC)
	x := newTrial(t, emulator.Config{DocumentsPerDay: 50, LatePercent: 10, Late: 20 * 24 * time.Hour, ControlEvery: 100, Now: func() time.Time { return now }})
	week := []string{"--project", x.Projects()[0], "--start=2024-01-10", "--stop=2024-01-17", "--split=day", "--out", x.out}
	if code, _, stderr := x.command(t.Context(), append([]string{"export"}, week...)...); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	x.Advance(30 * 24 * time.Hour)
	before := x.Ledger().Credits()
	code, stdout, stderr := x.show(append([]string{"plan", "--late", "--output=json"}, week...)...)
	var p latePlan
	if err := json.Unmarshal([]byte(stdout), &p); code != exitOK || err != nil {
		t.Fatalf("exit %d, %v\n%s", code, err, stderr)
	}
	asked := x.Ledger().Credits() - before
	if asked != 70 || asked != p.HistogramCredits || !strings.Contains(stderr, "credits=70") || p.Late == 0 || len(p.Windows) != 7 {
		t.Errorf("%d credits, %+v\n%s", asked, p, stderr)
	}
	_, stdout, _ = x.show(append([]string{"plan", "--late", "--output=airflow"}, week...)...)
	var list []mapped
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatal(err)
	}
	late := slices.DeleteFunc(slices.Clone(p.Windows), func(w lateWindow) bool { return w.Late == 0 })
	if len(list) != len(late) || len(late) == 7 || len(late) == 0 {
		t.Fatalf("%d of %d windows have something late", len(list), len(late))
	}
	for i, m := range list {
		before := x.Ledger().Credits()
		code, r, stderr := x.command(t.Context(), "export", "--project", m.Project, "--start", m.Start, "--stop", m.Stop, "--split", m.Split,
			"--limit", fmt.Sprint(m.Limit), "--generation", fmt.Sprint(m.Generation), "--max-credits", fmt.Sprint(m.MaxCredits), "--out", m.Out)
		if code != exitOK || x.Ledger().Credits()-before != late[i].Credits || r.Rows != late[i].Rows+late[i].Late {
			t.Errorf("exit %d, %d credits: planned %+v, got %+v\n%s", code, x.Ledger().Credits()-before, late[i], r, stderr)
		}
	}
	if _, stdout, _ = x.show(append([]string{"plan", "--late", "--output=airflow"}, week...)...); stdout != "[]\n" {
		t.Errorf("afterwards: %s", stdout)
	}
	if _, stdout, _ = x.show(append([]string{"plan", "--late"}, week...)...); !strings.HasPrefix(stdout, "window from  rows  late  credits  generation\n2024-01-10 ") {
		t.Errorf("%s", stdout)
	}
}
