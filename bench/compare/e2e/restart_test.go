package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// startAndStall starts an export of one window, whose first read pauses in its middle, and waits until
// it has published a file.
func (a *account) startAndStall(out string) *started {
	a.t.Helper()
	a.script(`{"endpoint":"results","nth":1,"stall":{"at":500000}}`)
	// The idle time-out is longer than the test, so that the pause lasts until the process ends.
	args := append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01",
		"--out", out, "--idle-timeout", "24h"}, oneWindow[:]...)
	p := a.launch(args...)
	a.exports++
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(published(a.t, out)) == 0 {
		select {
		case <-tick.C:
		case <-p.over:
			a.t.Fatalf("no file was published\n%s", p.wait())
		}
	}
	return p
}

// published maps the visible files to their sizes and times.
func published(t *testing.T, out string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = fmt.Sprint(info.Size(), info.ModTime())
	}
	return files
}

// finish runs the interrupted export to its end and holds that what was published stayed.
func (a *account) finish(out string, before map[string]string) {
	a.t.Helper()
	e := a.export(0, out, oneWindow[:]...)
	a.expectComplete(e, out)
	after := published(a.t, out)
	for name, was := range before {
		if after[name] != was {
			a.t.Errorf("%s was %s, now %s", filepath.Base(name), was, after[name])
		}
	}
	if len(after) <= len(before) {
		a.t.Errorf("%d files before the end, %d after", len(before), len(after))
	}
	expectNothingStaged(a.t, out)
	a.expectQuiet(0, out, oneWindow[:]...)
}

// dense is an account whose control chunks are so dense that every row group ends at one.
func dense() emulator.Config {
	cfg := small()
	cfg.ControlEvery = 10
	return cfg
}

func TestExport_KilledAndStartedAgain(t *testing.T) {
	a := serve(t, dense())
	out := a.output()
	p := a.startAndStall(out)
	p.kill()
	before := published(t, out)
	for name := range before { // every visible file is whole
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	one(t, out, "SELECT count(*) + count(content) FROM lake")
	a.finish(out, before)
}

func TestExport_TerminatedAndStartedAgain(t *testing.T) {
	a := serve(t, dense())
	out := a.output()
	p := a.startAndStall(out)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e := p.wait()
	if r := e.result; e.code != 143 || r.Status != "interrupted" {
		t.Errorf("exit %d, the result is %s", e.code, e.stdout)
	}
	// What a control chunk covered is published, not only what had filled a file.
	if got := one(t, out, "SELECT count(*) FROM lake"); got != fmt.Sprint(e.result.Rows) || e.result.Rows == 0 {
		t.Errorf("%s rows are published, the result says %d", got, e.result.Rows)
	}
	a.finish(out, published(t, out))
}

func TestExport_OnlyOneAtATime(t *testing.T) {
	a := serve(t, dense())
	out := a.output()
	p := a.startAndStall(out)
	a.export(30, out, oneWindow[:]...)
	p.kill()
	a.finish(out, published(t, out))
}

// TestExport_AdoptsForAnotherOutput reads again for free what the collector still holds.
func TestExport_AdoptsForAnotherOutput(t *testing.T) {
	a := serve(t, small())
	first, second := a.output(), a.output()
	a.expectComplete(a.export(0, first, "--split", "none"), first)
	charged := a.Ledger().Credits()
	e := a.export(0, second, "--split", "none")
	l := a.Ledger()
	if l.Credits() != charged || len(l.Tasks) != 1 || l.ExportPosts() != 1 {
		t.Errorf("%d posts, %d credits, before %d", l.ExportPosts(), l.Credits(), charged)
	}
	a.expectRows(second, "2024-01-01", a.delivered(e.result.Windows[0].Run))
	// A new generation is bought on purpose.
	e = a.export(0, second, "--split", "none", "--generation", "2")
	if !strings.Contains(e.stderr, "bought again") || !strings.Contains(e.stderr, "max_credits=1001000") {
		t.Errorf("it does not say what it could cost\n%s", e)
	}
	if l := a.Ledger(); l.Credits() != 2*charged || len(l.Tasks) != 2 {
		t.Errorf("the second generation cost %d", l.Credits()-charged)
	}
}

// TestExport_ExpiredIsNotBoughtAgain finds a task of eight days ago, whose results are gone.
func TestExport_ExpiredIsNotBoughtAgain(t *testing.T) {
	a := serve(t, small())
	run := a.export(0, a.output(), "--split", "none", "--dry-run").result.Windows[0].Run
	ago := time.Now().Add(-8 * 24 * time.Hour)
	if err := a.AddCollector("tw2p-"+run, ago, nil); err != nil {
		t.Fatal(err)
	}
	a.AddTask(emulator.TaskSpec{Target: "tw2p-" + run, Created: ago, Processed: 1820})
	e := a.export(43, a.output(), "--split", "none")
	if l := a.Ledger(); l.Credits() != 0 || l.ExportPosts() != 0 {
		t.Errorf("%d posts, %d credits", l.ExportPosts(), l.Credits())
	}
	for _, part := range []string{"--generation", "1820 credits"} {
		if !strings.Contains(e.result.Error.Hint, part) {
			t.Errorf("the hint does not name %s: %s", part, e.result.Error.Hint)
		}
	}
}

// TestExport_DamageIsNamed lets files of a complete run go missing or change.
func TestExport_DamageIsNamed(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	e := a.export(0, out, oneWindow[:]...)
	file := filepath.Join(out, e.result.Windows[0].Files[1])
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stranger := strings.Replace(file, "-00001.", "-00777.", 1)
	for name, damage := range map[string]func() error{
		"missing":   func() error { return os.Remove(file) },
		"truncated": func() error { return os.WriteFile(file, content[:len(content)/2], 0o644) },
		"one more":  func() error { return os.WriteFile(stranger, content, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			before := listing(t, out)
			calls := len(a.Ledger().Changing())
			r := a.export(53, out, oneWindow[:]...)
			if !strings.Contains(r.stdout, "part-"+e.result.Windows[0].Run) {
				t.Errorf("no file is named: %s", r.stdout)
			}
			if listing(t, out) != before || len(a.Ledger().Changing()) != calls {
				t.Error("something was touched")
			}
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(stranger)
		})
	}
	a.expectQuiet(0, out, oneWindow[:]...)
}

// resealed gives the runs in the logs of an output another seal.
func resealed(t *testing.T, out string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "source-*", "*.json"))
	found := false
	for _, name := range logs {
		text, rerr := os.ReadFile(name)
		other := regexp.MustCompile(`"seal": ?"[^"]*"`).ReplaceAll(text, []byte(`"seal":"zzzzzzzzzzzzzzzzzzzzzzzzzz"`))
		found = found || !bytes.Equal(other, text)
		err = errors.Join(err, rerr, os.Remove(name), os.WriteFile(name, other, 0o440))
	}
	if err != nil || !found {
		t.Fatal("no seal in the log", err)
	}
}

