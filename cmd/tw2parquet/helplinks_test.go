package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The versions that the tables of what was tested name are those that the tests pin.
func TestManual_VersionsAreThoseThatAreTested(t *testing.T) {
	pinned := func(file, pattern string) string {
		text, err := os.ReadFile(filepath.Join("../../bench", file))
		if err != nil {
			t.Fatal(err)
		}
		found := matches(pattern, string(text))
		if len(found) == 0 {
			t.Fatalf("%s does not pin %s", file, pattern)
		}
		return found[0]
	}
	airflow := fmt.Sprintf("%s, and %s", pinned("airflow/airflow3.txt", `(?m)^apache-airflow==(\d+\.\d+)`), pinned("airflow/airflow2.txt", `(?m)^apache-airflow==(\d+\.\d+)`))
	duckdb := pinned("compare/go.mod", `duckdb-go/v2 v2\.(\d{5})`) // 10506 is 1.5.6
	duckdb = duckdb[:1] + "." + strings.TrimPrefix(duckdb[1:3], "0")
	gateway := pinned("lakes/go.mod", `versity/versitygw v(\d+\.\d+)`)
	for _, where := range []struct{ page, says string }{
		{"README", "| Airflow | " + airflow + " |"}, {"compatibility", "| Airflow | " + airflow + " with `--airflow 2` |"},
		{"README", "DuckDB " + duckdb + ";"}, {"compatibility", "| DuckDB | " + duckdb + " |"}, {"compatibility", "versitygw " + gateway + ","},
	} {
		if !strings.Contains(pages(t)[where.page], where.says) {
			t.Errorf("%s does not say %q", where.page, where.says)
		}
	}
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range pages(t) {
		for _, target := range matches("`make ([a-z0-9-]+)", page) {
			if !strings.Contains(string(text), "\n"+target+":") {
				t.Errorf("%s names make %s", name, target)
			}
		}
	}
}

// README is read to its end: what is longer is a topic.
func TestManual_ReadmeIsShort(t *testing.T) {
	if n := strings.Count(pages(t)["README"], "\n"); n > 235 {
		t.Errorf("README has %d lines", n)
	}
}

// Every topic ends with links to others, each of which exists, and is linked from another one. Relative links of Markdown lead to files.
func TestManual_LinksExist(t *testing.T) {
	linked := map[string]bool{}
	for _, name := range topics {
		topic := topicText(t, name)
		_, see, ok := strings.Cut(topic, "\n## See also\n")
		if !ok || strings.Contains(see, "\n## ") || len(matches("`tw2parquet ([a-z-]+)", see)) < 2 {
			t.Errorf("%s does not end with links to others", name)
		}
		for _, to := range matches(`tw2parquet help[ \n]([a-z-]+)`, topic) {
			if !slices.Contains(topics, to) || to == name {
				t.Errorf("%s names the topic %s", name, to)
			}
			linked[to] = true
		}
	}
	for _, n := range everyNode() {
		p := pageOf(n)
		for _, to := range append(p.topics, matches(`tw2parquet help[ \n]([a-z-]+)`, n.Detail)...) {
			if !slices.Contains(topics, to) {
				t.Errorf("%s names the topic %s", n.FullPath(), to)
			}
		}
	}
	for _, name := range topics {
		if !linked[name] {
			t.Errorf("no topic leads to %s", name)
		}
	}
	for _, page := range []string{"README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md", "bench/results/README.md", "testdata/README.md"} {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range matches(`(?:\]\(|src="|srcset=")([^)"#:]+)[)"]`, string(text)) {
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(page), to)); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
