package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// screen is what a person sees: the texts of both streams, and below them a bar while something runs.
// It stands behind the redactors, so that no control sequence ever passes through one: half of a sequence
// held back would swallow what comes next.
//
// The cursor rests at the beginning of the bar. There "erase to the end of the screen" takes out all of
// it, also when the window was made narrower and the terminal has wrapped the bar over several lines.
type screen struct {
	mu       sync.Mutex
	w        io.Writer // where the bar is drawn
	terminal bool
	json     bool
	columns  func() int
	bar      string // "" if there is none
	midline  bool   // the last text did not end its line, which a bar would overwrite
}

func newScreen(w io.Writer, terminal bool) *screen {
	return &screen{w: w, terminal: terminal, columns: func() int { return terminalColumns(w) }}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalColumns is how wide the terminal is now; 80 where it does not say, as in a pod.
func terminalColumns(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}

const eraseBar = "\r\x1b[J"

// port is one of the streams that end on the screen.
type port struct {
	screen *screen
	w      io.Writer
}

// port makes w go through the screen, if it ends there.
func (s *screen) port(w io.Writer, terminal bool) io.Writer {
	if !terminal || !s.terminal {
		return w
	}
	return &port{s, w}
}

// Write prints a text above the bar.
func (p *port) Write(text []byte) (int, error) {
	s := p.screen
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(text) == 0 {
		return 0, nil
	}
	drawn := s.drawn()
	s.midline = text[len(text)-1] != '\n'
	if s.bar == "" {
		return p.w.Write(text)
	}
	var b bytes.Buffer
	if drawn {
		b.WriteString(eraseBar)
	}
	b.Write(text)
	b.WriteString(s.drawing())
	if _, err := p.w.Write(b.Bytes()); err != nil { // in one piece, so that nothing flickers
		return 0, err
	}
	return len(text), nil
}

func (s *screen) drawn() bool { return s.bar != "" && !s.midline }

// drawing is the bar as it is written; nothing if it has to wait for the end of a line.
func (s *screen) drawing() string {
	if !s.drawn() {
		return ""
	}
	return fit(s.bar, s.columns()-1) + "\r" // in the last column some terminals wrap at once
}

// show draws another bar, which is made for the width that the terminal has now.
func (s *screen) show(bar func(columns int) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(bar(s.columns() - 1))
}

// removeBar takes the bar away.
func (s *screen) removeBar() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace("")
}

// leave takes the bar away and puts a line in its place that stays.
func (s *screen) leave(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace("")
	if s.midline {
		line = "\n" + line
	}
	s.midline = false
	fmt.Fprintln(s.w, line)
}

func (s *screen) replace(bar string) {
	erase := ""
	if s.drawn() {
		erase = eraseBar
	}
	s.bar = bar
	if text := erase + s.drawing(); text != "" {
		fmt.Fprint(s.w, text)
	}
}

// ambiguous is how many columns those characters take that are narrow in some fonts and wide in others,
// such as the blocks of the bar. Terminals go by the language.
func ambiguous(getenv func(string) string) int {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			switch language, _, _ := strings.Cut(locale, "_"); language {
			case "zh", "ja", "ko":
				return 2
			}
			return 1
		}
	}
	return 1
}

// displayed is how many columns a text takes on the screen.
func displayed(text string) int {
	n, either := 0, ambiguous(os.Getenv)
	for _, r := range text {
		n += runeColumns(r, either)
	}
	return n
}

func runeColumns(r rune, ambiguous int) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) { // drawn over or beside others
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.EastAsianAmbiguous:
		return ambiguous
	}
	return 1
}

// fit is a text cut to a width.
func fit(text string, columns int) string {
	n, either := 0, ambiguous(os.Getenv)
	for i, r := range text {
		if n += runeColumns(r, either); n > columns {
			return text[:i]
		}
	}
	return text
}
