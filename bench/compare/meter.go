package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"tw2parquet/bench/compare/brief"
)

// meterCommand makes this program a process that runs one command and tells what it cost.
//
// Linux counts to a process's peak memory that of the process it was started from, at the moment it was: after
// comparing values that is DuckDB's. So the sides are started from a process that has done nothing yet.
const meterCommand = "meter"

// meterReport is the file descriptor that the meter's answer goes to.
const meterReport = 3

// cost is what one run took: seconds, seconds, MiB.
type cost struct{ Wall, CPU, RSS float64 }

// metered runs a command to its end under a meter. Its standard output goes to output; the error of one that fails shows the
// beginning of its standard error.
func metered(ctx context.Context, env, command []string, input func(io.Writer) error, output io.Writer) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	answers, answer, err := os.Pipe()
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, answers.Close()) }()
	cmd := exec.CommandContext(ctx, self, append([]string{meterCommand}, command...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = output, &said
	cmd.ExtraFiles = []*os.File{answer}
	fed := make(chan error, 1)
	if input != nil {
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return cost{}, errors.Join(err, answer.Close())
		}
		go func() { fed <- errors.Join(input(stdin), stdin.Close()) }()
	} else {
		fed <- nil
	}
	err = errors.Join(cmd.Start(), answer.Close())
	if err == nil {
		err = cmd.Wait()
	}
	if err := errors.Join(err, <-fed); err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", brief.Text(strings.Join(command, " ")), err, brief.Text(said.String()))
	}
	return c, json.NewDecoder(answers).Decode(&c)
}

// runMeter is the meter's process. It says what went wrong with the command's own exit code.
func runMeter(ctx context.Context, command []string, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		fmt.Fprintln(stderr, meterCommand+":", err)
		return max(1, cmd.ProcessState.ExitCode())
	}
	c, err := spent(cmd.ProcessState, wall)
	if err == nil {
		err = json.NewEncoder(os.NewFile(meterReport, "report")).Encode(c)
	}
	if err != nil {
		fmt.Fprintln(stderr, meterCommand+":", err)
		return 1
	}
	return 0
}

// spent is what a process took that has ended.
func spent(p *os.ProcessState, wall time.Duration) (cost, error) {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, errors.New("no resource usage on this system")
	}
	unit := 1024.0 // getrusage(2): kilobytes, on macOS bytes
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	cpu := p.UserTime() + p.SystemTime()
	return cost{Wall: wall.Seconds(), CPU: cpu.Seconds(), RSS: float64(usage.Maxrss) * unit / (1 << 20)}, nil
}
