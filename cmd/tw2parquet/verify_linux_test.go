package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// An update replaces the program while verify runs: its reading processes are of the version that runs. The result
// file, a pipe, holds the command up until the program is gone.
func TestVerify_OutlivesItsProgramFile(t *testing.T) {
	out, _ := converted(t, 200)
	dir := t.TempDir()
	for name, replace := range map[string]func(program string) error{
		"removed": os.Remove,
		"replaced": func(program string) error {
			other := program + "-new"
			return errors.Join(os.WriteFile(other, []byte("#!/bin/sh\nexit 3\n"), 0o700), os.Rename(other, program))
		},
	} {
		t.Run(name, func(t *testing.T) {
			program, gate := filepath.Join(dir, name), fifo(t)
			if err := os.Link(os.Args[0], program); err != nil {
				data, err := os.ReadFile(os.Args[0])
				must(t, err)
				must(t, os.WriteFile(program, data, 0o700))
			}
			var said bytes.Buffer
			cmd := exec.Command(program, "verify", out, "--result-file", gate)
			cmd.Env, cmd.Stdout, cmd.Stderr = []string{}, &said, &said
			must(t, cmd.Start())
			rerr := replace(program)
			reader, err := os.Open(gate)
			must(t, err)
			defer reader.Close()
			text, err := io.ReadAll(reader)
			if werr := cmd.Wait(); rerr != nil || err != nil || werr != nil || lastLine(t, string(text)).Status != "complete" {
				t.Errorf("%v, %v, %v\n%s%s", rerr, err, werr, &said, text)
			}
		})
	}
}
