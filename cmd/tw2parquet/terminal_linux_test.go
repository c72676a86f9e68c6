package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: a program gets tty, and what it writes is drawn on glass.
type terminal struct {
	t       *testing.T
	columns int
	tty     *os.File
	master  *os.File
	ended   chan struct{}
	mu      sync.Mutex
	written bytes.Buffer
	heard   chan struct{} // has room for one: something was written
}

func newTerminal(t *testing.T, columns int) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := master.SyscallConn() // Fd would make reads block, and a test could not end them
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	cerr := conn.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err != nil {
			return
		}
		if number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: uint16(columns)})
		}
	})
	if err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, columns: columns, tty: tty, master: master, ended: make(chan struct{}), heard: make(chan struct{}, 1)}
	go x.listen()
	t.Cleanup(func() {
		tty.Close()
		master.Close()
		<-x.ended
	})
	return x
}

func (x *terminal) listen() {
	defer close(x.ended)
	buffer := make([]byte, 4096)
	for {
		n, err := x.master.Read(buffer)
		x.mu.Lock()
		x.written.Write(buffer[:n])
		x.mu.Unlock()
		select {
		case x.heard <- struct{}{}:
		default:
		}
		if err != nil { // EIO once nobody has the other end open
			return
		}
	}
}

func (x *terminal) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.written.String()
}

// types is what a person at the keyboard types.
func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := io.WriteString(x.master, text); err != nil {
		x.t.Fatal(err)
	}
}

// shown is what is on the screen at the end.
func (x *terminal) shown() string {
	x.t.Helper()
	x.tty.Close()
	<-x.ended
	g := &glass{t: x.t, columns: x.columns, lines: [][]rune{nil}}
	fmt.Fprint(g, x.text())
	return g.String()
}

// run runs the program at the terminal, with everything that is typed there.
func (x *terminal) run(typed string, args ...string) (code int, shown string) {
	x.t.Helper()
	x.t.Setenv("TERM", "xterm")
	x.t.Setenv("LC_ALL", "C.UTF-8")
	if typed != "" {
		x.types(typed)
	}
	code = run(x.t.Context(), args, x.tty, x.tty, x.tty)
	return code, x.shown()
}

// fits reports lines that are wider than the screen, other than those that are to be pasted.
func (x *terminal) fits(text string) {
	x.t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if displayed(line) > x.columns && !strings.HasPrefix(line, "    tw2parquet ") && !strings.HasPrefix(line, "  SELECT ") && !strings.HasPrefix(line, "  "+os.TempDir()) {
			x.t.Errorf("%d columns for a line of %d: %q", x.columns, displayed(line), line)
		}
	}
}
