package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/sink/dataset"
)

// converted is an output of n documents in several files, and the stream it was made from.
func converted(t *testing.T, n int) (out string, stream []byte) {
	t.Helper()
	dir := t.TempDir()
	stream = recorded(t, 3, n, 100)
	in := filepath.Join(dir, "stream.ndjson")
	if err := os.WriteFile(in, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(dir, "lake")
	if code, stdout, stderr := call(t, "convert", in, "--out", out, "--file-rows=150", "--row-group-size=64KiB"); code != exitOK {
		t.Fatalf("convert: exit %d\n%s%s", code, stdout, stderr)
	}
	return out, stream
}

func parquets(t *testing.T, out string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, "*.parquet"))
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	return names
}

func TestVerify_ExitCodesAndOutput(t *testing.T) {
	out, _ := converted(t, 500)
	for _, name := range []string{out, "file://" + out} {
		code, stdout, stderr := call(t, "verify", name)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "complete") || !strings.Contains(stdout, "500") {
			t.Errorf("%s: exit %d\n%s%s", name, code, stdout, stderr)
		}
	}
	report := func(want int) (r dataset.Report) {
		t.Helper()
		code, stdout, stderr := call(t, "verify", out, "--output=json")
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != want {
			t.Errorf("exit %d, want %d: %v\n%s%s", code, want, err, stdout, stderr)
		}
		return r
	}
	if r := report(exitOK); !r.OK || len(r.Runs) != 1 || r.Runs[0].State != dataset.Complete || r.Rows != 500 {
		t.Errorf("%+v", r)
	}
	bad := parquets(t, out)[1]
	data, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, data, 0o600); err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(out, "\x1b[2Jx.parquet")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := report(exitForeign); r.OK || len(r.Problems) != 2 || r.Problems[0].Path != bad || r.Problems[1].Path != stranger || r.Runs[0].State != dataset.Damaged {
		t.Errorf("%+v", r)
	}
	code, stdout, stderr := call(t, "verify", out)
	if code != exitForeign || !strings.Contains(stdout, "damaged") || !strings.Contains(stdout, bad+": ") || strings.Contains(stdout, "\x1b") {
		t.Errorf("exit %d\n%q", code, stdout)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "2 problems") {
		t.Errorf("standard error: %q", stderr)
	}
	for _, arg := range []string{filepath.Join(out, "none"), bad, t.TempDir(), "nowhere://bucket/x", ""} {
		if code, _, stderr := call(t, "verify", arg); code != exitUsage || strings.Count(stderr, "\n") != 1 {
			t.Errorf("verify %q: exit %d, %q", arg, code, stderr)
		}
	}
}

func TestCheckFile_IsForVerifyOnly(t *testing.T) {
	if code, stdout, _ := call(t, checkFileName, "1", "1", "1"); code != exitUsage || stdout != "" {
		t.Errorf("exit %d, %q", code, stdout)
	}
	if _, stdout, _ := call(t, "--help"); strings.Contains(stdout, checkFileName) || !strings.Contains(stdout, "verify") || !strings.Contains(stdout, "cat") {
		t.Error(stdout)
	}
	for _, cmd := range []string{"verify", "cat"} {
		if code, stdout, _ := call(t, cmd, "--help"); code != exitOK || !strings.Contains(stdout, "Example") || !strings.Contains(stdout, "53") || !strings.Contains(stdout, "Environment") {
			t.Errorf("%s --help: exit %d\n%s", cmd, code, stdout)
		}
	}
}

func TestCat_PrintsWhatConvertRead(t *testing.T) {
	out, stream := converted(t, 500)
	code, stdout, stderr := call(t, "cat", "--chunks", out)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var want [][]byte
	for line := range bytes.Lines(stream) {
		if bytes.Contains(line, []byte(`"CT_RESULT"`)) {
			want = append(want, line)
		}
	}
	got := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d chunks of %d", len(got), len(want))
	}
	for i := range want {
		if !sameJSON(t, want[i], []byte(got[i])) {
			t.Fatalf("chunk %d:\n%s%s", i, want[i], got[i])
		}
	}
	code, stdout, _ = call(t, "cat", "file://"+out, "--limit=3", "--columns=_ordinal,url")
	if code != exitOK || strings.Count(stdout, "\n") != 3 || !strings.HasPrefix(stdout, `{"_ordinal":0`) || strings.Contains(stdout, "content") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, stdout, _ := call(t, "cat", out, "--limit=0"); code != exitOK || stdout != "" {
		t.Errorf("--limit 0: exit %d, %q", code, stdout)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	normal := func(text []byte) string {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(v) // members sorted
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	return normal(a) == normal(b)
}

func TestCat_ExitCodes(t *testing.T) {
	out, _ := converted(t, 400)
	torn := filepath.Join(t.TempDir(), "torn.parquet")
	data, err := os.ReadFile(parquets(t, out)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{out, "--columns=title,titel"}, exitUsage, "titel"},
		{[]string{out, "--columns=title", "--chunks"}, exitUsage, "--chunks"},
		{[]string{out, "--limit=-1"}, exitUsage, "--limit"},
		{[]string{out + "/none"}, exitUsage, "none"},
		{[]string{"nowhere://x/y"}, exitUsage, "nowhere://"},
		{[]string{torn}, exitForeign, torn},
	} {
		code, _, stderr := call(t, append([]string{"cat"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("cat %v: exit %d, %q", c.args, code, stderr)
		}
	}
}

// Whoever reads the output may leave: no message, no failure.
func TestCat_EndsQuietlyWhenItsReaderLeaves(t *testing.T) {
	out, _ := converted(t, 500)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		defer w.Close()
		code <- run(t.Context(), []string{"cat", out}, strings.NewReader(""), w, &errs)
	}()
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if c := <-code; c != exitOK || errs.Len() > 0 {
		t.Errorf("exit %d, %q", c, errs.String())
	}
}

// What verify starts is an ordinary process with one line of output.
func TestCheckFile_AnswersInAProcess(t *testing.T) {
	out, _ := converted(t, 400)
	f, err := os.Open(parquets(t, out)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0], checkFileName, "2000000000", "60", "1")
	cmd.Stdin, cmd.Env = f, []string{}
	answer, err := cmd.Output()
	var reading dataset.Reading
	if err != nil || json.Unmarshal(answer, &reading) != nil || reading.Reason != "" || reading.Rows == 0 || reading.Pages == 0 {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestShow_TellsBothEndsOfAWindow(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	r := &dataset.Report{Runs: []dataset.Verified{{WindowStart: "2024-01-01T00:00:00Z", WindowStop: "2024-02-01T12:00:00Z"}}}
	if err := (&verifyCmd{}).show(a, r); err != nil || !strings.Contains(out.String(), "2024-01-01 to 2024-02-01T12:00:00Z ") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestOwnProgram_WithoutItsRunningImage(t *testing.T) {
	self, err := ownProgram(filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.Stat(self)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(os.Args[0])
	if err != nil || !os.SameFile(got, want) {
		t.Errorf("%s is not this program, %v", self, err)
	}
}
