package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// promptly is how long a stopped run takes, typically.
const promptly = 2 * time.Second

// lastLine is the result that a process left.
func (p *started) lastLine(t *testing.T) result {
	t.Helper()
	var r result
	lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("the last line is not a result: %v\n%s\n%s", err, &p.stdout, &p.stderr)
	}
	return r
}

// TestStop_EverySignalEndsInOrder stops a run whose read has paused.
func TestStop_EverySignalEndsInOrder(t *testing.T) {
	for sig, code := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 143} {
		if testing.Short() && sig != syscall.SIGINT {
			continue // TestExport_TerminatedAndStartedAgain, and the command's own tests
		}
		t.Run(sig.String(), func(t *testing.T) {
			// What is ignored here, under nohup for one, would be ignored by the process too; what is caught is not.
			caught := make(chan os.Signal, 1)
			signal.Notify(caught, sig)
			t.Cleanup(func() { signal.Stop(caught) })
			a := serve(t, dense())
			out := a.output()
			p := a.startAndStall(out)
			began := time.Now()
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			<-p.over
			if took := time.Since(began); took > promptly {
				t.Errorf("it took %v", took)
			}
			if r := p.lastLine(t); p.ended().code != code || r.ExitCode != code || r.Status != "interrupted" || !r.Error.Retryable {
				t.Errorf("exit %d: %s", p.ended().code, &p.stdout)
			}
			expectNothingStaged(t, out)
			// The task goes on: it is paid for.
			if n := len(a.Ledger().Calls(emulator.EndpointTaskDelete)); n > 0 {
				t.Errorf("%d tasks were aborted", n)
			}
			a.finish(out, published(t, out))
		})
	}
}

// TestStop_AbortsTheTaskWhenAsked ends what would go on costing.
func TestStop_AbortsTheTaskWhenAsked(t *testing.T) {
	cfg := dense()
	cfg.TaskDuration = time.Hour
	a := serve(t, cfg)
	out := a.output()
	args := append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--out", out, "--abort-on-cancel"}, oneWindow[:]...)
	a.exports++
	p := a.launch(args...)
	for len(a.Ledger().Calls(emulator.EndpointTask)) == 0 {
		select {
		case <-p.over:
			t.Fatalf("it ended: %s\n%s", &p.stdout, &p.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.over
	l := a.Ledger()
	if p.ended().code != 143 || len(l.Calls(emulator.EndpointTaskDelete)) != 1 || len(l.Tasks) != 1 {
		t.Errorf("exit %d, calls %+v\n%s", p.ended().code, l.Changing(), &p.stderr)
	}
	// What it exported by then is published by the next run, which says what became of the task.
	a.export(40, out, oneWindow[:]...)
}

// TestStop_NobodyReads closes standard output and error while the run goes on: it publishes all the same.
func TestStop_NobodyReads(t *testing.T) {
	a := serve(t, dense())
	out := a.output()
	args := append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--out", out, "--progress", "on"}, oneWindow[:]...)
	a.exports++
	p := a.prepare(args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stdout, p.Stderr = w, w
	p.begin()
	_, _ = io.CopyN(io.Discard, r, 1)
	r.Close()
	w.Close()
	<-p.over
	if p.ended().code != 0 { // a reader that stops changes no verdict
		t.Errorf("exit %d", p.ended().code)
	}
	a.expectComplete(a.export(0, out, oneWindow[:]...), out)
	a.expectQuiet(0, out, oneWindow[:]...)
}

// A run that finds all its windows complete asks nobody.
func TestRerun_CallsNobody(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	flags := []string{"--split", "day", "--start", "2024-01-01", "--stop", "2024-01-13", "--parallel", "4"}
	first := a.export(0, out, flags...)
	calls := len(a.Ledger().Requests)
	again := a.export(0, out, flags...)
	if n := len(a.Ledger().Requests); n != calls {
		t.Errorf("%d calls", n-calls)
	}
	if again.result.Rows != first.result.Rows || again.result.Credits != first.result.Credits || again.result.Status != "complete" {
		t.Errorf("12 complete windows: %+v", again.result)
	}
}

// TestLimits_OfTheProcess exports where the shell allows too little. What is missing is told, nothing torn is
// left, and without the limit the run goes on without buying again.
func TestLimits_OfTheProcess(t *testing.T) {
	for name, c := range map[string]struct{ limit, says string }{
		"file size": {"ulimit -f 32", "file size limit"}, // 32 KiB, less than a file
		"files":     {"ulimit -n 9", "open files"},
	} {
		t.Run(name, func(t *testing.T) {
			a := serve(t, dense())
			out := a.output()
			args := append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--out", out}, oneWindow[:]...)
			a.exports++
			p := a.prepare(args...)
			p.Path, p.Args = "/bin/sh", append([]string{"sh", "-c", c.limit + ` && exec "$0" "$@"`, binary}, args...)
			p.begin()
			<-p.over
			r := p.lastLine(t)
			if p.ended().code != 50 && p.ended().code != 20 || !strings.Contains(p.stdout.String()+p.stderr.String(), c.says) {
				t.Errorf("exit %d: %+v\n%s", p.ended().code, r.Error, &p.stderr)
			}
			a.expectComplete(a.export(0, out, oneWindow[:]...), out)
		})
	}
}

// TestLimits_OfMemory gives too little address space, and then more and more. The Go runtime gives up with a dump of
// its own, before it has begun or in the middle: a death like another.
func TestLimits_OfMemory(t *testing.T) {
	long(t, "TestTorture, which kills too")
	a := serve(t, dense())
	out := a.output()
	args := append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--out", out}, oneWindow[:]...)
	died, through := 0, false
	for kibibytes := 600_000; !through; kibibytes += 25_000 {
		a.exports++
		p := a.prepare(args...)
		p.Path, p.Args = "/bin/sh", append([]string{"sh", "-c", fmt.Sprintf("ulimit -v %d", kibibytes) + ` && exec "$0" "$@"`, binary}, args...)
		p.begin()
		<-p.over
		if through = p.ended().code == 0; !through {
			died++
		}
		if printed := p.stdout.String() + p.stderr.String(); strings.Contains(printed, a.Token()) {
			t.Errorf("the token was printed:\n%s", printed)
		}
		for name := range published(t, out) {
			content, err := os.ReadFile(name)
			if err == nil {
				err = opens(content)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if died == 0 && runtime.GOOS == "linux" {
		t.Error("nothing happened")
	}
	a.expectComplete(a.export(0, out, oneWindow[:]...), out)
}
