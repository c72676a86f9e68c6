package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// glass is a terminal that wraps its lines anew when it is resized. It knows what the screen uses and
// refuses anything else, half a control sequence included.
type glass struct {
	t       *testing.T
	columns int
	lines   [][]rune // as they were before wrapping; a wide character takes a cell more
	col     int      // of the cursor, in the last line
}

const filler = '\x00' // behind a wide character

func (g *glass) Write(p []byte) (int, error) {
	text := string(p)
	for len(text) > 0 {
		last := len(g.lines) - 1
		switch r, _ := utf8.DecodeRuneInString(text); r {
		case '\n':
			g.lines, g.col = append(g.lines, nil), 0
			text = text[1:]
			continue
		case '\r':
			g.col -= g.col % g.columns // of this row; what fills it never waits for the next
			text = text[1:]
			continue
		case '\x1b':
			if !strings.HasPrefix(text, "\x1b[J") {
				g.t.Fatalf("a control sequence is torn: %q", text)
			}
			g.lines[last] = g.lines[last][:g.col]
			text = text[len("\x1b[J"):]
			continue
		default:
			cells := []rune{r}
			if strings.ContainsRune("東京", r) {
				cells = append(cells, filler)
			}
			for _, c := range cells {
				if g.col < len(g.lines[last]) {
					g.lines[last][g.col] = c
				} else {
					g.lines[last] = append(g.lines[last], c)
				}
				g.col++
			}
			text = text[len(string(r)):]
		}
	}
	return len(p), nil
}

func (g *glass) String() string {
	lines := make([]string, len(g.lines))
	for i, line := range g.lines {
		lines[i] = strings.ReplaceAll(string(line), string(filler), "")
	}
	return strings.Join(lines, "\n")
}

// Whatever is written, shown and resized in whatever order: a person sees all texts in their order, and
// below them the bar, on one row.
func TestScreen_ShowsAllTextsAndTheBarBelow(t *testing.T) {
	t.Setenv("LC_ALL", "en_US.UTF-8")
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		g := &glass{t: t, columns: 80, lines: [][]rune{nil}}
		s := newScreen(g, true)
		s.columns = func() int { return g.columns }
		ports := []func(string){}
		for range 2 {
			w := s.port(g, true)
			ports = append(ports, func(text string) { fmt.Fprint(w, text) })
		}
		texts, bar := "", ""
		var steps []string
		for range 1 + random.IntN(12) {
			switch random.IntN(6) {
			case 0, 1, 2:
				text := strings.Repeat("text ", random.IntN(40))
				if random.IntN(3) > 0 {
					text += "\n"
				}
				ports[random.IntN(2)](text)
				texts += text
				steps = append(steps, fmt.Sprintf("write %q", text))
			case 3:
				bar = strings.Repeat([]string{"█", "東京", "x"}[random.IntN(3)], random.IntN(200))
				s.show(func(int) string { return bar })
				steps = append(steps, fmt.Sprintf("show %q", bar))
			case 4:
				g.columns = 1 + random.IntN(200)
				steps = append(steps, fmt.Sprintf("resize to %d", g.columns))
				continue // what it looks like before the next drawing is the terminal's matter
			case 5:
				s.removeBar()
				bar = ""
				steps = append(steps, "clear")
			}
			shown := g.String()
			below, ok := strings.CutPrefix(shown, texts)
			if !ok {
				t.Fatalf("after %s\n%q\nare not on the screen:\n%q", strings.Join(steps, "\n"), texts, shown)
			}
			drawn := bar != "" && (texts == "" || strings.HasSuffix(texts, "\n"))
			if !strings.HasPrefix(bar, below) || !drawn && below != "" || drawn && below == "" && g.columns > 2 {
				t.Fatalf("after %s\nthe bar is %q", strings.Join(steps, "\n"), below)
			}
			if last := g.lines[len(g.lines)-1]; drawn && len(last) >= max(g.columns, 2) {
				t.Fatalf("after %s\nthe bar takes %d of %d columns", strings.Join(steps, "\n"), len(last), g.columns)
			}
		}
		s.leave("the end")
		end := texts + "the end\n"
		if texts != "" && !strings.HasSuffix(texts, "\n") {
			end = texts + "\nthe end\n"
		}
		if got := g.String(); got != end {
			t.Fatalf("after %s\n%q stays, not %q", strings.Join(steps, "\n"), got, end)
		}
	}
}

// Only a terminal is drawn on.
func TestScreen_LeavesPipesAlone(t *testing.T) {
	var out strings.Builder
	if w := newScreen(&out, true).port(&out, false); w != &out {
		t.Error("a stream that is not on the screen goes through it")
	}
	if w := newScreen(&out, false).port(&out, true); w != &out {
		t.Error("standard output goes through a screen that nobody sees")
	}
}

func TestFit_CountsColumns(t *testing.T) {
	for _, c := range []struct {
		locale, text string
		columns      int
		want         string
	}{
		{"en_US.UTF-8", "abcdef", 4, "abcd"},
		{"en_US.UTF-8", "東京の朝", 5, "東京"},
		{"en_US.UTF-8", "東京の朝", 6, "東京の"},
		{"en_US.UTF-8", "🎉🎉", 3, "🎉"},
		{"en_US.UTF-8", "e\u0301e\u0301e", 2, "e\u0301e\u0301"},
		{"en_US.UTF-8", "████", 2, "██"},
		{"ja_JP.UTF-8", "████", 2, "█"},
		{"", "████", 2, "██"}, // no locale at all
		{"en_US.UTF-8", "abc", 0, ""},
		{"en_US.UTF-8", "abc", -1, ""},
	} {
		t.Setenv("LC_ALL", c.locale)
		t.Setenv("LC_CTYPE", "")
		t.Setenv("LANG", "")
		if got := fit(c.text, c.columns); got != c.want {
			t.Errorf("%q in %d columns (%s) is %q, want %q", c.text, c.columns, c.locale, got, c.want)
		}
	}
	if displayed("東█") != 3 {
		t.Error("東█ takes three columns")
	}
}

// Titles of topics are in any language.
func TestTable_AlignsWideCells(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	var out strings.Builder
	a := &app{stdout: &out}
	if err := a.table([]heading{{name: "id"}, {name: "title"}, {name: "n"}}, [][]string{{"a", "東京", "1"}, {"b", "e\u0301", "2"}, {"c", "x\x1b[2J", "3"}}); err != nil {
		t.Fatal(err)
	}
	want := "id  title     n\na   東京      1\nb   e\u0301         2\nc   x\\x1b[2J  3\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
