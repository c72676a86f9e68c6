package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// written are the pages as they lie in a directory.
func written(t *testing.T) (dir string, pages map[string]string) {
	t.Helper()
	dir, pages = filepath.Join(t.TempDir(), "share", "man"), map[string]string{}
	for range 2 { // what is there is replaced
		if code, _, stderr := call(t, "man", dir); code != exitOK || stderr != "" {
			t.Fatalf("exit %d, %s", code, stderr)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "man*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.Base(name)] = string(text)
	}
	return dir, pages
}

// everyNode is the program, and all of its commands that are listed.
func everyNode() (all []*kong.Node) {
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		all = append(all, n)
		for _, c := range n.Children {
			if !c.Hidden {
				walk(c)
			}
		}
	}
	walk(model().Node)
	return all
}

// The oracle is the parser's model, and the list of topics: there is a page for each, with every flag, and no other.
func TestMan_HasAPageForEachCommandAndTopic(t *testing.T) {
	_, pages := written(t)
	var want []string
	for _, n := range everyNode() {
		name := strings.ReplaceAll(n.FullPath(), " ", "-") + ".1"
		want = append(want, name)
		for _, f := range n.Flags {
			if !strings.Contains(pages[name], `\fB`+strings.ReplaceAll("--"+f.Name, "-", `\-`)) && f.Name != "help" {
				t.Errorf("%s does not have --%s", name, f.Name)
			}
		}
	}
	for _, topic := range topics {
		want = append(want, "tw2parquet-"+topic+".7")
	}
	for name := range pages {
		if !slices.Contains(want, name) {
			t.Errorf("there is a page %s", name)
		}
	}
	for _, name := range want {
		if pages[name] == "" {
			t.Errorf("there is no page %s", name)
		}
	}
}

// Pages name only pages that are there.
func TestMan_NamesPagesThatAreThere(t *testing.T) {
	_, pages := written(t)
	for name, text := range pages {
		for _, m := range regexp.MustCompile(`\\fB(tw2parquet[a-z0-9\\-]*)\((\d)\)\\fR`).FindAllStringSubmatch(text, -1) {
			if of := strings.ReplaceAll(m[1], `\`, "") + "." + m[2]; pages[of] == "" {
				t.Errorf("%s names %s", name, of)
			}
		}
	}
}

// The form of a page: known macros alone, in pairs where they come in pairs, and ASCII.
func TestMan_IsWellFormed(t *testing.T) {
	_, pages := written(t)
	known := strings.Fields(`'\" .TH .SH .SS .PP .TP .IP .RS .RE .EX .EE .TS .TE .nh .ad`)
	for name, text := range pages {
		open := map[string]int{}
		for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			word, _, _ := strings.Cut(line, " ")
			if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
				if !slices.Contains(known, word) {
					t.Errorf("%s:%d: %q is not a macro", name, i+1, word)
				}
				open[word]++
			}
			if line == "" && open[".EX"] == open[".EE"] || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
				t.Errorf("%s:%d: %q", name, i+1, line)
			}
		}
		for _, pair := range [][2]string{{".RS", ".RE"}, {".EX", ".EE"}, {".TS", ".TE"}} {
			if open[pair[0]] != open[pair[1]] {
				t.Errorf("%s: %d %s, %d %s", name, open[pair[0]], pair[0], open[pair[1]], pair[1])
			}
		}
	}
}

// mandoc has nothing against the pages but that they have no date. It is tested where it is.
func TestMan_IsReadByMandoc(t *testing.T) {
	dir, pages := written(t)
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Log("mandoc is not installed: the form alone was tested")
		return
	}
	for name := range pages {
		said, err := exec.CommandContext(t.Context(), "mandoc", "-T", "lint", "-W", "warning", filepath.Join(dir, "man"+name[len(name)-1:], name)).Output()
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], "missing date") {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}

