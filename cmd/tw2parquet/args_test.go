package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"tw2parquet/source"
)

// model is the parser's own list of commands and flags: a new flag is in it.
var model = sync.OnceValue(func() *kong.Application {
	p, err := newParser(io.Discard, io.Discard)
	if err != nil {
		panic(err)
	}
	return p.Model
})

// variables are those that stand for a flag.
var variables = sync.OnceValue(func() []string {
	var list []string
	for _, f := range flagsOf(model().Node) {
		list = append(list, f.Envs...)
	}
	return list
})

// commands are all commands that can be run, and the flags of each.
func commands(t *testing.T) map[string][]*kong.Flag {
	t.Helper()
	found := map[string][]*kong.Flag{}
	for _, n := range model().Leaves(false) {
		for _, group := range n.AllFlags(false) {
			found[n.Path()] = append(found[n.Path()], group...)
		}
	}
	if len(found) < 20 || len(found["export"]) < 30 {
		t.Fatalf("the model holds %d commands, export with %d flags", len(found), len(found["export"]))
	}
	return found
}

// emptyWays are the ways to give a flag empty.
func emptyWays(f *kong.Flag) [][]string {
	name := "--" + f.Name
	ways := [][]string{{name + "="}, {name + "= \t"}}
	if f.IsBool() {
		return ways
	}
	ways = append(ways, []string{name, ""}, []string{name, " "}, []string{name}, []string{name + "=x", name, ""}, []string{name + "=", name + "=x"},
		[]string{name, "--log-level=info"}, []string{name, "--", "x"})
	if f.IsSlice() && f.Tag.Sep != -1 {
		ways = append(ways, []string{name + "=a,,b"}, []string{name, ","})
	}
	return ways
}

// Every command refuses every flag that is given empty, in every way to give it so.
func TestFlags_GivenEmptyAreRefusedByName(t *testing.T) {
	for command, flags := range commands(t) {
		words := strings.Fields(command)
		for _, f := range flags {
			for _, way := range emptyWays(f) {
				places := [][]string{slices.Concat(words, way)}
				if len(way) == 1 && strings.Contains(way[0], "=") {
					places = append(places, slices.Concat(way, words))
				}
				for _, args := range places {
					err := readLine(model(), args).checkEmpty()
					var usage *usageError
					if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), "--"+f.Name+" ") {
						t.Errorf("%q: %v", args, err)
					}
				}
			}
		}
	}
}

