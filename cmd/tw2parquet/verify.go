package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	tables "tw2parquet/sink/table"
)

type verifyCmd struct {
	shown
	Out string `arg:"" name:"out" help:"The output: its directory or URL."`
}

// Help is the long form of --help.
func (verifyCmd) Help() string {
	return `Reads every file of every run below OUT and compares it with its run's manifest and its own footer: checksums, sizes,
counts, offsets and ordinals without a gap, the checksum of every page, every value of every column, the rejected
results. Parquet files that belong to no run are reported too: a query over the folder would read them. It changes
nothing. What another user wrote can be verified where the umask let you read it; rejected results stay private to
who wrote them, and are listed as not checked. A run without a manifest is shown as incomplete; that is not a failure
if its files are in order.

Values are read in a separate process with bounded memory (twice --memory-limit, at least 2 GiB) and time, so that a
hostile file cannot do harm.

Example:
  tw2parquet verify lake
  tw2parquet verify s3://bucket/lake
  tw2parquet verify lake --output json | jq -r '.problems[].path'

Exit codes: 0 everything is as it was published, 2 usage (no such output), 50 storage, 53 a file is damaged, missing or
not ours, 130 and 143 stopped. They do not depend on who reads the output.
See also: files, exit-codes, troubleshooting`
}

// checkFileName is the hidden command that verify starts for files.
const checkFileName = "check-file"

// maxHanded is more files than verify ever hands to one process.
const maxHanded = 1000

// runningProgram is what Linux keeps of a program while it runs, whatever became of its file: an update may have
// removed it, or put another version in its place.
const runningProgram = "/proc/self/exe"

// ownProgram is the path that starts this program once more: running, or where there is no such thing (another
// system, no /proc) the file that it was started from.
func ownProgram(running string) (string, error) {
	if info, err := os.Stat(running); err == nil && info.Mode().IsRegular() {
		return running, nil
	}
	self, err := os.Executable()
	if err != nil { // on Linux it asks /proc, too
		self, err = exec.LookPath(os.Args[0])
	}
	if err != nil {
		return "", fmt.Errorf("find this program's own file: %w", err)
	}
	return self, nil
}

// Run verifies an output.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	at, err := locateOutput(c.Out)
	if err != nil {
		return usagef("%s: %w", publicName(c.Out), err)
	}
	to := &destination{place: at, how: a.opening(1)}
	defer to.Close()
	place, err := to.use(ctx, false)
	switch {
	case err != nil && at.remote():
		return interrupted(ctx, err)
	case errors.Is(err, syscall.ENOTDIR):
		return usagef("%s is a file; name the output directory, or print its documents with cat", at.name)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return usagef("%s: %w", at.name, store.Cause(err))
	case err != nil:
		return err
	}
	heard := &attentive{Store: place}
	if at.remote() {
		place = heard
	}
	self, err := ownProgram(runningProgram)
	if err != nil {
		return err
	}
	report, err := dataset.Verify(ctx, dataset.Config{
		Store: place, Reader: []string{self, checkFileName}, Memory: c.readerMemory(a),
	})
	switch {
	case errors.Is(err, dataset.ErrNoOutput):
		return usagef("%s: %w", at.name, err)
	case errors.Is(err, dataset.ErrReader):
		return &statusError{exitStorage, err.Error(), "the files read so far are sound"}
	case err != nil:
		return interrupted(ctx, &store.Error{Op: "verify", Path: cmp.Or(at.path, at.name), Err: err})
	}
	if err := checkTable(ctx, place, report); err != nil {
		return interrupted(ctx, err)
	}
	if err := c.show(a, report); err != nil {
		return err
	}
	if err := heard.failure(); err != nil {
		return interrupted(ctx, fmt.Errorf("not all files could be read: %w", err))
	}
	switch n := len(report.Problems); n {
	case 0:
		return nil
	case 1:
		return &statusError{exitForeign, report.Problems[0].Path + ": " + report.Problems[0].Reason, ""}
	default:
		return &statusError{exitForeign, fmt.Sprintf("%d problems in %s", n, at.name), ""}
	}
}

