package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alecthomas/kong"
)

var flagOnPage = regexp.MustCompile(`(?m)^  +(?:-\w, +)?--([a-z0-9-]+)`)

// pageFlags are the flags on a command's page, as people see it.
func pageFlags(t *testing.T, n *kong.Node) (names []string) {
	t.Helper()
	code, page, _ := call(t, append(strings.Fields(n.Path()), "--help")...)
	_, flags, ok := strings.Cut(page, "\nFlags:\n")
	if !ok {
		flags = page
	}
	for _, m := range flagOnPage.FindAllStringSubmatch(flags, -1) {
		names = append(names, m[1])
	}
	if code != exitOK || len(names) == 0 || !slices.Contains(names, "help") {
		t.Fatalf("%s: exit %d, flags %v", n.Path(), code, names)
	}
	return names
}

// A command takes the flags that are on its page, and no other, wherever it stands: every command with every flag there is.
func TestFlags_ThatACommandDoesNotShowAreRefused(t *testing.T) {
	var calls atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer api.Close()
	t.Setenv(tokenEnv, "some-secret-token")
	dir := t.TempDir()
	t.Chdir(dir)
	refused := 0
	for _, n := range model().Leaves(true) {
		words, shown := strings.Fields(n.Path()), pageFlags(t, n)
		for name, f := range flagsOf(model().Node) {
			if name == "help" || f.Hidden {
				continue
			}
			given := "--" + name
			if !f.IsBool() {
				given += "=" + valueFor(f)
			}
			for at := range len(words) + 1 {
				line := readLine(model(), slices.Concat(words[:at], []string{given}, words[at:]))
				err := line.checkTaken(model().Node)
				if on := slices.Contains(shown, name); on != (err == nil) {
					t.Errorf("%s %s at %d: on its page %v, and %v", n.Path(), given, at, on, err)
				}
			}
			if slices.Contains(shown, name) {
				continue
			}
			if refused++; refused%7 != 0 { // some of them by the whole program
				continue
			}
			code, _, stderr := call(t, append([]string{given}, words...)...)
			if code != exitUsage || !strings.Contains(stderr, n.Path()+" takes no --"+name+"; ") {
				t.Errorf("%s %s: exit %d, %s", given, n.Path(), code, stderr)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if refused < 1000 || calls.Load() != 0 || err != nil || len(left) != 0 {
		t.Errorf("%d refused; %d calls, left behind %v, %v", refused, calls.Load(), left, err)
	}
}

func TestFlags_OfOtherCommandsAreExplained(t *testing.T) {
	for args, want := range map[string]string{
		"verify x --progress on":          "verify takes no --progress; export, read, convert, report and demo do (see tw2parquet verify --help)",
		"--memory-limit=1GiB credits":     "credits takes no --memory-limit; export, read, convert, verify, report, cat and demo do; GOMEMLIMIT may be set for all",
		"verify --out x":                  "verify takes no --out; export, ",
		"verify --out=x":                  "; here it is an argument: <out>",
		"tasks list --stream s":           "tasks list takes no --stream; ",
		"status x --allow-cut":            "status takes no --allow-cut; convert does",
		"cat --log-levl info x":           `did you mean "--log-level"?`, // which no command takes
		"version --log-level=debug":       "version takes no --log-level; ",
		"cat x --file-rows 3 --split=day": "; cat takes no --split; ",
	} {
		code, _, stderr := call(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(strings.ReplaceAll(stderr, `\"`, `"`), want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}

// A wrapper sets variables for all commands: those that do not use one ignore it.
func TestVariables_OfOtherCommandsAreIgnored(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	t.Setenv("TALKWALKER_BASE_URL", "https://127.0.0.1:1")
	t.Setenv("TALKWALKER_TOKEN_FILE", "/nonexistent")
	t.Setenv("TW2PARQUET_LOG_LEVEL", "debug")
	t.Setenv("GOMEMLIMIT", "512MiB")
	var out, errs strings.Builder
	for _, command := range []string{"version", "schema", "help money", "completion bash"} {
		if code := run(t.Context(), strings.Fields(command), strings.NewReader(""), &out, &errs); code != exitOK || errs.Len() > 0 {
			t.Errorf("%s: exit %d, says %s", command, code, &errs)
		}
	}
}

// fenced are examples, which run in tests of their own.
var fenced = regexp.MustCompile("(?s)```.*?```")

// Commands in the text of the manual and README, with or without the program's name, have flags that they take.
func TestManual_CommandsTakeTheirFlags(t *testing.T) {
	seen := 0
	for name, page := range pages(t) {
		for _, text := range matches("`([^`\n]+(?:\n[^`\n]+)?)`", fenced.ReplaceAllString(page, "")) { // may be broken over two lines
			words := strings.Fields(strings.TrimPrefix(text, "tw2parquet "))
			if len(words) == 0 || child(model().Node, words[0]) == nil {
				continue
			}
			line := readLine(model(), words)
			if err := line.checkTaken(model().Node); err != nil {
				t.Errorf("%s, %s: %v", name, text, err)
			}
			for _, word := range words {
				if flag, ok := strings.CutPrefix(word, "--"); ok && flag != "" {
					flag, _, _ = strings.Cut(flag, "=")
					if seen++; line.flags[flag] == nil {
						t.Errorf("%s, %s: there is no --%s", name, text, flag)
					}
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d flags", seen)
	}
}
