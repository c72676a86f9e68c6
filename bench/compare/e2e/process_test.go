package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// result is the last line of standard output.
type result struct {
	Status  string `json:"status"`
	Out     string `json:"out"`
	Windows []struct {
		Start      string   `json:"start"`
		Stop       string   `json:"stop"`
		Run        string   `json:"run"`
		TaskID     string   `json:"task_id"`
		TaskStatus string   `json:"task_status"`
		Processed  int64    `json:"processed"`
		Rows       int64    `json:"rows"`
		Rejected   int64    `json:"rejected"`
		Files      []string `json:"files"`
		Bytes      int64    `json:"bytes"`
		Credits    int64    `json:"credits"`
		Truncated  bool     `json:"truncated"`
	} `json:"windows"`
	Rows          int64   `json:"rows"`
	Rejected      int64   `json:"rejected"`
	UnknownFields int64   `json:"unknown_fields"`
	CoercedValues int64   `json:"coerced_values"`
	Files         int     `json:"files"`
	Bytes         int64   `json:"bytes"`
	Credits       int64   `json:"credits"`
	Seconds       float64 `json:"seconds"`
	ExitCode      int     `json:"exit_code"`
	Error         *struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		Retryable bool   `json:"retryable"`
		Hint      string `json:"hint"`
	} `json:"error"`
}

// ended is a run of the binary that is over.
type ended struct {
	code           int // -1: a signal ended it
	how            string
	stdout, stderr string
	result         result
}

// command prepares the binary with the account's settings.
func (a *account) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(a.binary, binary), args...)
	cmd.Dir = a.t.TempDir() // nothing relative may land in the repository
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TALKWALKER_ACCESS_TOKEN=" + a.Token(), "TALKWALKER_BASE_URL=" + a.url,
		fmt.Sprintf("TW2PARQUET_WAIT_SCALE=%g", waitScale)}, a.env...)
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	cmd.Env = env // of two settings of a variable the last counts
	return cmd
}

// started is a run of the binary that is going, or over.
type started struct {
	*exec.Cmd
	a              *account
	args           []string
	cancel         context.CancelFunc
	stdout, stderr bytes.Buffer        // to be read once it is over
	over           chan struct{}       // closed then
	traced         *syscall.WaitStatus // how it ended, where a tracer was told so
	lost           error               // why nobody was
}

// launch starts the binary, for no longer than patience.
func (a *account) launch(args ...string) *started {
	a.t.Helper()
	p := a.prepare(args...)
	p.begin()
	return p
}

// prepare makes a process that has to be begun, and to be reaped.
func (a *account) prepare(args ...string) *started {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), patience)
	p := &started{Cmd: a.command(ctx, args...), a: a, args: args, cancel: cancel, over: make(chan struct{})}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

// begin starts the process.
func (p *started) begin() {
	p.a.t.Helper()
	if err := p.Start(); err != nil {
		p.a.t.Fatal(err)
	}
	go func() {
		defer close(p.over)
		p.reap()
	}()
	p.a.t.Cleanup(p.kill)
}

// reap waits for the end of the process.
func (p *started) reap() {
	defer p.cancel()
	p.lost = p.Cmd.Wait() // ProcessState tells, or traced
}

// ended says how the process ended, once it has.
func (p *started) ended() ended {
	e := ended{stdout: p.stdout.String(), stderr: p.stderr.String()}
	switch {
	case p.traced != nil:
		e.code, e.how = p.traced.ExitStatus(), fmt.Sprintf("wait status %#x under a tracer", uint32(*p.traced))
	case p.ProcessState != nil:
		e.code, e.how = p.ProcessState.ExitCode(), p.ProcessState.String()
	default:
		p.a.t.Fatalf("how the process ended is not known: %v\n%s", p.lost, e)
	}
	return e
}

// kill ends the process the hard way and waits until it is gone. It may be gone already.
func (p *started) kill() {
	_ = p.Process.Kill()
	<-p.over
}

// wait waits for the end of the process and holds what is true of every run: the token is nowhere in
// what was printed, and unless it was killed the last line of standard output is the result and agrees
// with the exit code.
func (p *started) wait() ended {
	p.a.t.Helper()
	<-p.over
	e := p.ended()
	for _, printed := range []string{e.stdout, e.stderr} {
		if strings.Contains(printed, p.a.Token()) {
			p.a.t.Errorf("the token was printed:\n%s", e)
		}
	}
	if len(p.args) == 0 || e.code < 0 || !slices.Contains([]string{"export", "read", "convert", "demo"}, p.args[0]) || slices.Contains(p.args, "--help") {
		return e
	}
	if e.code == 50 && e.stdout == "" && strings.Contains(e.stderr, "the result could not be written") {
		return e // standard output itself is what failed
	}
	lines := strings.Split(strings.TrimSuffix(e.stdout, "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e.result); err != nil {
		p.a.t.Fatalf("the last line is not a result: %v\n%s", err, e)
	}
	if e.result.ExitCode != e.code {
		p.a.t.Errorf("the result says exit code %d, the process %d", e.result.ExitCode, e.code)
	}
	if failed := e.code != 0 && e.code != 99; failed && e.result.Error == nil {
		p.a.t.Errorf("exit %d without an error in the result\n%s", e.code, e)
	}
	return e
}

// run runs the binary to its end, which must be the expected one.
func (a *account) run(code int, args ...string) ended {
	a.t.Helper()
	e := a.launch(args...).wait()
	if e.code != code {
		a.t.Fatalf("exit %d, want %d\n%s", e.code, code, e)
	}
	return e
}

func (e ended) String() string { return e.how + "\nstdout: " + e.stdout + "\nstderr: " + e.stderr }
