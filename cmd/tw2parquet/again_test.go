package main

import (
	"fmt"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// TestExport_TruncatedHintTellsTheRealPrice runs the command that the hint of exit 41 gives, and compares what it
// said with the bill.
func TestExport_TruncatedHintTellsTheRealPrice(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 20, LimitBatch: 100})
	code, r, _ := x.export(t.Context(), "--split=none", "--limit=100", "--query=it's $HOME")
	if code != exitTruncated || r.Error == nil {
		t.Fatalf("exit %d: %+v", code, r)
	}
	before := x.Ledger().Credits()
	hint := r.Error.Hint
	if r.Windows[0].Error.Hint != hint || !strings.Contains(hint, "`tw2parquet drop "+x.out+" "+r.Windows[0].Run+"`") {
		t.Errorf("%s", hint)
	}
	_, command, ok := strings.Cut(hint, ": tw2parquet ")
	if !ok || strings.Contains(command, x.out+" ") {
		t.Fatalf("no command into another output: %s", hint)
	}
	code, whole, stderr := x.command(t.Context(), words(t, command)...)
	if code != exitOK || whole.Rows < 2*r.Rows {
		t.Fatalf("exit %d, %d rows\n%s", code, whole.Rows, stderr)
	}
	if cost := x.Ledger().Credits() - before; !strings.Contains(hint, fmt.Sprintf("about %d credits", cost)) {
		t.Errorf("it cost %d credits: %s", cost, hint)
	}
}

// words is a command line as a shell takes it apart.
func words(t *testing.T, line string) []string {
	t.Helper()
	var all []string
	word, in, quoted := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, in = !quoted, true
		case quoted:
			word += string(c)
		case c == '\\':
			i++
			word, in = word+string(line[i]), true
		case c == ' ':
			if in {
				all = append(all, word)
			}
			word, in = "", false
		default:
			word, in = word+string(c), true
		}
	}
	if quoted {
		t.Fatalf("an open quote: %s", line)
	}
	return append(all, word)
}
