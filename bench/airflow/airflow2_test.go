package airflow

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// versions are those of Airflow that are tried: the older one in the long tests only.
func versions() []string {
	if testing.Short() {
		return []string{"3"}
	}
	return []string{"2", "3"}
}

// TestAirflow2 runs the DAGs of Airflow 2.11 in one process each, as `airflow dags test` does: mapping, XComs, retries
// and the sensor, without a scheduler.
func TestAirflow2(t *testing.T) {
	if testing.Short() {
		t.Skip("the older Airflow is for the long tests")
	}
	now := time.Now().UTC()
	for name, args := range map[string][]string{"windows": {"--register"}, "looking": {"--reschedule"}, "nights": {"--style", "nightly", "--start", now.AddDate(0, 0, -3).Format(time.DateOnly)}} {
		date := "2024-01-02"
		if name == "nights" {
			date = now.Format(time.DateOnly)
		}
		a, out, home := serve(t, small()), filepath.Join(t.TempDir(), "lake"), t.TempDir()
		settings := map[string]string{"PROGRAM": `"` + built + `"`, "CONNECTION": `"account"`, "POOL": `"default_pool"`}
		text := printed(t, append([]string{"--airflow", "2", "--dag-id", name, "--project", a.Projects()[0], "--out", out}, args...), settings)
		if err := os.MkdirAll(filepath.Join(home, "dags"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, "dags", name+".py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		accounts := filepath.Join(t.TempDir(), "connections.json")
		connections, err := jsonText(map[string]connection{"account": {"http", a.url, a.Token()}})
		if err == nil {
			err = os.WriteFile(accounts, []byte(connections), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"db", "migrate"}, {"dags", "test", name, date}} {
			cmd := exec.Command(installed(t, "2", "airflow"), args...)
			cmd.Env = append(os.Environ(), "AIRFLOW_HOME="+home, "AIRFLOW__CORE__LOAD_EXAMPLES=False", "TW2PARQUET_WAIT_SCALE=0.005",
				"AIRFLOW__SECRETS__BACKEND=airflow.secrets.local_filesystem.LocalFilesystemBackend", `AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_file_path": "`+accounts+`"}`)
			said, err := cmd.CombinedOutput()
			if err != nil || args[0] == "dags" && !strings.Contains(string(said), "state=success") {
				t.Errorf("%s: airflow %s: %v\n%s", name, args[0], err, said[max(0, len(said)-4000):])
			}
			if strings.Contains(string(said), a.Token()) {
				t.Errorf("%s: the token is in what it says", name)
			}
		}
		expectNoTokenBelow(t, home, a.Token())
		a.expectWhole(out, 1)
		if name == "windows" {
			expectRegistered(t, out, 1)
		}
	}
}

// expectNoTokenBelow looks through the logs and the database of an Airflow's home.
func expectNoTokenBelow(t *testing.T, home, token string) {
	t.Helper()
	const dump = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).iterdump(), sep='\\n')"
	database, err := exec.Command(installed(t, "2", "python"), "-c", dump, filepath.Join(home, "airflow.db")).Output()
	if err != nil || !bytes.Contains(database, []byte("INSERT INTO \"rendered_task_instance_fields\"")) {
		t.Fatalf("the database's rows are not all there: %v%s", err, withError(err))
	}
	kept := map[string][]byte{"the database": database}
	err = filepath.WalkDir(home, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		kept[name], err = os.ReadFile(name)
		return err
	})
	if err != nil || len(kept) < 4 {
		t.Errorf("%d files looked at, %v", len(kept), err)
	}
	for name, content := range kept {
		if bytes.Contains(content, []byte(token)) {
			t.Errorf("%s holds the token", name)
		}
	}
}
