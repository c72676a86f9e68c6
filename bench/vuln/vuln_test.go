package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes files into a directory.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func stdlibEntry(id, symbol, fixed string) string {
	return `{"schema_version":"1.3.1","id":"` + id + `","modified":"2026-01-02T03:04:05Z","summary":"invented","affected":[{
 "package":{"name":"stdlib","ecosystem":"Go"},
 "ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"` + fixed + `"}]}],
 "ecosystem_specific":{"imports":[{"path":"strings","symbols":["` + symbol + `"]}]}}]}`
}

// govulncheck reads the database that was made, and finds in it what a small program uses.
func TestScan_FindsWhatIsInTheDatabase(t *testing.T) {
	entries, db, program := t.TempDir(), t.TempDir(), t.TempDir()
	put(t, entries, map[string]string{
		"GO-2026-0001.json": stdlibEntry("GO-2026-0001", "ToUpper", "1.999.2"),
		"GO-2026-0002.json": stdlibEntry("GO-2026-0002", "ToTitle", "1.999.10"),
		"GO-2026-0003.json": stdlibEntry("GO-2026-0003", "ToUpper", "1.0.1"),
	})
	put(t, program, map[string]string{
		"go.mod":  "module example.com/program\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport \"strings\"\n\nfunc main() { println(strings.ToUpper(\"a\")) }\n",
	})
	if err := writeDatabase(entries, db); err != nil {
		t.Fatal(err)
	}
	r, err := scan(t.Context(), program, db)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r.print(&out, "program")
	for _, want := range []string{": 2\n", "GO-2026-0001", "mended by v1.999.2 ", "called", "GO-2026-0002", "imported", "invented", "build with go1.999.10 or newer"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if r.fails() {
		t.Error("it fails on what a newer Go mends")
	}
}

func TestDatabase_RefusesWhatIsNotOne(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":      {},
		"not JSON":     {"GO-2026-0001.json": "{"},
		"another name": {"GO-2026-0001.json": stdlibEntry("GO-2026-0002", "ToUpper", "1.2.3")},
	} {
		dir := t.TempDir()
		put(t, dir, files)
		if err := writeDatabase(dir, t.TempDir()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReport_FailsOnWhatANewerModuleMends(t *testing.T) {
	const config = `{"config":{"go_version":"go1.26.8"}}`
	found := func(module, fixed, more string) string {
		return `{"finding":{"osv":"GO-2026-0001","fixed_version":"` + fixed + `","trace":[{"module":"` + module + `","version":"v1.0.0"` + more + `}]}}`
	}
	for name, tt := range map[string]struct {
		stream       string
		fails, error bool
		newerGo      string
	}{
		"nothing found":        {stream: config},
		"a module, called":     {stream: config + found("example.com/m", "v1.0.1", `,"package":"p","function":"F"`), fails: true},
		"a module, required":   {stream: config + found("example.com/m", "v1.0.1", ""), fails: true},
		"a module, not mended": {stream: config + found("example.com/m", "", `,"package":"p","function":"F"`)},
		"the standard library": {stream: config + found("stdlib", "v1.26.9", ""), newerGo: "go1.26.9"},
		"the go command":       {stream: config + found("toolchain", "v1.26.9", ""), newerGo: "go1.26.9"},
		"one entry, both":      {stream: config + found("stdlib", "v1.26.9", "") + found("example.com/m", "v1.0.1", ""), fails: true, newerGo: "go1.26.9"},
		"nothing at all":       {stream: "", error: true},
		"cut":                  {stream: config + `{"finding":`, error: true},
	} {
		r, err := readReport(strings.NewReader(tt.stream))
		if (err != nil) != tt.error {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (r.fails() != tt.fails || r.newerGo() != tt.newerGo) {
			t.Errorf("%s: fails %t, newer Go %q", name, r.fails(), r.newerGo())
		}
	}
}
