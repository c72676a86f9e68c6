package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// opened is a file that is about to be read.
type opened struct {
	file *os.File
	size int64
}

// read reads open files in one process: starting one takes three times as long as reading a small file. If it does not
// end well, each file gets its own, since one of them is to blame.
func (c child) read(ctx context.Context, files []opened) ([]Reading, error) {
	answers, reason, err := c.run(ctx, files)
	switch {
	case err != nil:
		return nil, err
	case reason == "":
		return answers, nil
	case len(files) == 1:
		return []Reading{{Reason: reason}}, nil
	}
	answers = nil
	for i := range files {
		alone, err := c.read(ctx, files[i:i+1])
		if err != nil {
			return nil, err
		}
		answers = append(answers, alone...)
	}
	return answers, nil
}

// run starts the process on open files: what was hashed is what is read, whatever happens to the
// names meanwhile. The process gets no environment: there may be a token in ours. It answers for each file, or there is
// a reason why it could not.
func (c child) run(ctx context.Context, files []opened) (answers []Reading, reason string, err error) {
	size := int64(0)
	var more []*os.File
	for i, f := range files {
		size += f.size
		if i > 0 {
			more = append(more, f.file)
		}
	}
	deadline := c.deadline(size)
	bounded, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	args := append(c.command[1:len(c.command):len(c.command)],
		strconv.FormatInt(c.memory, 10), strconv.FormatInt(int64(4*deadline/time.Second), 10), strconv.Itoa(len(files)))
	cmd := exec.CommandContext(bounded, c.command[0], args...) //nolint:gosec // the command is this program
	cmd.Env = []string{"GOTRACEBACK=none"}
	if len(files) > 1 { // a quarter of the time would go into collecting what small files leave
		cmd.Env = append(cmd.Env, "GOGC=800")
	}
	cmd.WaitDelay = waitDelay
	var out, errs head
	cmd.Stdin, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = files[0].file, more, &out, &errs
	if err := cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrReader, err)
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, "", context.Cause(ctx)
	case errors.Is(bounded.Err(), context.DeadlineExceeded) && err != nil:
		return nil, fmt.Sprintf("reading its values took longer than %v", deadline), nil
	case err == nil:
		answers, err = out.readings()
		if err != nil || len(answers) != len(files) {
			return nil, "", fmt.Errorf("%w: it gave %d answers about %d files", ErrReader, len(answers), len(files))
		}
		return answers, "", nil
	case errs.says("out of memory", "cannot allocate memory", "address space"): // the last under the race detector
		return nil, fmt.Sprintf("reading its values takes more than %d MiB of memory", c.memory>>20), nil
	case errs.says("panic", "fatal error") || killed(err):
		return nil, "reading its values made the Parquet reader crash", nil
	}
	return nil, "", fmt.Errorf("%w: %w: %s", ErrReader, err, clean(string(errs.b)))
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

// readings are what CheckFiles wrote.
func (h *head) readings() (all []Reading, err error) {
	for d := json.NewDecoder(bytes.NewReader(h.b)); ; {
		var r Reading
		switch err := d.Decode(&r); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return all, err
		}
		all = append(all, r)
	}
}

func (h *head) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), maxAnswer-len(h.b))]...)
	return len(p), nil
}
