package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// token is the emulator's; nobody else listens on loopback for it.
	token = "compare-token-of-the-emulator"
	// waitScale takes the waiting out of an export: polling, call limits, the time an export task takes.
	waitScale = "0.001"
	// unscaledIdle is how long the export bears silence, for it is shortened like every other wait.
	unscaledIdle = "24h"
	// The window of an export. A task holds at most a million results.
	windowStart, windowStop = "2024-01-01", "2024-02-01"
	windowDays, maxResults  = 31, 1000000
)

// account is the product's emulator in a process of its own, so that its memory and time are not the export's.
type account struct {
	cmd     *exec.Cmd
	stdout  io.Closer
	began   time.Time
	start   float64 // seconds of CPU until it was ready
	url     string
	project string
}

// serve starts an emulator whose project has the results in the window, rounded to whole days. Once there is a recording of
// them, it serves that: to generate the same documents again takes more than all the rest that it does.
func (s *settings) serve(ctx context.Context, results, every int) (*account, error) {
	if results > maxResults {
		return nil, fmt.Errorf("an export task holds at most %d results, not %d", maxResults, results)
	}
	switch {
	case every == 0:
		every = 1000
	case every < 0:
		every = 0
	}
	documents := []string{"--documents", s.recorded}
	if s.recorded == "" {
		documents = []string{"--seed", fmt.Sprint(s.seed), "--documents-per-day", fmt.Sprint(max(1, results/windowDays))}
	}
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"emulate", "--control-every", fmt.Sprint(every), "--credits", "1000000000",
		"--rate-limits", "off", "--task-seconds", "0", "--log-level", "error"}, documents...)...)
	cmd.Env = append(os.Environ(), environment("")...)
	cmd.Stderr = s.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a := &account{cmd: cmd, stdout: stdout, began: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	var ready struct {
		URL      string   `json:"url"`
		Projects []string `json:"projects"`
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err == nil && len(ready.Projects) == 0 {
		err = errors.New("no project")
	}
	if err != nil {
		_, stopped := a.stop()
		return nil, errors.Join(fmt.Errorf("read the emulator's first line: %w", err), stopped)
	}
	a.url, a.project, a.start = ready.URL, ready.Projects[0], taken(cmd.Process.Pid)
	return a, nil
}

// taken is how many seconds of CPU a process has taken so far, 0 where the system does not tell (proc_pid_stat(5)).
func taken(pid int) (seconds float64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // behind the name
	fields := strings.Fields(after)
	for _, ticks := range fields[min(11, len(fields)):min(13, len(fields))] {
		n, _ := strconv.ParseFloat(ticks, 64)
		seconds += n / 100
	}
	return seconds
}

// stop ends the emulator and says what it took to serve: what it did before it was ready is not counted.
func (a *account) stop() (cost, error) {
	err := a.cmd.Process.Signal(os.Interrupt)
	if waited := a.cmd.Wait(); waited != nil {
		return cost{}, errors.Join(err, fmt.Errorf("the emulator: %w", waited))
	}
	if err != nil {
		return cost{}, err
	}
	c, err := spent(a.cmd.ProcessState, time.Since(a.began))
	c.CPU -= a.start
	return c, err
}

// environment is what both commands are told; base is where the emulator is.
func environment(base string) []string {
	env := []string{"TALKWALKER_ACCESS_TOKEN=" + token, "TW2PARQUET_WAIT_SCALE=" + waitScale}
	if base != "" {
		env = append(env, "TALKWALKER_BASE_URL="+base)
	}
	return env
}

// exportTo makes a side of the product's export of the whole window, with more flags, or else as one task.
func (s *settings) exportTo(a *account, name, out string, more ...string) *side {
	if more == nil {
		more = []string{"--split", "none"}
	}
	command := slices.Concat([]string{s.binary, "export", "--project", a.project, "--start", windowStart, "--stop", windowStop, "--idle-timeout", unscaledIdle}, more, s.writing(out))
	return &side{name: name, out: out, command: command, env: environment(a.url)}
}

// replay reads the results of the export in out once more and writes them as they come to a file, whose
// size it returns.
func (a *account) replay(ctx context.Context, out, file string) (size int64, err error) {
	runs, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "*", "manifest.json"))
	if err != nil || len(runs) != 1 {
		return 0, fmt.Errorf("%d manifests in %s, not 1: %w", len(runs), out, err)
	}
	collector := "tw2p-" + filepath.Base(filepath.Dir(runs[0]))
	query := url.Values{"access_token": {token}, "resume_offset": {"earliest"}, "end_behaviour": {"stop"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/v3/stream/c/"+collector+"/results?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, errors.New(strings.ReplaceAll(err.Error(), token, "REDACTED"))
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read %s: %s", collector, answer.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	size, err = io.Copy(f, answer.Body)
	return size, errors.Join(err, f.Close())
}
