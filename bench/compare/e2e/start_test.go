package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// TestStart_InitialisesLittle reads what each package allocates before main: every start pays for it, that of `version` and
// that of a run which has nothing to do. A library once parsed 32 MB worth of files there.
func TestStart_InitialisesLittle(t *testing.T) {
	const most, all = 2 << 20, 8 << 20
	command := exec.Command(binary, "version")
	command.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := regexp.MustCompile(`(?m)^init (\S+) @.*?(\d+) bytes, \d+ allocs$`).FindAllStringSubmatch(string(out), -1)
	if len(lines) < 20 {
		t.Fatalf("only %d packages\n%s", len(lines), out)
	}
	total := 0
	for _, l := range lines {
		n, err := strconv.Atoi(l[2])
		if err != nil {
			t.Fatal(err)
		}
		if total += n; n > most {
			t.Errorf("%s allocates %d bytes before main", l[1], n)
		}
	}
	if total > all {
		t.Errorf("all packages allocate %d bytes before main", total)
	}
}
