package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completing is a command line whose last word is completed, and what is offered for it.
type completing struct {
	line string
	want []string
}

// The oracle is the parser's own model: what is offered stands there, and what stands there is offered.
func wantedCompletions(t *testing.T) (all []completing) {
	t.Helper()
	var names []string
	for _, n := range model().Children {
		if n.Hidden {
			continue
		}
		names = append(names, n.Name)
		var below, flags []string
		for _, c := range n.Children {
			below = append(below, c.Name)
		}
		if len(below) > 0 {
			all = append(all, completing{n.Name + " ", below})
			continue
		}
		shown := pageFlags(t, n)
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				if !slices.Contains(shown, f.Name) {
					continue
				}
				flags = append(flags, "--"+f.Name)
				if f.Enum != "" {
					all = append(all, completing{n.Name + " --" + f.Name + " ", strings.Split(f.Enum, ",")})
				}
			}
		}
		all = append(all, completing{n.Name + " --", flags})
	}
	return append(all,
		completing{"", names},
		completing{"exp", []string{"export"}},
		completing{"tasks li", []string{"list"}},
		completing{"tasks get --log-f", []string{"--log-format"}},
		completing{"help m", []string{"money"}},
		completing{"help ", topics},
		completing{"completion ", []string{"bash", "zsh", "fish"}},
		completing{"export --split ", []string{"none", "day", "week", "month", "auto"}},
		completing{"plan --output a", []string{"airflow"}},
		completing{"export --output a", []string{"auto"}},
		completing{"export --encodings ", []string{"broad", "compact"}},
		completing{"export --compression zs", []string{"zstd"}},
		completing{"--log-format json tasks li", []string{"list"}},
		completing{"--log-format json verify --output js", []string{"json"}},
		completing{"export --project export --spl", []string{"--split"}},
		completing{"export --project ", nil},
		completing{"check-", nil}, // hidden
		// Of the folder that the test makes:
		completing{"convert rec", []string{"rec.ndjson", "recs/"}},
		completing{"emulate --faults rec", []string{"rec.ndjson", "recs/"}},
		completing{"credits --token-file rec", []string{"rec.ndjson", "recs/"}},
		completing{"export --out rec", []string{"recs/"}},
		completing{"verify rec", []string{"recs/"}},
		completing{"drop rec", []string{"recs/"}},
	)
}

// completionScript is the script of a shell in a file, in a folder with something to complete, for a program that must
// not be started.
func completionScript(t *testing.T, shell string) (dir, script string) {
	t.Helper()
	code, text, stderr := call(t, "completion", shell)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	if _, again, _ := call(t, "completion", shell); again != text {
		t.Error("the script is another one each time")
	}
	dir = t.TempDir()
	script = filepath.Join(t.TempDir(), "completion."+shell)
	for name, content := range map[string]string{filepath.Join(dir, "rec.ndjson"): "", filepath.Join(dir, "recs", "x"): "", filepath.Join(dir, "other"): "", script: text} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, script
}

// inShell runs a script of a shell there; the program is not in its PATH.
func inShell(t *testing.T, dir, shell string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell, args...)
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TERM=dumb"}
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, text)
	}
	return string(text)
}

func holdCompletions(t *testing.T, c completing, got []string) {
	t.Helper()
	for i := range got {
		got[i] = strings.TrimSpace(got[i])
	}
	got = slices.DeleteFunc(got, func(s string) bool { return s == "" })
	want := slices.Clone(c.want)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("tw2parquet %s: offered %q, want %q", c.line, got, want)
	}
}

// bashWordsOf splits a line as bash does, where = and : end a word.
func bashWordsOf(line string) []string {
	words := []string{"tw2parquet"}
	for _, word := range strings.Split(line, " ") {
		for word != "" {
			i := strings.IndexAny(word, "=:")
			switch {
			case i < 0:
				words, word = append(words, word), ""
			case i == 0:
				n := len(word) - len(strings.TrimLeft(word, "=:"))
				words, word = append(words, word[:n]), word[n:]
			default:
				words, word = append(words, word[:i]), word[i:]
			}
		}
	}
	if line == "" || strings.HasSuffix(line, " ") {
		words = append(words, "")
	}
	return words
}

func TestCompletion_Bash(t *testing.T) {
	dir, script := completionScript(t, "bash")
	all := append(wantedCompletions(t),
		completing{"export --split=", []string{"none", "day", "week", "month", "auto"}}, completing{"export --split=w", []string{"week"}},
		completing{"--log-format=json tasks li", []string{"list"}}, completing{"export --out=rec", []string{"recs/"}},
		completing{"export --out s3://bucket/re", nil}, completing{"export --out s3://bucket/lake --spl", []string{"--split"}},
		completing{"export --out=s3://bucket/lake --spl", []string{"--split"}}, completing{"--base-url http://127.0.0.1:1/x credits --outp", []string{"--output"}})
	var b strings.Builder
	fmt.Fprintf(&b, "source %s\n", script)
	for _, c := range all {
		words := bashWordsOf(c.line)
		b.WriteString("COMP_WORDS=(")
		for _, w := range words {
			b.WriteString(shellQuoted(w) + " ")
		}
		fmt.Fprintf(&b, ")\nCOMP_CWORD=%d\n_tw2parquet\nprintf '%%s\\t' \"${COMPREPLY[@]}\"\necho\n", len(words)-1)
	}
	answers := strings.Split(inShell(t, dir, "bash", "--norc", "-u", "-c", b.String()), "\n")
	for i, c := range all {
		got := strings.Split(answers[i], "\t")
		for k, name := range got {
			if name == "recs" { // readline adds the slash
				got[k] = "recs/"
			}
		}
		holdCompletions(t, c, got)
	}
}

// fish and zsh are tested where they are.
func TestCompletion_Fish(t *testing.T) {
	dir, script := completionScript(t, "fish")
	if _, err := exec.LookPath("fish"); err != nil {
		t.Log("fish is not installed: its script is written, and not run")
		return
	}
	all := append(wantedCompletions(t), completing{"export --split=w", []string{"--split=week"}}, completing{"--log-format=json tasks li", []string{"list"}})
	var b strings.Builder
	fmt.Fprintf(&b, "source %s\n", script)
	for _, c := range all {
		fmt.Fprintf(&b, "complete -C %s | string replace -r '\\t.*' '' | string join ';'\necho ====\n", fishQuoted("tw2parquet "+c.line))
	}
	answers := strings.Split(inShell(t, dir, "fish", "--no-config", "-c", b.String()), "====\n")
	for i, c := range all {
		holdCompletions(t, c, strings.FieldsFunc(answers[i], func(r rune) bool { return r == ';' || r == '\n' }))
	}
}
