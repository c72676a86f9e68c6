package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// signalError is why a context ended when a person or a scheduler asked for it.
type signalError struct{ sig syscall.Signal }

func (e *signalError) Error() string { return "stopped by " + e.sig.String() }

// Is tells the pipeline that a signal is somebody's wish, unlike any other end of a context.
func (e *signalError) Is(target error) bool { return target == pipeline.ErrStopped }

// stoppedError is a signal that came together with another error, which it must not hide.
type stoppedError struct {
	sig  *signalError
	also error
}

func (e *stoppedError) Error() string { return e.sig.Error() + "; also: " + e.also.Error() }

// outcome has the other error's code unless running again helps against it, which is what the signal asks for.
func (e *stoppedError) outcome() outcome {
	o, also := classify(e.sig), classify(e.also)
	if also.Code != exitOK && !also.Retryable {
		o = also
	} else if also.Code != exitOK {
		o.Hint += "; " + also.Hint
	}
	o.Message = e.sig.Error() + "; also: " + also.Message
	return o
}

// interrupted is err without what the end of ctx caused, and with the reason for that end: the signal, beside
// whatever else went wrong, or the failure that cancelled ctx, if nothing else did.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	other := besides(cause, err)
	var sig *signalError
	switch {
	case errors.As(cause, &sig) && other == nil:
		return sig
	case errors.As(cause, &sig):
		return &stoppedError{sig, other}
	case other == nil:
		return cause
	}
	return other
}

// labels say what became of a call beside the error that tells why: alone, they are no trouble of their own.
var labels = []error{store.ErrUnclear, store.ErrUnswept, store.ErrWithheld, dataset.ErrReader}

// besides is err without the branches that only say that a context was cancelled; nil if there are no others.
func besides(cause, err error) error {
	if !errors.Is(err, context.Canceled) && !errors.Is(err, cause) {
		return err
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var others []error
	for _, branch := range joined.Unwrap() {
		if slices.Contains(labels, branch) {
			continue
		}
		if other := besides(cause, branch); other != nil {
			others = append(others, other)
		}
	}
	return errors.Join(others...)
}

// lastCall is how long a run may take to publish what it has after a signal, whatever hangs: Kubernetes
// kills 30 s after its SIGTERM, and 20 s are promised.
const lastCall = 18 * time.Second

// stopping is how a process is asked to end: the first signal cancels the context, with a *signalError as
// its cause, so that the run can publish what it has; late tells when it has had enough time for that;
// a second signal leaves at once.
type stopping struct {
	signals chan os.Signal
	late    chan *signalError // has room for one
	done    chan struct{}
	exit    func(code int)
}

// withSignals listens to SIGINT, SIGTERM and SIGHUP, except those that the parent process ignores,
// as nohup does. A closed pipe behind standard output or error must not kill a run before it
// has published, and neither may a limit of file sizes, so SIGPIPE and SIGXFSZ become errors of the write.
func withSignals(ctx context.Context) (context.Context, *stopping, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stopping{signals: make(chan os.Signal, 2), late: make(chan *signalError, 1), done: make(chan struct{}), exit: os.Exit}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(s.signals, sig)
		}
	}
	writes := make(chan os.Signal, 1)
	signal.Notify(writes, syscall.SIGPIPE, syscall.SIGXFSZ)
	go s.listen(cancel)
	return ctx, s, func() {
		signal.Stop(s.signals)
		signal.Stop(writes)
		close(s.done)
		cancel(nil)
	}
}

func (s *stopping) listen(cancel context.CancelCauseFunc) {
	var first *signalError
	var enough <-chan time.Time
	for {
		select {
		case got := <-s.signals:
			sig, ok := got.(syscall.Signal)
			switch {
			case !ok:
			case first != nil:
				s.exit(128 + int(sig))
			default:
				first = &signalError{sig}
				enough = time.After(lastCall)
				cancel(first)
			}
		case <-enough:
			s.late <- first
		case <-s.done:
			return
		}
	}
}
