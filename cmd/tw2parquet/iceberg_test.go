//go:build !nocloud && ((linux && !android) || (darwin && !ios)) && (amd64 || arm64)

package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	icebergio "github.com/apache/iceberg-go/io"
	icebergtable "github.com/apache/iceberg-go/table"

	tables "tw2parquet/sink/table"
	"tw2parquet/source/emulator"
)

// inIceberg are the files that the table of a catalog has, read by the library with its own view of the disk, and how many
// snapshots there were.
func inIceberg(t *testing.T, catalog, out string) (files []string, snapshots int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+catalog)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // only read
	var location string
	if err := db.QueryRow("SELECT metadata_location FROM iceberg_tables WHERE catalog_name = 'default' AND table_namespace = 'docs' AND table_name = 'talkwalker'").Scan(&location); err != nil {
		t.Fatal(err)
	}
	table, err := icebergtable.NewFromLocation(t.Context(), []string{"docs", "talkwalker"}, location, icebergio.LoadFSFunc(nil, location), nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := table.Scan().PlanFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		files = append(files, strings.TrimPrefix(task.File.FilePath(), "file://"+out+"/"))
	}
	slices.Sort(files)
	return files, len(table.Metadata().Snapshots())
}

// An Iceberg table follows an output through export, re-runs, refetching and dropping.
func TestIceberg_FollowsAnOutput(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	catalog := filepath.Join(t.TempDir(), "catalog.db")
	flags := []string{"--register", "--format=iceberg", "--catalog=sql:sqlite:///" + catalog, "--table=docs.talkwalker"}
	same := func(what string, snapshots int) {
		t.Helper()
		files, n := inIceberg(t, catalog, x.out)
		if want := onDisk(t, x.out); !slices.Equal(files, want) || n != snapshots {
			t.Errorf("%s: the table has %q after %d snapshots (want %d); on disk are %q", what, files, n, snapshots, want)
		}
	}
	for range 2 {
		if code, _, stderr := x.export(t.Context(), flags...); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		same("export", 3) // one after each window
	}
	if s := x.status(); !slices.Equal(s.Runs[0].Tables, []string{"iceberg docs.talkwalker"}) {
		t.Errorf("status knows of %v", s.Runs[0].Tables)
	}
	if _, stdout, _ := x.tool("status", x.out); !strings.Contains(stdout, "In the Iceberg table docs.talkwalker: 3 of 3 runs.") {
		t.Error(stdout)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
	}
	// A table that has the run is told of new files whether it is asked for or not.
	for i, more := range [][]string{flags, nil} {
		lost := onDisk(t, x.out)[0]
		if err := os.Remove(filepath.Join(x.out, lost)); err != nil {
			t.Fatal(err)
		}
		if code, stdout, _ := call(t, "verify", x.out); code != exitForeign || !strings.Contains(stdout, "the Iceberg table docs.talkwalker") {
			t.Errorf("verify: exit %d\n%s", code, stdout)
		}
		if code, _, stderr := x.export(t.Context(), append([]string{"--refetch"}, more...)...); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		if slices.Contains(onDisk(t, x.out), lost) {
			t.Fatal("it was not written again")
		}
		same("refetch", 4+i)
	}
	run := x.status().Runs[1].Run
	if code, _, stderr := x.tool("drop", x.out, run, "--yes"); code != exitUsage || !strings.Contains(stderr, "--unregister") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	// A catalog that cannot be found leaves the files where they are; the next drop ends what was begun.
	if err := os.Rename(catalog, catalog+".moved"); err != nil {
		t.Fatal(err)
	}
	files := len(onDisk(t, x.out))
	if code, _, stderr := x.tool("drop", x.out, run, "--yes", "--unregister"); code != exitRegister || !strings.Contains(stderr, "--assume missing") || len(onDisk(t, x.out)) != files {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if err := os.Rename(catalog+".moved", catalog); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := x.tool("drop", x.out, run, "--yes", "--unregister"); code != exitOK {
		t.Errorf("exit %d, %s", code, stderr)
	}
	same("dropped", 6)
	if code, stdout, _ := call(t, append([]string{"register", x.out, "--output=json"}, flags[1:]...)...); code != exitOK || strings.Count(stdout, `"known"`) != 2 {
		t.Errorf("exit %d, %s", code, stdout)
	}
	same("after all", 6)
}

// In a bucket, with windows side by side.
func TestIceberg_InABucket(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	b := newBucket(t)
	x.out = b.url("lake")
	catalog := filepath.Join(t.TempDir(), "catalog.db")
	for range 2 {
		if code, _, stderr := x.export(t.Context(), "--register", "--parallel=3", "--format=iceberg", "--catalog=sql:sqlite:///"+catalog, "--table=docs.talkwalker"); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
	}
	lists := 0
	for name := range b.Files() {
		if strings.HasPrefix(name, "lake/_iceberg/docs/talkwalker/metadata/snap-") {
			lists++
		}
	}
	if lists != 3 {
		t.Errorf("%d snapshots", lists)
	}
	if code, stdout, stderr := call(t, "verify", x.out); code != exitOK {
		t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
	}
}

// A record lies in the output, which others may write to: it does not say where secrets are sent.
func TestIceberg_RecordsSayNotWhereSecretsGo(t *testing.T) {
	const theirs = "rest:http://127.0.0.1:2"
	h := tables.IcebergIntent{Catalog: theirs, Name: "default", Table: "docs.talkwalker", Properties: map[string]string{"warehouse": "lake", "oauth2-server-uri": "http://127.0.0.1:3"}}
	secret := "PYICEBERG_CATALOG__DEFAULT__TOKEN=secret"
	for _, x := range []struct {
		environ []string
		flags   *icebergSettings
		catalog string
		token   string
	}{
		{[]string{secret}, nil, theirs, ""},
		{[]string{secret, "PYICEBERG_CATALOG__DEFAULT__URI=http://127.0.0.1:4"}, nil, "rest:http://127.0.0.1:4", "secret"},
		{[]string{secret}, &icebergSettings{Catalog: "rest:http://127.0.0.1:5"}, "rest:http://127.0.0.1:5", "secret"},
		{[]string{secret}, &icebergSettings{Catalog: "rest:http://127.0.0.1:5", Table: "another.table"}, theirs, ""},
	} {
		s, err := homeSettings(h, x.flags, x.environ)
		if err != nil || s.Catalog != x.catalog || s.Properties["token"] != x.token || s.Properties["warehouse"] != "lake" || s.Properties["oauth2-server-uri"] != "" {
			t.Errorf("%+v: %+v, %v", x, s, err)
		}
	}
	h.Catalog = "sql:postgresql://user@127.0.0.1/db"
	if s, err := homeSettings(h, nil, []string{secret}); err == nil {
		t.Errorf("%+v", s)
	}
}

// What is said of a catalog is checked before anything is called; secrets come from the environment, and show nowhere.
func TestIceberg_Settings(t *testing.T) {
	out := t.TempDir()
	const secret = "S3cret/of+the=catalog"
	t.Setenv("PYICEBERG_CATALOG__PROD__CREDENTIAL", "client:"+secret)
	t.Setenv("PYICEBERG_CATALOG__PROD__URI", "http://127.0.0.1:1/"+secret)
	for _, x := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--table=docs.talkwalker"}, exitUsage, "needs a catalog"},
		{[]string{"--catalog=sql:sqlite:///c.db"}, exitUsage, "NAMESPACE.NAME"},
		{[]string{"--catalog=sql:sqlite:///c.db", "--table=documents"}, exitUsage, "NAMESPACE.NAME"},
		{[]string{"--catalog=glue:x", "--table=a.b"}, exitUsage, "rest:URL"},
		{[]string{"--catalog=sql:oracle://x", "--table=a.b"}, exitUsage, "sql:sqlite:///FILE"},
		{[]string{"--catalog=sql:postgresql://user:pw@host/db", "--table=a.b"}, exitUsage, "PGPASSWORD"},
		{[]string{"--catalog=sql:postgresql://host/db?password=pw", "--table=a.b"}, exitUsage, "PGPASSWORD"},
		{[]string{"--catalog=rest:ftp://host", "--table=a.b"}, exitUsage, "http"},
		{[]string{"--catalog=rest:http://u:p@host", "--table=a.b"}, exitUsage, "environment"},
		{[]string{"--catalog=rest:http://127.0.0.1:1", "--table=a.b", "--catalog-property=token=" + secret}, exitUsage, "PYICEBERG_CATALOG__DEFAULT__TOKEN"},
		{[]string{"--catalog=rest:http://127.0.0.1:1", "--table=a.b", "--catalog-property=warehouse"}, exitUsage, "KEY=VALUE"},
		{[]string{"--catalog-property=name=prod", "--table=a.b"}, exitRegister, "open the catalog"},
	} {
		code, stdout, stderr := call(t, append([]string{"register", out, "--format=iceberg"}, x.args...)...)
		if code != x.code || !strings.Contains(stderr, x.says) || strings.Contains(stdout+stderr, secret) {
			t.Errorf("%q: exit %d, %s%s", x.args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"--format=delta", "--catalog=rest:http://x"}, {"--format=delta", "--table=a.b"}, {"--format=ducklake", "--catalog-property=name=x"}} {
		if code, _, stderr := call(t, append([]string{"register", out}, args...)...); code != exitUsage {
			t.Errorf("%q: exit %d, %s", args, code, stderr)
		}
	}
}
