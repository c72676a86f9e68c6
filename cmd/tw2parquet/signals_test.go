package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopping_FirstSignalCancelsSecondLeaves(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			left := 0
			s := &stopping{signals: make(chan os.Signal), late: make(chan *signalError, 1), done: make(chan struct{}), exit: func(code int) { left = code }}
			go s.listen(cancel)
			s.signals <- syscall.SIGTERM
			<-ctx.Done()
			var sig *signalError
			if !errors.As(context.Cause(ctx), &sig) || sig.sig != syscall.SIGTERM || left != 0 {
				t.Errorf("cause %v, left with %d", context.Cause(ctx), left)
			}
			if hangs {
				began := time.Now()
				if late := <-s.late; late.sig != syscall.SIGTERM || time.Since(began) > 20*time.Second {
					t.Errorf("%v after %v", late, time.Since(began))
				}
			} else {
				s.signals <- syscall.SIGINT
				synctest.Wait()
				if left != 130 {
					t.Errorf("left with %d", left)
				}
			}
			close(s.done)
		})
	}
}

func TestAwait_TellsTheSignalWhenTheCommandHangs(t *testing.T) {
	var out, errs bytes.Buffer
	a := &app{globals: &globals{}, printed: &standardOutput{w: &out}, stdout: &out, result: newResult(), line: &line{}}
	a.screen = newScreen(&errs, false)
	a.log = slog.New(slog.NewTextHandler(&errs, nil))
	late := make(chan *signalError, 1)
	late <- &signalError{syscall.SIGTERM}
	if code := a.await(make(chan int), late); code != exitTerminate {
		t.Errorf("exit %d", code)
	}
	if r := lastLine(t, out.String()); r.Status != "interrupted" || r.ExitCode != exitTerminate || !r.Error.Retryable {
		t.Errorf("result %+v", r)
	}
	before := out.String()
	if a.finish(nil); out.String() != before { // should the command end after all
		t.Errorf("told twice: %s", &out)
	}
}

func TestClassify_Signals(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 143} {
		if o := classify(&signalError{sig}); o.Code != want || !o.Retryable {
			t.Errorf("%v: %+v", sig, o)
		}
	}
}
