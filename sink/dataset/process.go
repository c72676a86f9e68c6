package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// ErrReader says that no process could be started that reads values.
var ErrReader = errors.New("the reading process does not work")

// DefaultMemory is what a reading process may take beyond what every process of this program has.
const DefaultMemory = 2 << 30

// Deadline is how long reading a file of a size may take: 72 s for 256 MiB, which took 5 s where this
// was measured, and 8 s for a small hostile one.
func Deadline(size int64) time.Duration {
	return 8*time.Second + time.Duration(size/(4<<20))*time.Second
}

// maxAnswer bounds what is read of a process's output.
const maxAnswer = 64 << 10

// waitDelay is for a killed process's pipes to close.
const waitDelay = time.Second

// child reads values in a process of their own.
type child struct {
	command  []string
	memory   int64
	deadline func(size int64) time.Duration
}

// read runs the process on an open file: what was hashed is what is read, whatever happens to the
// name meanwhile. The process gets no environment: there may be a token in ours.
func (c child) read(ctx context.Context, f *os.File, size int64) (Reading, error) {
	deadline := c.deadline(size)
	bounded, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	args := append(c.command[1:len(c.command):len(c.command)],
		strconv.FormatInt(c.memory, 10), strconv.FormatInt(int64(4*deadline/time.Second), 10))
	cmd := exec.CommandContext(bounded, c.command[0], args...) //nolint:gosec // the command is this program
	cmd.Env = []string{"GOTRACEBACK=none"}
	cmd.WaitDelay = waitDelay
	var out, errs head
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, &out, &errs
	if err := cmd.Start(); err != nil {
		return Reading{}, fmt.Errorf("%w: %w", ErrReader, err)
	}
	err := cmd.Wait()
	var answer Reading
	switch {
	case ctx.Err() != nil:
		return Reading{}, context.Cause(ctx)
	case errors.Is(bounded.Err(), context.DeadlineExceeded) && err != nil:
		answer.Reason = fmt.Sprintf("reading its values took longer than %v", deadline)
	case err == nil:
		if json.Unmarshal(out.b, &answer) != nil {
			return Reading{}, fmt.Errorf("%w: it gave no answer", ErrReader)
		}
	case errs.says("out of memory", "cannot allocate memory", "address space"): // the last under the race detector
		answer.Reason = fmt.Sprintf("reading its values takes more than %d MiB of memory", c.memory>>20)
	case errs.says("panic", "fatal error") || killed(err):
		answer.Reason = "reading its values made the Parquet reader crash"
	default:
		return Reading{}, fmt.Errorf("%w: %w: %s", ErrReader, err, clean(string(errs.b)))
	}
	return answer, nil
}

// killed tells whether a signal ended the process.
func killed(err error) bool {
	var e *exec.ExitError
	return errors.As(err, &e) && e.ExitCode() < 0
}

// head keeps the beginning of what is written to it.
type head struct{ b []byte }

// says tells whether one of the texts is among what was written: the runtime's last words are all that
// a process leaves that ran out of memory.
func (h *head) says(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return bytes.Contains(h.b, []byte(s)) })
}

func (h *head) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), maxAnswer-len(h.b))]...)
	return len(p), nil
}
