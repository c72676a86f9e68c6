package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// holdLock is the whole of the test binary when it plays the other process: it opens the output,
// says so, and waits to be killed or for its input to end.
func holdLock(dir string) int {
	o, err := job{total: 1, group: 1}.open(nil, dir)
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "locked")
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // any end will do
	if o.Close() != nil {
		return 1
	}
	return 0
}

// other starts the other process and returns once it holds the lock.
func other(t *testing.T, dir string) (cmd *exec.Cmd, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "SINK_TEST_HOLD_LOCK="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "locked\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd, func() { in.Close(); cmd.Wait() } //nolint:errcheck // killed or not, it has ended
}

func TestLock_IsHeldAgainstAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	_, end := other(t, dir)
	if _, err := j.open(nil, dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	end()
	o, err := j.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLock_IsFreeAfterKill(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	cmd, end := other(t, dir)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	end()
	if err := j.run(nil, dir, nil); err != nil {
		t.Fatal(err)
	}
	j.checkComplete(t, dirTree(dir))
}

func TestLock_IsHeldAgainstThisProcess(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 1, group: 1}
	o, err := j.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.open(nil, dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	// Another run is not concerned.
	elsewhere := j
	elsewhere.config = func(c *Config) { c.Run = "otherrun" }
	p, err := elsewhere.open(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}
