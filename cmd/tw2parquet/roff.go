package main

import (
	"fmt"
	"strings"
)

// roff writes man pages. It uses the macros of man(7), and tbl for tables, as groff and mandoc read them; what is not
// ASCII is named by its number, so that no locale matters.
type roff struct {
	strings.Builder
	headed bool // a heading was the last: what follows begins a paragraph by itself
}

// head begins a page. There is no date in it: the same source gives the same bytes.
func (w *roff) head(name string, number int, summary string) {
	fmt.Fprintf(w, "'\\\" t\n.TH %s %d \"\" \"tw2parquet %s\" \"The manual of tw2parquet\"\n", strings.ToUpper(name), number, literal(programVersion))
	fmt.Fprintf(w, ".nh\n.ad l\n.SH NAME\n%s \\- %s\n", literal(name), inline(summary))
}

func (w *roff) heading(text string) {
	fmt.Fprintf(w, ".SH %s\n", inline(strings.ToUpper(text)))
	w.headed = true
}

func (w *roff) subheading(text string) {
	fmt.Fprintf(w, ".SS %s\n", inline(text))
	w.headed = true
}

// begin begins a paragraph.
func (w *roff) begin() {
	if !w.headed {
		w.WriteString(".PP\n")
	}
	w.headed = false
}

func (w *roff) paragraph(text string) {
	w.begin()
	w.WriteString(lineOf(inline(text)) + "\n")
}

// plain is a paragraph without any marks.
func (w *roff) plain(text string) {
	w.begin()
	w.WriteString(lineOf(literal(strings.ReplaceAll(text, "\n", " "))) + "\n")
}

// entry is a term with its meaning, both without marks.
func (w *roff) entry(term, text string) {
	w.headed = false
	w.WriteString(".TP\n\\fB" + literal(term) + "\\fR\n" + lineOf(literal(text)) + "\n")
}

// item is one of a list, so deep; mark is its bullet or number.
func (w *roff) item(mark string, depth int, text string) {
	if mark == "-" {
		mark = `\(bu`
	}
	w.headed = false
	w.WriteString(strings.Repeat(".RS 4\n", depth) + ".IP " + mark + " 4\n" + lineOf(inline(text)) + "\n" + strings.Repeat(".RE\n", depth))
}

// code is set as it stands.
func (w *roff) code(lines []string) {
	w.begin()
	w.WriteString(".RS 4\n.EX\n")
	for _, l := range lines {
		w.WriteString(lineOf(literal(l)) + "\n")
	}
	w.WriteString(".EE\n.RE\n")
}

// table has its headings first.
func (w *roff) table(rows [][]string) {
	columns := strings.Repeat("l ", len(rows[0])-1) + "lx"
	w.begin()
	w.WriteString(".TS\n" + strings.ReplaceAll(columns, "l", "lB") + "\n" + columns + ".\n")
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				w.WriteString("\t")
			}
			w.WriteString("T{\n" + lineOf(inline(cell)) + "\nT}")
		}
		w.WriteString("\n")
	}
	w.WriteString(".TE\n")
}

// lineOf is a line of text that cannot be taken for a request.
func lineOf(text string) string {
	if text == "" || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

// literal is text as it stands, so that a command can be copied from the page.
func literal(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r == '\t':
			b.WriteString("    ")
		case r > 0x7e:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// inline is Markdown's text: code is bold, what is stressed is in italics, links are written out.
func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString(`\fB` + literal(part) + `\fR`)
			continue
		}
		part = mdLink.ReplaceAllString(part, "$1 ($2)")
		for at := mdStressed.FindStringSubmatchIndex(part); at != nil; at = mdStressed.FindStringSubmatchIndex(part) {
			b.WriteString(literal(part[:at[0]]) + `\fI` + literal(part[at[2]:at[3]]) + `\fR`)
			part = part[at[1]:]
		}
		b.WriteString(literal(part))
	}
	return b.String()
}
