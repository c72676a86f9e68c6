package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// checkout is what a release is made of.
type checkout struct {
	root      string
	described string    // git's word for it
	version   string    // the program's own word for it, a semantic version; known once it is built
	commit    string    // its full hash
	when      time.Time // of the commit
}

// tag is what the tag of a release looks like, and line the one line of the source that says what comes next.
var (
	tag  = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-(alpha|beta|rc)\.[0-9]+)?$`)
	line = regexp.MustCompile(`(?m)^const release = "(.+)"$`)
)

// open reads what git knows of a checkout.
func open(ctx context.Context, root string) (*checkout, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	c := &checkout{root: root}
	if c.described, err = c.run(ctx, nil, "git", "describe", "--tags", "--always", "--dirty"); err != nil {
		return nil, err
	}
	if c.commit, err = c.run(ctx, nil, "git", "rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	seconds, err := c.run(ctx, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("time of the commit: %w", err)
	}
	c.when = time.Unix(n, 0).UTC()
	return c, nil
}

// released complains about what is not a version's tag, on a clean checkout, of the version that the source names.
func (c *checkout) released() error {
	source, err := os.ReadFile(filepath.Join(c.root, "cmd", "tw2parquet", "version.go"))
	if err != nil {
		return err
	}
	next := line.FindSubmatch(source)
	switch {
	case !tag.MatchString(c.described):
		return fmt.Errorf("%s is not a released version: tag a clean commit with vMAJOR.MINOR.PATCH", c.described)
	case next == nil || strings.Split(c.described[1:], "-")[0] != string(next[1]):
		return fmt.Errorf("the tag is %s, and version.go says %q", c.described, next)
	}
	return nil
}

// name is the version in names of files, where some places do not take a plus.
func (c *checkout) name() string { return strings.ReplaceAll(c.version, "+", ".") }

// run returns what a command prints, without the last line's end.
func (c *checkout) run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, complaint bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.root, &out, &complaint
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &complaint)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// build builds the program for every platform, asks it for its version and returns the paths. Nothing of the environment gets into the binaries:
// flags, experiments and instruction sets are said here.
func (c *checkout) build(ctx context.Context, dir string) (map[platform]string, error) {
	programs := map[platform]string{}
	for _, p := range platforms {
		programs[p] = filepath.Join(dir, p.os+"_"+p.arch, "tw2parquet")
		env := []string{"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOWORK=off"}
		_, err := c.run(ctx, env, "go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly",
			"-ldflags", "-s -w -X main.version="+c.described, "-o", programs[p], "./cmd/tw2parquet")
		if err != nil {
			return nil, err
		}
		if err := c.stamped(programs[p]); err != nil {
			return nil, err
		}
	}
	program, err := host(programs)
	if err != nil {
		return nil, err
	}
	said, err := c.run(ctx, nil, program, "version", "--output", "json")
	if err != nil {
		return nil, err
	}
	var v struct{ Version string }
	if err := json.Unmarshal([]byte(said), &v); err != nil || v.Version == "" {
		return nil, errors.Join(errors.New("the program does not say its version"), err)
	}
	c.version = v.Version
	return programs, nil
}

// stamped checks that the go command wrote the commit into a binary. It does not find it in a linked worktree.
func (c *checkout) stamped(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && s.Value == c.commit {
			return nil
		}
	}
	return errors.New("the binary does not name its commit: make a release in a clone of its own, not in a worktree of git's")
}

// host is the program that can run here.
func host(programs map[platform]string) (string, error) {
	if name, ok := programs[platform{runtime.GOOS, runtime.GOARCH}]; ok {
		return name, nil
	}
	return "", fmt.Errorf("a release is made on a platform that it is for, not on %s/%s", runtime.GOOS, runtime.GOARCH)
}