// TestRestart_NewerState has the binary meet a run that a later version completed: it says so, buys nothing
// and touches nothing, with --refetch too.
func TestRestart_NewerState(t *testing.T) {
	for name, later := range map[string]*strings.Replacer{
		"manifest": strings.NewReplacer(`"format": 1`, `"format": 2`),
		"schema":   strings.NewReplacer(`"schema_version": "1"`, `"schema_version": "99"`),
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, small())
			out := a.output()
			run := a.export(0, out, oneWindow[:]...).result.Windows[0].Run
			path := filepath.Join(out, "_tw2parquet", run, "manifest.json")
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			newer := later.Replace(string(old))
			if newer == string(old) {
				t.Fatalf("nothing to change in %s", old)
			}
			if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(newer), 0o440)); err != nil {
				t.Fatal(err)
			}
			resealed(t, out) // that version's log has a seal of its own
			before, changing := listing(t, out), len(a.Ledger().Changing())
			for _, flags := range [][]string{nil, {"--refetch"}} {
				refused := a.export(53, out, append(oneWindow[:], flags...)...)
				if !strings.Contains(refused.result.Error.Message, "newer version") || !strings.Contains(refused.result.Error.Message, path) {
					t.Errorf("%v: %+v", flags, refused.result.Error)
				}
			}
			if listing(t, out) != before {
				t.Error("something was touched")
			}
			if n := len(a.Ledger().Changing()); n != changing {
				t.Errorf("%d changing calls", n-changing)
			}
		})
	}
}

// TestRestart_NewerFiles has the binary meet a run that a later version has begun: it says so, and touches
// nothing. The other way round the later one goes on.
func TestRestart_NewerFiles(t *testing.T) {
	long(t, "TestRestart_NewerState, and the tests of package sink")
	later := rebuilt(t, map[string]func(string) string{
		"schema/arrow.go": func(text string) string {
			return strings.Replace(text, `const Version = "1"`, `const Version = "2"`, 1)
		},
	})
	a := serve(t, dense())
	out := a.output()
	a.binary = later
	a.startAndStall(out).kill()
	a.binary = ""
	before, changing := published(t, out), len(a.Ledger().Changing())
	for _, flags := range [][]string{nil, {"--refetch"}} {
		e := a.export(53, out, append(oneWindow[:], flags...)...)
		a.expectOneLine(e)
		if !strings.Contains(e.result.Error.Message, "newer version") || !strings.Contains(e.result.Error.Message, "-00000.parquet") {
			t.Errorf("%v: %+v", flags, e.result.Error)
		}
	}
	if n := len(a.Ledger().Changing()); n != changing {
		t.Errorf("%d changing calls", n-changing)
	}
	if after := published(t, out); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("files were touched: %v, before %v", after, before)
	}
	a.binary = later
	a.finish(out, published(t, out))

	b := serve(t, dense())
	out = b.output()
	b.startAndStall(out).kill()
	b.binary = later
	b.finish(out, published(t, out))
}
