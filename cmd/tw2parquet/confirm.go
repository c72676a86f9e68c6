package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// consent is a person's yes to what cannot be undone.
type consent struct {
	Yes bool `name:"yes" help:"Do not ask."`
}

// askable is a usage error where nobody has said yes, and nobody is there to be asked. It goes before anything else, so that
// a script finds out the first time. what is what --yes does, as in "drop them".
func (c *consent) askable(a *app, what string) error {
	stdin, ok := a.stdin.(*os.File)
	if c.Yes || ok && isTerminal(stdin) {
		return nil
	}
	return usagef("nobody can be asked here; add --yes to %s", what)
}

// ask asks, unless --yes has answered already. A usage error says what was not done.
func (c *consent) ask(a *app, question, what, refused string) error {
	if err := c.askable(a, what); c.Yes || err != nil {
		return err
	}
	a.flush() // what is asked about is shown first
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	a.flush()
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return usagef("%s", refused)
	}
	return nil
}
