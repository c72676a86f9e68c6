package main

import (
	"regexp"
	"strings"
)

var (
	mdLink     = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	mdStressed = regexp.MustCompile(`\*([^*\s][^*]*)\*`)
)

// markdown sets a topic of the manual: what help/*.md uses of Markdown, and no more.
func (w *roff) markdown(text string) {
	var words []string // of the paragraph or item that is being read
	mark, depth := "", 0
	flush := func() {
		if joined := strings.Join(words, " "); joined != "" && mark != "" {
			w.item(mark, depth, joined)
		} else if joined != "" {
			w.paragraph(joined)
		}
		words, mark, depth = nil, "", 0
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			flush()
			end := i + 1
			for end < len(lines) && strings.TrimSpace(lines[end]) != "```" {
				end++
			}
			w.code(lines[i+1 : end])
			i = end
		case strings.HasPrefix(trimmed, "|"):
			flush()
			var rows [][]string
			for ; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
				if strings.Trim(lines[i], "|-: ") != "" {
					rows = append(rows, cells(lines[i]))
				}
			}
			i--
			w.table(rows)
		case strings.HasPrefix(line, "## "):
			flush()
			w.heading(line[3:])
		case strings.HasPrefix(line, "### "):
			flush()
			w.subheading(line[4:])
		case trimmed == "":
			flush()
		default:
			if m := listMark(line); m != "" {
				flush()
				mark, depth = strings.TrimSpace(m), (len(m)-len(strings.TrimLeft(m, " ")))/2
				trimmed = strings.TrimSpace(line[len(m):])
			}
			words = append(words, trimmed)
		}
	}
	flush()
}

// cells are those of a row of a table.
func cells(row string) []string {
	parts := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(strings.ReplaceAll(parts[i], `\`, ""))
	}
	return parts
}
