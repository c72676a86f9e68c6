package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// exporting are the arguments of an export of the three months.
func (x *trial) exporting(flags ...string) []string {
	return append([]string{"export", "--project", x.Projects()[0], "--start=2024-01-01", "--stop=2024-04-01", "--out", x.out, "--base-url", x.url, "--idle-timeout=5h"}, flags...)
}

// At a terminal an export ends with a summary, below all that the log said and in the place of the bar.
func TestSummary_EndsWhatATerminalShows(t *testing.T) {
	for _, columns := range []int{80, 140, 40} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			x := newTrial(t, emulator.Config{DocumentsPerDay: 20})
			stored := filepath.Join(t.TempDir(), "result.json")
			at := newTerminal(t, columns)
			code, shown := at.run("", x.exporting("--result-file", stored)...)
			var r result
			if text, err := os.ReadFile(stored); err != nil || json.Unmarshal(text, &r) != nil || code != exitOK || r.Rows == 0 {
				t.Fatalf("exit %d, %v, %s\n%s", code, err, text, shown)
			}
			above, summary, ok := strings.Cut(shown, "\n\nComplete: ")
			if !ok || strings.Contains(shown, `"exit_code"`) || strings.Contains(summary, "█") || !strings.Contains(above, "3 of 3 windows") {
				t.Fatalf("no summary at the end of\n%s", shown)
			}
			at.fits("Complete: " + summary)
			flat := strings.Join(strings.Fields(summary), " ")
			for _, says := range []string{
				"3 windows, " + rowsText(r.Rows), countText(x.Ledger().Credits()) + " credits in all", bytesText(r.Bytes), "2024-03-01", "complete",
				"FROM '" + x.out + "/window_start=*/*.parquet'",
			} {
				if !strings.Contains(flat, says) {
					t.Errorf("it does not say %q:\n%s", says, summary)
				}
			}
			// A second run buys nothing, and says the same of what is there.
			again := newTerminal(t, columns)
			if code, shown := again.run("", x.exporting()...); code != exitOK || !strings.Contains(shown, "Complete: 3 windows") {
				t.Errorf("exit %d\n%s", code, shown)
			}
		})
	}
}

// --output says what standard output ends with, at a terminal and elsewhere.
func TestSummary_OutputDecides(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	if code, _, stderr := x.export(t.Context()); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	for name, tt := range map[string]struct {
		flags            []string
		terminal, people bool
	}{
		"a terminal":           {nil, true, true},
		"a terminal, auto":     {[]string{"--output=auto"}, true, true},
		"a terminal, json":     {[]string{"--output=json"}, true, false},
		"a terminal, json log": {[]string{"--output=json", "--log-format=json"}, true, false},
		"a terminal, dry run":  {[]string{"--output=json", "--dry-run"}, true, false},
		"a pipe":               {nil, false, false},
		"a pipe, json":         {[]string{"--output", "json"}, false, false},
		"a pipe, text":         {[]string{"--output", "text"}, false, true},
		"a pipe, last counts":  {[]string{"--output=text", "--output=json"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			var code int
			text := ""
			if tt.terminal {
				at := newTerminal(t, 80)
				code = run(t.Context(), x.exporting(tt.flags...), strings.NewReader(""), at.tty, &errs)
				text = at.shown()
			} else {
				code = run(t.Context(), x.exporting(tt.flags...), strings.NewReader(""), &out, &errs)
				text = out.String()
			}
			var r result
			err := json.Unmarshal([]byte(text), &r)
			if code != exitOK || tt.people != (err != nil) || tt.people != strings.Contains(text, "Complete: 3 windows") || !tt.people && strings.Count(text, "\n") != 1 {
				t.Errorf("exit %d\n%s%s", code, text, &errs)
			}
		})
	}
}

