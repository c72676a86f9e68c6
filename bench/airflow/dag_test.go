package airflow

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// printed is what the binary prints, with settings changed as its user would: by name, in Python.
func printed(t *testing.T, args []string, settings map[string]string) string {
	t.Helper()
	out, err := exec.Command(built, append([]string{"airflow"}, args...)...).Output()
	if err != nil {
		t.Fatalf("tw2parquet airflow: %v", err)
	}
	lines := strings.Split(string(out), "\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+" = ") })
		if i < 0 {
			t.Fatalf("there is no setting %s", name)
		}
		lines[i] = name + " = " + settings[name]
	}
	return strings.Join(lines, "\n")
}

// dag is the printed DAG in a running Airflow.
type dag struct {
	*scheduler
	t    *testing.T
	id   string
	runs int
}

// install prints a DAG for an account, and waits until Airflow knows it. more is added to the file.
func (s *scheduler) install(t *testing.T, a *account, id, out, more string, args ...string) *dag {
	t.Helper()
	return s.installWith(t, a, id, out, more, nil, args...)
}

// installWith is install with more settings changed.
func (s *scheduler) installWith(t *testing.T, a *account, id, out, more string, settings map[string]string, args ...string) *dag {
	t.Helper()
	s.connect(id, a.url, a.Token())
	args = append([]string{"--dag-id", id, "--project", a.Projects()[0], "--out", out}, args...)
	changed := map[string]string{
		"PROGRAM": fmt.Sprintf("%q", built), "CONNECTION": fmt.Sprintf("%q", id), "RETRY_DELAY": "timedelta(milliseconds=100)",
	}
	maps.Copy(changed, settings)
	text := strings.Replace(printed(t, args, changed), `command=["export"]`, `command=["export", "`+patient+`"]`, 1)
	if err := os.WriteFile(s.path("dags", id+".py"), []byte(text+more), 0o644); err != nil {
		t.Fatal(err)
	}
	d := &dag{scheduler: s, t: t, id: id}
	d.ready()
	return d
}

// ready waits until the scheduler has the DAG, and switches it on.
func (d *dag) ready() {
	d.t.Helper()
	await(d.t, "the DAG "+d.id, func() bool {
		var broken struct {
			Errors []struct {
				File  string `json:"filename"`
				Trace string `json:"stack_trace"`
			} `json:"import_errors"`
		}
		d.must("GET", "/api/v2/importErrors", nil, &broken)
		for _, e := range broken.Errors {
			d.t.Fatalf("%s cannot be imported: %s", e.File, e.Trace)
		}
		return d.ask("PATCH", d.at("?update_mask=is_paused"), map[string]any{"is_paused": false}, nil) == nil
	})
}

// must calls Airflow's API. Where its database is busy it calls again.
func (d *dag) must(method, path string, body, answer any) {
	d.t.Helper()
	again := false
	await(d.t, path, func() bool {
		err := d.ask(method, path, body, answer)
		switch text := fmt.Sprint(err); {
		case err == nil, again && strings.Contains(text, ": 409 "): // it was done the first time
			return true
		case strings.Contains(text, ": 500 "), strings.Contains(text, ": 503 "): // SQLite has one writer at a time
			again = true
			return false
		default:
			d.t.Fatal(err)
			return false
		}
	})
}

func (d *dag) at(rest string) string { return "/api/v2/dags/" + d.id + rest }

// trigger starts a run; interval is its logical date, or nil.
func (d *dag) trigger(interval any, params map[string]string) string {
	d.t.Helper()
	d.runs++
	id := fmt.Sprintf("run-%d", d.runs)
	d.must("POST", d.at("/dagRuns"), map[string]any{"dag_run_id": id, "logical_date": interval, "conf": params}, nil)
	return id
}

// task is a task's instance, as the metadata database has it.
type task struct {
	ID     string `json:"task_id"`
	Index  int    `json:"map_index"`
	State  string `json:"state"`
	Try    int    `json:"try_number"`
	Pool   string `json:"pool"`
	Window string `json:"rendered_map_index"`
}

func (d *dag) tasks(run string) []task {
	d.t.Helper()
	var list struct {
		Tasks []task `json:"task_instances"`
	}
	d.must("GET", d.at("/dagRuns/"+url.PathEscape(run)+"/taskInstances?limit=200"), nil, &list)
	slices.SortFunc(list.Tasks, func(a, b task) int {
		return strings.Compare(fmt.Sprintf("%s %4d", a.ID, a.Index), fmt.Sprintf("%s %4d", b.ID, b.Index))
	})
	return list.Tasks
}

// ended waits for the end of a run and tells its state and tasks, each as "id[index] state try".
func (d *dag) ended(run string) (state string, tasks []string) {
	d.t.Helper()
	await(d.t, d.id+" "+run, func() bool {
		var r struct {
			State string `json:"state"`
		}
		d.must("GET", d.at("/dagRuns/"+url.PathEscape(run)), nil, &r)
		state = r.State
		return state == "success" || state == "failed"
	})
	for _, t := range d.tasks(run) {
		name := t.ID
		if t.Index >= 0 {
			name += fmt.Sprintf("[%d]", t.Index)
		}
		tasks = append(tasks, fmt.Sprintf("%s %s %d", name, t.State, t.Try))
	}
	return state, tasks
}

// expect waits for a run that ends as it should.
func (d *dag) expect(run, state string, tasks ...string) {
	d.t.Helper()
	if got, all := d.ended(run); got != state || !slices.Equal(all, tasks) {
		d.t.Errorf("%s %s: %s, %q; want %s, %q\n%s", d.id, run, got, all, state, tasks, d.log(run))
	}
}

// log is what tasks of a run said about failures.
func (d *dag) log(run string) string {
	out, _ := exec.Command("grep", "-rhoE", `(Command exited|exc_value|"level":"error").{0,400}`, d.path("home", "logs", "dag_id="+d.id, "run_id="+run)).Output()
	return string(out[:min(len(out), 4000)])
}

// said is what a task said about its end, in all its tries.
func (s *scheduler) said(dag, task string) string {
	files, _ := exec.Command("sh", "-c", `grep -hoE '(Command exited|exc_type).{0,400}' "$1"/*/"task_id=$2"/*`, "sh", s.path("home", "logs", "dag_id="+dag), task).Output()
	return string(files)
}
