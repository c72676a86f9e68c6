package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/source/emulator"
)

// nobody is a user without rights, and without files here.
const nobody = 65534

// TestUmask_LetsOthersReadAndVerify writes an output under a umask, and reads it as another user, as Spark and Trino do.
func TestUmask_LetsOthersReadAndVerify(t *testing.T) {
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > 1; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shared := filepath.Join(dir, "tw2parquet") // the binary lies where only this user comes
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(shared, program, 0o755); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(recorded(t)), "\n")
	lines[150] = "nonsense\n"
	file := filepath.Join(dir, "broken.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		umask string
		reads bool // others
	}{{"022", true}, {"002", true}, {"027", false}, {"077", false}} {
		if testing.Short() && tt.umask != "022" && tt.umask != "077" {
			continue
		}
		t.Run(tt.umask, func(t *testing.T) {
			a := serve(t, emulator.Config{})
			a.binary = filepath.Join(t.TempDir(), "under-a-umask")
			if err := os.WriteFile(a.binary, fmt.Appendf(nil, "#!/bin/sh\numask %s\nexec %s \"$@\"\n", tt.umask, shared), 0o755); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "lake-"+tt.umask)
			a.run(60, "convert", file, "--out", out)

			// Whoever wrote it may read everything.
			if text, err := as(os.Geteuid(), shared, "verify", out); err != nil || bytes.Contains(text, []byte("not checked")) {
				t.Errorf("verify by the owner: %v\n%s", err, text)
			}
			if os.Geteuid() != 0 {
				return // this process cannot become somebody else
			}
			text, err := as(nobody, shared, "verify", out)
			if (err == nil) != tt.reads || tt.reads && bytes.Count(text, []byte("not checked")) != 2 {
				t.Errorf("verify by another user: %v\n%s", err, text)
			}
			text, err = as(nobody, shared, "cat", out)
			if (err == nil) != tt.reads || tt.reads && bytes.Count(text, []byte("\n")) != 199 {
				t.Errorf("cat by another user: %v, %d lines", err, bytes.Count(text, []byte("\n")))
			}
			for _, kept := range []string{"rejects-*", "staging"} {
				names, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "*", kept))
				if err != nil || len(names) == 0 {
					t.Fatal(names, err)
				}
				for _, name := range names {
					if text, err := as(nobody, "ls", "-l", name+"/."); err == nil {
						t.Errorf("another user sees %s", text)
					}
					if text, err := as(nobody, "cat", name); err == nil {
						t.Errorf("another user reads %s:\n%s", name, text)
					}
				}
			}
		})
	}
}

// as runs a command as a user, without the groups of this process.
func as(user int, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH")}
	if user != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		panic(err) // it was not started, which is not an answer
	}
	return text, err
}
