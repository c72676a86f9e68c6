package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights; tests run as root would otherwise be allowed everything.
const nobody = 65534

// openWay lets other users go to a directory of this test.
func openWay(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// modesJob has everything that a run can leave: data, rejects, a journal.
var modesJob = job{total: 20, group: 10, reject: 3}

// runUnder is the whole of the test binary when it writes an output under a umask, which belongs to a process.
func runUnder(umask, dir string) int {
	mask, err := strconv.ParseUint(umask, 8, 16)
	if err == nil {
		syscall.Umask(int(mask))
		err = modesJob.run(nil, dir, nil)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// as prepares a command to be run by a user without rights, and without the groups of this process.
func as(user uint32, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	return cmd
}

func TestDisk_ModesFollowTheUmask(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, umask := range []fs.FileMode{0, 0o002, 0o022, 0o027, 0o077} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			dir := t.TempDir()
			openWay(t, dir)
			out := filepath.Join(dir, "out")
			child := exec.Command(self)
			child.Env = append(os.Environ(), fmt.Sprintf("SINK_TEST_UMASK=%o", umask), "SINK_TEST_OUT="+out)
			if text, err := child.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			modesJob.checkComplete(t, dirTree(out))
			kinds := map[string]int{}
			err := fs.WalkDir(os.DirFS(out), ".", func(name string, e fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := e.Info()
				if err != nil {
					return err
				}
				kind, want := wantMode(name, e.IsDir(), umask)
				kinds[kind]++
				if info.Mode().Perm() != want {
					t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), want)
				}
				if os.Geteuid() == 0 { // only then can this process become somebody else
					stranger(t, filepath.Join(out, name), e.IsDir(), kind == "public" && umask&0o004 == 0)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if kinds["public"] < 6 || kinds["private"] < 4 {
				t.Errorf("there were only %v", kinds)
			}
		})
	}
}

// wantMode is what the manual promises for a name in an output.
func wantMode(name string, dir bool, umask fs.FileMode) (kind string, mode fs.FileMode) {
	switch base := path.Base(name); {
	case dir && base == "staging":
		return "private", 0o700
	case dir:
		return "public", 0o777 &^ umask
	case strings.HasSuffix(base, ".parquet") || base == "manifest.json":
		return "public", 0o444 &^ umask
	case base == "lock":
		return "private", 0o600
	default: // journal and rejects
		return "private", 0o400
	}
}

// stranger tries to read as somebody else.
func stranger(t *testing.T, name string, dir, may bool) {
	t.Helper()
	command := "cat"
	if dir {
		command = "ls"
	}
	text, err := as(nobody, command, name).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Fatal(err)
	case (err == nil) != may:
		t.Errorf("%s %s by another user: %v\n%.200s", command, name, err, text)
	}
}
