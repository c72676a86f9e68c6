package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/alecthomas/kong"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// cli is every command with its flags. The commands' own files describe them.
type cli struct {
	globals

	Export     exportCmd     `cmd:"" help:"Export a time range into Parquet: the main job."`
	Convert    convertCmd    `cmd:"" help:"Turn recorded result streams into Parquet, offline."`
	Verify     verifyCmd     `cmd:"" help:"Re-read the files of an output and compare them with their manifests."`
	Cat        catCmd        `cmd:"" help:"Print the documents of Parquet files as JSON lines."`
	Tasks      tasksCmd      `cmd:"" help:"List, show or abort export tasks."`
	Collectors collectorsCmd `cmd:"" help:"List, show, create, pause, resume or delete collectors."`
	Credits    creditsCmd    `cmd:"" help:"Show the credits that are left."`
	Projects   projectsCmd   `cmd:"" help:"List the projects the token may use."`
	Topics     topicsCmd     `cmd:"" help:"List the topics of a project."`
	Schema     schemaCmd     `cmd:"" help:"Print the schema of the Parquet files."`
	Emulate    emulateCmd    `cmd:"" help:"Serve the Talkwalker API on loopback from generated documents."`
	Demo       demoCmd       `cmd:"" help:"Emulator and export in one process: the quick start."`
	Version    versionCmd    `cmd:"" help:"Print the version and those of the libraries."`
	CheckFile  checkFileCmd  `cmd:"" hidden:"" name:"check-file"`
}

// app is what a command works with: its settings, its streams, and the result it fills in.
type app struct {
	globals  *globals
	stdin    io.Reader
	stdout   io.Writer
	stderr   io.Writer
	walls    []*redactor
	screen   *screen   // where a person sees both streams, and the progress bar
	progress *progress // of the command that runs, if it shows any
	log      *slog.Logger
	account  *account // set where the command brings its own; else from the settings
	result   *result  // not nil for the commands that move data
	told     atomic.Bool
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

	a := &app{stdin: stdin, globals: &globals{}}
	a.screen = newScreen(stderr, isTerminal(stderr))
	out, errs := newRedactor(a.screen.port(stdout, isTerminal(stdout))), newRedactor(a.screen.port(stderr, isTerminal(stderr)))
	if samePlace(stdout, stderr) {
		out.join(errs)
	}
	a.walls = []*redactor{out, errs}
	a.hideEarly(args)
	a.stdout, a.stderr = out, errs
	a.log = slog.New(slog.NewTextHandler(errs, nil))
	if movesData(args) {
		a.result = newResult()
	}
	ended := make(chan int, 1)
	go func() { ended <- a.finish(pipeline.Guard(func() error { return a.dispatch(ctx, args) })) }()
	code := a.await(ended, stopping.late)
	for _, w := range a.walls {
		if err := w.flush(); err != nil && code == 0 {
			code = exitStorage
		}
	}
	return code
}

// dispatch parses the arguments and runs the command.
func (a *app) dispatch(ctx context.Context, args []string) error {
	if err := forgetEmpty(); err != nil {
		return err
	}
	var c cli
	exited := false
	parser, err := kong.New(&c,
		kong.Name("tw2parquet"),
		kong.Description("Talkwalker exports into Parquet. Exit codes and environment: tw2parquet COMMAND --help."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.Writers(a.stdout, a.stderr),
		kong.Exit(func(int) { exited = true }),
	)
	if err != nil {
		return fmt.Errorf("build the command line: %w", err)
	}
	// The result file and the form of the log are wanted on every exit path, the parser's own
	// errors included.
	a.globals.ResultFile = early(args, "result-file", "TW2PARQUET_RESULT_FILE")
	a.setLog(early(args, "log-format", "TW2PARQUET_LOG_FORMAT"), early(args, "log-level", "TW2PARQUET_LOG_LEVEL"))
	if err := a.reserveResultFile(); err != nil {
		return err
	}
	kctx, err := parser.Parse(negatives(args))
	if exited {
		return nil // --help was asked for and printed
	}
	if err != nil {
		return &usageError{err}
	}
	a.globals = &c.globals
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
		a.log = slog.New(slog.NewJSONHandler(a.stderr, opts))
	case format != "text" && a.screen.terminal:
		a.log = slog.New(newConsole(a.stderr, l))
	default:
		a.log = slog.New(slog.NewTextHandler(a.stderr, opts))
	}
}

// settings are the variables that stand for a flag.
var settings = []string{
	"TALKWALKER_TOKEN_FILE", "TALKWALKER_BASE_URL", "TW2PARQUET_LOG_FORMAT", "TW2PARQUET_LOG_LEVEL", "TW2PARQUET_RESULT_FILE", "GOMEMLIMIT",
}

// forgetEmpty drops variables that are set to nothing: schedulers pass what a template left empty,
// and mean the default.
func forgetEmpty() error {
	for _, name := range settings {
		if v, ok := os.LookupEnv(name); ok && strings.TrimSpace(v) == "" {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// negatives joins a flag and a negative number behind it, which the parser would take for a short flag;
// there is none that begins with a digit.
func negatives(args []string) []string {
	joined := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		number := len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
		if n := len(joined) - 1; number && n >= 0 && strings.HasPrefix(joined[n], "--") && !strings.Contains(joined[n], "=") {
			joined[n] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

// early finds a flag's value before the parser has run, or after it has refused. Like the parser it
// takes the last one.
func early(args []string, flag, env string) string {
	value := os.Getenv(env)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if v, ok := strings.CutPrefix(arg, "--"+flag+"="); ok {
			value = v
		} else if arg == "--"+flag && i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value
}

// movesData tells whether the command ends with a result line.
func movesData(args []string) bool {
	for _, arg := range args {
		if arg == "--help" || arg == "-h" {
			return false
		}
	}
	for _, arg := range args {
		switch arg {
		case "export", "convert", "demo":
			return true
		}
		if !strings.HasPrefix(arg, "-") {
			return false
		}
	}
	return false
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
	return a.tell(err, a.result)
}

// tell prints one line on standard error for a failure, and the result line last of all.
func (a *app) tell(err error, r *result) int {
	a.screen.clear()
	out := classify(err)
	if err != nil && !out.quiet {
		a.complain(out)
	}
	if r != nil {
		r.close(out)
	}
	if werr := a.writeResult(out, r); werr != nil {
		a.log.Error("the result could not be written", "error", werr)
		if out.Code == 0 {
			return exitStorage
		}
	}
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
	fmt.Fprintln(a.stderr, printable(oneLine(line)))
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
