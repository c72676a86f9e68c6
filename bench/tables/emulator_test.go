package tables

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// account is what the emulator of the API, in a process of its own, says about itself.
type account struct {
	URL      string   `json:"url"`
	Token    string   `json:"token"`
	Projects []string `json:"projects"`
}

// serve starts an emulator.
func serve(t *testing.T, flags ...string) account {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"emulate"}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	var a account
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &a)
	}
	if err != nil {
		t.Fatalf("emulate: %v", err)
	}
	return a
}

// export exports from it, and returns the rows of the result.
func (a account) export(t *testing.T, out string, env []string, args ...string) int64 {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"export", "--out", out, "--output", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "TALKWALKER_BASE_URL="+a.URL, "TALKWALKER_ACCESS_TOKEN="+a.Token, "TW2PARQUET_WAIT_SCALE=0.02")
	cmd.Env = append(cmd.Env, env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("export %q: %v\n%s%s", args, err, text, tail(stderr.String()))
	}
	var result struct {
		Rows int64 `json:"rows"`
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil {
		t.Fatal(err)
	}
	return result.Rows
}
