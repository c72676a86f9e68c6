package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// page is what a command's --help and its man page are made of: the parser's model, and the command's Help, whose sections
// begin with "Example:", "Environment:", "Exit codes:" and "See also:".
type page struct {
	name        string // of the command, with its parents; "" for the program
	summary     string
	usage       string
	about       []string // paragraphs; one whose lines are indented is set as it stands
	commands    []group
	arguments   []item
	flags       []group
	examples    []string // lines
	environment string
	exits       string // in words, or
	codes       []item // as a table
	remark      string // on the codes
	topics      []string
}

// group is a group of items with a heading.
type group struct {
	title string
	items []item
}

// item is a term and what it means.
type item struct{ term, text string }

// pageOf is the page of a command, or of the program.
func pageOf(n *kong.Node) *page {
	p := &page{name: n.Path(), summary: n.Help, usage: strings.TrimSpace("tw2parquet " + n.Summary())}
	if n.Type == kong.ApplicationNode {
		p.name, p.usage = "", "tw2parquet <command> [flags]"
	}
	p.read(n.Detail)
	if n.Type == kong.ApplicationNode {
		p.read(programHelp)
	}
	for _, c := range n.Children {
		if !c.Hidden {
			p.list(c)
		}
	}
	for _, arg := range n.Positional {
		p.arguments = append(p.arguments, item{arg.Summary(), arg.Help})
	}
	for _, f := range shownFlags(n) {
		title := commonTitle
		if f.Group != nil {
			title = f.Group.Title
		} else if slices.Contains(n.Flags, f) && n.Type != kong.ApplicationNode {
			title = "Flags"
		}
		p.flags = add(p.flags, title, item{flagTerm(f), kong.DefaultHelpValueFormatter(f.Value)})
	}
	slices.SortStableFunc(p.flags, func(a, b group) int { return rank(a.title) - rank(b.title) })
	if p.environment = strings.TrimSuffix(environmentOf(n)+" "+p.environment, " "); p.environment == " " {
		p.environment = ""
	}
	return p
}

const commonTitle = "Common"

// rank puts what every command has last.
func rank(title string) int {
	if title == commonTitle {
		return 1
	}
	return 0
}

// programHelp is the long help of the program itself.
const programHelp = `One static binary that exports social-listening documents from the Talkwalker API into a lake of Parquet files. The same
request is the same run: started again after any failure it continues where its files end, and buys nothing twice.

Flags may stand before or after the command. The manual is part of the program: tw2parquet help lists its topics.

Example:
  tw2parquet demo
  tw2parquet export --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --start 2024-01-01 --stop 2024-04-01 --out lake

See also: money, exit-codes, troubleshooting`

// list adds a command that can be run, or all below it, to the list of its kind.
func (p *page) list(n *kong.Node) {
	if len(n.Children) > 0 {
		for _, c := range n.Children {
			p.list(c)
		}
		return
	}
	title := "Commands"
	for at := n; at != nil && p.name == ""; at = at.Parent {
		if kind := at.Tag.Get("kind"); at.Tag != nil && kind != "" {
			title = kind
			break
		}
	}
	p.commands = add(p.commands, title, item{n.Path(), n.Help})
}

func add(to []group, title string, it item) []group {
	for i := range to {
		if to[i].title == title {
			to[i].items = append(to[i].items, it)
			return to
		}
	}
	return append(to, group{title, []item{it}})
}

// read takes the long help apart.
func (p *page) read(text string) {
	at := &p.about
	var environment, exits, see []string
	for _, block := range blocks(text) {
		first, rest, _ := strings.Cut(block, "\n")
		word, said, ok := strings.Cut(first, ":")
		said = strings.TrimSpace(said)
		if ok && rest != "" {
			said = strings.TrimPrefix(said+"\n"+rest, "\n")
		}
		switch {
		case ok && word == "Example":
			p.examples = append(p.examples, unindented(rest)...)
		case ok && word == "Environment":
			environment = append(environment, said)
		case ok && word == "Exit codes":
			at = &exits
			if strings.HasPrefix(said, " ") {
				p.codes = codeItems(said)
			} else {
				exits = append(exits, said)
			}
		case ok && word == "See also":
			see = append(see, strings.TrimSuffix(said, "."))
		default:
			*at = append(*at, block)
		}
	}
	p.environment = strings.Join(environment, " ")
	if p.codes != nil {
		p.remark = strings.Join(exits, "\n")
	} else {
		p.exits = strings.Join(exits, "\n")
	}
	for _, name := range see {
		p.topics = append(p.topics, strings.Split(name, ", ")...)
	}
}

// blocks are the paragraphs of a help text. Sections need no empty line before them.
func blocks(text string) (all []string) {
	var block []string
	end := func() {
		if len(block) > 0 {
			all = append(all, strings.Join(block, "\n"))
		}
		block = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		word, _, ok := strings.Cut(line, ":")
		if line == "" || ok && slices.Contains([]string{"Example", "Environment", "Exit codes", "See also"}, word) {
			end()
		}
		if line != "" {
			block = append(block, line)
		}
	}
	end()
	return all
}

func unindented(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return lines
}

// codeItems reads the lines that exitTable writes.
func codeItems(text string) (items []item) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		items = append(items, item{f[0] + " " + f[1], strings.Join(f[2:], " ")})
	}
	return items
}

// uses tells whether a command, or the one that it is part of, is tagged to use something: "api" calls, "data" that is moved,
// much "memory", a progress "bar", a "store" for outputs. One that uses "text" alone prints what it knows.
func uses(n *kong.Node, what string) bool {
	for ; n != nil && n.Tag != nil; n = n.Parent {
		if tag := n.Tag.Get("uses"); tag != "" {
			return slices.Contains(strings.Split(tag, ","), what)
		}
	}
	return false
}

// shownFlags are the flags that a command takes: its own, and the common settings that it uses.
func shownFlags(n *kong.Node) (flags []*kong.Flag) {
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			if takes(n, f.Name) {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// takes tells whether a command takes a flag of that name.
func takes(n *kong.Node, name string) bool {
	for at := n; at != nil; at = at.Parent {
		for _, f := range at.Flags {
			if f.Name == name {
				return at == n || at.Type != kong.ApplicationNode || meansSomething(n, name)
			}
		}
	}
	return false
}

// meansSomething tells whether a command uses a common setting. How errors are told, and where they are stored, is for every
// command to know.
func meansSomething(n *kong.Node, common string) bool {
	switch common {
	case "token-file", "base-url":
		return uses(n, "api")
	case "progress":
		return uses(n, "data") || uses(n, "bar")
	case "memory-limit":
		return uses(n, "data") || uses(n, "memory")
	case "log-level":
		return !uses(n, "text")
	}
	return true
}

// environmentOf are the variables that a command reads.
func environmentOf(n *kong.Node) string {
	var names []string
	if uses(n, "api") {
		names = append(names, tokenEnv)
	}
	for _, f := range shownFlags(n) {
		if n.Type != kong.ApplicationNode {
			names = append(names, f.Envs...)
		}
	}
	text := strings.Join(names, ", ")
	if uses(n, "store") {
		text += ", and what the credential chain of a bucket's store reads"
	}
	if text != "" {
		text += "."
	}
	return text
}

// flagTerm is a flag as it is listed.
func flagTerm(f *kong.Flag) string {
	term := "--" + f.Name
	if f.Short != 0 {
		term = "-" + string(f.Short) + ", " + term
	}
	if !f.IsBool() {
		term += "=" + f.FormatPlaceHolder()
	}
	return term
}
