package main

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"tw2parquet/sink/store"
)

// standardOutput is where commands print, and the one rule for what happens when nobody takes it:
//
//   - Printing never fails inside a command. What cannot be written is dropped, the first failure is kept, and
//     the command comes to its verdict all the same.
//   - A reader that stops reading (head, grep -q) changes nothing: it has seen enough.
//   - Any other failure (no space, a broken disk, a descriptor that is not for writing) is exit 50 with one line
//     on standard error, unless the command failed by itself; then its code stays, and the message has both.
//
// Go gives a process that was started with a closed standard output /dev/null in its place, so that one is not a
// failure. Standard error is never asked: there is nowhere left to say it.
type standardOutput struct {
	w   io.Writer
	mu  sync.Mutex
	err error // the first
}

// Write never fails; failure tells what did.
func (o *standardOutput) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		_, o.err = o.w.Write(p)
	}
	return len(p), nil
}

// failure is why output was dropped, or nil.
func (o *standardOutput) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// readerLeft tells whether a write failed because the other end stopped reading: a pipe answers EPIPE, and a
// socket may answer ECONNRESET.
func readerLeft(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// lasting is standard output for a command that prints for long: its writes fail once standard output has, so
// that the command can stop.
type lasting struct {
	w   io.Writer
	out *standardOutput
}

func (l lasting) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if failed := l.out.failure(); failed != nil {
		return 0, failed
	}
	return n, err
}

// lasting is where a command prints that should end when nobody takes what it prints.
func (a *app) lasting() io.Writer { return lasting{a.stdout, a.printed} }

// lost is the failure that kept what was printed so far from arriving, or nil.
func (a *app) lost() error {
	a.flush()
	if err := a.printed.failure(); err != nil && !readerLeft(err) {
		return &store.Error{Op: "write", Path: "standard output", Err: err}
	}
	return nil
}

// flush writes what the redactors hold back. Standard output keeps its failure, and standard error is never asked.
func (a *app) flush() {
	for _, w := range a.redactors {
		_ = w.flush()
	}
}

// and is an outcome to which a failure of telling it came: the code of a command's own failure stays.
func (o outcome) and(also outcome) outcome {
	if o.Code == exitOK {
		return also
	}
	o.Message += "; " + also.Message
	return o
}
