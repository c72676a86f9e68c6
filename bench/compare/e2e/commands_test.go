package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDryRun_ChangesNothing(t *testing.T) {
	a := serve(t, small())
	out := a.output()
	e := a.export(0, out, "--dry-run", "--limit", "1000")
	if e.result.Status != "planned" || len(e.result.Windows) != 3 || e.result.Rows != 0 {
		t.Errorf("%s", e)
	}
	if l := a.Ledger(); len(l.Changing()) > 0 || l.Credits() != 0 {
		t.Errorf("changing calls: %+v", l.Changing())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// TestDemo_RunsTwice needs no settings; the second run finds the first one's output complete.
func TestDemo_RunsTwice(t *testing.T) {
	long(t, "TestTerminal_DemoIsWhatAPersonSees, which runs it twice")
	a := serve(t, small())
	out := a.output()
	first := a.run(0, "demo", "--out", out)
	if first.result.Rows < 10000 || len(first.result.Windows) != 3 || first.result.Credits != first.result.Rows {
		t.Errorf("%s", first)
	}
	tree := listing(t, out)
	second := a.run(0, "demo", "--out", out)
	if second.result.Rows != first.result.Rows || listing(t, out) != tree {
		t.Errorf("the second run is\n%s", second)
	}
	if n := len(a.Ledger().Requests); n != 0 {
		t.Errorf("the demo made %d calls elsewhere", n)
	}
	if got := one(t, out, "SELECT count(DISTINCT window_start) FROM lake"); got != "3" {
		t.Errorf("%s windows", got)
	}
}

// TestEmulate_ServesExports runs both halves as processes.
func TestEmulate_ServesExports(t *testing.T) {
	a := serve(t, small())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server := a.command(ctx, "emulate", "--seed", "3", "--documents-per-day", "30", "--rate-limits", "off")
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready struct {
		URL      string   `json:"url"`
		Token    string   `json:"token"`
		Projects []string `json:"projects"`
		Topics   []string `json:"topics"`
		Streams  []string `json:"streams"`
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	if ready.Token != a.Token() || len(ready.Projects) == 0 || len(ready.Topics) == 0 || len(ready.Streams) == 0 {
		t.Errorf("ready line %s", line)
	}
	out := a.output()
	a.env = []string{"TALKWALKER_BASE_URL=" + ready.URL}
	e := a.run(0, "export", "--project", ready.Projects[0], "--topic", ready.Topics[0], "--start", "2024-01-01", "--stop", "2024-02-01", "--out", out)
	if e.result.Rows == 0 || e.result.Rows != e.result.Credits {
		t.Errorf("%s", e)
	}
	for _, args := range [][]string{{"credits"}, {"projects"}, {"topics", "--project", ready.Projects[0]}, {"tasks", "list"}, {"collectors", "list"}} {
		if printed := a.run(0, args...); strings.TrimSpace(printed.stdout) == "" {
			t.Errorf("%v prints nothing", args)
		}
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
}

func TestTokenFile(t *testing.T) {
	a := serve(t, small())
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("\n "+a.Token()+" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.env = []string{"TALKWALKER_ACCESS_TOKEN="}
	a.export(0, a.output(), "--token-file", file, "--split", "none")
}
