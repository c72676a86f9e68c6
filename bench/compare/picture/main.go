// Command picture draws what a person sees in a terminal: it runs a command at a pseudo-terminal, reads the screen once the
// command has ended, and writes it as SVG. `make picture` draws the demo for README.
package main

import (
	"errors"
	"flag"
	"fmt"
	"html"
	"image/color"
	"os"
	"os/exec"
	"strings"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

const (
	tall       = 400 // rows, so that nothing scrolls away
	cellWidth  = 7.8 // of a font of 13 pixels
	lineHeight = 17.0
	margin     = 14.0
)

func main() {
	columns := flag.Int("columns", 84, "of the terminal")
	out := flag.String("out", "", "file to write")
	shown := flag.String("shown", "", "the command as it is shown, if not as it is run")
	flag.Parse()
	if err := run(*out, *columns, *shown, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(out string, columns int, shown string, command []string) error {
	if out == "" || len(command) == 0 {
		return errors.New("usage: picture -out FILE [-columns N] [-shown TEXT] COMMAND [ARGUMENT]…")
	}
	if shown == "" {
		shown = strings.Join(command, " ")
	}
	dir, err := os.MkdirTemp("", "picture-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	screen, err := watch(dir, columns, command)
	if err != nil {
		return err
	}
	defer func() { _ = screen.Close() }()
	return os.WriteFile(out, []byte(draw(screen, columns, shown)), 0o644) //nolint:gosec // everybody may look at it
}

// watch runs the command in a directory, with both streams on a terminal, to its end.
func watch(dir string, columns int, command []string) (*vt.Emulator, error) {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // it is what the caller wants to see
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: tall, Cols: uint16(columns)}) //nolint:gosec // a few hundred
	if err != nil {
		return nil, err
	}
	defer func() { _ = terminal.Close() }()
	screen := vt.NewEmulator(columns, tall)
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		if _, werr := screen.Write(buf[:n]); werr != nil {
			return nil, werr
		}
		if err != nil {
			break // EIO once the other end is closed, elsewhere EOF
		}
	}
	return screen, cmd.Wait()
}

// part is text of one look within a row.
type part struct {
	at          int
	text, style string
}

// draw is the screen as SVG. Each part has the width that its cells have, whatever the font.
func draw(screen *vt.Emulator, columns int, command string) string {
	rows := [][]part{{{0, "$", ` class="p"`}, {2, command, ` class="b"`}}}
	for y := range tall {
		rows = append(rows, read(screen, y, columns))
	}
	for len(rows) > 1 && len(rows[len(rows)-1]) == 0 {
		rows = rows[:len(rows)-1]
	}
	width, height := float64(columns)*cellWidth+2*margin, float64(len(rows))*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s in a terminal">`+"\n",
		width, height, width, height, html.EscapeString(command))
	b.WriteString(`<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dae0;white-space:pre}` +
		`.b{font-weight:bold;fill:#fff}.d{fill:#8b919c}.p{fill:#7bc275}</style>` + "\n")
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" rx="8" fill="#16181d"/>`+"\n", width, height)
	for y, row := range rows {
		for _, p := range row {
			n := len([]rune(p.text))
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
				margin+float64(p.at)*cellWidth, margin+(float64(y)+0.75)*lineHeight, float64(n)*cellWidth, p.style, html.EscapeString(p.text))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// read takes a row apart where the look changes, and where there is space enough to begin anew.
func read(screen *vt.Emulator, y, columns int) (parts []part) {
	gap := 2
	for x := range columns {
		cell := screen.CellAt(x, y)
		if cell == nil || strings.TrimSpace(cell.Content) == "" {
			gap++
			continue
		}
		style := look(cell.Style.Fg, cell.Style.Attrs)
		if last := len(parts) - 1; last >= 0 && gap < 2 && parts[last].style == style {
			parts[last].text += strings.Repeat(" ", gap) + cell.Content
		} else {
			parts = append(parts, part{x, cell.Content, style})
		}
		gap = 0
	}
	return parts
}

// look is how a cell is drawn: bold, faint, or in a colour.
func look(fg color.Color, attrs uint8) string {
	const bold, faint = 1, 2
	switch {
	case fg != nil:
		r, g, b, _ := fg.RGBA()
		return fmt.Sprintf(` fill="#%02x%02x%02x"`, r>>8, g>>8, b>>8)
	case attrs&bold != 0:
		return ` class="b"`
	case attrs&faint != 0:
		return ` class="d"`
	}
	return ""
}