// checkTable adds what a Delta table over the output misses. What other writers of the table wrote is not a stranger's.
func checkTable(ctx context.Context, s store.Store, report *dataset.Report) error {
	missing, theirs, err := tables.DeltaFiles(ctx, s)
	var damaged *tables.Error
	switch {
	case errors.As(err, &damaged):
		report.Problems = append(report.Problems, dataset.Problem{Path: s.Path(dataset.DeltaLog), Reason: damaged.Error()})
	case err != nil:
		return err
	}
	others := map[string]bool{}
	for name := range theirs {
		others[s.Path(name)] = true
	}
	report.Problems = slices.DeleteFunc(report.Problems, func(p dataset.Problem) bool { return p.Run == "" && others[p.Path] })
	for _, name := range missing {
		report.Problems = append(report.Problems, dataset.Problem{Path: s.Path(name), Reason: "the Delta table has it, and it is not there; register the output again, once its runs are whole"})
	}
	report.OK = len(report.Problems) == 0
	return checkIcebergTables(ctx, s, report)
}

// checkIcebergTables adds to the problems of a run which Iceberg tables have it, as its records say: their readers meet them, too.
func checkIcebergTables(ctx context.Context, s store.Store, report *dataset.Report) error {
	if !slices.ContainsFunc(report.Problems, func(p dataset.Problem) bool { return p.Run != "" }) {
		return nil
	}
	there, err := dataset.Open(ctx, s)
	if err != nil {
		return err
	}
	for i, p := range report.Problems {
		r := there.Run(p.Run)
		if r == nil {
			continue
		}
		if names := tables.AnyIceberg(r); len(names) > 0 {
			report.Problems[i].Reason += "; the run is registered in the Iceberg table " + strings.Join(names, " and ")
		}
	}
	return nil
}

// readerMemory is what a reading process may take: enough for what the writer's own limit let through.
func (c *verifyCmd) readerMemory(a *app) int64 {
	const most = 1 << 40 // --memory-limit off
	return max(dataset.DefaultMemory, 2*min(int64(a.globals.MemoryLimit), most))
}

func (c *verifyCmd) show(a *app, r *dataset.Report) error {
	if c.Output == "json" {
		return a.indented(r)
	}
	rows := make([][]string, len(r.Runs), len(r.Runs)+1)
	for i, run := range r.Runs {
		window := strings.TrimSuffix(run.WindowStart, "T00:00:00Z")
		if run.WindowStop != "" {
			window += " to " + strings.TrimSuffix(run.WindowStop, "T00:00:00Z")
		}
		rows[i] = []string{run.Run, window, countText(int64(run.Files)), countText(run.Rows), countText(run.Rejected), bytesText(run.Bytes), string(run.State)}
	}
	if len(rows) > 1 {
		rows = append(rows, []string{"total", "", countText(int64(r.Files)), countText(r.Rows), countText(r.Rejected), bytesText(r.Bytes), ""})
	}
	if err := a.table([]heading{{name: "run"}, {name: "window"}, {name: "files", right: true}, {name: "rows", right: true}, {name: "rejected", right: true}, {name: "size", right: true}, {name: "state"}}, rows); err != nil {
		return err
	}
	var b strings.Builder
	for _, p := range r.Problems {
		b.WriteString(store.Printable(p.Path + ": " + p.Reason))
		b.WriteByte('\n')
	}
	for _, name := range r.Unchecked {
		b.WriteString(store.Printable(name + ": not checked: only the user who wrote it may read it"))
		b.WriteByte('\n')
	}
	return a.write(b.String())
}

// checkFileCmd reads the values of files for verify, behind limits that it puts on itself.
type checkFileCmd struct {
	Memory  int64 `arg:"" help:"Bytes."`
	Seconds int64 `arg:"" help:"Seconds of computing."`
	Files   int   `arg:"" help:"How many files it was handed."`
}

// Run checks the file on standard input, and the others.
func (c *checkFileCmd) Run(ctx context.Context, a *app) error {
	in, ok := a.stdin.(*os.File)
	if !ok || c.Memory <= 0 || c.Seconds <= 0 || c.Files <= 0 || c.Files > maxHanded {
		return usagef("%s is for verify only", checkFileName)
	}
	return dataset.CheckFiles(ctx, dataset.HandedFiles(in, c.Files), a.stdout, c.Memory, time.Duration(c.Seconds)*time.Second)
}
