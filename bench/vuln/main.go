// Command vuln looks for known vulnerabilities in the modules whose directories it is given. It asks
// no server: the database is made from the module golang.org/x/vulndb, which go.mod pins as it pins
// govulncheck. The findings are as old as that module, until `go get golang.org/x/vulndb@latest`.
//
// It fails on what a newer module mends. It only reports what a newer Go mends, because that is chosen
// where the binary is built, and what nothing mends yet.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

var errModules = errors.New("raise the modules named above to the versions named there")

func run(ctx context.Context, dirs []string, out io.Writer) error {
	if len(dirs) == 0 {
		return errors.New("name the directories of modules")
	}
	entries, err := download(ctx)
	if err != nil {
		return err
	}
	db, err := os.MkdirTemp("", "vulndb-")
	if err != nil {
		return fmt.Errorf("make room for the database: %w", err)
	}
	defer os.RemoveAll(db) //nolint:errcheck // what stays is in the directory for what may go
	if err := writeDatabase(filepath.Join(entries.Dir, "data", "osv"), db); err != nil {
		return err
	}
	fmt.Fprintf(out, "known vulnerabilities, by %s %s\n", entriesModule, entries.Version)
	bad := false
	for _, dir := range dirs {
		r, err := scan(ctx, dir, db)
		if err != nil {
			return fmt.Errorf("look at %s: %w", dir, err)
		}
		r.print(out, dir)
		bad = bad || r.fails()
	}
	if bad {
		return errModules
	}
	return nil
}

// entriesModule holds the entries. Its version is their date; they have none of their own.
const entriesModule = "golang.org/x/vulndb"

type module struct{ Dir, Version, Error string }

// download fetches the entries. The go command compares them with go.sum.
func download(ctx context.Context) (m module, err error) {
	text, err := output(exec.CommandContext(ctx, "go", "mod", "download", "-json", entriesModule))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err == nil && m.Error != "" {
		err = errors.New(m.Error)
	}
	if err != nil {
		return m, fmt.Errorf("download the entries: %w", err)
	}
	return m, nil
}

// scan runs govulncheck over a module, tests included. In its JSON form it succeeds whatever it finds.
func scan(ctx context.Context, dir, db string) (*report, error) {
	text, err := output(exec.CommandContext(ctx, "go", "tool", "govulncheck",
		"-C", dir, "-db", "file://"+filepath.ToSlash(db), "-test", "-format", "json", "./..."))
	if err != nil {
		return nil, err
	}
	return readReport(bytes.NewReader(text))
}

// output is what a command printed. Its complaints become part of the error.
func output(cmd *exec.Cmd) ([]byte, error) {
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(exit.Stderr))
	}
	return text, err
}
