package airflow

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// ending is an export that ends with a code, and what Airflow is to make of it: with one retry allowed, a task that a
// retry can help is tried twice.
type ending struct {
	cfg    func(*emulator.Config)
	faults string
	flags  map[string]any
	signal syscall.Signal                                 // sent while it reads; the faults are gone then
	before func(t *testing.T, out string, same *exec.Cmd) // same: the export that Airflow is going to start
	wrong  bool                                           // the token
	want   string
}

var endings = map[string]ending{
	"ok_0":           {want: "success 1"},
	"usage_2":        {flags: map[string]any{"limit": 0}, want: "failed 1"},
	"auth_10":        {wrong: true, want: "failed 1"},
	"credits_11":     {cfg: func(c *emulator.Config) { c.Credits = -1 }, want: "failed 1"},
	"rejected_12":    {faults: `{"endpoint":"export","respond":{"code":3}}`, want: "failed 1"},
	"unavailable_20": {faults: `{"respond":{"http":503,"body":"busy"}}`, want: "failed 2"},
	"stream_21":      {faults: `{"endpoint":"results","cut":{"at":10,"how":"close"}}`, want: "failed 2"},
	"task_40":        {faults: `{"endpoint":"export","task":{"end":"failed","at":0.5}}`, want: "failed 1"},
	"truncated_41":   {flags: map[string]any{"limit": 10}, want: "failed 1"},
	"locked_30": {faults: `{"endpoint":"results","stall":{"at":20000}}`, before: func(t *testing.T, out string, same *exec.Cmd) {
		same.Args = append(same.Args, patient)
		run(t, same, out+".log")
		await(t, "the first export to write", func() bool {
			begun, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "*", "task.json"))
			return err == nil && len(begun) > 0
		})
	}, want: "failed 2"},
	"pending_31":   {cfg: func(c *emulator.Config) { c.TaskDuration = time.Hour }, flags: map[string]any{"max-wait": "0s"}, want: "failed 2"},
	"mismatch_42":  {faults: `{"endpoint":"results","inject":{"at":5,"lines":["{\"chunk_type\":\"CT_RESULT\",\"chunk_result\":{\"data\":{\"data\":{\"url\":\"one more\"}}}}"]}}`, flags: map[string]any{"strict": true}, want: "failed 1"},
	"expired_43":   {faults: `{"endpoint":"results","respond":{"code":26}}`, want: "failed 1"},
	"ambiguous_44": {faults: `{"endpoint":"export","drop":"after"},{"endpoint":"tasks","from":4,"respond":{"code":1}}`, want: "failed 1"},
	"storage_50": {before: func(t *testing.T, out string, _ *exec.Cmd) {
		if err := os.WriteFile(out, nil, 0o600); err != nil { // a file where the directory belongs
			t.Fatal(err)
		}
	}, want: "failed 1"},
	"foreign_53": {before: func(t *testing.T, out string, same *exec.Cmd) {
		if said, err := same.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		files, err := filepath.Glob(filepath.Join(out, "*", "*.parquet"))
		if err != nil || len(files) != 1 || os.Remove(files[0]) != nil {
			t.Fatalf("remove %q: %v", files, err)
		}
	}, want: "failed 1"},
	"table_54": {before: func(t *testing.T, out string, _ *exec.Cmd) {
		log := filepath.Join(out, "_delta_log")
		if err := errors.Join(os.MkdirAll(log, 0o755), os.WriteFile(filepath.Join(log, fmt.Sprintf("%020d.json", 0)), []byte("{broken\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}, flags: map[string]any{"register": true}, want: "failed 1"},
	"data_60":     {faults: `{"endpoint":"results","inject":{"at":5,"lines":["{broken"]}}`, want: "failed 1"},
	"empty_99":    {flags: map[string]any{"skip-empty": true, "query": nasty}, want: "skipped 1"},
	"signal_130":  {faults: `{"endpoint":"results","stall":{"at":20000}}`, signal: syscall.SIGINT, want: "success 2"},
	"signal_143":  {faults: `{"endpoint":"results","stall":{"at":20000}}`, signal: syscall.SIGTERM, want: "success 2"},
	"killed_hard": {faults: `{"endpoint":"results","stall":{"at":20000}}`, signal: syscall.SIGKILL, want: "success 2"},
}

// nasty is for a shell, a template and a log.
const nasty = `"no such words" AND '{{ ds }}' $(touch /tmp/x) \ %s.sh`

// withABug is a task whose program is another one.
const withABug = `

    class Buggy(TalkwalkerExportOperator):
        def execute(self, context):
            global PROGRAM
            PROGRAM = %q
            return super().execute(context)

    Buggy(task_id="bug_70", command=["export"], conn_id=None)
`

// buggy is a program that ends as ours would of a bug. That it would is tested where the bug can be put in.
func buggy(t *testing.T, dir string) string {
	t.Helper()
	const script = `#!/bin/sh
for word; do
	case $word in --result-file=*) file=${word#*=} ;; esac
done
echo '{"status":"failed","exit_code":70,"error":{"code":"bug","message":"panic","retryable":false,"hint":"report it"}}' | tee "$file"
exit 70
`
	name := filepath.Join(dir, "buggy")
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// codes runs a task for each of them, all in one DAG beside the printed one, with the printed operator.
func codes(t *testing.T, s *scheduler) {
	dir := t.TempDir()
	accounts := map[string]*account{}
	var tasks strings.Builder
	tasks.WriteString("\n\nwith DAG(\"codes\", schedule=None, default_args={**dag.default_args, \"retries\": 1}):\n")
	names := slices.Sorted(maps.Keys(endings))
	for _, name := range names {
		e, out := endings[name], filepath.Join(dir, name)
		cfg := small()
		if e.cfg != nil {
			e.cfg(&cfg)
		}
		a := serve(t, cfg)
		accounts[name] = a
		token := a.Token()
		if e.wrong {
			token = "wrong" + token
		}
		s.connect(name, a.url, token)
		a.script(e.faults)
		window := map[string]any{"project": a.Projects()[0], "start": "2024-01-01", "stop": "2024-01-02", "split": "none", "out": out}
		maps.Copy(window, e.flags)
		if e.signal != 0 {
			window["idle-timeout"] = strings.TrimPrefix(patient, "--idle-timeout=")
		}
		if e.before != nil {
			same := exec.Command(built, "export")
			for name, value := range window {
				same.Args = append(same.Args, fmt.Sprintf("--%s=%v", name, value))
			}
			same.Env = append(s.environ(), "TALKWALKER_ACCESS_TOKEN="+a.Token(), "TALKWALKER_BASE_URL="+a.url)
			same.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			e.before(t, out, same)
		}
		text, err := jsonText(window)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&tasks, "    TalkwalkerExportOperator(task_id=%q, command=[\"export\"], conn_id=%q, flags=%s)\n", name, name, strings.ReplaceAll(strings.TrimSpace(text), "true", "True"))
	}
	names = append(names, "bug_70")
	manual, err := exec.Command(built, "help", "exit-codes").Output()
	listed := regexp.MustCompile(`(?m)^## ([0-9]+)(?: and ([0-9]+))? `).FindAllStringSubmatch(string(manual), -1)
	for _, codes := range listed {
		for _, code := range codes[1:] {
			if code != "" && !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, "_"+code) }) {
				t.Errorf("no task ends with %s", code)
			}
		}
	}
	if err != nil || len(listed) < 20 {
		t.Errorf("%d codes in the manual, %v", len(listed), err)
	}
	slices.Sort(names)
	fmt.Fprintf(&tasks, withABug, buggy(t, dir))
	d := s.install(t, serve(t, small()), "of-codes", filepath.Join(dir, "none"), tasks.String(), never...)
	d.id = "codes"
	d.ready()
	run := d.trigger(nil, nil)
	var want []string
	for _, name := range names {
		e := endings[name]
		if name == "bug_70" {
			e.want = "failed 1"
		}
		want = append(want, name+" "+e.want)
		if e.signal == 0 {
			continue
		}
		a := accounts[name]
		pid := process(t, filepath.Join(dir, name))
		await(t, name+" to read", func() bool { return len(a.Ledger().Calls(emulator.EndpointResults)) > 0 })
		a.SetFaults(nil)
		if err := syscall.Kill(pid, e.signal); err != nil {
			t.Fatal(err)
		}
	}
	d.expect(run, "failed", want...)
	for _, name := range names {
		e := endings[name]
		if strings.HasPrefix(e.want, "success") {
			accounts[name].expectWhole(filepath.Join(dir, name), 1)
		}
		// The code is the one it says, and a failure that is final says what to do.
		_, code, _ := strings.Cut(name, "_")
		log := s.said("codes", name)
		if code != "hard" && !strings.Contains(log, "return code "+code) {
			t.Errorf("%s ended otherwise: %s", name, log)
		}
		if slices.Contains(want, name+" failed 1") && !strings.Contains(log, "AirflowFailException") {
			t.Errorf("%s does not fail with its hint: %s", name, log)
		}
	}
	if calls := accounts["empty_99"].Ledger().Changing(); !slices.ContainsFunc(calls, func(r emulator.Request) bool {
		return strings.Contains(r.Body, `$(touch /tmp/x)`) && strings.Contains(r.Body, `{{ ds }}`)
	}) {
		t.Errorf("the query did not arrive as it is: %+v", calls)
	}
}
