package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// signalError is why a context ended when a person or a scheduler asked for it.
type signalError struct{ sig syscall.Signal }

func (e *signalError) Error() string { return "stopped by " + e.sig.String() }

// withSignals cancels the context upon SIGINT or SIGTERM, with a *signalError as its cause, so that
// the run can publish what it has; a second signal leaves at once. A closed pipe behind standard
// output or error must not kill a run before it has published, so SIGPIPE becomes an error of the
// write.
func withSignals(ctx context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := make(chan os.Signal, 2)
	pipe := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(pipe, syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		first := true
		for {
			select {
			case s := <-c:
				sig, ok := s.(syscall.Signal)
				if !ok {
					continue
				}
				if !first {
					os.Exit(128 + int(sig))
				}
				first = false
				cancel(&signalError{sig})
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		signal.Stop(pipe)
		close(done)
		cancel(nil)
	}
}
