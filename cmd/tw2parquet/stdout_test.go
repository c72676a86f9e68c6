package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/source/emulator"
)

// brokenOutput is a standard output that fails; left: only its reader has left.
type brokenOutput struct {
	out  *os.File
	left bool
}

// brokenOutputs are the ways in which standard output fails.
func brokenOutputs(t *testing.T) map[string]brokenOutput {
	t.Helper()
	r, closedPipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { closedPipe.Close() })
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	reading, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reading.Close() })
	all := map[string]brokenOutput{"closed pipe": {closedPipe, true}, "closed descriptor": {closed, false}, "for reading only": {reading, false}}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil { // Linux has it
		t.Cleanup(func() { full.Close() })
		all["full"] = brokenOutput{full, false}
		if testing.Short() { // these fail alike
			delete(all, "closed descriptor")
			delete(all, "for reading only")
		}
	}
	return all
}

// judged runs a command with a broken standard output and holds what it says against what it says otherwise.
func judged(t *testing.T, code int, data bool, args []string) {
	t.Helper()
	for name, broken := range brokenOutputs(t) {
		stored := filepath.Join(t.TempDir(), "result.json")
		var errs bytes.Buffer
		got := run(t.Context(), append(slices.Clone(args), "--result-file", stored), strings.NewReader(""), broken.out, &errs)
		want := code
		if !broken.left && code == exitOK {
			want = exitStorage
		}
		if got != want {
			t.Errorf("%s: exit %d, want %d\n%s", name, got, want, &errs)
		}
		lines := strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
		switch {
		case data || code == exitOK && broken.left:
		case len(lines) != 1:
			t.Errorf("%s: not one line on standard error: %q", name, lines)
		}
		if last := lines[len(lines)-1]; !broken.left && !strings.Contains(last, "standard output") || errs.Len() > 0 && strings.Trim(last, " :") == "tw2parquet" {
			t.Errorf("%s: the last line on standard error is %q", name, last)
		}
		if broken.left && code == exitOK && !data && errs.Len() > 0 {
			t.Errorf("%s: it said %q", name, &errs)
		}
		text, err := os.ReadFile(stored)
		if got == exitOK && slices.Contains(args, "--output=airflow") && err == nil && json.Valid(text) && text[0] == '[' {
			continue // the plan itself
		}
		if r := lastLine(t, string(text)); err != nil || r.ExitCode != got {
			t.Errorf("%s: exit %d, the result file says %s (%v)", name, got, text, err)
		}
	}
}

func TestStandardOutput_HelpOfEveryCommand(t *testing.T) {
	for _, command := range append(slices.Sorted(maps.Keys(commands(t))), "") {
		t.Run(command, func(t *testing.T) {
			args := append(strings.Fields(command), "--help")
			if code, stdout, stderr := call(t, args...); code != exitOK || stderr != "" || stdout == "" {
				t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
			}
			judged(t, exitOK, false, args)
		})
	}
}

