package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/alecthomas/kong"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink/store"
	"tw2parquet/source"
)

// cli is every command with its flags. The commands' own files describe them.
type cli struct {
	globals

	Export     exportCmd     `cmd:"" kind:"Move data" uses:"api,data,store" help:"Export a time range into Parquet: the main job."`
	Plan       planCmd       `cmd:"" kind:"Move data" uses:"api,store" help:"Price and split a time range before anything is bought."`
	Read       readCmd       `cmd:"" kind:"Move data" uses:"api,data,store" help:"Read an existing collector into Parquet, once or for ever; nothing is bought."`
	Convert    convertCmd    `cmd:"" kind:"Move data" uses:"data,store" help:"Turn recorded result streams into Parquet, offline."`
	Verify     verifyCmd     `cmd:"" kind:"Look at an output" uses:"memory,store" help:"Re-read the files of an output and compare them with their manifests."`
	Status     statusCmd     `cmd:"" kind:"Look at an output" uses:"api,store" help:"List the runs of an output: state, rows, credits, time left; and the gaps."`
	Report     reportCmd     `cmd:"" kind:"Look at an output" uses:"memory,bar,store" help:"Write one HTML page about an output: coverage, volumes, drift, file health."`
	Register   registerCmd   `cmd:"" kind:"Change an output" uses:"store" help:"Make complete runs known to an Iceberg or Delta table, or print the SQL for DuckLake."`
	Drop       dropCmd       `cmd:"" kind:"Change an output" uses:"store" help:"Remove runs from an output: files, manifests and journals."`
	Cat        catCmd        `cmd:"" kind:"Look at an output" uses:"memory,store" help:"Print the documents of Parquet files as JSON lines."`
	Check      checkCmd      `cmd:"" kind:"Ask the API" uses:"api,store" help:"Find out, before any money, whether token, rights, credits, clock, output and table will do."`
	Tasks      tasksCmd      `cmd:"" kind:"Ask the API" uses:"api" help:"List, show or abort export tasks."`
	Collectors collectorsCmd `cmd:"" kind:"Ask the API" uses:"api" help:"List, show, create, pause, resume or delete collectors."`
	Credits    creditsCmd    `cmd:"" kind:"Ask the API" uses:"api" help:"Show the credits that are left."`
	Projects   projectsCmd   `cmd:"" kind:"Ask the API" uses:"api" help:"List the projects the token may use."`
	Topics     topicsCmd     `cmd:"" kind:"Ask the API" uses:"api" help:"List the topics of a project."`
	Schema     schemaCmd     `cmd:"" kind:"Look at an output" uses:"store" help:"Print the schema of the Parquet files."`
	Views      viewsCmd      `cmd:"" kind:"Look at an output" uses:"store" help:"Print SQL views over an output: latest copies, matches, images, authors, daily volumes."`
	Airflow    airflowCmd    `cmd:"" kind:"Set up and try out" uses:"text" help:"Print a DAG for Airflow that uses this program."`
	Emulate    emulateCmd    `cmd:"" kind:"Set up and try out" uses:"logs" help:"Serve the Talkwalker API on loopback, from generated documents or yours."`
	Demo       demoCmd       `cmd:"" kind:"Set up and try out" uses:"data,store" help:"Emulator and export in one process: the quick start."`
	Manual     helpCmd       `cmd:"" kind:"Set up and try out" uses:"text" name:"help" help:"Print the manual: from notebooks to here, money, files, stores, lakes, report, exit codes, Airflow, troubleshooting, compatibility."`
	Completion completionCmd `cmd:"" kind:"Set up and try out" uses:"text" help:"Print a script that completes the command line in a shell."`
	Man        manCmd        `cmd:"" kind:"Set up and try out" uses:"text" help:"Write the manual as man pages."`
	Version    versionCmd    `cmd:"" kind:"Set up and try out" uses:"text" help:"Print the versions of the program and its libraries."`
	CheckFile  checkFileCmd  `cmd:"" hidden:"" name:"check-file"`
}

// app is what a command works with: its settings, its streams, and the result it fills in.
type app struct {
	globals   *globals
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	redactors []*redactor
	printed   *standardOutput // where standard output's failure is kept
	own       []ownStream
	file      atomic.Pointer[resultFile] // where the result is stored too; nil: nowhere
	columns   int                        // how wide standard output is; 0: not a terminal
	screen    *screen                    // where a person sees both streams, and the progress bar
	log       *slog.Logger
	line      *line    // what the arguments say
	account   *account // set where the command brings its own; else from the settings
	result    *result  // not nil for the commands that move data
	answer    []byte   // one line of JSON that a command without a result leaves for the next one, where it went well
	told      atomic.Bool
}

// account is whose API is called, and how patiently.
type account struct {
	token source.Token
	scale float64
}

// run is the program: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stopping, stop := withSignals(ctx)
	defer stop()

	a := &app{stdin: stdin, globals: &globals{}, line: &line{}}
	a.printed = &standardOutput{w: stdout}
	a.screen = newScreen(stderr, isTerminal(stderr))
	out, errs := newRedactor(a.screen.port(a.printed, isTerminal(stdout))), newRedactor(a.screen.port(stderr, isTerminal(stderr)))
	if samePlace(stdout, stderr) {
		out.join(errs)
	}
	if isTerminal(stdout) {
		a.columns = terminalColumns(stdout)
	}
	a.redactors = []*redactor{out, errs}
	a.stdout, a.stderr = out, plainSpoken{errs}
	a.log = slog.New(slog.NewTextHandler(a.stderr, nil))
	for _, s := range []struct{ raw, w io.Writer }{{stdout, out}, {stderr, a.stderr}} {
		if f, ok := s.raw.(*os.File); ok {
			a.own = append(a.own, ownStream{f, s.w})
		}
	}
	p, err := newParser(out, errs)
	if err != nil {
		return a.finish(err)
	}
	defer a.closeResultFile()
	if err := bug.Guard(func() error { a.read(p, args); return nil }); err != nil {
		return a.finish(err)
	}
	ended := make(chan int, 1)
	go func() { ended <- a.finish(bug.Guard(func() error { return a.dispatch(ctx, p) })) }()
	return a.await(ended, stopping.late)
}

