package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// The tables of the account fit the terminal, with every id whole, whatever others called their projects and topics.
func TestTables_AtATerminal(t *testing.T) {
	const id = "aaaaaaaa-0000-4000-8000-000000000001"
	name := strings.Repeat("A very long name of a project ", 8) + "\x1b[2J\u202e東京"
	x := newTrial(t, emulator.Config{Projects: []emulator.Project{{ID: id, Name: name, Topics: []emulator.Topic{
		{ID: "abcd1234_5efgh6ijkl7mn", Title: strings.Repeat("unbroken", 30)}, {ID: "ffff1234_5efgh6ijkl7mn", Title: "two\nlines"},
	}}}})
	collector := x.collect(0, nil)
	task := x.AddTask(emulator.TaskSpec{Target: collector, Status: "result_limit_reached", Processed: 1234567})
	for _, columns := range []int{80, 140, 50} {
		for _, c := range []struct {
			args []string
			says []string
		}{
			{[]string{"projects"}, []string{id, "東京", `\x1b`, `\u202e`}},
			{[]string{"topics", "--project", id}, []string{"abcd1234_5efgh6ijkl7mn", `two\nlines`}},
			{[]string{"tasks", "list"}, []string{task, collector, "1,234,567", "created (UTC)"}},
			{[]string{"tasks", "get", task}, []string{task, collector, "1,234,567"}},
			{[]string{"collectors", "list"}, []string{collector, "PAUSED"}},
			{[]string{"collectors", "get", collector}, []string{collector, "created (UTC)", "no"}},
			{[]string{"credits"}, []string{"monthly", "one-time", ",000", "UTC"}},
			{[]string{"check", "--project", id}, []string{"ok", "東京"}},
			{[]string{"help"}, []string{"troubleshooting"}},
		} {
			at := newTerminal(t, columns)
			args := calling(x.url, c.args...)
			code, shown := at.run("", args...)
			if code != exitOK || strings.ContainsAny(shown, "\x1b\u202e") {
				t.Fatalf("%v: exit %d\n%s", args, code, shown)
			}
			if columns > 50 || c.args[0] != "credits" && c.args[0] != "help" { // sentences are set for 80 columns
				at.fits(shown)
			}
			for _, says := range c.says {
				if !strings.Contains(shown, says) {
					t.Errorf("%v in %d columns does not say %q:\n%s", args, columns, says, shown)
				}
			}
			// In a pipe each row is a line, and the same is said.
			if code, stdout, stderr := x.plain(args...); code != exitOK || stderr != "" || c.args[0] != "check" && c.args[0] != "help" && strings.Contains(fmt.Sprint(stdout), "\n  ") {
				t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
			}
		}
	}
	// Scripts get what they always got, at a terminal too.
	at := newTerminal(t, 80)
	if code, shown := at.run("", "tasks", "list", "--output=json", "--base-url", x.url); code != exitOK || !json.Valid([]byte(shown)) {
		t.Errorf("exit %d\n%s", code, shown)
	}
}