// damaged is an output with a damaged file.
func damaged(t *testing.T) (out, file string) {
	t.Helper()
	out, _ = converted(t, 200)
	file = parquets(t, out)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil { // published files are for reading only
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	return out, file
}

// Whatever becomes of standard output, a command ends with its own verdict, or with 50 where printing is
// all that was wanted of it. A command that has no case here fails the test.
func TestStandardOutput_DoesNotChangeAVerdict(t *testing.T) {
	const token = "some-secret-token"
	server, err := emulator.New(emulator.Config{Seed: 1, DocumentsPerDay: 20, NoRateLimits: true, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})

	dir := t.TempDir()
	good, _ := converted(t, 200)
	bad, torn := damaged(t)
	empty := filepath.Join(dir, "none.ndjson")
	api := func(args ...string) []string { return append(args, "--base-url", "http://"+ln.Addr().String()) }
	export := api("export", "--project", server.Projects()[0], "--start=2024-01-01", "--stop=2024-01-03", "--split=none", "--out", filepath.Join(dir, "lake"))
	for _, v := range append([]string{waitScaleEnv}, variables()...) {
		t.Setenv(v, "")
	}
	t.Setenv(waitScaleEnv, "0.02")
	t.Setenv(tokenEnv, token)
	begin := func(args ...string) result {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitOK {
			t.Fatalf("%v: exit %d\n%s%s", args, code, &out, &errs)
		}
		if args[0] != "export" {
			return result{}
		}
		return lastLine(t, out.String())
	}
	task := begin(export...).Windows[0].TaskID
	begin(api("collectors", "create", "tw2p-some")...)

	cases := map[string][]struct {
		args []string
		code int
	}{
		"export": {{export, exitOK}, {append(slices.Clone(export), "--generation=0"), exitUsage}},
		"plan": {{api("plan", "--free", "--project", server.Projects()[0], "--start=2024-01-01", "--stop=2024-02-01"), exitOK},
			{api("plan", "--free", "--project", server.Projects()[0], "--start=2024-01-01", "--stop=2024-02-01", "--output=airflow"), exitOK}},
		"read":       {{api("read", "--collector=tw2p-some", "--out", dir+"/read"), exitOK}, {api("read", "--collector=nobody", "--out", dir+"/read"), exitRejected}},
		"airflow":    {{[]string{"airflow"}, exitOK}, {[]string{"airflow", "--airflow=2"}, exitOK}},
		"convert":    {{[]string{"convert", empty, "--out", dir + "/copy"}, exitUsage}},
		"help":       {{[]string{"help"}, exitOK}, {[]string{"help", "files"}, exitOK}},
		"demo":       {{[]string{"demo", "--out", torn}, exitStorage}}, // a whole one takes long, and is an export
		"verify":     {{[]string{"verify", good}, exitOK}, {[]string{"verify", bad}, exitForeign}, {[]string{"verify", bad, "--output=json"}, exitForeign}},
		"status":     {{[]string{"status", good}, exitOK}, {[]string{"status", bad, "--output=json"}, exitOK}, {api("status", filepath.Join(dir, "lake"), "--online"), exitOK}},
		"report":     {{[]string{"report", good, "--html=-"}, exitOK}, {[]string{"report", bad, "--format=json"}, exitOK}, {[]string{"report", good, "--html", dir + "/page.html"}, exitOK}},
		"completion": {{[]string{"completion", "bash"}, exitOK}, {[]string{"completion", "zsh"}, exitOK}, {[]string{"completion", "fish"}, exitOK}},
		"man":        {{[]string{"man", dir + "/man"}, exitOK}},
		"drop":       {{[]string{"drop", good, "--before=2000-01-01", "--dry-run"}, exitOK}},
		"cat":        {{[]string{"cat", good, "--limit=20"}, exitOK}, {[]string{"cat", "--columns=_ordinal", good, torn}, exitForeign}},
		"views":      {{[]string{"views", good}, exitOK}, {[]string{"views", good, "--schema=some"}, exitOK}},
		"register": {{[]string{"register", good, "--format=delta"}, exitOK}, {[]string{"register", good, "--format=delta", "--output=json"}, exitOK},
			{[]string{"register", good, "--format=ducklake"}, exitOK}},
		"schema": {{[]string{"schema"}, exitOK}, {[]string{"schema", "--format=json"}, exitOK}, {[]string{"schema", "--format=duckdb"}, exitOK}, {[]string{"schema", "--format=arrow"}, exitOK},
			{[]string{"schema", "--format=athena", good}, exitOK}, {[]string{"schema", "--format=spark"}, exitOK}, {[]string{"schema", "--format=bigquery"}, exitOK}},
		"version":           {{[]string{"version"}, exitOK}, {[]string{"version", "--output=json"}, exitOK}},
		"check":             {{api("check"), exitOK}, {api("check", "--output=json", "--project="+project), exitAuth}},
		"credits":           {{api("credits"), exitOK}, {api("credits", "--output=json"), exitOK}},
		"projects":          {{api("projects"), exitOK}},
		"topics":            {{api("topics", "--project", server.Projects()[0]), exitOK}},
		"tasks list":        {{api("tasks", "list"), exitOK}, {api("tasks", "list", "--output=json"), exitOK}},
		"tasks get":         {{api("tasks", "get", task), exitOK}},
		"tasks abort":       {{api("tasks", "abort", task, "--yes"), exitOK}}, // ended long ago: nothing changes
		"collectors list":   {{api("collectors", "list"), exitOK}},
		"collectors get":    {{api("collectors", "get", "tw2p-some"), exitOK}},
		"collectors create": {{api("collectors", "create", "tw2p-some"), exitOK}},
		"collectors gc":     {{api("collectors", "gc", filepath.Join(dir, "lake")), exitOK}, {api("collectors", "gc", filepath.Join(dir, "lake"), "--output=json", "--yes"), exitOK}},
		"collectors pause":  {{api("collectors", "pause", "tw2p-some"), exitOK}},
		"collectors resume": {{api("collectors", "resume", "tw2p-some"), exitOK}},
		"collectors delete": {{api("collectors", "delete", "tw2p-some", "--yes"), exitOK}},
		"emulate":           {{[]string{"emulate"}, exitOK}},
		checkFileName:       nil, // limits the process that runs it: TestStandardOutput_OfAProcess
	}
	all := slices.Sorted(maps.Keys(commands(t)))
	slices.SortStableFunc(all, func(a, b string) int { // what others look at is deleted last
		return cmp.Compare(strings.Count(a, "delete"), strings.Count(b, "delete"))
	})
	for _, command := range all {
		t.Run(command, func(t *testing.T) {
			if _, ok := cases[command]; !ok {
				t.Fatal("this command has no case; what does it do when its output cannot be written?")
			}
			for _, c := range cases[command] {
				data := slices.Contains([]string{"export", "read", "convert", "demo"}, command)
				if command != "emulate" { // serves for ever when its output works
					var out, errs bytes.Buffer
					code := run(t.Context(), c.args, strings.NewReader(""), &out, &errs)
					if code != c.code || out.Len() == 0 {
						t.Fatalf("%v: exit %d, want %d\n%s%s", c.args, code, c.code, &out, &errs)
					}
				}
				if command == "collectors delete" {
					begin(api("collectors", "create", "tw2p-some")...)
				}
				judged(t, c.code, data, c.args)
			}
		})
	}
}

// In a process of its own a closed pipe raises SIGPIPE, which must not kill; and standard error may be as
// broken as standard output.
func TestStandardOutput_OfAProcess(t *testing.T) {
	good, _ := converted(t, 200)
	bad, _ := damaged(t)
	part := parquets(t, good)[0]
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"version"}, exitOK}, {[]string{"verify", "--help"}, exitOK}, {[]string{"cat", good, "--limit=20"}, exitOK}, {[]string{"cat", part, "--chunks"}, exitOK},
		{[]string{"verify", bad}, exitForeign}, {[]string{"verify", good}, exitOK}, {[]string{"version", "--nonsense"}, exitUsage},
		{[]string{"convert", part + "/none", "--out", good}, exitUsage}, {[]string{checkFileName, "2000000000", "60", "1"}, exitOK},
	} {
		for name, broken := range brokenOutputs(t) {
			if name == "closed descriptor" {
				continue // /dev/null, by the time that main runs
			}
			in, err := os.Open(part)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], c.args...)
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = []string{}, in, broken.out, broken.out
			_ = cmd.Run()
			in.Close()
			want := c.code
			if want == exitOK && !broken.left {
				want = exitStorage
			}
			if got := cmd.ProcessState.ExitCode(); got != want {
				t.Errorf("%v, %s: exit %d (%v), want %d", c.args, name, got, cmd.ProcessState, want)
			}
		}
	}
}

// A connection that breaks is the network's trouble, though it looks like a reader that has left.
func TestClassify_ABrokenConnectionIsNoReaderThatLeft(t *testing.T) {
	if o := classify(&net.OpError{Op: "write", Err: syscall.EPIPE}); o.Code == exitOK {
		t.Errorf("%+v", o)
	}
}

// failing fails from its nth write on.
type failing struct {
	good int
	err  error
	bytes.Buffer
}

func (f *failing) Write(p []byte) (int, error) {
	if f.good--; f.good < 0 {
		return 0, f.err
	}
	return f.Buffer.Write(p)
}

// cat may print for hours: it must not go on for nobody.
func TestLasting_StopsTheCommand(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	a := &app{printed: &standardOutput{w: &failing{good: 1, err: full}}}
	a.stdout = a.printed
	w := a.lasting()
	if _, err := w.Write([]byte("a")); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(w, "b"); err == nil {
		t.Error("no error")
	}
}
