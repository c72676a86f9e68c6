package main

import (
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// asked is an account with a task that still runs, and its collector.
func asked(t *testing.T) (x *trial, task, collector string) {
	t.Helper()
	x = newTrial(t, emulator.Config{})
	collector = x.collect(0, nil)
	return x, x.AddTask(emulator.TaskSpec{Target: collector, Status: "running", Processed: 12345}), collector
}

// What cannot be undone is done after a yes alone: at the keyboard, or --yes.
func TestConfirm_AsksBeforeWhatCannotBeUndone(t *testing.T) {
	x, task, collector := asked(t)
	changed := func() int {
		return len(x.Ledger().Calls(emulator.EndpointTaskDelete)) + len(x.Ledger().Calls(emulator.EndpointCollectorDelete))
	}
	for _, c := range []struct {
		args     []string
		question string
		says     []string
	}{
		{[]string{"tasks", "abort", task}, "Abort it? [y/N]", []string{task, "12,345 results", "They are paid", collector, "another purchase"}},
		{[]string{"collectors", "delete", collector}, "Delete it for good? [y/N]", []string{task, "12,345 results", "They are paid", collector, "whether they were read or not"}},
	} {
		calls := x.Ledger().Count("", "")
		code, stdout, stderr := x.plain(c.args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, "nobody can be asked here; add --yes to ") || x.Ledger().Count("", "") != calls {
			t.Errorf("%v: exit %d, %d calls\n%s%s", c.args, code, x.Ledger().Count("", "")-calls, stdout, stderr)
		}
		for _, answer := range []string{"n\n", "\n", "yes please\n", "\x04"} {
			at := newTerminal(t, 80)
			code, shown := at.run(answer, append(c.args, "--base-url", x.url)...)
			if code != exitUsage || !strings.Contains(shown, c.question) || changed() != 0 {
				t.Errorf("%v, %q: exit %d\n%s", c.args, answer, code, shown)
			}
			flat := strings.Join(strings.Fields(shown), " ")
			for _, says := range c.says {
				if !strings.Contains(flat, says) {
					t.Errorf("%v does not say %q:\n%s", c.args, says, shown)
				}
			}
			before, _, _ := strings.Cut(shown, c.question)
			at.fits(before)
		}
	}
	at := newTerminal(t, 80)
	if code, shown := at.run("y\n", "tasks", "abort", task, "--base-url", x.url); code != exitOK || changed() != 1 || !strings.Contains(shown, "deleted") && !strings.Contains(shown, "aborted") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	// An ended task is shown, and nobody is asked.
	at = newTerminal(t, 80)
	if code, shown := at.run("", "tasks", "abort", task, "--base-url", x.url); code != exitOK || changed() != 1 || strings.Contains(shown, "[y/N]") || !strings.Contains(shown, "nothing to abort") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	if code, _, stderr := x.plain("collectors", "delete", collector, "--yes"); code != exitOK || changed() != 2 {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
