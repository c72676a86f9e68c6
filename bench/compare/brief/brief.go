// Package brief cuts what other programs say to what an error of ours may quote: DuckDB repeats a whole value in a message,
// and a process that fails may have logged for minutes before.
package brief

import (
	"strings"
	"unicode"
)

// side is how many characters are kept of the beginning, and of the end: the reason stands in one of them.
const side = 600

// Text is the beginning and the end of s, with a dot for each character that a terminal would not show.
func Text(s string) string {
	s = strings.TrimSpace(s)
	head, tail := s, ""
	if len(s) > 8*side { // bytes, so that not all of a large one is looked at
		head, tail = s[:4*side], s[len(s)-4*side:]
	}
	start, end := shown(head), shown(tail)
	switch {
	case tail == "" && len(start) <= 2*side:
		return string(start)
	case tail == "":
		end = start
	}
	return string(start[:min(side, len(start))]) + " … " + string(end[max(0, len(end)-side):])
}

func shown(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return '·'
		}
		return r
	}, s))
}

// Error says what err says, cut. It unwraps to err.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return &brief{err}
}

type brief struct{ error }

func (b *brief) Error() string { return Text(b.error.Error()) }
func (b *brief) Unwrap() error { return b.error }
