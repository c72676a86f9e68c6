package tables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "tw2parquet", "help", "lakes.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var pieces = regexp.MustCompile("(?s)```python\n# (\\w+)[^\n]*\n(.*?)```")

// TestHelp_Pieces runs what people paste out of the manual.
func TestHelp_Pieces(t *testing.T) {
	_, out := lake(t)
	tool(t, "register", out, "--format", "delta")
	paste(t, out, documents)
}

// paste runs the pieces over an output that is called lake, and holds what they print against its rows.
func paste(t *testing.T, out string, rows int64) {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(manual(t), "## Copy and paste")
	text, _, _ = strings.Cut(text, "\n## ")
	found := pieces.FindAllStringSubmatch(text, -1)
	if !ok || len(found) != 7 || strings.Count(text, "```") != 14 {
		t.Fatalf("%d pieces", len(found))
	}
	for _, piece := range found {
		if testing.Short() && piece[1] == "Spark" {
			continue // starting it takes most of the quick run's time
		}
		cmd := exec.Command(python, "-c", piece[2])
		cmd.Dir = filepath.Dir(out)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if said, err := cmd.Output(); err != nil || strings.TrimSpace(string(said)) != fmt.Sprint(rows) {
			t.Errorf("%s: %v, %q\n%s", piece[1], err, said, tail(stderr.String()))
		}
	}
}

// TestHelp_Versions holds the table of engines against what the tests run.
func TestHelp_Versions(t *testing.T) {
	installed := read[map[string]string](t, "versions", "")
	packages := map[string]string{"DuckDB": "duckdb", "DuckDB, extension delta": "duckdb-extension-delta", "DuckDB, extension ducklake": "duckdb-extension-ducklake", "delta-rs": "deltalake",
		"Spark, delta-spark 4.0.0": "pyspark", "pyarrow": "pyarrow", "polars": "polars", "pandas": "pandas", "ClickHouse (chdb)": "chdb", "fastparquet": "fastparquet"}
	_, table, _ := strings.Cut(manual(t), "## What reads what")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) < 4 || strings.HasPrefix(line, "| engine") || strings.HasPrefix(line, "| ---") {
			continue
		}
		engine := strings.TrimPrefix(cells[0], "| ")
		if version := installed[packages[engine]]; version == "" || !strings.HasSuffix(cells[1], version) {
			t.Errorf("%s is %q in the manual, installed is %q", engine, cells[1], version)
		}
		delete(packages, engine)
	}
	if len(packages) > 0 {
		t.Errorf("the manual does not name %v", packages)
	}
}

// TestHelp_DoesNotWork holds the versions of what does not work against what the tests run.
func TestHelp_DoesNotWork(t *testing.T) {
	pinned := ""
	for _, file := range []string{"requirements.in", "duckdb-2.0.1.txt", "s3/pom.xml", "../lakes/go.mod", "../lakes/azurite/package.json"} {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		pinned += string(data)
	}
	text := manual(t)
	_, table, _ := strings.Cut(text, "## What does not work, and since when")
	table, _, _ = strings.Cut(table, "\n## ")
	lines := regexp.MustCompile(`(?m)^\| (.*[0-9]) \| `).FindAllStringSubmatch(table, -1)
	for _, line := range lines {
		for part := range strings.SplitSeq(line[1], ", ") {
			if name, version, ok := strings.Cut(part, " "); ok && regexp.MustCompile(`[0-9]$`).MatchString(version) {
				version = version[strings.LastIndex(version, " ")+1:]
				if !strings.Contains(pinned, "=="+version) && !strings.Contains(pinned, "<version>"+version+"<") && !strings.Contains(pinned, " v"+version) {
					t.Errorf("the tests do not run %s %s", name, version)
				}
			}
		}
	}
	if len(lines) < 8 {
		t.Errorf("the table has %d lines", len(lines))
	}
	for _, server := range regexp.MustCompile(`fake-gcs-server ([0-9.]+) and Azurite ([0-9.]+),`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(pinned, "fake-gcs-server v"+server[1]) || !strings.Contains(pinned, `"azurite": "`+server[2]+`"`) {
			t.Errorf("the tests run others than %s", server[0])
		}
	}
}
