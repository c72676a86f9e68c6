package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") { // a command: what verify starts is this very binary
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

const project = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

// call runs the program with a token, short waits, and no other environment of ours.
func call(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv(waitScaleEnv, "0.001")
	for _, v := range variables() {
		t.Setenv(v, "") // the same as not set, which is itself a promise
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// calling adds the address of an API to a command that calls one.
func calling(url string, args ...string) []string {
	if n := readLine(model(), args).command; n == nil || !takes(n, "base-url") {
		return args
	}
	return append(args[:len(args):len(args)], "--base-url", url)
}

// lastLine parses what schedulers parse.
func lastLine(t testing.TB, stdout string) result {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	var r result
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("the last line is not a result: %v\n%s", err, stdout)
	}
	return r
}

func TestExport_RefusesBadUseBeforeAnything(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	base := map[string][]string{
		"--project": {project}, "--start": {"2024-01-01"}, "--stop": {"2024-02-01"},
		"--base-url": {"http://127.0.0.1:1"}, // nothing listens: a call would be exit 20
	}
	for name, c := range map[string]struct {
		flags map[string][]string // nil removes
		extra []string
		says  string
	}{
		"no source":            {map[string][]string{"--project": nil}, nil, "--project"},
		"two sources":          {map[string][]string{"--stream": {"s"}}, nil, "exclude"},
		"topic without":        {map[string][]string{"--project": nil, "--query": {"cats"}, "--topic": {"t"}}, nil, "--topic"},
		"dataset with stream":  {map[string][]string{"--project": nil, "--stream": {"s"}, "--dataset": {"d"}}, nil, "--dataset"},
		"stop before start":    {map[string][]string{"--stop": {"2023-12-01"}}, nil, "stop"},
		"stop is start":        {map[string][]string{"--stop": {"2024-01-01"}}, nil, "stop"},
		"future":               {map[string][]string{"--stop": {"2999-01-01"}}, nil, "future"},
		"empty start":          {map[string][]string{"--start": {""}}, nil, "start"},
		"None":                 {map[string][]string{"--start": {"None"}}, nil, "None"},
		"relative":             {map[string][]string{"--start": {"yesterday"}}, nil, "yesterday"},
		"seconds":              {map[string][]string{"--start": {"1704067200"}}, nil, "seconds"},
		"no stop":              {map[string][]string{"--stop": nil}, nil, "--stop"},
		"limit 0":              {nil, []string{"--limit=0"}, "limit"},
		"limit over":           {nil, []string{"--limit=1000001"}, "limit"},
		"generation 0":         {nil, []string{"--generation=0"}, "generation"},
		"parallel 0":           {nil, []string{"--parallel=0"}, "parallel"},
		"bad split":            {nil, []string{"--split=year"}, "split"},
		"bad compression":      {nil, []string{"--compression=lzma"}, "compression"},
		"zstd level":           {nil, []string{"--compression=zstd:99"}, "compression"},
		"bad encodings":        {nil, []string{"--encodings=delta"}, "broad or compact"},
		"no encodings":         {nil, []string{"--encodings="}, "--encodings"},
		"bad size":             {nil, []string{"--file-size=big"}, "size"},
		"rejects":              {nil, []string{"--max-rejects=-2"}, "rejects"},
		"unknown flag":         {nil, []string{"--tokn=x"}, "tokn"},
		"stream id":            {map[string][]string{"--project": nil, "--stream": {"../etc"}}, nil, "stream"},
		"store":                {nil, []string{"--out=ftp://x/y"}, "ftp"},
		"plain http elsewhere": {map[string][]string{"--base-url": {"http://example.org"}}, nil, "http"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			args := []string{"export", "--out", out}
			for _, set := range []map[string][]string{base, c.flags} {
				for flag, values := range set {
					if over, ok := c.flags[flag]; ok && (over == nil || !slices.Equal(over, values)) {
						continue
					}
					for _, v := range values {
						args = append(args, flag+"="+v)
					}
				}
			}
			code, stdout, stderr := call(t, append(args, c.extra...)...)
			if code != exitUsage {
				t.Errorf("exit %d, want %d\n%s%s", code, exitUsage, stdout, stderr)
			}
			r := lastLine(t, stdout)
			if r.Status != "failed" || r.Error == nil || r.Error.Code != "usage" || !strings.Contains(r.Error.Message, c.says) {
				t.Errorf("the result %+v (error %+v) does not name %q", r, r.Error, c.says)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestExport_NoTokenIsExit10WithoutACall(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, extra := range map[string][]string{
		"not set": nil, "empty file": {"--token-file", empty}, "no file": {"--token-file", filepath.Join(dir, "none")}, "a directory": {"--token-file", dir},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(tokenEnv, "  ")
			args := append([]string{"export", "--project", project, "--start=2024-01-01", "--stop=2024-02-01", "--out", filepath.Join(dir, "out"), "--base-url=http://127.0.0.1:1"}, extra...)
			code, stdout, _ := call(t, args...)
			if r := lastLine(t, stdout); code != exitAuth || r.ExitCode != exitAuth || r.Error.Code != "auth" || r.Error.Retryable {
				t.Errorf("exit %d, result %+v", code, r)
			}
		})
	}
}

func TestResultFile_IsWrittenOnEveryPathOrRefusedFirst(t *testing.T) {
	t.Setenv(tokenEnv, "some-secret-token")
	dir := t.TempDir()
	name := filepath.Join(dir, "return.json")
	code, stdout, _ := call(t, "export", "--nonsense", "--result-file", name)
	stored, err := os.ReadFile(name)
	if code != exitUsage || err != nil || !strings.HasSuffix(stdout, string(stored)) {
		t.Errorf("exit %d, stored %q (%v), printed %q", code, stored, err, stdout)
	}
	if code, _, _ := call(t, "version", "--result-file="+name); code != exitOK {
		t.Errorf("version: exit %d", code)
	}
	stored, _ = os.ReadFile(name)
	if r := lastLine(t, string(stored)); r.Status != "complete" || r.ExitCode != 0 {
		t.Errorf("version stored %s", stored)
	}
	if code, _, stderr := call(t, "version", "--result-file", filepath.Join(dir, "none", "x.json")); code != exitUsage || !strings.Contains(stderr, "result-file") {
		t.Errorf("a result file that cannot be written: exit %d, %s", code, stderr)
	}
}

func TestLogFormatJSON_HoldsForEveryLine(t *testing.T) {
	t.Setenv(tokenEnv, "")
	for _, args := range [][]string{
		{"export", "--log-format=json", "--bad"},
		{"credits", "--log-format=json"},
		{"credits", "--log-format=json", "--bad"},
		{"--log-format=json"},
	} {
		_, _, stderr := call(t, args...)
		for line := range strings.Lines(stderr) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%v: %q is not JSON", args, line)
			}
		}
		if stderr == "" {
			t.Errorf("%v said nothing", args)
		}
	}
}

func TestHelp_NamesExitCodesAndAnExample(t *testing.T) {
	for _, cmd := range []string{"export", "demo"} {
		code, stdout, stderr := call(t, cmd, "--help")
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Example") || !strings.Contains(stdout, "143") || strings.Contains(stdout, `"status"`) {
			t.Errorf("%s --help: exit %d\n%s%s", cmd, code, stdout, stderr)
		}
	}
	if code, stdout, _ := call(t, "--help"); code != 0 || !strings.Contains(stdout, "export") {
		t.Errorf("--help: exit %d\n%s", code, stdout)
	}
}

func TestExitCodes_TableIsComplete(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range exitCodes {
		if c.Name != "signal" && !strings.Contains(string(readme), "| "+c.Name+" |") {
			t.Errorf("README lacks exit code %d %s", c.Code, c.Name)
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]size{"1": 1, "10b": 10, "256MiB": 256 << 20, "1.5 GiB": 3 << 29, "10MB": 10_000_000, "64kib": 65536} {
		var s size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%q = %d, %v; want %d", in, s, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1 QiB", "NaN", "1e300GiB"} {
		var s size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was taken for %d", in, s)
		}
	}
}
