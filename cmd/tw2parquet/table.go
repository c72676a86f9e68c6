package main

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"tw2parquet/sink/store"
)

// heading is a column of a table: what it is called, and how its cells are set.
type heading struct {
	name  string
	right bool // numbers
	prose bool // text that may be set over several lines, rather than an id that is copied
}

const (
	columnGap = 2
	// narrowest is how narrow a column of prose may become so that a row stays on one line.
	narrowest = 16
)

// table prints rows under their headings. Cells come from the API: control characters are escaped, so that a title
// cannot move the cursor. On a terminal the table fits the screen; elsewhere each row is one line, as grep wants it.
func (a *app) table(head []heading, rows [][]string) error {
	_, err := io.WriteString(a.stdout, lay(head, rows, a.columns))
	return err
}

// lay sets a table for a number of columns, 0 for any. Where rows do not fit, prose is wrapped inside its column; if
// that is not enough, the last cells of each row go to lines of their own below it.
func lay(head []heading, rows [][]string, columns int) string {
	names := make([]string, len(head))
	for i, h := range head {
		names[i] = h.name
	}
	rows = append([][]string{names}, rows...)
	widths := make([]int, len(head))
	for r, row := range rows {
		rows[r] = slices.Clone(row)
		for i := range row {
			rows[r][i] = store.Printable(row[i])
			widths[i] = max(widths[i], displayed(rows[r][i]))
		}
	}
	if columns > 0 && !squeeze(head, widths, columns) {
		for i := range widths {
			widths[i] = min(widths[i], max(1, columns-columnGap))
		}
	}
	var b strings.Builder
	parts := folded(widths, columns)
	for _, row := range rows {
		for p, part := range parts {
			indent := strings.Repeat(" ", columnGap)
			if p == 0 {
				indent = ""
			} else if !slices.ContainsFunc(part, func(i int) bool { return row[i] != "" }) {
				continue
			}
			writePart(&b, head, widths, row, part, indent)
		}
	}
	return b.String()
}

// squeeze narrows columns of prose, the widest first, until a row fits on one line, and tells whether it does. If it
// cannot be done nothing is narrowed.
func squeeze(head []heading, widths []int, columns int) bool {
	over := -columns - columnGap
	for _, w := range widths {
		over += w + columnGap
	}
	narrow := slices.Clone(widths)
	for ; over > 0; over-- {
		widest := -1
		for i, h := range head {
			if h.prose && narrow[i] > narrowest && (widest < 0 || narrow[i] > narrow[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		narrow[widest]--
	}
	copy(widths, narrow)
	return true
}

// folded says which columns stand together on a line.
func folded(widths []int, columns int) [][]int {
	parts := [][]int{nil}
	used := -columnGap
	for i, w := range widths {
		last := len(parts) - 1
		if columns > 0 && len(parts[last]) > 0 && used+columnGap+w > columns {
			parts = append(parts, nil)
			last, used = last+1, 0
		}
		parts[last] = append(parts[last], i)
		used += columnGap + w
	}
	return parts
}

// writePart writes some cells of a row side by side.
func writePart(b *strings.Builder, head []heading, widths []int, row []string, part []int, indent string) {
	cells, height := make([][]string, len(part)), 1
	for k, i := range part {
		cells[k] = setWords(row[i], widths[i])
		height = max(height, len(cells[k]))
	}
	for y := range height {
		line := indent
		for k, i := range part {
			cell := ""
			if y < len(cells[k]) {
				cell = cells[k][y]
			}
			pad := strings.Repeat(" ", max(0, widths[i]-displayed(cell)))
			if head[i].right {
				cell = pad + cell
			} else {
				cell += pad
			}
			line += cell + strings.Repeat(" ", columnGap)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// setWords breaks a text into lines of a width. A word that is wider is broken as well.
func setWords(text string, columns int) []string {
	if displayed(text) <= columns {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && displayed(line)+1+displayed(word) <= columns {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for displayed(word) > columns {
			head := fit(word, columns)
			if head == "" { // a wide character where there is one column
				_, size := utf8.DecodeRuneInString(word)
				head = word[:size]
			}
			if head == word {
				break
			}
			lines, word = append(lines, head), word[len(head):]
		}
		line = word
	}
	return append(lines, line)
}
