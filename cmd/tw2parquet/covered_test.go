package main

import (
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// What the output covers is not bought again, whatever it was bought with. The bill is the emulator's.
func TestExport_BuysOnlyWhatIsMissing(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	posts := 0
	for _, c := range []struct {
		flags   string
		buys    int // windows
		covered int // entries of the result
		credits int64
	}{
		{"--stop=2024-02-01", 1, 0, 62},
		{"--stop=2024-02-01", 0, 0, 0}, // its own run
		{"--stop=2024-02-01 --limit=700", 0, 1, 0},
		{"--stop=2024-01-11 --split=day", 0, 10, 0},
		{"--stop=2024-02-11 --split=none", 1, 1, 20}, // shrinks to its gap
		{"--stop=2024-03-01", 1, 1, 38},
		{"--stop=2024-03-01 --split=week", 0, 9, 0},
		{"--stop=2024-03-01 --query=cats", 2, 0, -1}, // another source
		{"--stop=2024-02-01 --generation=2", 1, 0, 62},
		{"--stop=2024-02-01 --generation=2", 0, 0, 0},
		{"--start=2024-01-15 --stop=2024-02-05 --generation=2 --split=none", 1, 1, 8},
	} {
		credits := x.Ledger().Credits()
		code, r, stderr := x.export(t.Context(), append(strings.Fields(c.flags), "--dry-run")...)
		if got := strings.Count(stderr, "what=buy"); code != exitOK || got != c.buys {
			t.Errorf("%s: planned to buy %d windows, exit %d\n%s", c.flags, got, code, stderr)
		}
		if code, r, stderr = x.export(t.Context(), strings.Fields(c.flags)...); code != exitOK || r.Status != "complete" {
			t.Fatalf("%s: exit %d, %+v\n%s", c.flags, code, r, stderr)
		}
		posts += c.buys
		covered := 0
		for _, w := range r.Windows {
			if w.Status == "covered" {
				covered++
				if len(w.Runs) == 0 || w.Error != nil {
					t.Errorf("%s: %+v", c.flags, w)
				}
			}
		}
		if x.Ledger().ExportPosts() != posts || covered != c.covered || c.credits >= 0 && x.Ledger().Credits()-credits != c.credits {
			t.Errorf("%s: %d posts, want %d; %d covered, want %d; %d credits, want %d", c.flags, x.Ledger().ExportPosts(), posts, covered, c.covered, x.Ledger().Credits()-credits, c.credits)
		}
		if !slices.IsSortedFunc(r.Windows, func(a, b windowResult) int { return strings.Compare(a.Start, b.Start) }) {
			t.Errorf("%s: %+v", c.flags, r.Windows)
		}
		again := strings.Contains(c.flags, "generation") && c.buys > 0
		if told := strings.Contains(stderr, "its rows are there twice"); told != again {
			t.Errorf("%s: rows that are there twice: told %v\n%s", c.flags, told, stderr)
		}
	}
}

// What is begun is finished first, by its own request; a truncated window covers its time and stays truncated.
func TestExport_FinishesWhatIsBegun(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1})
	x.script(`{"endpoint":"results","error":{"at":3,"code":24}}`)
	if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01", "--limit=10"); code != exitLocked {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	x.SetFaults(nil)
	for i, windows := range []int{2, 1} {
		code, r, stderr := x.export(t.Context(), "--stop=2024-03-01", "--split=none")
		if code != exitTruncated || len(r.Windows) != windows || !r.Windows[0].Truncated || (i == 1) != (len(r.Windows[0].Runs) == 2) || x.Ledger().ExportPosts() != 2 {
			t.Fatalf("start %d: exit %d, %d posts, %+v\n%s", i, code, x.Ledger().ExportPosts(), r, stderr)
		}
	}
	if got, want := x.Ledger().Credits(), int64(10+2*29); got != want {
		t.Errorf("%d credits, want %d", got, want)
	}
}

// Another source of the same project may bring the same documents: that is said, with the price.
func TestExport_WarnsOfOtherSources(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 2})
	if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01"); code != exitOK || strings.Contains(stderr, "another source") {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for flags, want := range map[string]string{
		"--query=cats --limit=700 --stop=2024-02-01":    "max_credits=700",
		"--query=cats --split=week --start=2024-01-15":  "windows_to_buy=3",
		"--query=cats --start=2024-02-01":               "",
		"--topic=one --stop=2024-01-03 --split=none":    "max_credits=1000000",
		"--stop=2024-02-01 --limit=5 --split=day":       "",
		"--dataset=one --stop=2024-01-03 --limit=20000": "max_credits=20000",
	} {
		code, _, stderr := x.export(t.Context(), append(strings.Fields(flags), "--dry-run")...)
		warned := strings.Contains(stderr, "results of another source of the same project and time")
		if code != exitOK || warned != (want != "") || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d\n%s", flags, code, stderr)
		}
	}
}

// Before the first purchase of a source the account's exports are told that this output does not know: it may be the wrong one.
// They cannot be told apart by project. An output that knows the source is not warned, nor is one that adopts.
func TestExport_WarnsOfExportsThatTheOutputDoesNotKnow(t *testing.T) {
	const warning = "the account has exports of this program that this output does not know"
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	x.AddTask(emulator.TaskSpec{Target: "somebody-elses", Processed: 5})
	for i, c := range []struct {
		out, flags string
		warned     bool
	}{
		{"", "", false}, {"", "--stop=2024-05-01", false}, {"-typo", "--split=week", true}, {"-typo", "--split=week --stop=2024-05-01", false},
		{"-adopts", "", true}, // those of the weeks are others
		{"-dry", "--split=day --dry-run", false}, {"", "--topic=" + x.Topics()[0], true}, {"", "--topic=" + x.Topics()[0] + " --stop=2024-05-01", false},
	} {
		y := *x
		y.out += c.out
		code, _, stderr := y.export(t.Context(), strings.Fields(c.flags)...)
		if code != exitOK || strings.Contains(stderr, warning) != c.warned {
			t.Errorf("%d: exit %d, warned: %v\n%s", i, code, !c.warned, stderr)
		}
	}
	// That nobody answers changes nothing.
	x.script(`{"endpoint":"tasks","nth":1,"drop":"before"}`)
	x.out += "-last"
	if code, _, stderr := x.export(t.Context(), "--split=none"); code != exitOK || strings.Contains(stderr, warning) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
