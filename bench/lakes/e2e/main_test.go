package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tw2parquet/bench/lakes/servers"
)

const (
	// waitScale shortens the binary's waits, for the API and for the store: ten minutes of a store that is not
	// available are three seconds. minute is the emulator's, to match.
	waitScale = 0.005
	minute    = time.Minute / 200
	// patience ends a test that hangs.
	patience = 2 * time.Minute
	// restarts is how often a run may have to be started again before it gets through.
	restarts = 12
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "tw2parquet-lakes-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "tw2parquet")
	build := exec.Command("go", "build", "-o", binary, "./cmd/tw2parquet")
	build.Dir = filepath.Join("..", "..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	defer func() {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}()
	return m.Run()
}

var (
	shared                    = servers.NewShared()
	versity, fakeGCS, azurite = shared.Versity, shared.FakeGCS, shared.Azurite
)

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// times is how often something is done that is never twice the same: TORTURE times as often as usual.
func times(t *testing.T, usual, quick int) int {
	t.Helper()
	n := knob(t, "TORTURE", 1)
	if testing.Short() && n == 1 {
		return quick
	}
	return usual * n
}

func knob(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is not a number from 1 on", name, text)
	}
	return n
}
