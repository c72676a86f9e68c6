package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"tw2parquet/pipeline"
	"tw2parquet/pipeline/bug"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
	tables "tw2parquet/sink/table"
	"tw2parquet/source"
)

// Exit codes are an interface: DAGs branch on them.
const (
	exitOK          = 0
	exitUsage       = 2
	exitAuth        = 10
	exitCredits     = 11
	exitRejected    = 12
	exitUnavailable = 20
	exitStream      = 21
	exitLocked      = 30
	exitPending     = 31
	exitTask        = 40
	exitTruncated   = 41
	exitMismatch    = 42
	exitExpired     = 43
	exitAmbiguous   = 44
	exitStorage     = 50
	exitForeign     = 53
	exitRegister    = 54
	exitData        = 60
	exitBug         = 70
	exitEmpty       = 99
	exitInterrupt   = 130
	exitTerminate   = 143
)

// exitCode is a row of the table of exit codes.
type exitCode struct {
	Code      int
	Name      string
	When      string
	Retryable bool
	Alone     bool   // concerns one window of an export alone: the others go on
	Hint      string // what to do, where the error itself does not know better
}

// exitCodes is the table that help and README show.
var exitCodes = []exitCode{
	{exitOK, "ok", "complete; a re-run of a complete run too", false, false, ""},
	{exitUsage, "usage", "a bad flag or setting; nothing was called", false, false, "see --help"},
	{exitAuth, "auth", "the token is missing, invalid or without rights", false, false, "check the token, and its rights on the project"},
	{exitCredits, "credits", "no credits left, or over --max-credits", false, false, "wait for the monthly reset, top up, or lower --limit"},
	{exitRejected, "rejected", "the API refused the request", false, false, "the message says what the API refuses; correct the request"},
	{exitUnavailable, "unavailable", "network or server trouble outlasted the retries; run again", true, false, hintAgain},
	{exitStream, "stream", "the result stream kept breaking: run again; or a recording is cut or damaged", true, false, hintAgain},
	{exitLocked, "locked", "another run or reader of the same request is active; later", true, false, "wait for the other run to end, or stop it"},
	{exitPending, "pending", "--max-wait is over and an export task still runs; what was readable is published", true, true, "run the same command again later; nothing is bought twice"},
	{exitTask, "task", "the export task failed, was aborted or is gone; what was readable is published", false, true, "running again cannot finish this task; `tw2parquet tasks list` shows what became of it"},
	{exitTruncated, "truncated", "complete up to the limit", false, true, "what was bought is published; more of this window is another purchase"},
	{exitMismatch, "mismatch", "rows do not add up; with --strict also fewer or more than the task counted", false, true, "compare rows, rejected and processed in the result; without --strict a difference from the task's count is only a warning"},
	{exitExpired, "expired", "the collector's data was gone (7 days) before all was read", false, true, "results are kept for 7 days; only --generation buys them again"},
	{exitAmbiguous, "ambiguous", "it cannot be told whether an export was bought; a person must decide", false, true, "look at `tw2parquet tasks list` for a task with the collector as its target"},
	{exitStorage, "storage", "no space, no permission, read-only, or the store refuses", false, false, "repair the output as the message says, then run the same command again"},
	{exitForeign, "foreign", "a file or collector that is not ours is in the way, or a file is damaged", false, true, "nothing was touched; move away what is in the way, or choose another --out"},
	{exitRegister, "table", "the files are safe, but could not be registered in the table", false, true, "run `tw2parquet register` once the table is in order; nothing is read or bought again"},
	{exitData, "data", "more rejected documents than --max-rejects", false, true, "run again with a higher --max-rejects to accept them"},
	{exitBug, "bug", "an internal error", false, false, "report it with this message and what `tw2parquet version` prints; running again buys nothing twice"},
	{exitEmpty, "empty", "--skip-empty and nothing was exported", false, false, "without --skip-empty this is exit 0"},
	{exitInterrupt, "signal", "SIGINT: progress is safe, run again to continue", true, false, hintStopped},
	{exitTerminate, "signal", "SIGTERM: progress is safe, run again to continue", true, false, hintStopped},
}

const (
	hintAgain   = "run the same command again; what is published stays, and nothing is bought twice"
	hintStopped = "progress is safe; run the same command again to continue"
)

// byCode finds a row of the table.
func byCode(code int) exitCode {
	for _, c := range exitCodes {
		if c.Code == code {
			return c
		}
	}
	return exitCode{Code: code}
}

// exitTable is the table as text, for help: all of it, or the rows of some codes.
func exitTable(codes ...int) string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range exitCodes {
		if len(codes) > 0 && !slices.Contains(codes, c.Code) {
			continue
		}
		fmt.Fprintf(&b, "  %3d  %-12s %s\n", c.Code, c.Name, c.When)
	}
	b.WriteString(`
A signal that comes with another error does not hide it: the message has both. The code is the signal's if running
again can help, else the other error's.
`)
	return b.String()
}

// outcome is how a run ended, as its users see it.
type outcome struct {
	Code      int
	Name      string
	Message   string
	Hint      string
	Retryable bool
	quiet     bool // the message was said already, or there is none
}

