package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tw2parquet/bench/compare/duck"
)

// These tests run every example that users read: in README, in the manual's topics, in --help and in the man pages.
// An example that cannot run here is in the list below, with the reason; nothing else is left out.

// notHere is what is run elsewhere: blocks by page and kind, or by page and a text in them; of a block of commands only those with
// that text, unless it is the first: the others build on it.
var notHere = map[string]string{
	"airflow ":                 "make airflow follows this page: a new user's shell, Airflow, cron, systemd, Kubernetes' schemas",
	"README make demo":         "make demo and make test are what runs this",
	"README sha256sum":         "make release-test runs it beside a release's files",
	"CONTRIBUTING make":        "they are the gate that runs this",
	"lakes delta_scan":         "needs an extension of DuckDB: make tables",
	"lakes TYPE iceberg":       "needs an extension of DuckDB and a REST catalog: make tables",
	"lakes rest:https":         "needs a REST catalog: make tables",
	"lakes python":             "make tables reads Delta with both engines",
	"lakes s3://bucket/lake":   "DuckDB reads a bucket with an extension: make lakes",
	"stores CREATE SECRET":     "DuckDB reads a bucket with an extension: make lakes",
	"stores json":              "policies of Amazon's: make lakes holds a server's users to them",
	"tw2parquet-views.1 s3://": "DuckDB reads a bucket with an extension: make lakes",
}

// block is one example, or some that belong together.
type block struct {
	page, kind, text string
}

// here is what of a block can be run here, "" if nothing can. The keys of the list that leave something out are noted.
func (b block) here(used map[string]bool) string {
	parts := []string{b.text}
	if b.kind == "sh" { // commands, with the lines that they go on in
		parts = regexp.MustCompile(`(?:[^\n]*\\\n)*[^\n]*\n`).FindAllString(b.text, -1)
	}
	var left strings.Builder
	for i, part := range parts {
		out := false
		for key := range notHere {
			page, about, _ := strings.Cut(key, " ")
			if b.page == page && (about == "" || b.kind == about || strings.Contains(part, about)) {
				out, used[key] = true, true
			}
		}
		if out && i == 0 {
			return ""
		}
		if !out {
			left.WriteString(part)
		}
	}
	return left.String()
}

// fenced are the code blocks of a Markdown page.
func fenced(t *testing.T, name string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.TrimSuffix(filepath.Base(name), ".md")
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block{page, m[1], m[2]})
	}
	return all
}

// ofRoff undoes what keeps troff from reading a line its own way.
var ofRoff = strings.NewReplacer(`\-`, "-", `\(aq`, "'", `\(ga`, "`", `\(ha`, "^", `\(ti`, "~", `\(dq`, `"`, `\e`, `\`, `\&`, "", `\[u2026]`, "…")

// manExamples are the examples of the commands' man pages, which those of --help have to be.
func manExamples(t *testing.T, a *account) (all []block) {
	t.Helper()
	dir := t.TempDir()
	a.run(0, "man", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "man1", "*.1"))
	if err != nil || len(pages) < 30 {
		t.Fatal(err, pages)
	}
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, examples, ok := strings.Cut(string(text), "\n.SH EXAMPLES\n.RS 4\n.EX\n")
		examples, _, ended := strings.Cut(examples, ".EE\n")
		if !ok || !ended {
			t.Errorf("%s has no examples", filepath.Base(name))
			continue
		}
		examples = ofRoff.Replace(examples)
		all = append(all, block{filepath.Base(name), "sh", examples})
		command := strings.Split(strings.TrimSuffix(filepath.Base(name), ".1"), "-")[1:]
		if _, shown, _ := strings.Cut(a.run(0, append(command, "--help")...).stdout, "\nExamples:\n"); !strings.HasPrefix(shown, "  "+strings.ReplaceAll(strings.TrimSuffix(examples, "\n"), "\n", "\n  ")) {
			t.Errorf("%s: --help has other examples:\n%s", filepath.Base(name), shown)
		}
	}
	return all
}

// everyExample are the blocks of all pages.
func everyExample(t *testing.T, a *account) []block {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "cmd", "tw2parquet", "help", "*.md"))
	if err != nil || len(pages) < 9 {
		t.Fatal(err, pages)
	}
	all := manExamples(t, a)
	for _, name := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, ".github", "CONTRIBUTING.md")) {
		all = append(all, fenced(t, name)...)
	}
	return all
}

func TestExamples_Run(t *testing.T) {
	w := newWorld(t)
	used := map[string]bool{}
	ran := map[string]int{}
	for i, b := range everyExample(t, w.account) {
		if b.text = b.here(used); strings.TrimSpace(b.text) == "" {
			continue
		}
		ran[b.kind]++
		t.Run(b.page+"/"+strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			switch {
			case b.kind == "sh":
				w.shell(t, b.text)
			case b.kind == "sql":
				w.sql(t, b.text)
			case b.kind == "" && !regexp.MustCompile(`(?m)^(tw2parquet|make|curl|docker|go) `).MatchString(b.text):
				return // a picture, or a list of files
			default:
				t.Errorf("this block of kind %q is not run, and the list does not say why:\n%s", b.kind, b.text)
			}
		})
	}
	for key := range notHere {
		if !used[key] {
			t.Errorf("the list names %q, which no page has", key)
		}
	}
	if ran["sh"] < 60 || ran["sql"] < 3 {
		t.Errorf("only %v blocks were run", ran)
	}
}

// shell runs lines as a person would who pastes them: they end at the first that fails.
func (w *world) shell(t *testing.T, text string) {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil && regexp.MustCompile(`\bjq `).MatchString(text) {
		t.Log("jq is not installed: its examples are run where it is")
		return
	}
	dir := w.copied(t)
	for _, old := range slices.Sorted(maps.Keys(w.standIns)) {
		text = strings.ReplaceAll(text, old, w.standIns[old])
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--norc", "-c", "set -e -o pipefail\n"+text)
	cmd.Dir = dir
	cmd.Env = append(w.environment(), "HOME="+dir)
	if said, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(string(said), "\n")
		t.Errorf("%v\n%s\n%s", err, text, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// sql runs statements on the lake and on its views; each answers something.
func (w *world) sql(t *testing.T, text string) {
	t.Helper()
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Exec(t.Context(), w.run(0, "views", w.lake).stdout); err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "'lake/", "'"+w.lake+"/")
	for query := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(query) == "" {
			continue
		}
		if _, rows, err := db.Text(t.Context(), query); err != nil || len(rows) == 0 {
			t.Errorf("%v, %d rows\n%s", err, len(rows), query)
		}
	}
}
