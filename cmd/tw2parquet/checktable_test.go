//go:build !nocloud && ((linux && !android) || (darwin && !ios)) && (amd64 || arm64)

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

// A table is looked at as an export will meet it, before the export and after it; nothing is made.
func TestCheck_Tables(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 1})
	dir := t.TempDir()
	catalog, warehouse := filepath.Join(dir, "catalog.db"), filepath.Join(dir, "warehouse")
	sqlite := []string{"--register", "--format=iceberg", "--catalog=sql:sqlite:///" + catalog, "--table=docs.talkwalker"}
	delta := []string{"--register"}
	apart := slices.Concat(sqlite, []string{"--catalog-property=warehouse=file://" + warehouse})
	base := slices.Concat(ofAccount, ofOutput)
	expect := func(what string, flags, lines []string, says string) {
		t.Helper()
		code, f, stderr := x.checking(append([]string{"--out", x.out}, flags...)...)
		if code != exitOK || !slices.Equal(f.names(true), slices.Concat(base, lines)) || !strings.Contains(f.Checks[len(base)+len(lines)-1].Detail, says) && says != "" {
			t.Errorf("%s: exit %d, %+v\n%s", what, code, f, stderr)
		}
	}
	metadata := make([]string, len(ofOutput))
	for i, name := range ofOutput {
		metadata[i] = strings.Replace(name, "store", "metadata", 1)
	}
	expect("Delta, before", delta, []string{"table"}, "there is no Delta table yet")
	expect("Iceberg, before", sqlite, []string{"table: catalog", "table"}, "docs.talkwalker is not there")
	if _, err := os.Stat(catalog); err == nil {
		t.Error("it made a catalog")
	}
	expect("Iceberg with a warehouse, before", apart, slices.Concat([]string{"table: catalog", "table"}, metadata), "")
	for _, flags := range [][]string{delta, apart} {
		if code, _, stderr := x.export(t.Context(), flags...); code != exitOK {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		if code, stdout, stderr := call(t, append([]string{"register", x.out}, registered(flags)...)...); code != exitOK {
			t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
		}
	}
	expect("Delta, after", delta, []string{"table"}, "takes the columns of this version; its newest commit is ")
	expect("Iceberg, after", apart, slices.Concat([]string{"table: catalog", "table"}, metadata), "")
	if bought := x.Ledger().Credits(); bought == 0 {
		t.Error("the exports bought nothing")
	}
}

// registered are the flags of register that say what those of export do.
func registered(flags []string) []string {
	if len(flags) == 1 {
		return []string{"--format=delta"}
	}
	return flags[1:]
}

// What a registration would be refused for has its own code, and is told before any money.
func TestCheck_TablesThatWillNotDo(t *testing.T) {
	x := newTrial(t, emulator.Config{})
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	damaged := filepath.Join(dir, "damaged")
	for name, content := range map[string]string{text: strings.Repeat("no database ", 100), filepath.Join(damaged, "_delta_log", "00000000000000000000.json"): "{"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	iceberg := func(catalog string, more ...string) []string {
		return append([]string{"--out", filepath.Join(dir, "lake"), "--register", "--format=iceberg", "--table=docs.talkwalker", "--catalog=" + catalog}, more...)
	}
	for name, c := range map[string]struct {
		args   []string
		failed string
		code   string
		exit   int
	}{
		"a damaged log":     {[]string{"--out", damaged, "--register"}, "table", "table_damaged", exitRegister},
		"no database":       {iceberg("sql:sqlite:///" + text), "table: catalog", "table_catalog", exitRegister},
		"no directory":      {iceberg("sql:sqlite:///" + dir + "/none/catalog.db"), "table: catalog", "table_catalog", exitRegister},
		"nobody there":      {iceberg("rest:http://127.0.0.1:1"), "table: catalog", "table_catalog", exitRegister},
		"no such warehouse": {iceberg("sql:sqlite:///"+dir+"/catalog.db", "--catalog-property=warehouse=file://"+file), "metadata: open", "table_catalog", exitRegister},
	} {
		t.Run(name, func(t *testing.T) {
			code, f, stderr := x.checking(c.args...)
			last := f.Checks[len(f.Checks)-1]
			if code != c.exit || f.ExitCode != code || !slices.Equal(f.names(false), []string{c.failed}) || last.Code != c.code || last.Hint == "" {
				t.Errorf("exit %d, want %d: %+v\n%s", code, c.exit, f, stderr)
			}
		})
	}
	for _, args := range [][]string{{"--register"}, {"--out=lake", "--table=a.b"}, {"--out=lake", "--catalog=rest:http://127.0.0.1:1"}, {"--out=lake", "--register", "--table=a.b"},
		{"--out=lake", "--register", "--format=iceberg", "--table=a.b"}, {"--out=lake", "--register", "--format=ducklake"}} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"check", "--base-url", x.url}, args...), strings.NewReader(""), &out, &out); code != exitUsage {
			t.Errorf("%v: exit %d\n%s", args, code, &out)
		}
	}
	if len(x.Ledger().Changing()) != 0 {
		t.Errorf("it called %v", x.Ledger().Changing())
	}
}
