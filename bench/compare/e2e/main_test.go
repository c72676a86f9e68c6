package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

const (
	// waitScale shortens the binary's waits; minute is the emulator's minute, shortened alike, so that the
	// published call limits still bind.
	waitScale = 0.02
	minute    = time.Minute / 50
	// patience ends a test that hangs.
	patience = 2 * time.Minute
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(duckShell) != "" {
		if err := runDuckShell(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tw2parquet-e2e-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if binary = os.Getenv("TESTED_BINARY"); binary == "" {
		binary = filepath.Join(dir, "tw2parquet")
		if err := buildBinary(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// Most of the time a test waits for another process, which waits for a scaled minute to pass.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildBinary builds what make test has built already, and names in TESTED_BINARY.
func buildBinary() error {
	// E2E_BUILD_FLAGS=-race, or -tags=libzstd, tests that build; without it the static one.
	flags := strings.Fields(os.Getenv("E2E_BUILD_FLAGS"))
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, "./cmd/tw2parquet")...)
	build.Dir = filepath.Join("..", "..", "..")
	if len(flags) == 0 {
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return nil
}

// long leaves a test to the full run (without -short); instead says what holds the same in the quick one.
func long(t *testing.T, instead string) {
	t.Helper()
	if testing.Short() {
		t.Skip("left to the full run; here: " + instead)
	}
}

// some are the names of a table of cases, sorted; in the quick run one of n.
func some[V any](table map[string]V, n int) (names []string) {
	for i, name := range slices.Sorted(maps.Keys(table)) {
		if !testing.Short() || i%n == 0 {
			names = append(names, name)
		}
	}
	return names
}

// account is an emulator in this process, served over HTTP.
type account struct {
	*emulator.Server
	t       *testing.T
	url     string
	minute  time.Duration
	env     []string // replaces variables of the binary's environment
	binary  string   // runs in place of the usual one
	exports int      // processes that may have read
}

// serve starts an account. Its clock is real and its minute is short.
func serve(t *testing.T, cfg emulator.Config) *account {
	t.Helper()
	cfg.Minute = minute
	s, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &account{Server: s, t: t, url: "http://" + ln.Addr().String(), minute: minute}
}

// output is a directory to export into, checked at the end for what must never be there.
func (a *account) output() string {
	out := filepath.Join(a.t.TempDir(), "lake")
	a.t.Cleanup(func() {
		err := filepath.WalkDir(out, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(name)
			if bytes.Contains(content, []byte(a.Token())) {
				a.t.Errorf("%s holds the token", name)
			}
			if bytes.Contains(content, []byte("access_token")) {
				a.t.Errorf("%s holds an API address with its query", name)
			}
			if strings.HasSuffix(name, ".parquet") && strings.Contains(name, "_tw2parquet") {
				a.t.Errorf("%s is a Parquet file among the run's records", name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.t.Error(err)
		}
	})
	return out
}

// export is a run of the main command over January to March 2024 with the account's first project, unless
// flags say otherwise.
func (a *account) export(code int, out string, flags ...string) ended {
	a.t.Helper()
	a.exports++
	args := []string{"export", "--out", out}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(flags, name) })
	}
	if !has("--project", "--stream", "--query") {
		args = append(args, "--project", a.Projects()[0])
	}
	if !has("--start") {
		args = append(args, "--start", "2024-01-01")
	}
	if !has("--stop") {
		args = append(args, "--stop", "2024-04-01")
	}
	return a.run(code, append(args, flags...)...)
}

// lake asks DuckDB about an output. The query's FROM is the view lake.
func lake(t *testing.T, out, query string) [][]string {
	t.Helper()
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	from := duck.Quote(filepath.Join(out, "*", "*.parquet"))
	if err := db.Exec(t.Context(), "CREATE VIEW lake AS FROM read_parquet("+from+", hive_partitioning = true, filename = true, file_row_number = true)"); err != nil {
		t.Fatal(err)
	}
	_, rows, err := db.Text(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// one is the single value of a query.
func one(t *testing.T, out, query string) string {
	t.Helper()
	rows := lake(t, out, query)
	if len(rows) != 1 || len(rows[0]) != 1 {
		t.Fatalf("%s: %v", query, rows)
	}
	return rows[0][0]
}
