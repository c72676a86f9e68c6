package tables

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// checked runs check, and returns its exit code and the line about what.
func (a account) checked(t *testing.T, what string, args ...string) (code int, detail, finer string) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"check", "--output=json", "--register", "--format=iceberg", "--table=docs.talkwalker"}, args...)...)
	cmd.Env = append(os.Environ(), "TALKWALKER_BASE_URL="+a.URL, "TALKWALKER_ACCESS_TOKEN="+a.Token)
	text, err := cmd.Output()
	var said struct {
		Checks []struct{ Check, Detail, Code string }
	}
	if jerr := json.Unmarshal(text, &said); jerr != nil {
		t.Fatalf("%v, %v: %s", err, jerr, text)
	}
	for _, c := range said.Checks {
		if c.Check == what {
			return cmd.ProcessState.ExitCode(), c.Detail, c.Code
		}
	}
	t.Fatalf("nothing is said of %s: %s", what, text)
	return 0, "", ""
}

// TestCheck_PostgreSQL: check tells whether a database takes what a registration writes to it, and leaves nothing there.
func TestCheck_PostgreSQL(t *testing.T) {
	a := serve(t)
	out := demo(t)
	port, command := postgres(t)
	sql := func(text string) string {
		said, err := command("psql", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", fmt.Sprint(port), "-U", "registrar", "-Atc", text, "postgres").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", text, err, said)
		}
		return string(said)
	}
	of := func(user, database string) []string {
		return []string{"--out", out, fmt.Sprintf("--catalog=sql:postgresql://%s@127.0.0.1:%d/%s?sslmode=disable", user, port, database)}
	}
	expect := func(step string, args []string, what, finer string, exit int) {
		t.Helper()
		if code, detail, found := a.checked(t, what, args...); code != exit || found != finer {
			t.Errorf("%s: exit %d, %q, %s", step, code, found, detail)
		}
	}
	sql("CREATE ROLE reader LOGIN")
	expect("nothing is there", of("registrar", "postgres"), "table", "", 0)
	expect("nothing is there, and it may not be made", of("reader", "postgres"), "table: catalog", "table_catalog", 54)
	expect("no such database", of("registrar", "nowhere"), "table: catalog", "table_catalog", 54)
	if n := sql("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'iceberg%'"); n != "0\n" {
		t.Errorf("it left %s tables", n)
	}
	tool(t, slices.Concat([]string{"register", "--format=iceberg", "--table=docs.talkwalker"}, of("registrar", "postgres")[1:])...)
	before := sql("SELECT * FROM iceberg_tables")
	expect("a table", of("registrar", "postgres"), "table", "", 0)
	sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
	expect("a table that may only be read", of("reader", "postgres"), "table: catalog", "table_catalog", 54)
	sql("GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO reader")
	expect("a table that may be written", of("reader", "postgres"), "table", "", 0)
	if after := sql("SELECT * FROM iceberg_tables"); after != before || before == "" {
		t.Errorf("%s, before %s", after, before)
	}
}

// TestCheck_REST: check asks a real catalog, and makes nothing there.
func TestCheck_REST(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run, which has Java; here: PostgreSQL, and in the product's own tests SQLite and a REST catalog")
	}
	a := serve(t)
	out, catalog := demo(t), restServer(t)
	args := []string{"--out", out, "--catalog=rest:" + catalog}
	for range 2 {
		if code, detail, finer := a.checked(t, "table", args...); code != 0 || finer != "" || detail != "the Iceberg table docs.talkwalker is not there; the first window makes it" {
			t.Errorf("exit %d, %q, %s", code, finer, detail)
		}
	}
	tool(t, "register", out, "--format=iceberg", "--table=docs.talkwalker", args[2])
	// The server keeps the metadata elsewhere on this disk.
	if code, detail, finer := a.checked(t, "metadata: put", args...); code != 0 || finer != "" {
		t.Errorf("exit %d, %q, %s", code, finer, detail)
	}
	if code, _, _ := a.checked(t, "table", args...); code != 0 {
		t.Errorf("exit %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "check*")); err != nil || len(left) != 0 {
		t.Errorf("it left %q, %v", left, err)
	}
}
