package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// account is an emulator in this process, served over HTTP.
type account struct {
	*emulator.Server
	t   *testing.T
	url string
	env []string // of the binary, besides the account's
}

func serve(t *testing.T, cfg emulator.Config) *account {
	t.Helper()
	cfg.Minute = minute
	s := must[*emulator.Server](t)(emulator.New(cfg))
	var listen net.ListenConfig
	ln := must[net.Listener](t)(listen.Listen(t.Context(), "tcp", "127.0.0.1:0"))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &account{Server: s, t: t, url: "http://" + ln.Addr().String()}
}

// few is an account with 60 results in three days, which an export writes into several small files.
func few() emulator.Config {
	return emulator.Config{Seed: 36, DocumentsPerDay: 20, ControlEvery: 5, LimitBatch: 10}
}

// large is an account with 20 results, of 24 MiB together: files of several parts.
func large() emulator.Config {
	cfg := emulator.Config{ControlEvery: 10, LimitBatch: 10}
	for i := range 20 {
		var text strings.Builder
		for n := i + 1; text.Len() < 1200<<10; n = n * 48271 % 2147483647 {
			fmt.Fprintf(&text, "%08x ", n)
		}
		document := map[string]any{"url": fmt.Sprintf("https://example.com/%d", i), "content": text.String(), "lang": "en"}
		line, err := json.Marshal(document)
		if err != nil {
			panic(err) // texts and numbers always can be
		}
		cfg.Documents = append(cfg.Documents, line)
	}
	return cfg
}

// export are the arguments of the export into an output.
func (a *account) export(out string, more ...string) []string {
	return append([]string{"export", "--project", a.Projects()[0], "--start", "2024-01-01", "--stop", "2024-01-04", "--split", "none",
		"--row-group-size", "64KiB", "--file-rows", "1", "--compression", "none", "--idle-timeout", "15m", "--out", out}, more...)
}

// delivered are the addresses of the documents that the collector of a run got, in order.
func (a *account) delivered(run string) (urls []string) {
	a.t.Helper()
	return a.collected("tw2p-" + run)
}

// collected are those that a collector got.
func (a *account) collected(collector string) (urls []string) {
	a.t.Helper()
	var lines bytes.Buffer
	if err := a.WriteResults(&lines, collector); err != nil {
		a.t.Fatal(err)
	}
	scan := bufio.NewScanner(&lines)
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		var chunk struct {
			Result struct {
				Data struct {
					Data struct{ URL string }
				}
			} `json:"chunk_result"`
		}
		if err := json.Unmarshal(scan.Bytes(), &chunk); err != nil {
			a.t.Fatal(err)
		}
		urls = append(urls, chunk.Result.Data.Data.URL)
	}
	if err := scan.Err(); err != nil {
		a.t.Fatal(err)
	}
	return urls
}

// result is the last line of standard output.
type result struct {
	Status  string
	Windows []struct {
		Start, Run string
		Runs       []string // that cover the window, where it was covered before
		Rows       int64
		Files      []string
		Credits    int64
		Partial    string // why it is not complete, where that was accepted
	}
	Rows, Credits int64
	Files         int
	ExitCode      int `json:"exit_code"`
	Error         *struct {
		Code, Message, Hint string
		Retryable           bool
	}
}

// started is a run of the binary that is going, or over.
type started struct {
	*exec.Cmd
	a              *account
	args           []string
	stdout, stderr bytes.Buffer  // to be read once it is over
	over           chan struct{} // closed then
}

// launch starts the binary, for no longer than patience.
func (a *account) launch(args ...string) *started {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), patience)
	p := &started{Cmd: exec.CommandContext(ctx, binary, args...), a: a, args: args, over: make(chan struct{})}
	p.Dir = a.t.TempDir() // whatever it may write lands there
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.Dir, "TALKWALKER_ACCESS_TOKEN=" + a.Token(), "TALKWALKER_BASE_URL=" + a.url,
		fmt.Sprintf("TW2PARQUET_WAIT_SCALE=%g", waitScale)}, a.env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		cancel()
		a.t.Fatal(err)
	}
	go func() {
		defer close(p.over)
		defer cancel()
		_ = p.Wait() // ProcessState tells
	}()
	a.t.Cleanup(p.kill)
	return p
}

// kill ends the process the hard way and waits until it is gone. It may be gone already.
func (p *started) kill() {
	_ = p.Process.Kill()
	<-p.over
}

// ended is a run of the binary that is over.
type ended struct {
	code           int // -1: a signal ended it
	stdout, stderr string
	result         result
}

func (e ended) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", e.code, e.stdout, e.stderr)
}

// end waits for the end of the process. Unless it was killed, the last line is the result.
func (p *started) end() ended {
	p.a.t.Helper()
	<-p.over
	e := ended{code: p.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String()}
	if e.code < 0 || !slices.Contains([]string{"export", "read", "convert"}, p.args[0]) {
		return e
	}
	lines := strings.Split(strings.TrimSuffix(e.stdout, "\n"), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e.result); err != nil {
		p.a.t.Fatalf("the last line is not a result: %v\n%s", err, e)
	}
	if e.result.ExitCode != e.code || (e.code != 0) != (e.result.Error != nil) {
		p.a.t.Errorf("the result does not agree with the exit code\n%s", e)
	}
	return e
}

// run runs the binary to its end, which must be the expected one.
func (a *account) run(code int, args ...string) ended {
	a.t.Helper()
	e := a.launch(args...).end()
	if e.code != code {
		a.t.Fatalf("%s: want exit %d: %s", args[0], code, e)
	}
	return e
}

// through runs an export, or a reader, for as long as running again helps, until it is complete.
func (a *account) through(args ...string) ended {
	a.t.Helper()
	var e ended
	for range restarts {
		if e = a.launch(args...).end(); e.code == 0 || !e.result.Error.Retryable {
			break
		}
	}
	if e.code != 0 {
		a.t.Fatalf("it does not get through: %s", e)
	}
	return e
}