// statusError ends a run that did its work with a code other than 0.
type statusError struct {
	code    int
	message string
	hint    string
}

func (e *statusError) Error() string { return e.message }

// coded is an error of a store that says more than the exit code does, such as store_denied. Stores know it by these
// methods, so that no package of theirs is needed here.
type coded interface {
	error
	Code() string
	Retryable() bool
}

// withoutConditions is the finer code of store.ErrWithoutConditions.
const withoutConditions = "store_without_conditions"

// classify is the one table from errors to exit codes. Its texts hold nothing that looks like a secret.
func classify(err error) outcome {
	o := classifyError(err)
	o.Message, o.Hint = withoutSigns(o.Message), withoutSigns(o.Hint)
	return o
}

func classifyError(err error) outcome {
	if err == nil {
		return outcome{Code: exitOK, Name: "ok"}
	}
	o := outcome{Message: err.Error()}
	var retryable *bool // where more is known than the code says
	var (
		api     *source.Error
		foreign *sink.ForeignError
		storage *store.Error
		task    *pipeline.TaskError
		status  *statusError
		sig     *signalError
		stopped *stoppedError
		ended   *verdict
		token   *tokenError
		file    *resultFileError
		untold  *tables.Error
		usage   *usageError
		input   *inputError
		caught  *bug.Error
		finer   coded
	)
	switch {
	case errors.As(err, &ended):
		return ended.outcome
	case errors.As(err, &stopped):
		return stopped.outcome()
	case errors.As(err, &sig):
		o.Code = exitTerminate // SIGHUP too: it is asked to end, by nobody at a keyboard
		if sig.sig == syscall.SIGINT {
			o.Code = exitInterrupt
		}
		o.Message = sig.Error()
	case errors.As(err, &caught):
		o.Code = exitBug
	case errors.As(err, &file):
		o.Code = exitUsage
	case errors.As(err, &usage):
		o.Code = exitUsage
	case errors.As(err, &token):
		o.Code, o.Hint = exitAuth, "set "+tokenEnv+" or --token-file"
	case errors.As(err, &input):
		o.Code, o.Name, o.Hint, retryable = input.code, input.name, input.hint, &input.retryable
	case errors.As(err, &status):
		o.Code, o.Hint = status.code, status.hint
	case errors.Is(err, sink.ErrLocked):
		o.Code = exitLocked
	case errors.As(err, &untold):
		again := untold.Retryable()
		o.Code, o.Name, o.Hint, retryable = exitRegister, "table_"+string(untold.Reason), untold.Hint, &again
	case errors.As(err, &foreign):
		o.Code, o.Hint = exitForeign, foreign.Hint
	case errors.Is(err, store.ErrWithoutConditions):
		no := false
		o.Code, o.Name, retryable = exitStorage, withoutConditions, &no
		o.Hint = "choose a store that refuses to overwrite when it is asked to; or accept that two runs may overwrite each other, with --unsafe-overwrite"
	case errors.As(err, &finer):
		again := finer.Retryable()
		o.Code, o.Name, o.Hint, retryable = exitStorage, finer.Code(), advice(err), &again
		if o.Hint != "" {
			o.Message = strings.Replace(o.Message, " ("+o.Hint+")", "", 1) // said once
		}
	case errors.As(err, &storage):
		again := storage.Retryable()
		o.Code, o.Hint, retryable = exitStorage, storage.Hint, &again
		o.Message = strings.Replace(o.Message, " ("+storage.Hint+")", "", 1) // said once
	case errors.Is(err, pipeline.ErrConservation), errors.Is(err, pipeline.ErrMissing), errors.Is(err, pipeline.ErrExtra), errors.Is(err, source.ErrReplay):
		o.Code = exitMismatch
	case errors.As(err, &task):
		o.Code = exitTask
	case errors.As(err, &api):
		o.Code, o.Hint, retryable = int(api.Class), api.Hint, &api.Retryable
	case errors.Is(err, source.ErrRewind):
		o.Code = exitStream
	case errors.Is(err, context.DeadlineExceeded): // publishing what is there has a time of its own
		yes := true
		o.Code, o.Hint, retryable = exitStorage, "the output is too slow; what was not published is read again: run the same command again", &yes
	default:
		o.Code = exitBug
	}
	if o.Code == 0 {
		o.Code = exitBug
	}
	row := byCode(o.Code)
	o.Name, o.Retryable, o.Hint = cmp.Or(o.Name, row.Name), row.Retryable, cmp.Or(o.Hint, row.Hint)
	if retryable != nil {
		o.Retryable = *retryable
	}
	return o
}

// advice is what the error of a store says should be done.
func advice(err error) string {
	var advising interface {
		error
		Advice() string
	}
	if errors.As(err, &advising) && advising.Advice() != "" {
		return advising.Advice()
	}
	var remote *store.RemoteError
	if errors.As(err, &remote) && remote.Advice != "" {
		return remote.Advice
	}
	var storage *store.Error
	if errors.As(err, &storage) {
		return storage.Hint
	}
	return ""
}
