package airflow

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// These tests read what `tw2parquet help airflow` shows as those would who are to read it: a new user's shell, cron's
// syntax, systemd and Kubernetes.

// blocks are the code blocks of a section that are in a language.
func blocks(t *testing.T, heading, language string) (code []string) {
	t.Helper()
	text, err := exec.Command(built, "help", "airflow").Output()
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if err != nil || !found {
		t.Fatalf("help airflow: no section %q, %v", heading, err)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(section, -1) {
		code = append(code, block[1])
	}
	if len(code) == 0 {
		t.Fatalf("%q has no %s", heading, language)
	}
	return code
}

// TestHelp_LeadsToAGreenRun pastes the commands into a shell, but for the two that install Airflow.
func TestHelp_LeadsToAGreenRun(t *testing.T) {
	if testing.Short() {
		t.Skip("the gate runs the same DAG in a whole Airflow")
	}
	a, dir := serve(t, small()), t.TempDir()
	script := strings.Join(blocks(t, "Ten minutes to a green run", "sh"), "")
	script = strings.ReplaceAll(script, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", a.Projects()[0])
	script = regexp.MustCompile("(?m)^(python3 -m venv|pip install) .*$").ReplaceAllString(script, "")
	cmd := exec.Command("bash", "-euc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(built)+":"+installed(t, "3", "")+":"+os.Getenv("PATH"), "TALKWALKER_ACCESS_TOKEN="+a.Token(),
		"TALKWALKER_BASE_URL="+a.url, "TW2PARQUET_WAIT_SCALE="+fmt.Sprint(waitScale))
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "state=success") || strings.Contains(string(said), a.Token()) {
		t.Errorf("%v; the token was said: %v\n%s", err, strings.Contains(string(said), a.Token()), said[max(0, len(said)-4000):])
	}
	a.expectWhole(filepath.Join(dir, "lake"), 1)
}

// TestHelp_IsReadByCronAndSystemd also holds the hour of both to the same.
func TestHelp_IsReadByCronAndSystemd(t *testing.T) {
	dir := t.TempDir()
	const reading = "import sys, datetime, croniter; print(croniter.croniter(sys.argv[1], datetime.datetime(2024, 1, 1)).get_next(datetime.datetime))"
	line := blocks(t, "cron", "cron")[0]
	fields := strings.SplitN(line, " ", 6)
	next, err := exec.Command(installed(t, "3", "python"), "-c", reading, strings.Join(fields[:5], " ")).CombinedOutput()
	if err != nil || strings.TrimSpace(string(next)) != "2024-01-01 03:30:00" {
		t.Errorf("cron: %v, %s", err, next)
	}
	if strings.Contains(line, "%") {
		t.Error("cron takes a percent sign for the end of the line")
	}
	var names []string
	for _, unit := range blocks(t, "systemd", "ini") {
		first, _, _ := strings.Cut(unit, "\n")
		name := filepath.Join(dir, filepath.Base(strings.TrimPrefix(first, "# ")))
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(unit, "/usr/local/bin/tw2parquet", built)), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	said, err := exec.Command("systemd-analyze", append([]string{"verify", "--man=no"}, names...)...).CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, dir) || strings.Contains(line, "tw2parquet.") {
			t.Errorf("systemd: %s", line)
		}
	}
	if err != nil && len(said) == 0 || len(names) != 2 {
		t.Errorf("systemd-analyze verify %q: %v", names, err)
	}
	next, err = exec.Command("systemd-analyze", "calendar", "--base-time=2024-01-01 00:00:00 UTC", regexp.MustCompile("OnCalendar=(.*)").FindStringSubmatch(blocks(t, "systemd", "ini")[1])[1]).CombinedOutput()
	if err != nil || !strings.Contains(string(next), "2024-01-01 03:30:00 UTC") {
		t.Errorf("systemd: %v, %s", err, next)
	}
}

// TestHelp_IsReadByKubernetes holds the manifests to the schemas of the API, and runs each index's container as a
// process: every window of the plan is exported once.
func TestHelp_IsReadByKubernetes(t *testing.T) {
	dir, a := t.TempDir(), serve(t, small())
	jobs := blocks(t, "Kubernetes: an indexed Job", "yaml")
	for i, manifest := range append(blocks(t, "Kubernetes: a CronJob", "yaml"), jobs...) {
		name := filepath.Join(dir, fmt.Sprintf("%d.yaml", i))
		if err := os.WriteFile(name, []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, version := range []string{"1.31", "1.35"} {
			if said, err := exec.Command(installed(t, "3", "kubernetes-validate"), "--strict", "-k", version, name).CombinedOutput(); err != nil {
				t.Errorf("Kubernetes %s: %v\n%s", version, err, said)
			}
		}
	}

	lake := filepath.Join(dir, "lake")
	local := func(text string) string {
		return strings.NewReplacer("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", a.Projects()[0], "s3://bucket/lake", lake, "/plan/plan.json", "plan.json", "2025-01-01", "2024-04-01").Replace(text)
	}
	jq, err := exec.Command("go", "tool", "-n", "gojq").Output()
	if err == nil {
		err = os.Symlink(strings.TrimSpace(string(jq)), filepath.Join(filepath.Dir(built), "jq"))
	}
	if err != nil {
		t.Fatal(err)
	}
	shell := func(script string, env ...string) string {
		t.Helper()
		cmd := exec.Command("sh", "-ec", local(script))
		cmd.Dir = dir
		cmd.Env = append(append(os.Environ(), "PATH="+filepath.Dir(built)+":"+os.Getenv("PATH"), "TALKWALKER_ACCESS_TOKEN="+a.Token(), "TALKWALKER_BASE_URL="+a.url,
			"TW2PARQUET_WAIT_SCALE="+fmt.Sprint(waitScale)), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", script, err, out, withError(err))
		}
		return string(out)
	}
	commands := regexp.MustCompile("(?m)^kubectl .*$").ReplaceAllString(blocks(t, "Kubernetes: an indexed Job", "sh")[0], "")
	if got := strings.TrimSpace(shell(commands)); got != "3" {
		t.Errorf("the plan has %q windows", got)
	}
	const container = `import sys, yaml; print(yaml.safe_load(sys.stdin)["spec"]["template"]["spec"]["containers"][0]["command"][2])`
	reading := exec.Command(installed(t, "3", "python"), "-c", container)
	reading.Stdin = strings.NewReader(jobs[0])
	script, err := reading.Output()
	if err != nil {
		t.Fatalf("%v%s", err, withError(err))
	}
	for index := range 3 {
		shell(string(script), fmt.Sprintf("JOB_COMPLETION_INDEX=%d", index))
	}
	a.expectWhole(lake, 3)
}
