package airflow

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/source/emulator"
)

// lake is a bucket of a versitygw, and where its objects lie as files.
type lake struct {
	Bucket, Endpoint, Dir string
	Env                   []string // credentials
}

// bucket starts one. It ends with the test.
func bucket(t *testing.T) *lake {
	t.Helper()
	cmd := exec.Command("go", "-C", filepath.Join("..", "lakes"), "run", "./serve")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // that is what it waits for
		if err := cmd.Wait(); err != nil {
			t.Errorf("versitygw: %v\n%s", err, said.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	l := &lake{}
	if err != nil || json.Unmarshal(line, l) != nil {
		t.Fatalf("versitygw: %v, %q\n%s", err, line, said.String())
	}
	return l
}

func (l *lake) url(prefix string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s", l.Bucket, prefix, url.QueryEscape(l.Endpoint))
}

// scaleOut spreads thirty days over four of Airflow's task processes, into one bucket. Another run asks for the last two
// of them at the same time, and a task process is killed in the middle of a window, with the worker above it.
func scaleOut(t *testing.T, s *scheduler) {
	a := serve(t, small())
	d := s.install(t, a, "scale", s.lake.url("scale"), "", never...)
	a.script(`{"endpoint":"results","stall":{"at":20000}}`)
	all := d.trigger(nil, map[string]string{"start": "2024-01-01", "stop": "2024-01-31"})
	some := d.trigger(nil, map[string]string{"start": "2024-01-29", "stop": "2024-01-31"})
	await(t, "windows to hang", func() bool { return len(a.Ledger().Calls(emulator.EndpointResults)) >= 2 })
	export := process(t, "\x00export\x00", "=s3://"+s.lake.Bucket+"/scale?")
	above := parent(t, export)
	worker := parent(t, above)
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", worker)); err != nil || !strings.Contains(string(name), "LocalExecutor") {
		t.Fatalf("above the task is %q, %v", name, err)
	}
	for _, pid := range []int{worker, above, export} { // none of them sees another one die
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.lose(t, above)
	a.SetFaults(nil)
	a.Release()
	again := false
	for _, run := range []string{all, some} {
		if state, tasks := d.ended(run); state != "success" {
			t.Errorf("%s: %s, %q\n%s", run, state, tasks, d.log(run))
		}
		again = again || slices.ContainsFunc(d.tasks(run), func(t task) bool { return t.ID == "export" && t.Try > 1 })
	}
	if n := len(d.tasks(all)); n != 33 || !again {
		t.Errorf("%d tasks; tried again: %v", n, again)
	}
	a.expectWhole(filepath.Join(s.lake.Dir, "scale"), 30)
}