// A flag that is given empty is refused before anything else happens, with a result line where there belongs one.
func TestFlags_GivenEmptyStopEveryCommand(t *testing.T) {
	var calls atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer api.Close()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv(tokenEnv, "some-secret-token")
	seen := map[string]bool{}
	for command, flags := range commands(t) {
		words := strings.Fields(command)
		for i, f := range flags {
			if i > 1 && seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			code, stdout, stderr := call(t, slices.Concat(words, []string{"--base-url=" + api.URL, "--" + f.Name + "="})...)
			if code != exitUsage || !strings.Contains(stderr, "--"+f.Name+" is empty") {
				t.Errorf("%s --%s=: exit %d, says %s", command, f.Name, code, stderr)
			}
			moves := slices.Contains([]string{"export", "read", "convert", "demo"}, words[0])
			if moves != strings.Contains(stdout, `"exit_code":2`) {
				t.Errorf("%s --%s=: printed %q", command, f.Name, stdout)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if n := calls.Load(); n != 0 || err != nil || len(left) != 0 {
		t.Errorf("%d calls, left behind %v, %v", n, left, err)
	}
}

func TestArguments_GivenEmptyAreRefusedByName(t *testing.T) {
	for _, n := range model().Leaves(false) {
		for i, arg := range n.Positional {
			if n.Hidden {
				continue
			}
			args := append(strings.Fields(n.Path()), slices.Repeat([]string{"x"}, i)...)
			code, _, stderr := call(t, append(args, " ")...)
			if code != exitUsage || !strings.Contains(stderr, "<"+arg.Name+"> is empty") {
				t.Errorf("%s: exit %d, says %s", n.Path(), code, stderr)
			}
		}
	}
}

// An empty variable counts as not set, for every variable that stands for a flag.
func TestVariables_EmptyAreUnset(t *testing.T) {
	if len(variables()) < 6 {
		t.Fatalf("the model knows only the variables %v", variables())
	}
	for _, env := range variables() {
		t.Setenv(env, " \n")
	}
	t.Setenv(waitScaleEnv, " ")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"version"}, strings.NewReader(""), &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("exit %d, says %s", code, &errs)
	}
	for _, env := range variables() {
		if v, ok := os.LookupEnv(env); ok {
			t.Errorf("%s is still %q", env, v)
		}
	}
}

// valueFor is a value that a flag takes.
func valueFor(f *kong.Flag) string {
	switch {
	case f.Enum != "":
		return f.EnumSlice()[len(f.EnumSlice())-1]
	case f.Name == "start" || f.Name == "stop":
		return "2024-01-0" + map[string]string{"start": "1", "stop": "2"}[f.Name]
	case f.Name == "before":
		return "2024-01-03"
	case f.Name == "memory-limit" || f.Name == "max-document-size" || f.Name == "file-size" || f.Name == "row-group-size":
		return "3MiB"
	case f.Name == "encodings":
		return "compact"
	case f.Name == "idle-timeout" || f.Name == "max-wait" || f.Name == "file-interval" || f.Name == "lag":
		return "1m"
	case f.Target.Kind() == reflect.String, f.IsSlice():
		return "text"
	}
	return "3"
}

// Wherever a flag stands, the parser reads the same, and the command is known beforehand.
func TestFlags_StandBeforeOrAfterTheCommand(t *testing.T) {
	p, err := newParser(io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(args ...[]string) cli {
		words := slices.Concat(args...)
		l := readLine(p.Model, words)
		kctx, err := p.Parse(l.words)
		switch {
		case err != nil:
			t.Errorf("%q: %v", words, err)
		case kctx.Selected() != l.command || l.help || l.checkEmpty() != nil:
			t.Errorf("%q: the command is %s, and was taken for %v", words, kctx.Selected().Name, l.command)
		}
		return p.cli
	}
	for command, flags := range commands(t) {
		words := strings.Fields(command)
		for _, f := range flags {
			if f.Name == "help" {
				continue
			}
			var rest []string
			for _, other := range flags {
				if other.Required && other.Name != f.Name {
					rest = append(rest, "--"+other.Name+"="+valueFor(other))
				}
			}
			for _, arg := range readLine(p.Model, words).command.Positional {
				if arg.Enum != "" {
					rest = append(rest, choices(arg.Enum)[0])
					continue
				}
				rest = append(rest, "7") // an id, a path and a number
			}
			ways := [][]string{{"--" + f.Name + "=" + valueFor(f)}, {"--" + f.Name, valueFor(f)}}
			if f.IsBool() {
				ways = [][]string{{"--" + f.Name}}
			}
			if f.Target.Kind() == reflect.String && f.Enum == "" {
				ways = append(ways, []string{"--" + f.Name, "convert"}, []string{"--" + f.Name + "=--help"}) // values, whatever they look like
			}
			for _, way := range ways {
				want := parse(words, rest, way)
				for at := range len(words) + 1 {
					if got := parse(words[:at], way, words[at:], rest); !reflect.DeepEqual(got, want) {
						t.Errorf("%q between %q: parsed differently", way, words)
					}
				}
			}
		}
	}
}

// readLine knows a flag by its name alone, so one name must mean one form.
func TestFlags_OfOneNameTakeTheSameForm(t *testing.T) {
	seen := map[string]*kong.Flag{}
	for command, flags := range commands(t) {
		for _, f := range flags {
			g := seen[f.Name]
			if g == nil {
				seen[f.Name] = f
			} else if g.IsBool() != f.IsBool() || g.IsSlice() != f.IsSlice() || g.Tag.Sep != f.Tag.Sep || !slices.Equal(g.Envs, f.Envs) {
				t.Errorf("%s: --%s has another form elsewhere", command, f.Name)
			}
		}
	}
}

func TestResultLine_GoesByTheCommand(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	dir := t.TempDir()
	recording := filepath.Join(dir, "convert") // a command's name, on purpose
	if err := os.WriteFile(recording, []byte(`{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"a"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, tt := range []struct {
		args []string
		code int
		line bool
	}{
		{[]string{"--log-format", "text", "convert", recording, "--out", out}, exitOK, true},
		{[]string{"--out", out, "convert", recording}, exitOK, true},
		{[]string{"--log-format=json", "--out", out, "convert", recording}, exitOK, true},
		{[]string{"--nonsense", "convert", recording}, exitUsage, true},
		{[]string{"--nonsense", "value", "export"}, exitUsage, true},
		{[]string{"--nonsense=convert", "version"}, exitUsage, false},
		{[]string{"--progress", "export"}, exitUsage, false}, // which is the value of --progress
		{[]string{"--log-level", "demo", "version"}, exitUsage, false},
		{[]string{"export", "--query", "--help"}, exitUsage, true},
		{[]string{"export", "--query=--help"}, exitUsage, true},
		{[]string{"export", "--bad", "--help"}, exitUsage, true},
		{[]string{"--max-rejects", "-2", "export"}, exitUsage, true},
		{[]string{"verify", "export"}, exitUsage, false},
		{[]string{"version", "--", "export"}, exitUsage, false},
		{[]string{"nonsense", "export"}, exitUsage, false},
		{[]string{"--help", "export"}, exitOK, false},
		{[]string{"export", "--out=", "-h"}, exitOK, false},
		{nil, exitUsage, false},
	} {
		code, stdout, stderr := call(t, tt.args...)
		if code != tt.code || strings.Contains(stdout, `"exit_code":`) != tt.line {
			t.Errorf("%q: exit %d, printed %s and %s", tt.args, code, stdout, stderr)
		}
		if tt.line {
			lastLine(t, stdout)
		}
	}
}

// The identity of a run holds the host that is really called, and nothing else of the base URL.
func TestExport_IdentityHoldsTheHostThatIsCalled(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	want := source.Request{Kind: source.KindProject, Project: project, Limit: 1000, Generation: 1,
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)}
	var called []string // one call at a time
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called = append(called, r.Host)
		fmt.Fprint(w, `{"status_code":"0","result_tasks":{"tasks":[]}}`)
	}))
	defer api.Close()
	for _, base := range []string{api.URL, api.URL + "/", strings.Replace(api.URL, "127.0.0.1", "LocalHost", 1)} {
		called = nil
		code, stdout, _ := call(t, "export", "--base-url", base, "--project", project, "--start=2024-01-01", "--stop=2024-02-01",
			"--limit=1000", "--out", filepath.Join(t.TempDir(), "out"), "--dry-run")
		r := lastLine(t, stdout)
		if code != exitOK || len(called) != 1 || len(r.Windows) != 1 {
			t.Fatalf("%s: exit %d after %d calls, %+v", base, code, len(called), r)
		}
		host, _, err := net.SplitHostPort(called[0])
		if err != nil || r.Windows[0].Run != want.Run(host) {
			t.Errorf("%s: run %s, and %s was called (%v)", base, r.Windows[0].Run, called[0], err)
		}
	}
}
