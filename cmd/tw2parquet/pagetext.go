package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// plainWidth is how wide help is set where there is no terminal.
const plainWidth = 80

// printHelp is --help.
func (p *parser) printHelp(_ kong.HelpOptions, ctx *kong.Context) error {
	n := ctx.Selected()
	if n == nil {
		n = ctx.Model.Node
	}
	width := plainWidth
	if p.columns > 0 {
		width = min(p.columns, maxProse)
	}
	_, err := fmt.Fprint(ctx.Stdout, pageOf(n).text(width))
	return err
}

// text sets a page for people.
func (p *page) text(width int) string {
	var b strings.Builder
	b.WriteString("Usage: " + p.usage + "\n\n" + wrap(p.summary+"\n", width))
	for _, block := range p.about {
		b.WriteString("\n")
		if strings.HasPrefix(block, " ") || strings.Contains(block, "\n ") {
			b.WriteString(block + "\n")
			continue
		}
		b.WriteString(wrap(block+"\n", width))
	}
	for _, s := range p.commands {
		list(&b, s, width)
	}
	list(&b, group{"Arguments", p.arguments}, width)
	for _, s := range p.flags {
		list(&b, s, width)
	}
	if len(p.examples) > 0 {
		b.WriteString("\nExamples:\n  " + strings.Join(p.examples, "\n  ") + "\n")
	}
	if p.environment != "" {
		b.WriteString("\n" + wrap("Environment: "+p.environment+"\n", width))
	}
	list(&b, group{"Exit codes", p.codes}, width)
	if p.exits != "" {
		b.WriteString("\n" + wrap("Exit codes: "+p.exits+"\n", width))
	}
	if p.remark != "" {
		b.WriteString("\n" + wrap(p.remark+"\n", width))
	}
	if len(p.topics) > 0 {
		b.WriteString("\nSee also:\n")
		for _, name := range p.topics {
			b.WriteString("  tw2parquet help " + name + "\n")
		}
	}
	return b.String()
}

// list sets terms and their meanings in two columns.
func list(b *strings.Builder, s group, width int) {
	if len(s.items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n", s.title)
	const widest = 30 // a longer term has a line of its own
	column := 0
	for _, it := range s.items {
		if n := displayed(it.term); n <= widest {
			column = max(column, n)
		}
	}
	indent := strings.Repeat(" ", column+4)
	for _, it := range s.items {
		text := strings.Split(strings.TrimSuffix(wrap(it.text+"\n", max(width-len(indent), 20)), "\n"), "\n")
		term := "  " + it.term
		if n := displayed(it.term); n > column {
			b.WriteString(term + "\n")
			term = indent
		} else {
			term += strings.Repeat(" ", column-n+2)
		}
		for i, line := range text {
			if i > 0 {
				term = indent
			}
			b.WriteString(strings.TrimRight(term+line, " ") + "\n")
		}
	}
}
