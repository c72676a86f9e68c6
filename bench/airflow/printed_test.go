package airflow

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// importing loads a folder of DAGs as Airflow does. It tells what is deprecated, and of each DAG its tasks and the
// interval of a manual run, both after the way through the database.
const importing = `
import sys, warnings
try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization as Kept
except ImportError:
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as Kept
from pendulum import datetime
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    bag = DagBag(sys.argv[1])
for name, error in bag.import_errors.items():
    print("> error", name, error)
for w in said:
    if w.filename.startswith(sys.argv[1]):
        print("> warning", w.filename, w.message)
for name in sorted(bag.dags):
    kept = Kept.from_dict(Kept.to_dict(bag.dags[name]))
    interval = kept.timetable.infer_manual_data_interval(run_after=datetime(2024, 2, 2, 10))
    print(">", name, ",".join(sorted(t.task_id for t in kept.tasks)), (interval.end - interval.start).total_seconds())
`

// variants are the flags of each file that can be printed for one version of Airflow.
func variants() map[string][]string {
	all := map[string][]string{}
	for _, style := range []string{"windows", "nightly"} {
		for how, more := range map[string][]string{"": nil, "_reschedule": {"--reschedule"}, "_pods": {"--executor", "kubernetes"}} {
			all[style+how] = append([]string{"--style", style}, more...)
			all[style+how+"_table"] = append([]string{"--style", style, "--register", "--format", "iceberg", "--table", "a.b", "--catalog-property", "c=d"}, more...)
		}
	}
	return all
}

// print puts every variant into a folder.
func printAll(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, args := range variants() {
		text := printed(t, append(args, "--airflow", version, "--dag-id", name, "--topic", "x", "--topic", `\"'`, "--project", `a "b" {{ c }} \d`), nil)
		if err := os.WriteFile(filepath.Join(dir, name+".py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestPrinted_IsFormatted holds what is printed to ruff's format and rules.
func TestPrinted_IsFormatted(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		dir := printAll(t, version)
		for _, args := range [][]string{{"format", "--isolated", "--diff", dir}, {"check", "--isolated", "--select", "E,F,I,B", dir}} {
			if out, err := exec.Command(installed(t, "3", "ruff"), args...).CombinedOutput(); err != nil {
				t.Errorf("ruff %s, Airflow %s: %v\n%s", args[0], version, err, out)
			}
		}
	}
}

// TestPrinted_IsImported lets Airflow import what is printed: no error, nothing deprecated, and with data intervals.
func TestPrinted_IsImported(t *testing.T) {
	for _, version := range versions() {
		dir := printAll(t, version)
		cmd := exec.Command(installed(t, version, "python"), "-c", importing, dir)
		cmd.Env = append(os.Environ(), "AIRFLOW_HOME="+t.TempDir(), "AIRFLOW__CORE__LOAD_EXAMPLES=False")
		out, err := cmd.Output()
		got := map[string]string{}
		for line := range strings.Lines(string(out)) { // Airflow logs to standard output, too
			if words := strings.Fields(line); len(words) == 4 && words[0] == ">" {
				got[words[1]] = words[2] + " " + words[3]
			} else if strings.HasPrefix(line, ">") {
				t.Errorf("Airflow %s: %s", version, line)
			}
		}
		for name := range variants() {
			want := "export,plan,tidy,verify 86400.0"
			if strings.HasPrefix(name, "nightly") {
				want = "export"
			}
			if strings.HasSuffix(name, "_table") {
				want = strings.Replace(strings.Replace(want, "plan,", "plan,register,", 1), "export 0", "export,register 0", 1)
			}
			if !strings.HasPrefix(got[name], want) {
				t.Errorf("Airflow %s: %s has %q, want %q", version, name, got[name], want)
			}
		}
		if err != nil || len(got) != len(variants()) {
			t.Errorf("Airflow %s: %d DAGs, %v\n%s%s", version, len(got), err, out, withError(err))
		}
	}
}

func withError(err error) string {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Sprintf("%.3000s", exit.Stderr)
	}
	return ""
}
