package airflow

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// cluster stands in for a Kubernetes cluster: it runs a pod's container as a process on this machine.
//
//go:embed cluster.py
var cluster string

// TestPods runs the DAG whose tasks are pods. Airflow, its operator and the pods that it asks for are real; a pod is held
// to the API's schema, and the token is in none.
func TestPods(t *testing.T) {
	if testing.Short() {
		t.Skip("the gate imports the DAG")
	}
	for name, tt := range map[string]struct {
		credits int64
		args    []string
		want    string
		says    string
	}{
		"windows": {0, []string{"--register"}, "export[0] success, export[1] success, plan success, register success, tidy success, verify success", ""},
		"final":   {-1, []string{"--style", "nightly"}, "export failed", "exit 11, credits: "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := small()
			cfg.Credits = tt.credits
			a, out, dir := serve(t, cfg), filepath.Join(t.TempDir(), "lake"), t.TempDir()
			text := printed(t, append([]string{"--executor", "kubernetes", "--dag-id", "pods", "--project", a.Projects()[0], "--out", out}, tt.args...), map[string]string{
				"PROGRAM": `"` + built + `"`, "POOL": `"default_pool"`, "ENVIRONMENT": `{"TALKWALKER_BASE_URL": "` + a.url + `", "TW2PARQUET_WAIT_SCALE": "0.005"}`, "RETRIES": "0",
			})
			for file, text := range map[string]string{filepath.Join("dags", "pods.py"): text, "cluster.py": cluster, "token": a.Token()} {
				if err := os.MkdirAll(filepath.Join(dir, "dags"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			environ := append(os.Environ(), "AIRFLOW_HOME="+filepath.Join(dir, "home"), "AIRFLOW__CORE__LOAD_EXAMPLES=False", "AIRFLOW__CORE__DAGS_FOLDER="+filepath.Join(dir, "dags"))
			migrate := exec.Command(installed(t, "3", "airflow"), "db", "migrate")
			migrate.Env = environ
			if said, err := migrate.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			cmd := exec.Command(installed(t, "3", "python"), filepath.Join(dir, "cluster.py"), filepath.Join(dir, "dags"), filepath.Join(dir, "token"))
			cmd.Env = environ
			said, err := cmd.CombinedOutput()
			_, got, _ := strings.Cut(string(said), "\nthe run: ")
			got, _, _ = strings.Cut(got, "\n")
			if err != nil || got != tt.want || !strings.Contains(string(said), tt.says) {
				t.Errorf("%v, %q, want %q\n%s", err, got, tt.want, said[max(0, len(said)-5000):])
			}
			if strings.Contains(string(said), a.Token()) {
				t.Error("the token was said")
			}
			if tt.credits == 0 {
				a.expectWhole(out, 2)
				expectRegistered(t, out, 2)
			} else if posts := len(a.Ledger().Calls(emulator.EndpointExport)); posts > 4 { // windows at once, each asked for once
				t.Errorf("%d posts", posts)
			}
		})
	}
}
