package main

import (
	"embed"
	"io/fs"
	"strings"
)

// manual is the text behind `help TOPIC`, one Markdown file a topic.
//
//go:embed help/*.md
var manual embed.FS

// topics are the topics of the manual, in the order in which they are listed.
var topics = []string{
	"notebook", "money", "files", "stores", "lakes", "report", "exit-codes", "airflow", "troubleshooting", "compatibility", "changes", "design",
}

type helpCmd struct {
	Topic string `arg:"" optional:"" name:"topic" help:"What to read about; without it, the list of topics."`
}

// Help is the long form of --help.
func (helpCmd) Help() string {
	return "Prints the manual, which is part of the program.\n\nExample:\n  tw2parquet help\n  tw2parquet help exit-codes\n\nExit codes: 0 ok, 2 usage (no such topic), 50 the output cannot be written."
}

// Run prints a topic, or lists them.
func (c *helpCmd) Run(a *app) error {
	if c.Topic == "" {
		rows := make([][]string, len(topics))
		for i, name := range topics {
			text, err := readTopic(name)
			if err != nil {
				return err
			}
			title, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			rows[i] = []string{name, title}
		}
		if err := a.table([]heading{{name: "topic"}, {name: "what it is about", prose: true}}, rows); err != nil {
			return err
		}
		return a.write("\nRead one with: tw2parquet help TOPIC. Flags and examples of a command:\ntw2parquet COMMAND --help\n")
	}
	text, err := readTopic(c.Topic)
	if err != nil {
		question := didYouMean(c.Topic, topics)
		if question != "" {
			question += " "
		}
		return usagef("there is no topic %q; %schoose one of %s", c.Topic, question, strings.Join(topics, ", "))
	}
	if a.columns > 0 {
		text = wrap(text, min(a.columns, maxProse))
	}
	return a.write(text)
}

func readTopic(name string) (string, error) {
	text, err := fs.ReadFile(manual, "help/"+name+".md")
	return string(text), err
}

// maxProse is the widest that text is set on a terminal: longer lines are hard to follow.
const maxProse = 100

// wrap sets the paragraphs and lists of a Markdown text anew for a width. Headings and code stay as they are.
func wrap(text string, columns int) string {
	var out strings.Builder
	var words []string
	first, rest := "", "" // what the first line of the paragraph begins with, and the others
	flush := func() {
		line := first
		for i, w := range words {
			if i > 0 && displayed(line)+1+displayed(w) > columns {
				out.WriteString(line + "\n")
				line = rest + w
				continue
			}
			if i > 0 {
				line += " "
			}
			line += w
		}
		if len(words) > 0 {
			out.WriteString(line + "\n")
		}
		words, first, rest = nil, "", ""
	}
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		item := listMark(line)
		switch {
		case code || fence || line == "" || strings.HasPrefix(line, "#"):
			flush()
			code = code != fence
			out.WriteString(line + "\n")
			continue
		case item != "":
			flush()
			first, rest = item, strings.Repeat(" ", len(item))
		}
		words = append(words, strings.Fields(line[len(item):])...)
	}
	flush()
	return out.String()
}

// listMark is what a line begins with that begins an item of a list, with the space before and after; "" if it does not.
func listMark(line string) string {
	text := strings.TrimLeft(line, " ")
	mark, _, ok := strings.Cut(text, " ")
	number := strings.TrimSuffix(mark, ".")
	if !ok || mark != "-" && (number == mark || strings.Trim(number, "0123456789") != "") {
		return ""
	}
	return line[:len(line)-len(text)+len(mark)+1]
}