// read looks at the arguments before they are parsed.
func (a *app) read(p *parser, args []string) {
	p.columns = a.columns
	a.line = readLine(p.Model, args)
	a.hideEarly()
	if a.line.movesData() {
		a.result = newResult()
	}
}

// parser is the command line's grammar, and where it puts what it has read.
type parser struct {
	*kong.Kong
	cli     cli
	columns int  // of the terminal that help is set for; 0: none
	helped  bool // --help was asked for and printed
}

func newParser(stdout, stderr io.Writer) (*parser, error) {
	p := &parser{}
	k, err := kong.New(&p.cli,
		kong.Name("tw2parquet"),
		kong.Description("Export Talkwalker documents into Parquet."),
		kong.Help(p.printHelp),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { p.helped = true }),
	)
	if err != nil {
		return nil, fmt.Errorf("build the command line: %w", err)
	}
	p.Kong = k
	return p, nil
}

// errHelp ends a run that was only asked for help.
var errHelp = errors.New("help was printed")

// dispatch parses the arguments and runs the command.
func (a *app) dispatch(ctx context.Context, p *parser) error {
	if err := a.line.forgetEmpty(); err != nil {
		return err
	}
	// The result file and the form of the log are wanted on every exit path, the parser's own
	// errors included.
	a.setLog(a.line.value("log-format"), a.line.value("log-level"))
	result, err := localPath(a.line.value("result-file"))
	if err != nil {
		return usagef("--result-file: %w", err)
	}
	a.globals.ResultFile = result
	if err := a.reserveResultFile(ctx); err != nil {
		return err
	}
	if !a.line.help {
		if err := a.line.checkEmpty(); err != nil {
			return err
		}
		if err := a.line.checkTaken(p.Model.Node); err != nil {
			return err
		}
	}
	kctx, err := p.Parse(a.line.words)
	if p.helped {
		return errHelp
	}
	if err != nil {
		return &usageError{a.line.guess(err)}
	}
	p.cli.globals.ResultFile = a.globals.ResultFile
	a.globals = &p.cli.globals
	if err := a.setup(); err != nil {
		return err
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return kctx.Run(a)
}

// setup applies the settings that hold for every command.
func (a *app) setup() error {
	a.setLog(a.globals.LogFormat, a.globals.LogLevel)
	debug.SetMemoryLimit(cmp.Or(int64(a.globals.MemoryLimit), defaultMemory))
	return nil
}

func (a *app) setLog(format, level string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: l}
	switch {
	case format == "json":
		a.screen.json = true
		a.log = a.labelled(slog.NewJSONHandler(a.stderr, opts))
	case format != "text" && a.screen.terminal:
		a.log = slog.New(newConsole(a.stderr, l))
	default:
		a.log = a.labelled(slog.NewTextHandler(a.stderr, opts))
	}
}

// await is the exit code: that of the command, or a signal's if the command does not come to its end
// after one, because a disk or a file server hangs. What it published stays, and the next start goes on.
func (a *app) await(ended <-chan int, late <-chan *signalError) int {
	select {
	case code := <-ended:
		return code
	case sig := <-late:
		if a.told.Swap(true) {
			return <-ended // it is telling the end just now
		}
		r := a.result
		if r != nil {
			r = newResult() // the command still has the other
		}
		return a.tell(sig, r)
	}
}

// finish tells how it went, once.
func (a *app) finish(err error) int {
	if a.told.Swap(true) {
		return exitBug // somebody else has told, and the process is about to end
	}
	if errors.Is(err, errHelp) {
		return a.tell(nil, nil)
	}
	return a.tell(err, a.result)
}

// tell is say, and tells of a bug in it, too.
func (a *app) tell(err error, r *result) (code int) {
	caught := bug.Guard(func() error { code = a.say(err, r); return nil })
	if caught == nil {
		return code
	}
	if r != nil {
		r = newResult() // it may be the other one that cannot be told
	}
	code = exitBug
	_ = bug.Guard(func() error { code = a.say(caught, r); return nil }) // the code tells it
	return code
}

// say prints one line on standard error for a failure, and the result line last of all.
func (a *app) say(err error, r *result) int {
	a.screen.removeBar()
	out := classify(err)
	if lost := a.lost(); lost != nil {
		out = out.and(classify(lost))
	}
	if out.Hint == "see --help" && a.line.command != nil {
		out.Hint = "see " + a.line.command.FullPath() + " --help"
	}
	if out.Code != exitOK && !out.quiet {
		a.complain(out)
	}
	a.lastWords(out)
	out = a.writeResult(out, r)
	a.flush()
	return out.Code
}

func (a *app) complain(out outcome) {
	if a.screen.json || a.result != nil {
		attrs := []any{"code", out.Code, "name", out.Name}
		if out.Hint != "" {
			attrs = append(attrs, "hint", out.Hint)
		}
		a.log.Error(oneLine(out.Message), attrs...)
		return
	}
	line := "tw2parquet: " + out.Message
	if out.Hint != "" {
		line += " (" + out.Hint + ")"
	}
	fmt.Fprintln(a.stderr, store.Printable(oneLine(line)))
}

// oneLine keeps a message on the one line that readers of the last line of a log expect. Several
// errors, joined, stay apart.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "; ")
}

// usageError is anything wrong with the call itself: nothing was called, nothing written.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }
