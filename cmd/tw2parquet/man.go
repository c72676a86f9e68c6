package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct {
	Dir string `arg:"" name:"path" help:"Directory to write into, such as /usr/local/share/man: its man1 and man7. What is there is replaced."`
}

// Help is the long form of --help.
func (manCmd) Help() string {
	return `Writes the manual as man pages: one for the program, one for each command (section 1) and one for each topic of the
manual (section 7). They are made of the same texts as --help and "tw2parquet help".

Example:
  tw2parquet man ~/.local/share/man
  tw2parquet man build/share/man     # for a package

Exit codes: 0 ok, 2 usage, 50 a page cannot be written.`
}

// Run writes the pages.
func (c *manCmd) Run(a *app) error {
	dir, err := localPath(c.Dir)
	if err != nil {
		return usagef("%q: %w", publicName(c.Dir), err)
	}
	p, err := newParser(a.stdout, a.stderr)
	if err != nil {
		return err
	}
	pages, err := manPages(p.Model)
	if err != nil {
		return err
	}
	for _, m := range pages {
		name := filepath.Join(dir, m.file())
		if err := replacePage(name, m.text); err != nil {
			return &statusError{code: exitStorage, message: fmt.Sprintf("write a page: %v", err)}
		}
	}
	return a.write(fmt.Sprintf("%d pages below %s\n", len(pages), dir))
}

// replacePage replaces a page, whoever may read the old one.
func replacePage(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o644)
}

// manPage is one page.
type manPage struct {
	name    string
	section int
	text    string
}

func (m manPage) file() string { return fmt.Sprintf("man%d/%s.%d", m.section, m.name, m.section) }

// manName is what the page of a command, or of a topic, is called.
func manName(of string) string {
	return strings.ReplaceAll(strings.TrimSpace("tw2parquet "+of), " ", "-")
}

// manPages are the program's, those of all commands, and those of all topics.
func manPages(app *kong.Application) (pages []manPage, err error) {
	var allCodes page
	allCodes.read(exitTable())
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		p := pageOf(n)
		if n.Type == kong.ApplicationNode { // --help is short; the page is where people look these up
			p.codes, p.remark, p.environment = allCodes.codes, allCodes.remark, everyVariable(app)
		}
		pages = append(pages, manPage{manName(p.name), 1, p.roff(n)})
		for _, c := range n.Children {
			if !c.Hidden {
				walk(c)
			}
		}
	}
	walk(app.Node)
	for _, name := range topics {
		text, err := readTopic(name)
		if err != nil {
			return nil, err
		}
		title, text, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		_, about, _ := strings.Cut(title, ": ")
		var w roff
		w.head(manName(name), 7, about)
		w.heading("Description")
		w.markdown(text)
		pages = append(pages, manPage{manName(name), 7, w.String()})
	}
	return pages, nil
}

// everyVariable are those that some command reads.
func everyVariable(app *kong.Application) string {
	names := []string{tokenEnv}
	for _, f := range app.Flags {
		names = append(names, f.Envs...)
	}
	names = append(names, waitScaleEnv, terminationEnv, xcomEnv)
	return strings.Join(names, ", ") + ", and what the credential chain of a bucket's store reads."
}

// roff sets the man page of a command.
func (p *page) roff(n *kong.Node) string {
	var w roff
	w.head(manName(p.name), 1, strings.ToLower(p.summary[:1])+strings.TrimSuffix(p.summary[1:], "."))
	w.heading("Synopsis")
	w.paragraph("`" + p.usage + "`")
	if len(p.about) > 0 {
		w.heading("Description")
	}
	for _, block := range p.about {
		if lines := strings.Split(block, "\n"); strings.HasPrefix(block, " ") || strings.Contains(block, "\n ") {
			w.code(lines)
			continue
		}
		w.plain(block)
	}
	w.sections("Commands", p.commands)
	w.sections("Arguments", []group{{"", p.arguments}})
	w.sections("Options", p.flags)
	if len(p.examples) > 0 {
		w.heading("Examples")
		w.code(p.examples)
	}
	if p.environment != "" {
		w.heading("Environment")
		w.plain(p.environment)
	}
	if p.exits != "" {
		w.heading("Exit status")
		w.plain(p.exits)
	}
	w.sections("Exit status", []group{{"", p.codes}})
	if p.remark != "" {
		w.plain(p.remark)
	}
	w.heading("See also")
	w.paragraph(strings.Join(p.related(n), ", "))
	return w.String()
}

// sections writes lists of terms under one heading.
func (w *roff) sections(heading string, all []group) {
	for i, s := range all {
		if len(s.items) == 0 {
			continue
		}
		if i == 0 {
			w.heading(heading)
		}
		if s.title != "" {
			w.subheading(s.title)
		}
		for _, it := range s.items {
			w.entry(it.term, it.text)
		}
	}
}

// related are the pages that a command's page names: those of its topics, the one above it and those below it.
func (p *page) related(n *kong.Node) (names []string) {
	if n.Parent != nil {
		names = append(names, manName(n.Parent.Path())+"(1)")
	}
	for _, c := range n.Children {
		if !c.Hidden {
			names = append(names, manName(c.Path())+"(1)")
		}
	}
	about := p.topics
	if n.Parent == nil {
		about = topics
	}
	for _, name := range about {
		names = append(names, manName(name)+"(7)")
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = "`" + name + "`"
	}
	return names
}
