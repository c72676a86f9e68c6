package bug

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestGuard_TellsWhereNotWhat(t *testing.T) {
	err := Guard(func() error { panic(errors.New("the secret")) })
	var p *Error
	if !errors.As(err, &p) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "TestGuard_TellsWhereNotWhat") || !strings.Contains(err.Error(), "bug_test.go:") {
		t.Errorf("error %v", err)
	}
	if err := Guard(func() error { return io.ErrNoProgress }); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
	if err := Guard(func() error { return nil }); err != nil {
		t.Errorf("error %v", err)
	}
}

// What another goroutine caught keeps the place where it happened.
func TestGuard_PassesOnWhatWasCaught(t *testing.T) {
	first := Guard(func() error { panic("no") })
	if err := Guard(func() error { panic(first) }); !errors.Is(err, first) || err.Error() != first.Error() {
		t.Errorf("error %v, want %v", err, first)
	}
}
