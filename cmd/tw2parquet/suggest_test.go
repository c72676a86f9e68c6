package main

import (
	"strings"
	"testing"

	"tw2parquet/source/emulator"
)

func TestClosest_IsASlipAway(t *testing.T) {
	ids := []string{"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "aaaaaaaa-1111-cccc-dddd-eeeeeeeeeeee", "3f2a9c01-0000-4000-8000-000000000001"}
	for _, c := range []struct {
		word       string
		candidates []string
		want       string
	}{
		{"mnth", []string{"none", "day", "week", "month"}, "month"}, {"MONTH", []string{"none", "month"}, "month"},
		{"jsno", []string{"table", "json"}, "json"}, {"yaml", []string{"table", "json"}, ""}, {"a", []string{"day"}, ""}, {"", []string{"day"}, ""},
		{"3f2a9c01", ids, ids[2]}, {"aaaaaaaa", ids, ""}, {"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee", ids, ids[0]},
		{"3f2a9c01-0000-4000-8000-000000000010", ids, ids[2]}, {"x", nil, ""},
	} {
		if got := closest(c.word, c.candidates); got != c.want {
			t.Errorf("%q of %q is %q, want %q", c.word, c.candidates, got, c.want)
		}
	}
	for _, c := range []struct {
		a, b string
		n    int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abcd", "acbd", 1}, {"ca", "abc", 3}, {"same", "same", 0}} {
		if n := slips(c.a, c.b); n != c.n || slips(c.b, c.a) != n {
			t.Errorf("%q and %q are %d slips apart, want %d", c.a, c.b, n, c.n)
		}
	}
}

// What was written wrong is guessed, on the line that says so, and the exit code stays.
func TestDidYouMean(t *testing.T) {
	for command, want := range map[string]string{
		"exprot --out=x": `did you mean "export"?`, "tasks lits": `"list"`, "export --porject=p": `did you mean "--project"?`,
		"export --token=x": `did you mean "--token-file"?`, "plan --output=tabel --project=p --start=2024-01-01 --stop=2024-02-01": "did you mean table?",
		"credits --log-format=jsno": "did you mean json?", "help moeny": "did you mean money?", "completion zhs": "did you mean zsh?",
		"export --split=wek --out=x --query=q --start=2024-01-01 --stop=2024-02-01": "did you mean week?",
	} {
		code, _, stderr := call(t, strings.Fields(command)...)
		if code != exitUsage || strings.Count(strings.TrimSuffix(stderr, "\n"), "\n") != 0 || !strings.Contains(strings.ReplaceAll(stderr, `\"`, `"`), want) {
			t.Errorf("%s: exit %d, %s", command, code, stderr)
		}
	}
	for _, command := range []string{"xyzzy", "help xyzzy", "credits --log-format=xyzzy"} {
		if code, _, stderr := call(t, strings.Fields(command)...); code != exitUsage || strings.Contains(stderr, "did you mean") {
			t.Errorf("%s: exit %d, %s", command, code, stderr)
		}
	}
}

// The token in the place of a value is not repeated, nor the value that it is near to.
func TestDidYouMean_NeverRepeatsTheToken(t *testing.T) {
	t.Setenv(tokenEnv, "mont-secret-token")
	for _, command := range []string{
		"export --split=mont-secret-token --out=x --query=q --start=2024-01-01 --stop=2024-02-01", "help mont-secret-token",
		"completion mont-secret-token", "mont-secret-token", "export --mont-secret-token", "tasks mont-secret-token",
	} {
		code, stdout, stderr := call(t, strings.Fields(command)...)
		if code != exitUsage || strings.Contains(stdout+stderr, "secret") {
			t.Errorf("%s: exit %d, %s%s", command, code, stdout, stderr)
		}
	}
}

// Ids are looked up in a list that is free, and only after the server has said that it knows none of that name.
func TestDidYouMean_Ids(t *testing.T) {
	x := newTrial(t, emulator.Config{})
	collector := x.collect(0, nil)
	task := x.AddTask(emulator.TaskSpec{Target: collector, Status: "finished", Processed: 1})
	wrong := x.Projects()[0][:35] + "f"
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"tasks", "get", task[:8]}, exitTask, task}, {[]string{"tasks", "abort", "--yes", task[:35] + "z"}, exitTask, task},
		{[]string{"collectors", "get", collector[:20]}, exitRejected, collector}, {[]string{"collectors", "pause", collector + "x"}, exitRejected, collector},
		{[]string{"topics", "--project", wrong}, exitAuth, x.Projects()[0]}, {[]string{"check", "--project", wrong}, exitAuth, x.Projects()[0]},
		{[]string{"plan", "--project", wrong, "--start=2024-01-01", "--stop=2024-02-01"}, exitAuth, x.Projects()[0]},
		{[]string{"export", "--project", wrong, "--start=2024-01-01", "--stop=2024-02-01", "--out", x.out}, exitAuth, x.Projects()[0]},
		{[]string{"export", "--project", x.Projects()[0], "--topic", x.Topics()[1][:20] + "q", "--start=2024-01-01", "--stop=2024-02-01", "--out", x.out}, exitRejected, x.Topics()[1]},
		{[]string{"export", "--project", x.Projects()[0], "--topic", x.Topics()[2][:20], "--split=auto", "--start=2024-01-01", "--stop=2024-02-01", "--out", x.out + "2"}, exitRejected, x.Topics()[2]},
		{[]string{"plan", "--project", x.Projects()[0], "--topic", x.Topics()[1][:9], "--start=2024-01-01", "--stop=2024-02-01"}, exitRejected, x.Topics()[1]},
		{[]string{"export", "--project", x.Projects()[0], "--dataset", "datasets-1", "--start=2024-01-01", "--stop=2024-02-01", "--out", x.out + "3"}, exitRejected, "dataset-1"},
		{[]string{"export", "--stream", "demo-steam", "--start=2024-01-01", "--stop=2024-02-01", "--out", x.out + "4"}, exitRejected, "demo-stream"},
		{[]string{"read", "--collector", collector[:20], "--out", x.out + "5"}, exitRejected, collector},
		{[]string{"tasks", "get", "nonesuch"}, exitTask, ""}, {[]string{"collectors", "get", "nonesuch"}, exitRejected, ""},
	} {
		code, stdout, stderr := x.plain(c.args...)
		if want := "did you mean " + c.want + "?"; code != c.code || c.want != "" && !strings.Contains(stderr, want) || c.want == "" && strings.Contains(stderr, "did you mean") {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
	if code, r, stderr := x.export(t.Context(), "--topic=nonesuch", "--split=auto"); code != exitRejected || r.Histogram != 0 {
		t.Errorf("exit %d, %d credits to count what is not there\n%s", code, r.Histogram, stderr)
	}
	if bought := x.Ledger().Credits(); bought != 0 {
		t.Errorf("%d credits", bought)
	}
}

// plain runs a command without a result line, in a pipe.
func (x *trial) plain(args ...string) (code int, stdout, stderr string) {
	x.t.Helper()
	var out, errs strings.Builder
	code = run(x.t.Context(), calling(x.url, args...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}
