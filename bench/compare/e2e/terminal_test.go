package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

// tallScreen has rows for all that is printed, so that nothing scrolls away.
const tallScreen = 400

// finalBytes is a token of what ends and begins control sequences, bars, results and lines: every write that
// ends with one of these could be the beginning of it.
const finalBytes = `{KJHm[2;0hlABCDsu%/"}·rtgx31f5`

// seen is what a person sees once a command has ended at a terminal.
type seen struct {
	rows []string // of the screen, without what is empty at its end
	raw  string   // all that was sent to it
	code int
}

// resize is what a person does to the window once a text has appeared.
type resize struct {
	at      string
	columns int
}

// sit runs the binary with both streams on a pseudo-terminal, whose screen does not wrap its lines anew
// when it is resized (the one in the command's own tests does).
func (a *account) sit(columns int, resizes []resize, args ...string) seen {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	cmd := a.command(ctx, args...)
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: tallScreen, Cols: uint16(columns)})
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	screen := vt.NewEmulator(columns, tallScreen)
	defer func() { _ = screen.Close() }()
	var raw bytes.Buffer
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		raw.Write(buf[:n])
		if _, werr := screen.Write(buf[:n]); werr != nil {
			a.t.Fatal(werr)
		}
		for len(resizes) > 0 && strings.Contains(raw.String(), resizes[0].at) {
			columns := resizes[0].columns
			if err := pty.Setsize(terminal, &pty.Winsize{Rows: tallScreen, Cols: uint16(columns)}); err != nil {
				a.t.Fatal(err)
			}
			screen.Resize(columns, tallScreen)
			resizes = resizes[1:]
		}
		if err != nil {
			break // EIO once the other end is closed, elsewhere EOF
		}
	}
	_ = cmd.Wait() // ProcessState tells how it ended
	if len(resizes) > 0 {
		a.t.Errorf("%q never appeared", resizes[0].at)
	}
	s := seen{raw: raw.String(), code: cmd.ProcessState.ExitCode()}
	for y := range screen.Height() {
		var row strings.Builder
		for x := range screen.Width() {
			if cell := screen.CellAt(x, y); cell == nil {
				row.WriteByte(' ')
			} else {
				row.WriteString(cell.Content)
			}
		}
		s.rows = append(s.rows, strings.TrimRight(row.String(), " "))
	}
	for len(s.rows) > 0 && s.rows[len(s.rows)-1] == "" {
		s.rows = s.rows[:len(s.rows)-1]
	}
	if strings.Contains(s.raw, a.Token()) || strings.Contains(s.raw, finalBytes) {
		a.t.Error("the token was shown")
	}
	return s
}

// split parts the result, which is the last line and may be wrapped, from the rows above it.
func (s seen) split(t *testing.T) ([]string, result) {
	t.Helper()
	i := slices.IndexFunc(s.rows, func(row string) bool { return strings.HasPrefix(row, `{"stat`) })
	if i < 0 {
		t.Fatalf("no result on the screen:\n%s", strings.Join(s.rows, "\n"))
	}
	var r result
	d := json.NewDecoder(strings.NewReader(strings.Join(s.rows[i:], "")))
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in\n%s", err, strings.Join(s.rows[i:], "\n"))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("the result is not the last line:\n%s", strings.Join(s.rows[i:], "\n"))
	}
	if r.ExitCode != s.code {
		t.Errorf("the result says exit code %d, the process %d", r.ExitCode, s.code)
	}
	return s.rows[:i], r
}

// demoLog is every line that the demo may leave above its explanation, whole.
var demoLog = regexp.MustCompile(`^(` +
	`the emulator of the API is up  http://127\.0\.0\.1:\d+` +
	`|2024-0[123]-01  export task created  run [a-z2-7]{7}  task [0-9a-f]{8}  queued` +
	`|2024-0[123]-01  export task  (running|finished)  [\d,]+ processed  \d+%` +
	`|2024-0[123]-01  file published  part-[a-z2-7]{7}…-0000\d\.parquet  [\d,]+ rows  \d\.\d MiB` +
	`|3 of 3 windows  [\d,]+ rows  \d+\.\d MiB read in \d+s  [\d,]+/s` +
	`)$`)

