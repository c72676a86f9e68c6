package airflow

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/source/emulator"
)

// killed loses an export in the middle of its reading, and Airflow's own process above one: the export that is left
// behind there goes on, or dies of the broken pipe. One bill, and every row once.
func killed(t *testing.T, s *scheduler) {
	a, out := serve(t, small()), filepath.Join(t.TempDir(), "lake")
	d := s.install(t, a, "killed", out, "", never...)
	a.script(`{"endpoint":"results","stall":{"at":20000}}`)
	run := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-03"})
	first, second := process(t, "\x00export\x00", out, "--start=2024-01-01"), process(t, "\x00export\x00", out, "--start=2024-01-02")
	above := parent(t, second)
	await(t, "both to read", func() bool { return len(a.Ledger().Calls(emulator.EndpointResults)) >= 2 })
	for _, pid := range []int{first, above} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	a.SetFaults(nil)
	a.Release()
	state, tasks := d.ended(run)
	if state != "success" {
		t.Fatalf("%s, %q\n%s", state, tasks, d.log(run))
	}
	for _, task := range d.tasks(run)[:2] {
		if task.ID != "export" || task.Try < 2 {
			t.Errorf("it was not tried again: %+v", task)
		}
	}
	a.expectWhole(out, 2)
}

// process waits for the program whose command line has all the words, and tells its id.
func process(t *testing.T, words ...string) (pid int) {
	t.Helper()
	await(t, "a process of "+strings.Join(words, " "), func() bool {
		all, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			line, _ := os.ReadFile(name) // it may be gone
			has := bytes.Contains(bytes.SplitN(line, []byte{0}, 2)[0], []byte("tw2parquet"))
			for _, word := range words {
				has = has && bytes.Contains(line, []byte(word))
			}
			if has {
				pid, err = strconv.Atoi(filepath.Base(filepath.Dir(name)))
				return err == nil
			}
		}
		return false
	})
	return pid
}

func parent(t *testing.T, pid int) (above int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPPid:\t")
	if _, err := fmt.Sscan(rest, &above); err != nil || above < 2 {
		t.Fatalf("the parent of %d: %d, %v", pid, above, err)
	}
	return above
}

// lose lets the time pass after which Airflow gives up tasks it hears nothing of: those of processes that are gone, with all
// that would tell of it.
func (s *scheduler) lose(t *testing.T, pids ...int) {
	t.Helper()
	text := strings.Trim(strings.ReplaceAll(fmt.Sprint(pids), " ", ", "), "[]")
	await(t, "the tasks of "+text, func() bool {
		said := s.db.ask(t, "UPDATE task_instance SET last_heartbeat_at = now() - interval '1 hour' WHERE state = 'running' AND pid IN ("+text+")")
		return !strings.Contains(said, "UPDATE 0")
	})
}
