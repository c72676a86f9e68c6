package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// checkTaken refuses flags that the command does not take, though others do. Who gives one expects something of it, and would
// not get it. Flags that no command has are left to the parser.
func (l *line) checkTaken(program *kong.Node) error {
	if l.command == nil || len(l.command.Children) > 0 {
		return nil // the parser says what is missing
	}
	var bad []error
	var told []string
	for _, g := range l.given {
		name := g.flag.Name
		if takes(l.command, name) || slices.Contains(told, name) {
			continue
		}
		told = append(told, name)
		text := fmt.Sprintf("%s takes no --%s; %s", l.command.Path(), name, takers(program, name))
		if len(g.flag.Envs) > 0 {
			text += "; " + g.flag.Envs[0] + " may be set for all"
		}
		bad = append(bad, errors.New(text+instead(l.command, name)))
	}
	if len(bad) > 0 {
		return &usageError{errors.Join(bad...)}
	}
	return nil
}

// instead says what the flag was probably meant to be.
func instead(command *kong.Node, name string) string {
	for _, p := range command.Positional {
		if p.Name == name {
			return "; here it is an argument: " + p.Summary()
		}
	}
	var own []string
	for _, f := range shownFlags(command) {
		own = append(own, "--"+f.Name)
	}
	if question := didYouMean("--"+name, own); question != "" {
		return "; " + question
	}
	return ""
}

// takers says which commands take a flag. One whose commands below it all do stands for them.
func takers(program *kong.Node, name string) string {
	var all []string
	var visit func(n *kong.Node) (found []string, every bool)
	visit = func(n *kong.Node) (found []string, every bool) {
		if len(n.Children) == 0 {
			if takes(n, name) {
				return []string{n.Path()}, true
			}
			return nil, false
		}
		every = true
		for _, c := range n.Children {
			below, whole := visit(c)
			found, every = append(found, below...), every && whole
		}
		if every {
			found = []string{n.Path()}
		}
		return found, every
	}
	for _, c := range program.Children {
		if !c.Hidden {
			found, _ := visit(c)
			all = append(all, found...)
		}
	}
	switch n := len(all); n {
	case 0:
		return "no command does"
	case 1:
		return all[0] + " does"
	default:
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1] + " do"
	}
}