// What a summary says of windows that did not come to a good end can be pasted, and works.
func TestSummary_TellsWhatToDo(t *testing.T) {
	for _, columns := range []int{80, 140} {
		x := newTrial(t, emulator.Config{DocumentsPerDay: 2, LimitBatch: 1})
		at := newTerminal(t, columns)
		code, shown := at.run("", x.exporting("--limit=60")...)
		_, summary, ok := strings.Cut(shown, "\n\nComplete up to the limit (exit 41, truncated): ")
		if code != exitTruncated || !ok {
			t.Fatalf("exit %d\n%s", code, shown)
		}
		at.fits(summary)
		if strings.Count(summary, "    tw2parquet drop ") != 2 || !strings.Contains(summary, "2024-03-01: the export ended at its limit of 60 results") {
			t.Fatalf("not what to do for two windows:\n%s", summary)
		}
		// February had fewer than 60 and needs nothing.
		if regexp.MustCompile(`(?m)^2024-02-01  .*  complete$`).FindString(summary) == "" || strings.Contains(summary, "2024-02-01: ") {
			t.Errorf("February is complete:\n%s", summary)
		}
		command := regexp.MustCompile(`(?m)^    tw2parquet (drop .*)$`).FindStringSubmatch(summary)[1]
		if code, _, stderr := call(t, append(strings.Fields(command), "--yes")...); code != exitOK {
			t.Errorf("%s: exit %d\n%s", command, code, stderr)
		}
	}
}

// The error line is the last word where nothing was begun; a summary elsewhere has the error as well.
func TestSummary_OfWhatWasNeverBegun(t *testing.T) {
	x := newTrial(t, emulator.Config{})
	for _, flags := range [][]string{{"--split=fortnight"}, {"--parallel=0"}, {"--output=yaml"}, {"--project=" + project}} {
		at := newTerminal(t, 80)
		code, shown := at.run("", x.exporting(append(flags, "--max-credits=0")...)...)
		if lines := strings.Split(strings.TrimSpace(shown), "\n"); code == exitOK || len(lines) != 1 || !strings.HasPrefix(lines[0], "error: ") {
			t.Errorf("%v: exit %d\n%s", flags, code, shown)
		}
		var errs bytes.Buffer
		alone := newTerminal(t, 80)
		code = run(t.Context(), x.exporting(append(flags, "--max-credits=0")...), strings.NewReader(""), alone.tty, &errs)
		shown = alone.shown()
		if !strings.Contains(shown, fmt.Sprintf("Failed (exit %d, ", code)) || len(strings.Split(strings.TrimSpace(shown), "\n")) < 3 {
			t.Errorf("%v: exit %d\n%s", flags, code, shown)
		}
		alone.fits(shown)
	}
}

// Recordings have no times and no price.
func TestSummary_OfAConversion(t *testing.T) {
	dir := t.TempDir()
	recording := filepath.Join(dir, "rec.ndjson")
	text := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.com/","brand_new":1}}}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":"not a document"}}
{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"x"}}
`
	if err := os.WriteFile(recording, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "o'lake")
	at := newTerminal(t, 80)
	code, shown := at.run("", "convert", recording, "--out", out, "--max-rejects=-1")
	if code != exitOK {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	for _, says := range []string{
		"Complete: 1 recording, 1 row, 1 file, ", "1 document was rejected and set aside", "1 field has no column",
		"FROM '" + strings.ReplaceAll(out, "'", "''") + "/*.parquet'",
	} {
		if !strings.Contains(shown, says) {
			t.Errorf("it does not say %q:\n%s", says, shown)
		}
	}
	if strings.Contains(shown, "credit") {
		t.Errorf("a conversion costs nothing:\n%s", shown)
	}
}

// The demo explains itself to people, which is not wanted where a program reads its line.
func TestSummary_OfTheDemo(t *testing.T) {
	at := newTerminal(t, 80)
	code := run(t.Context(), []string{"demo", "--out", filepath.Join(t.TempDir(), "lake"), "--output=json"}, strings.NewReader(""), at.tty, &bytes.Buffer{})
	text := at.shown()
	if r := lastLine(t, text); code != exitOK || strings.Count(text, "\n") != 1 || r.Status != "complete" {
		t.Errorf("exit %d\n%s", code, text)
	}
}