// TestTerminal_DemoIsWhatAPersonSees shows nothing torn, nothing of the bar but its last line, and the result last.
func TestTerminal_DemoIsWhatAPersonSees(t *testing.T) {
	cases := map[string]struct {
		columns int
		resizes []resize
	}{
		"80 columns":           {80, nil},
		"140 columns, resized": {140, []resize{{"2024-01-01  export task  finished", 80}, {"2024-02-01  export task created", 97}, {"2024-02-01  export task  finished", 140}}},
	}
	for _, name := range some(cases, 2) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, emulator.Config{})
			out := a.output()
			a.env = []string{"TALKWALKER_ACCESS_TOKEN=" + finalBytes}
			stored := filepath.Join(t.TempDir(), "result.json")
			s := a.sit(c.columns, c.resizes, "demo", "--out", out, "--result-file", stored)
			rows, r := s.rows, storedResult(t, stored)
			if r.Status != "complete" || len(r.Windows) != 3 {
				t.Errorf("the result is %+v", r)
			}
			for _, text := range []string{"0/3 windows", "1/3 windows", "2/3 windows", "% of ", " left", "/s"} {
				if !strings.Contains(s.raw, text) {
					t.Errorf("the bar never shows %q", text)
				}
			}
			begin := slices.IndexFunc(rows, func(row string) bool {
				return strings.HasSuffix(row, " under "+out+":") || strings.Contains(row, " documents of three months in ")
			})
			if begin < 2 {
				t.Fatalf("the explanation is not on the screen:\n%s", strings.Join(rows, "\n"))
			}
			counts := map[string]int{}
			for _, row := range rows[:begin-1] { // before the empty line
				if !demoLog.MatchString(row) {
					t.Errorf("a person sees %q", row)
				}
				for _, what := range []string{"created", "finished", "published", "of 3 windows"} {
					if strings.Contains(row, what) {
						counts[what]++
					}
				}
			}
			if counts["created"] != 3 || counts["finished"] != 3 || counts["published"] != r.Files || counts["of 3 windows"] != 1 {
				t.Errorf("a person sees %v of %d files:\n%s", counts, r.Files, strings.Join(rows[:begin], "\n"))
			}
			var files []string
			if err := filepath.WalkDir(out, func(name string, d os.DirEntry, err error) error {
				if rel, rerr := filepath.Rel(out, name); rerr == nil && filepath.Ext(name) == ".parquet" {
					files = append(files, "  "+rel)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			text, summary, ok := strings.Cut(strings.Join(rows[begin:], "\n"), "\n\nComplete: 3 windows, ")
			if !ok || strings.Count(summary, "  complete") != 3 || strings.Contains(summary, "{") {
				t.Errorf("no summary at the end:\n%s", summary)
			}
			text += "\n"
			if want := strings.Join(files, "\n") + "\n\nThe bill: "; !strings.Contains(text, want) {
				t.Errorf("the files are not listed:\n%s", text)
			}
			// What follows the bill does not depend on the run; into a pipe it is as it was written.
			piped := a.run(0, "demo", "--out", out).stdout
			_, want, _ := strings.Cut(piped[:strings.LastIndex(piped, "{\"status\"")], "Ask DuckDB")
			if _, got, _ := strings.Cut(text, "Ask DuckDB"); strings.TrimRight(got, "\n") != wrapped(want, c.columns) {
				t.Errorf("a person sees\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// wrapped is a text on a screen of that width.
func wrapped(text string, columns int) string {
	var rows []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		runes := []rune(line)
		for len(runes) > columns {
			rows, runes = append(rows, strings.TrimRight(string(runes[:columns]), " ")), runes[columns:]
		}
		rows = append(rows, string(runes))
	}
	return strings.Join(rows, "\n")
}

// TestTerminal_FailureIsShownWhole is the error, then the result, at the narrowest screens too.
func TestTerminal_FailureIsShownWhole(t *testing.T) {
	for _, columns := range []int{7, 40, 200} {
		t.Run(strconv.Itoa(columns), func(t *testing.T) {
			t.Parallel()
			a := serve(t, small())
			s := a.sit(columns, nil, "export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01",
				"--max-credits", "1", "--output", "json", "--out", a.output())
			rows, r := s.split(t)
			if s.code != 11 || r.Error == nil {
				t.Fatalf("exit %d, %+v", s.code, r)
			}
			if text := strings.ReplaceAll(strings.Join(rows, ""), " ", ""); !strings.HasPrefix(text, "error:"+strings.ReplaceAll(r.Error.Message, " ", "")) {
				t.Errorf("a person sees\n%s", strings.Join(rows, "\n"))
			}
		})
	}
}

// storedResult is what --result-file holds.
func storedResult(t *testing.T, name string) (r result) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTerminal_SummaryIsTrue holds what a person reads at the end against the result file and DuckDB, which runs the query
// that is there to be pasted.
func TestTerminal_SummaryIsTrue(t *testing.T) {
	for _, columns := range []int{80, 140} {
		t.Run(strconv.Itoa(columns), func(t *testing.T) {
			t.Parallel()
			a := serve(t, small())
			out := filepath.Join(a.output(), "it's") // its parent is made below
			if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
				t.Fatal(err)
			}
			stored := filepath.Join(t.TempDir(), "result.json")
			s := a.sit(columns, nil, "export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01",
				"--limit", "1000", "--out", out, "--result-file", stored)
			r := storedResult(t, stored)
			begin := slices.IndexFunc(s.rows, func(row string) bool { return strings.HasPrefix(row, "Complete: 3 windows, ") })
			if s.code != 0 || begin < 1 || s.rows[begin-1] != "" || r.Rows == 0 {
				t.Fatalf("exit %d, %+v\n%s", s.code, r, strings.Join(s.rows, "\n"))
			}
			if summary := strings.Join(s.rows[begin:], "\n"); strings.ContainsAny(summary, "█{") || !strings.Contains(summary, " "+strconv.FormatInt(r.Credits, 10)+" credits in all") {
				t.Errorf("a person sees\n%s", summary)
			}
			query := regexp.MustCompile(`\n  (SELECT .*;)\r?\n`).FindStringSubmatch(s.raw)
			if query == nil {
				t.Fatalf("no query in\n%s", strings.Join(s.rows[begin:], "\n"))
			}
			var sum int64
			for _, row := range ask(t, query[1]) {
				n, err := strconv.ParseInt(row[len(row)-1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += n
			}
			if sum != r.Rows {
				t.Errorf("%s counts %d rows, the result says %d", query[1], sum, r.Rows)
			}
		})
	}
}

// ask runs a query of DuckDB as it stands.
func ask(t *testing.T, query string) [][]string {
	t.Helper()
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, rows, err := db.Text(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
