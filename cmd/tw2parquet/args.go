package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// line is the command line as it is understood before the parser runs, and after it has refused: which
// command is meant, and what its flags say. It goes by the parser's model, so it knows which flags take a
// value and never takes a value for a command or a flag.
type line struct {
	flags       map[string]*kong.Flag // of all commands, by name
	command     *kong.Node            // the command that is named, as deep as it is named; nil without one
	given       []given               // flags, in order
	positionals []string
	help        bool
	words       []string // for the parser: the command first, since it accepts a command's flags only there
}

// given is one flag on the command line.
type given struct {
	flag     *kong.Flag
	value    string
	hasValue bool
}

// readLine reads the arguments.
func readLine(app *kong.Application, args []string) *line {
	l := &line{flags: flagsOf(app.Node)}
	at := app.Node
	var command, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, long := strings.CutPrefix(arg, "--")
		switch {
		case arg == "--":
			rest = append(rest, args[i:]...)
			l.positionals = append(l.positionals, args[i+1:]...)
			i = len(args)
		case long:
			var g given
			name, g.value, g.hasValue = strings.Cut(name, "=")
			g.flag = l.flags[name]
			next := i+1 < len(args) && isValue(args[i+1])
			switch {
			case g.flag == nil && !g.hasValue && next && at == app.Node && child(at, args[i+1]) == nil:
				rest = append(rest, arg) // an unknown flag before the command; the next word must be its value
				i++
				arg = args[i]
			case g.flag != nil && !g.hasValue && next && !g.flag.IsBool():
				i++
				g.value, g.hasValue = args[i], true
				arg += "=" + g.value // which the parser takes even if it is a negative number
			}
			if g.flag != nil {
				l.given = append(l.given, g)
				l.help = l.help || name == "help" && !g.hasValue
			}
			rest = append(rest, arg)
		case len(arg) > 1 && arg[0] == '-':
			l.help = l.help || arg == "-h"
			rest = append(rest, arg)
		default:
			if c := child(at, arg); c != nil && len(l.positionals) == 0 {
				at, l.command = c, c
				command = append(command, arg)
				continue
			}
			l.positionals = append(l.positionals, arg)
			rest = append(rest, arg)
		}
	}
	l.words = append(command, rest...)
	return l
}

// flagsOf are the flags of a command and of all below it. Flags of one name mean the same to readLine,
// whichever command has them.
func flagsOf(n *kong.Node) map[string]*kong.Flag {
	flags := map[string]*kong.Flag{}
	for _, f := range n.Flags {
		flags[f.Name] = f
	}
	for _, c := range n.Children {
		for name, f := range flagsOf(c) {
			if flags[name] == nil {
				flags[name] = f
			}
		}
	}
	return flags
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// isValue tells whether a word can be the value of the flag before it. A word that begins with a hyphen is
// another flag, so that a value that is missing does not swallow it; no flag begins with a digit, so a
// negative number is a value.
func isValue(word string) bool {
	return !strings.HasPrefix(word, "-") || word == "-" || len(word) > 1 && word[1] >= '0' && word[1] <= '9'
}

// name is the command's first word, "" without one.
func (l *line) name() string {
	n := l.command
	if n == nil {
		return ""
	}
	for n.Parent != nil && n.Parent.Type == kong.CommandNode {
		n = n.Parent
	}
	return n.Name
}

// movesData tells whether the command ends with a result line. One whose flags are wrong does too.
func (l *line) movesData() bool {
	switch l.name() {
	case "export", "read", "convert", "demo":
		return true
	}
	return false
}

// value is what a flag is set to, by the line or by its variable. Like the parser it takes the last one.
func (l *line) value(name string) string {
	flag := l.flags[name]
	if flag == nil {
		return ""
	}
	for i := len(l.given) - 1; i >= 0; i-- {
		if l.given[i].flag != flag {
			continue
		}
		if v := l.given[i].value; !blank(v) {
			return v
		}
		return "" // which is refused: the variable does not count
	}
	for _, env := range flag.Envs {
		if v := os.Getenv(env); !blank(v) {
			return v
		}
	}
	return ""
}

// checkEmpty refuses flags and arguments that are given empty. A template that rendered nothing must not
// mean the default: that could be another request, and another purchase.
func (l *line) checkEmpty() error {
	var bad []error
	for _, g := range l.given {
		takes := !g.flag.IsBool()
		switch {
		case takes && !g.hasValue:
			bad = append(bad, fmt.Errorf("--%s has no value", g.flag.Name))
		case g.hasValue && blank(g.value):
			bad = append(bad, fmt.Errorf("--%s is empty; give it a value, or leave it out", g.flag.Name))
		case takes && g.flag.IsSlice() && g.flag.Tag.Sep != -1:
			for _, part := range kong.SplitEscaped(g.value, g.flag.Tag.Sep) {
				if blank(part) {
					bad = append(bad, fmt.Errorf("--%s holds an empty entry: %q", g.flag.Name, g.value))
					break
				}
			}
		}
	}
	for i, p := range l.positionals {
		if blank(p) && l.command != nil && len(l.command.Positional) > 0 {
			name := l.command.Positional[min(i, len(l.command.Positional)-1)].Name
			bad = append(bad, fmt.Errorf("<%s> is empty", name))
		}
	}
	if len(bad) > 0 {
		return &usageError{errors.Join(bad...)}
	}
	return nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// forgetEmpty drops variables that are set to nothing: schedulers pass what a template left empty, and mean
// the default.
func (l *line) forgetEmpty() error {
	for _, flag := range l.flags {
		for _, env := range flag.Envs {
			if v, ok := os.LookupEnv(env); ok && blank(v) {
				if err := os.Unsetenv(env); err != nil {
					return fmt.Errorf("drop the empty variable %s: %w", env, err)
				}
			}
		}
	}
	return nil
}
