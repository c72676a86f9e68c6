package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Where a file cannot be renamed over it is written in place, and what cannot be written is told before anything
// else. The scenes need root: other users' files, and mounts in a namespace of their own.
func TestResultFile_WhereRenamingCannotWork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: nothing to see")
		return
	}
	self, err := os.Open("/proc/self/exe") // where it lies, nobody else may look
	must(t, err)
	defer self.Close()
	const root, nobody = "", "setpriv --reuid=65534 --regid=65534 --clear-groups"
	planted := exitUsage
	if text, err := os.ReadFile("/proc/sys/fs/protected_symlinks"); err != nil || string(text) != "1\n" {
		planted = exitOK // this kernel was told to follow such links
	}
	for name, c := range map[string]struct {
		scene string
		as    string
		code  int
		same  bool // it is still the same file
	}{
		"bind mount":                     {"mount --bind other d/file", root, exitOK, true},
		"read-only bind mount":           {"mount --bind other d/file; mount -o remount,bind,ro d/file", root, exitUsage, true},
		"read-only directory":            {"mount --bind d d; mount --bind other d/file; mount -o remount,bind,ro d", root, exitOK, true},
		"read-only file system":          {"mount --bind d d; mount -o remount,bind,ro d", root, exitUsage, true},
		"closed bind mount":              {"chmod 777 d; mount --bind other d/file", nobody, exitUsage, true},
		"open file in a sticky place":    {"chmod 1777 d; chown 12345 d/file; chmod 666 d/file", nobody, exitOK, true},
		"closed file in a sticky place":  {"chmod 1777 d; chown 12345 d/file", nobody, exitUsage, true},
		"own file in a sticky place":     {"chmod 1777 d; chown 65534 d/file", nobody, exitOK, false},
		"closed directory, open file":    {"chmod 666 d/file", nobody, exitOK, true},
		"closed directory, closed file":  {"true", nobody, exitUsage, true},
		"open directory, closed file":    {"chmod 777 d", nobody, exitOK, false},
		"closed directory, nothing":      {"rm d/file", nobody, exitUsage, true},
		"planted link in a sticky place": {"chmod 1777 d; chmod 666 other; rm d/file; ln -s ../other d/file; chown -h 12345 d/file", nobody, planted, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			old := strings.Repeat("what was there before\n", 100)
			must(t, os.Chmod(filepath.Dir(dir), 0o755))
			must(t, os.Mkdir(dir+"/d", 0o755))
			for _, f := range []string{"d/file", "other"} {
				must(t, os.WriteFile(filepath.Join(dir, f), []byte(old), 0o644))
			}
			cmd := exec.Command("sh", "-c", `set -e; `+c.scene+`
				before=$(stat -L -c %i d/file || true); set +e
				`+c.as+` /proc/self/fd/3 version --result-file "$PWD/d/file" >/dev/null; code=$?
				test "$before" = "$(stat -L -c %i d/file)"; echo $?
				cat d/file; exit $code`)
			cmd.Dir, cmd.ExtraFiles = dir, []*os.File{self}
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			out, err := cmd.Output()
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) {
				t.Log("no mount namespaces here: ", err)
				return
			}
			changed, text, _ := strings.Cut(string(out), "\n")
			if code := cmd.ProcessState.ExitCode(); code != c.code || (changed == "0") != c.same {
				t.Errorf("exit %d, want %d; the same file: %v; %+v", code, c.code, changed == "0", failed)
			}
			switch {
			case c.code != exitOK && text != old && text != "":
				t.Errorf("it was refused, and holds %q", text)
			case c.code == exitOK && lastLine(t, text).Status != "complete":
				t.Errorf("it holds %q", text)
			}
		})
	}
}
