package airflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// patience ends a wait that hangs. Airflow takes seconds for what it does, and far more on a busy machine.
	patience = 15 * time.Minute
	// look is how often it is looked whether Airflow is there yet.
	look = 200 * time.Millisecond
)

// scheduler is an Airflow of its own: a home, a database, and the processes of an installation.
type scheduler struct {
	t           *testing.T
	dir         string
	url, bearer string
	db          *database
	lake        *lake
	logPort     int // where the executor serves its tasks' logs
	more        []string

	mu          sync.Mutex
	connections map[string]connection
}

// connection is one as Airflow's file of secrets has it.
type connection struct {
	Type     string `json:"conn_type"`
	Host     string `json:"host"`
	Password string `json:"password"`
}

// start begins an Airflow. Its connections are in a file that is read whenever one is asked for: so tests may add
// some, and no row of the database holds them. more are settings of its own, with %s for the address of its database.
func start(t *testing.T, lake *lake, more ...string) *scheduler {
	t.Helper()
	s := &scheduler{t: t, dir: t.TempDir(), lake: lake, connections: map[string]connection{}}
	for _, dir := range []string{s.path("dags"), s.path("home")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.saveConnections()
	s.db = startDatabase(t)
	for _, setting := range more {
		s.more = append(s.more, strings.ReplaceAll(setting, "%s", s.db.address()))
	}
	port := freePort(t)
	s.logPort = freePort(t)
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.command("db", "migrate")
	s.launch("api-server", "--host", "127.0.0.1", "--port", fmt.Sprint(port))
	s.launch("scheduler")
	s.launch("dag-processor")
	s.await("the API server", func() bool {
		var token struct {
			Text string `json:"access_token"`
		}
		err := s.ask("GET", "/auth/token", nil, &token)
		s.bearer = token.Text
		return err == nil && token.Text != ""
	})
	for name, slots := range map[string]int{"talkwalker": 4, "patient": 1} {
		s.must("POST", "/api/v2/pools", map[string]any{"name": name, "slots": slots}, nil)
	}
	return s
}

func (s *scheduler) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// environ is the environment of Airflow, and of the tasks that it starts.
func (s *scheduler) environ() []string {
	kwargs, err := jsonText(map[string]string{"connections_file_path": s.path("connections.json")})
	if err != nil {
		s.t.Fatal(err)
	}
	return append(append(append(os.Environ(), s.lake.Env...), s.more...),
		"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="+s.db.url(),
		"AIRFLOW_HOME="+s.path("home"), "AIRFLOW__CORE__DAGS_FOLDER="+s.path("dags"), "AIRFLOW__CORE__LOAD_EXAMPLES=False",
		"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True", "AIRFLOW__API__WORKERS=1",
		// Four tasks of several tests may hang at the same time, until another one of theirs does.
		"AIRFLOW__CORE__PARALLELISM=6",
		"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT="+fmt.Sprint(s.logPort), "AIRFLOW__API__BASE_URL="+s.url, "AIRFLOW__CORE__EXECUTION_API_SERVER_URL="+s.url+"/execution/",
		"AIRFLOW__API_AUTH__JWT_SECRET="+strings.Repeat("0123456789", 7), "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK=False",
		"AIRFLOW__SECRETS__BACKEND=airflow.secrets.local_filesystem.LocalFilesystemBackend", "AIRFLOW__SECRETS__BACKEND_KWARGS="+kwargs,
		// Five minutes without a word of a task are its end, on a busy machine too; see lose.
		"AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=300", "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL=5", "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.3",
		"AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL=1", "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL=3600",
		"TW2PARQUET_WAIT_SCALE="+fmt.Sprint(waitScale), "NO_PROXY=127.0.0.1", "TALKWALKER_ACCESS_TOKEN=", "TALKWALKER_TOKEN_FILE=",
	)
}

// environment is where a version of Airflow is installed; make airflow does that.
func environment(t *testing.T, version string) string {
	t.Helper()
	path, err := filepath.Abs(".venv" + version)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: make airflow installs it", err)
	}
	return path
}

func installed(t *testing.T, version, program string) string {
	t.Helper()
	return filepath.Join(environment(t, version), "bin", program)
}

// airflow is a command of Airflow's.
func (s *scheduler) airflow(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(installed(s.t, "3", "airflow"), args...)
	cmd.Env = s.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// command runs one of Airflow's to its end.
func (s *scheduler) command(args ...string) {
	s.t.Helper()
	if out, err := s.airflow(args...).CombinedOutput(); err != nil {
		s.t.Fatalf("airflow %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// launch starts a part of Airflow.
func (s *scheduler) launch(part string, args ...string) {
	s.t.Helper()
	run(s.t, s.airflow(append([]string{part}, args...)...), s.path("home", part+".log"))
}

// run starts a program that the test's end stops, with its children, which are in a group of theirs.
func run(t *testing.T, cmd *exec.Cmd, logName string) {
	t.Helper()
	log, err := os.Create(logName)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		gone := make(chan struct{})
		go func() {
			_ = cmd.Wait() // however it ended
			close(gone)
		}()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what its children left
		log.Close()
	})
}

// await looks until something is so.
func (s *scheduler) await(what string, so func() bool) {
	s.t.Helper()
	await(s.t, what, so)
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick, over := time.NewTicker(look), time.After(patience)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// ask calls Airflow's API.
func (s *scheduler) ask(method, path string, body, answer any) error {
	text, err := jsonText(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.bearer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, content)
	}
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

func (s *scheduler) must(method, path string, body, answer any) {
	s.t.Helper()
	if err := s.ask(method, path, body, answer); err != nil {
		s.t.Fatal(err)
	}
}

// connect adds a connection to an account of the emulator.
func (s *scheduler) connect(name, host, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections[name] = connection{"http", host, token}
	s.saveConnections()
}

// saveConnections replaces the file in one step: tasks read it at any time.
func (s *scheduler) saveConnections() {
	text, err := jsonText(s.connections)
	if err == nil {
		err = os.WriteFile(s.path("connections.new"), []byte(text), 0o600)
	}
	if err = errors.Join(err, os.Rename(s.path("connections.new"), s.path("connections.json"))); err != nil {
		s.t.Fatal(err)
	}
}

func jsonText(v any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return text.String(), err
}
