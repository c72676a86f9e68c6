package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"tw2parquet/sink/store"
)

// failures say for each failed window what happened and what to do; what to do at length only once for each kind of
// failure. Where one failed and the person has just read the error, only the commands are worth a second look.
func (s *summary) failures() string {
	var b strings.Builder
	explained := map[string]bool{}
	all := s.unfinished()
	for i, w := range all {
		if i == maxListed {
			fmt.Fprintf(&b, "\nand %d more failed; --output json has them\n", len(all)-i)
			break
		}
		if commands := commandsOf(w.Error.Hint); s.told && len(all) == 1 {
			if len(commands) > 0 {
				b.WriteString("\nTo paste:\n" + pasted(commands))
			}
			break
		}
		name := w.Run
		if w.Start != "" {
			name = shortTime(w.Start)
		}
		b.WriteString("\n" + s.set(name+": "+w.Error.Message, ""))
		if explained[w.Error.Code] {
			b.WriteString(pasted(commandsOf(w.Error.Hint)))
			continue
		}
		explained[w.Error.Code] = true
		b.WriteString(s.hint(w.Error.Hint))
	}
	return b.String()
}

// unfinished are the windows that failed by themselves. The others only have to be run again.
func (s *summary) unfinished() (all []windowResult) {
	for _, w := range s.Windows {
		if w.Error != nil && w.Error.Hint != hintStopped {
			all = append(all, w)
		}
	}
	return all
}

// reason is why it failed, unless the person has just read it, or reads it of a window below.
func (s *summary) reason() string {
	if s.told || s.Error == nil || len(s.unfinished()) > 0 {
		return ""
	}
	return s.set(s.Error.Message, "  ") + s.hint(s.Error.Hint)
}

// hint is what to do: the sentence, and the commands in it, each on a line that can be pasted.
func (s *summary) hint(hint string) string {
	if hint == "" {
		return ""
	}
	commands := commandsOf(hint)
	prose := hint
	if n := len(commands); n > 0 {
		if begin, ends := strings.CutSuffix(hint, ": "+commands[n-1]); ends {
			prose = begin + " as below"
		}
	}
	return s.set(prose, "  ") + pasted(commands)
}

var commandInHint = regexp.MustCompile("`(tw2parquet [^`]+)`|: (tw2parquet [a-z]+ .+)$")

// commandsOf are the commands in a hint.
func commandsOf(hint string) (commands []string) {
	for _, m := range commandInHint.FindAllStringSubmatch(hint, -1) {
		commands = append(commands, cmp.Or(m[1], m[2]))
	}
	return commands
}

// pasted are commands as they stand, however long: a line that was broken cannot be pasted.
func pasted(commands []string) string {
	var b strings.Builder
	for _, c := range commands {
		b.WriteString("    " + store.Printable(c) + "\n")
	}
	return b.String()
}
