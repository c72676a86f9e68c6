package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalError is why a context ended when a person or a scheduler asked for it.
type signalError struct{ sig syscall.Signal }

func (e *signalError) Error() string { return "stopped by " + e.sig.String() }

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

// withSignals listens to SIGINT, SIGTERM and SIGHUP, but for those that whoever started us wants to be
// ignored, as nohup does. A closed pipe behind standard output or error must not kill a run before it
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
