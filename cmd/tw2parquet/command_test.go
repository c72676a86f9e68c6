package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// paste runs a printed command as it stands: a shell takes it apart. What a person would be asked is answered yes, and
// waits are for the machine.
func (x *trial) paste(command string) (code int, stdout, stderr string) {
	x.t.Helper()
	shell := exec.Command("bash", "-c", `tw2parquet() { printf '%s\0' "$@"; }; `+command)
	shell.Dir = filepath.Dir(x.out)
	text, err := shell.Output()
	if err != nil {
		x.t.Fatalf("bash does not take %s: %v", command, err)
	}
	args := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	switch args[0] {
	case "drop":
		if !slices.Contains(args, "--yes") {
			args = append(args, "--yes")
		}
	case "export":
		args = append(args, "--idle-timeout=5h")
	}
	var out, errs bytes.Buffer
	code = run(x.t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// pasteAll runs the commands of a hint in order, of which there must be so many.
func (x *trial) pasteAll(hint string, want int) {
	x.t.Helper()
	commands := commandsOf(hint)
	if len(commands) != want {
		x.t.Fatalf("%d commands, expected %d: %s", len(commands), want, hint)
	}
	for _, c := range commands {
		if code, stdout, stderr := x.paste(c); code != exitOK {
			x.t.Errorf("%s: exit %d\n%s%s", c, code, stdout, stderr)
		}
	}
}

// The commands that hints and status print are run as they stand, after flags and names that a shell and this program would
// take for something else. Each does what it was printed for.
func TestCommands_CanBePasted(t *testing.T) {
	for name, query := range map[string]string{"plain": "", "a hyphen": "-cats", "quotes": `it's "$HOME" & \n`, "lines": "a\nOR\tb'\\ é"} {
		t.Run(name, func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 60, LimitBatch: 1})
			x.out = filepath.Join(t.TempDir(), "my lake's")
			flags := []string{"--stop=2024-02-01"}
			if query != "" {
				flags = append(flags, "--query="+query)
			}
			code, r, stderr := x.export(t.Context(), append(flags, "--limit=1")...)
			if code != exitTruncated {
				t.Fatalf("exit %d\n%s", code, stderr)
			}
			x.pasteAll(r.Error.Hint, 2) // drop, and export elsewhere
			if s := x.status(); len(s.Sources) != 1 || len(s.Sources[0].Gaps) != 1 || s.Sources[0].Query != query {
				t.Errorf("%+v", s.Sources)
			}
			x.out += "-again"
			posts := len(x.posts())
			if code, r, stderr := x.export(t.Context(), flags...); code != exitOK || r.Rows == 0 || len(x.posts()) != posts {
				t.Errorf("what was exported elsewhere is not the same: exit %d, %d rows\n%s", code, r.Rows, stderr)
			}
		})
	}
}

// What covers a window and is truncated is named in the commands, not the window that asked.
func TestCommands_OfATruncatedRunThatCovers(t *testing.T) {
	for _, flags := range []string{"--split=day", "--split=none --limit=9", "--stop=2024-03-01 --split=none"} {
		x := newTrial(t, emulator.Config{DocumentsPerDay: 10, LimitBatch: 1})
		if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01", "--limit=5", "--generation=2"); code != exitTruncated {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		code, r, stderr := x.export(t.Context(), append([]string{"--stop=2024-02-01"}, strings.Fields(flags)...)...)
		if code != exitTruncated || x.Ledger().ExportPosts() > 2 {
			t.Fatalf("%s: exit %d\n%s", flags, code, stderr)
		}
		x.pasteAll(r.Error.Hint, 2)
		if s := x.status(); s.at(t, time.January).State != statusDropped {
			t.Errorf("%s: %+v", flags, s.at(t, time.January))
		}
	}
}

// A window that failed for good is accepted, dropped or bought again by what is printed; which of these is offered depends on
// how it failed.
func TestCommands_OfWhatFailedForGood(t *testing.T) {
	accept, drop := "--accept 40,43", "tw2parquet drop "
	for name, want := range map[string]struct {
		hinted  int // commands in the hint
		choices []string
	}{
		"a task that failed":           {2, []string{accept, drop}},
		"a task that aborted":          {2, []string{accept, drop}},
		"nothing delivered":            {1, []string{drop}},
		"results that are gone":        {1, []string{accept, drop}},
		"a purchase without an answer": {1, []string{drop}},
	} {
		for i, choice := range want.choices {
			t.Run(name+", "+strings.TrimSpace(choice), func(t *testing.T) {
				x := newTrial(t, emulator.Config{DocumentsPerDay: 1, ControlEvery: 10})
				failing := failingAlone[name]
				failing.prepare(x)
				code, r, stderr := x.export(t.Context(), append(failing.flags, "--stop=2024-02-01")...)
				if code != failing.code {
					t.Fatalf("exit %d, expected %d\n%s", code, failing.code, stderr)
				}
				got := x.status().at(t, time.January)
				if len(got.Choices) != len(want.choices) || !strings.Contains(got.Choices[i], choice) || got.State == statusFailed && got.Reason == "" {
					t.Fatalf("%s: %q: %q", got.State, got.Reason, got.Choices)
				}
				if code, stdout, stderr := x.paste(got.Choices[i]); code != exitOK {
					t.Fatalf("%s: exit %d\n%s%s", got.Choices[i], code, stdout, stderr)
				}
				x.script()
				if choice == drop {
					commands := commandsOf(r.Error.Hint)
					if len(commands) != want.hinted {
						t.Fatalf("%q", r.Error.Hint)
					}
					for _, c := range commands {
						if code, stdout, stderr := x.paste(c); code != exitOK {
							t.Errorf("%s: exit %d\n%s%s", c, code, stdout, stderr)
						}
					}
				}
			})
		}
	}
}

// A command that status prints reaches the API that the run is of, though status itself was given none.
func TestStatus_NamesTheHostOfARun(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	x.script(`{"endpoint":"export","nth":1,"respond":{"code":9}}`)
	if code, _, stderr := x.export(t.Context(), "--stop=2024-02-01"); code != exitCredits {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for flags, want := range map[string]string{"": " --base-url https://127.0.0.1", "--base-url=" + x.url: " --base-url " + x.url, "--base-url=" + source.DefaultBaseURL: " --base-url https://127.0.0.1"} {
		var out, errs bytes.Buffer
		args := append([]string{"status", x.out}, strings.Fields(flags)...)
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitOK || !strings.Contains(strings.ReplaceAll(out.String(), "\\\n   ", ""), want+"\n") {
			t.Errorf("%q: exit %d\n%s%s", flags, code, out.String(), errs.String())
		}
	}
}

// A hint that is shortened holds whole commands or none.
func TestShortHint(t *testing.T) {
	command := "tw2parquet export --query " + strings.Repeat("x", 100) + " --limit 5 --out lake"
	for _, hint := range []string{"after `tw2parquet drop lake a` it is bought: " + command, "use `" + command + "`, which helps"} {
		for limit := range len(hint) + 1 {
			if short := shortHint(hint, max(limit, 3)); len(short) > max(limit, 3) || limit < len(hint) && (strings.Contains(short, "export") || strings.Contains(short, "drop lake")) {
				t.Fatalf("%d: %q", limit, short)
			}
		}
	}
}