// What groff sets has every word of the topic, and no warnings. It is tested where it is.
func TestMan_IsReadByGroff(t *testing.T) {
	dir, pages := written(t)
	if _, err := exec.LookPath("groff"); err != nil {
		t.Log("groff is not installed: the form alone was tested")
		return
	}
	for name := range pages {
		section := name[len(name)-1:]
		cmd := exec.CommandContext(t.Context(), "groff", "-man", "-t", "-ww", "-Tutf8", "-P-cbou", "-rLL=2000n", filepath.Join(dir, "man"+section, name))
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		var errs strings.Builder
		cmd.Stderr = &errs
		set, err := cmd.Output()
		if err != nil || errs.Len() > 0 {
			t.Errorf("%s: %v, %s", name, err, &errs)
		}
		if section != "7" {
			continue
		}
		shown := letters(string(set))
		_, topic, _ := strings.Cut(topicText(t, strings.TrimSuffix(strings.TrimPrefix(name, "tw2parquet-"), ".7")), ": ") // of the title
		for _, word := range strings.Fields(topic) {
			if w := letters(word); w != "" && !strings.HasPrefix(word, "```") && !strings.Contains(shown, w) {
				t.Errorf("%s lost %q", name, word)
			}
		}
	}
}

// letters leaves the marks away that are set otherwise, and case.
func letters(s string) string {
	return strings.ToLower(strings.NewReplacer("`", "", "*", "", "\\", "", "|", "", "-", "", "\u2010", "", "\u2212", "", "\u00ad", "", "#", "", "\n", " ").Replace(s))
}

func TestMan_TellsWhatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := call(t, "man", filepath.Join(file, "man")); code != exitStorage || stdout != "" || !strings.Contains(stderr, file) {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

// What --help lists is what the model has: the commands below, the command's own flags, and of the common ones those that
// it uses; and two examples of that command.
func TestHelp_ShowsWhatACommandUses(t *testing.T) {
	for _, n := range everyNode() {
		code, text, stderr := call(t, append(strings.Fields(n.Path()), "--help")...)
		if code != exitOK || stderr != "" {
			t.Fatalf("%s: exit %d, %s", n.FullPath(), code, stderr)
		}
		var shown, own []string
		for _, m := range regexp.MustCompile(`(?m)^  (?:-h, )?--([a-z-]+)`).FindAllStringSubmatch(text, -1) {
			shown = append(shown, m[1])
		}
		for _, f := range n.Flags {
			own = append(own, f.Name)
			if !slices.Contains(shown, f.Name) {
				t.Errorf("%s does not show --%s", n.FullPath(), f.Name)
			}
		}
		common := []string{"help", "token-file", "base-url", "log-format", "log-level", "progress", "result-file", "memory-limit"}
		for _, name := range shown {
			if !slices.Contains(own, name) && !slices.Contains(common, name) {
				t.Errorf("%s shows --%s", n.FullPath(), name)
			}
		}
		p := pageOf(n)
		of := 0
		for _, line := range p.examples {
			if strings.Contains(line, n.FullPath()) {
				of++
			}
		}
		if of < 2 || of > 4 {
			t.Errorf("%s has %d examples", n.FullPath(), of)
		}
		if len(p.codes) == 0 && p.exits == "" && n.Type == kong.CommandNode {
			t.Errorf("%s does not say its exit codes", n.FullPath())
		}
		for _, name := range p.topics {
			if !slices.Contains(topics, name) {
				t.Errorf("%s names the topic %s", n.FullPath(), name)
			}
		}
		for _, line := range p.examples {
			if displayed("  "+line) > plainWidth+8 {
				t.Errorf("%s: an example is wider than a screen: %s", n.FullPath(), line)
			}
		}
	}
}

// A command that shows the flags of the API calls it, and one that does not works without a token: commands that are shown to
// call end with 10 where there is none.
func TestHelp_TokenIsForCommandsThatCall(t *testing.T) {
	t.Setenv(tokenEnv, "")
	dir := t.TempDir()
	t.Chdir(dir)
	out, _ := converted(t, 20)
	calls := map[string][]string{ // how they call, where the flags that are required do not make them
		"export": {"--project=" + project}, "plan": {"--project=" + project}, "read": {"--out=" + dir}, "status": {"--online"},
	}
	for _, n := range model().Leaves(true) {
		if !uses(n, "api") {
			continue
		}
		args := strings.Fields(n.Path())
		for _, f := range n.Flags {
			if f.Required && f.Name != "out" {
				args = append(args, "--"+f.Name+"="+valueFor(f))
			}
		}
		for _, arg := range n.Positional {
			value := "some-id"
			if arg.Name == "out" {
				value = out
			}
			args = append(args, value)
		}
		args = append(args, calls[n.Path()]...)
		if n.Path() == "export" {
			args = append(args, "--out="+filepath.Join(dir, "lake"))
		}
		if code, _, stderr := call(t, args...); code != exitAuth {
			t.Errorf("%q: exit %d, %s", args, code, fmt.Sprint(stderr))
		}
	}
}
