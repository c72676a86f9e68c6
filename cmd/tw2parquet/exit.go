package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
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
	exitTask        = 40
	exitTruncated   = 41
	exitMismatch    = 42
	exitExpired     = 43
	exitAmbiguous   = 44
	exitStorage     = 50
	exitForeign     = 53
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
}

// exitCodes is the table that help and README show.
var exitCodes = []exitCode{
	{exitOK, "ok", "complete; a re-run of a complete run too", false},
	{exitUsage, "usage", "a bad flag or setting; nothing was called", false},
	{exitAuth, "auth", "the token is missing, invalid or without rights", false},
	{exitCredits, "credits", "no credits left, or over --max-credits", false},
	{exitRejected, "rejected", "the API refused the request", false},
	{exitUnavailable, "unavailable", "network or server trouble outlasted the retries; run again", true},
	{exitStream, "stream", "the result stream kept breaking; run again", true},
	{exitLocked, "locked", "another run or reader of the same request is active; later", true},
	{exitTask, "task", "the export task failed, was aborted or is gone; what was readable is published", false},
	{exitTruncated, "truncated", "complete up to the limit", false},
	{exitMismatch, "mismatch", "rows do not add up; with --strict also fewer or more than the task counted", false},
	{exitExpired, "expired", "the collector's data was gone (7 days) before all was read", false},
	{exitAmbiguous, "ambiguous", "it cannot be told whether an export was bought; a person must decide", false},
	{exitStorage, "storage", "no space, no permission, read-only", false},
	{exitForeign, "foreign", "a file or collector that is not ours is in the way, or a file is damaged", false},
	{exitData, "data", "more rejected documents than --max-rejects", false},
	{exitBug, "bug", "an internal error", false},
	{exitEmpty, "empty", "--skip-empty and nothing was exported", false},
	{exitInterrupt, "signal", "SIGINT: progress is safe, run again to continue", true},
	{exitTerminate, "signal", "SIGTERM: progress is safe, run again to continue", true},
}

// exitTable is the table as text, for help.
func exitTable() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %-12s %s\n", c.Code, c.Name, c.When)
	}
	return b.String()
}

// outcome is how a run ended, as its users see it.
type outcome struct {
	Code         int
	Name         string
	Message      string
	Hint         string
	Retryable    bool
	quiet        bool // the message was said already, or there is none
	noResultFile bool // the result file itself is the trouble
}

// classes maps the API's trouble to exit codes.
var classes = map[source.Class]int{
	source.ClassUsage:       exitUsage,
	source.ClassAuth:        exitAuth,
	source.ClassCredits:     exitCredits,
	source.ClassRejected:    exitRejected,
	source.ClassUnavailable: exitUnavailable,
	source.ClassStream:      exitStream,
	source.ClassLocked:      exitLocked,
	source.ClassTask:        exitTask,
	source.ClassExpired:     exitExpired,
	source.ClassAmbiguous:   exitAmbiguous,
	source.ClassForeign:     exitForeign,
}

// statusError ends a run that did its work with a code other than 0.
type statusError struct {
	code    int
	message string
	hint    string
}

func (e *statusError) Error() string { return e.message }

func isStorage(err error) bool {
	var s *store.Error
	return errors.As(err, &s)
}

// classify is the one table from errors to exit codes.
func classify(err error) outcome {
	if err == nil || errors.Is(err, syscall.EPIPE) && !isStorage(err) {
		// Nobody reads on: `tw2parquet tasks list | head` is no failure.
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
		token   *tokenError
		file    *resultFileError
		usage   *usageError
		input   *inputError
		bug     *pipeline.PanicError
	)
	switch {
	case errors.As(err, &sig):
		o.Code = exitTerminate // SIGHUP too: it is asked to end, by nobody at a keyboard
		if sig.sig == syscall.SIGINT {
			o.Code = exitInterrupt
		}
		o.Message, o.Hint = sig.Error(), "progress is safe; run the same command again to continue"
	case errors.As(err, &bug):
		o.Code = exitBug
	case errors.As(err, &file):
		o.Code, o.noResultFile = exitUsage, true
	case errors.As(err, &usage):
		o.Code, o.Hint = exitUsage, "see --help"
	case errors.As(err, &token):
		o.Code, o.Hint = exitAuth, "set "+tokenEnv+" or --token-file"
	case errors.As(err, &input):
		no := false
		o.Code, o.Hint, retryable = exitStream, "what came before it is converted; mend the recording", &no
	case errors.As(err, &status):
		o.Code, o.Hint = status.code, status.hint
	case errors.Is(err, sink.ErrLocked):
		o.Code, o.Hint = exitLocked, "wait for the other run to end, or stop it"
	case errors.As(err, &foreign):
		o.Code, o.Hint = exitForeign, foreign.Hint
	case errors.As(err, &storage):
		again := storage.Retryable()
		o.Code, o.Hint, retryable = exitStorage, storage.Hint, &again
		o.Message = strings.Replace(o.Message, " ("+storage.Hint+")", "", 1) // said once
	case errors.Is(err, pipeline.ErrConservation), errors.Is(err, pipeline.ErrMissing), errors.Is(err, pipeline.ErrExtra), errors.Is(err, source.ErrReplay):
		o.Code = exitMismatch
	case errors.As(err, &task):
		o.Code = exitTask
	case errors.As(err, &api):
		o.Code, o.Hint, retryable = classes[api.Class], api.Hint, &api.Retryable
		if o.Code == exitUsage && o.Hint == "" {
			o.Hint = "see --help"
		}
	case errors.Is(err, source.ErrRewind):
		o.Code = exitStream
	case errors.Is(err, context.Canceled):
		o.Code = exitInterrupt
	default:
		o.Code = exitBug
	}
	if o.Code == 0 {
		o.Code = exitBug
	}
	for _, c := range exitCodes {
		if c.Code == o.Code {
			o.Name, o.Retryable = c.Name, c.Retryable
		}
	}
	if retryable != nil {
		o.Retryable = *retryable
	}
	return o
}
