package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// zshCapture makes Ctrl-T write what zsh would offer to a file. Its completion runs inside the line editor only.
const zshCapture = `
PS1= ; PS2= ; unsetopt prompt_cr prompt_sp beep zle_bracketed_paste 2>/dev/null
autoload -Uz compinit && compinit -D -u
source %s
cd %s
compadd() {
  case " ${@[1,(i)(-|--)]} " in
  *\ -[OAD]\ *) builtin compadd "$@"; return ;;
  esac
  local -a hits
  builtin compadd -A hits "$@"
  (($#hits)) && print -rl -- $hits >> %s
  builtin compadd "$@"
}
capture() { _main_complete; compstate[insert]= ; compstate[list]= ; print -r -- '====' >> %[3]s; print -n READY >/dev/tty; }
zle -C capture complete-word capture
bindkey '^T' capture
print -n RE; print -n ADY
`

// waits waits until the terminal has shown a word n times.
func (x *terminal) waits(word string, n int) {
	x.t.Helper()
	enough := time.NewTimer(30 * time.Second)
	defer enough.Stop()
	for strings.Count(x.text(), word) < n {
		select {
		case <-x.heard:
		case <-enough.C:
			x.t.Fatalf("no %s:\n%s", word, x.text())
		}
	}
}

// zsh completes in its line editor, so it is at a terminal. It is tested where it is.
func TestCompletion_Zsh(t *testing.T) {
	dir, script := completionScript(t, "zsh")
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		t.Log("zsh is not installed: its script is written, and not run")
		return
	}
	offered := filepath.Join(t.TempDir(), "offered")
	setup := filepath.Join(t.TempDir(), "setup.zsh")
	if err := os.WriteFile(setup, fmt.Appendf(nil, zshCapture, script, dir, offered), 0o600); err != nil {
		t.Fatal(err)
	}
	at := newTerminal(t, 200)
	cmd := exec.CommandContext(t.Context(), zsh, "-f", "-i")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin", "TERM=dumb"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = at.tty, at.tty, at.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		at.types("\x15exit\n")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	at.types("source " + setup + "\n")
	at.waits("READY", 1)
	all := append(wantedCompletions(t), completing{"export --split=w", []string{"week"}}, completing{"--log-format=json tasks li", []string{"list"}}, completing{"export --out=rec", []string{"recs/"}})
	for i, c := range all {
		at.types("\x15tw2parquet " + c.line + "\x14")
		at.waits("READY", i+2)
	}
	text, err := os.ReadFile(offered)
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(string(text), "====\n")
	for i, c := range all {
		got := strings.Split(answers[i], "\n")
		for k, name := range got {
			if name == "recs" { // a suffix adds the slash
				got[k] = "recs/"
			}
		}
		slices.Sort(got)
		holdCompletions(t, c, slices.Compact(got)) // zsh lists directories in two passes
	}
}
