package pipeline

import (
	"errors"
	"strings"
	"testing"
)

func TestGuard_TellsWhereNotWhat(t *testing.T) {
	err := Guard(func() error { panic(errors.New("the secret")) })
	var p *PanicError
	if !errors.As(err, &p) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "TestGuard_TellsWhereNotWhat") {
		t.Errorf("error %v", err)
	}
	if err := Guard(func() error { return errFull }); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}
