package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	released = flag.String("released", "../../bin/release", "the release to test, which make release left")
	fresh    = flag.Bool("fresh", false, "build the second time without the build cache: all of Go and of the modules is compiled again")
)

// here is the checkout that the release was made of.
func here(t *testing.T) *checkout {
	t.Helper()
	c, err := open(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// artifact is the path of the one file of the release that ends so.
func artifact(t *testing.T, suffix string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(*released, "*"+suffix))
	if err != nil || len(names) != 1 {
		t.Fatalf("%d files *%s in %s; make release makes one", len(names), suffix, *released)
	}
	return names[0]
}

// command runs something and returns what it prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &complaint)
	}
	return string(out)
}

// rights is how this test comes to do what only root may do.
type rights int

const (
	isRoot    rights = iota
	sudo             // without a password, as CI's machines have it
	namespace        // root in a user namespace of one's own, which owns nothing but what the test made
)

func rightsOf(t *testing.T) rights {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
		return isRoot
	case exec.CommandContext(t.Context(), "sudo", "--non-interactive", "true").Run() == nil:
		return sudo
	case exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "true").Run() == nil:
		return namespace
	}
	t.Fatal("this test installs packages and mounts: it needs root, or sudo without a password, or user namespaces for everybody (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)")
	return 0
}

// asRoot is command for what only root may do.
func asRoot(t *testing.T, name string, args ...string) string {
	t.Helper()
	switch rightsOf(t) {
	case sudo:
		return command(t, "sudo", append([]string{"--non-interactive", name}, args...)...)
	case namespace:
		return command(t, "unshare", append([]string{"--map-root-user", "--mount", name}, args...)...)
	}
	return command(t, name, args...)
}

// rootsPlace is a directory in which root, or somebody it becomes, leaves files that the test must be able to remove.
func rootsPlace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if rightsOf(t) == sudo {
		t.Cleanup(func() {
			if err := exec.Command("sudo", "--non-interactive", "chown", "-R", fmt.Sprint(os.Geteuid()), dir).Run(); err != nil {
				t.Error(err)
			}
		})
	}
	return dir
}

// contents is the content of all files below a directory, by path.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range tree {
		out[e.name] = string(e.body)
	}
	return out
}

// The release in bin/release came from this checkout. Another one, made of a clone in another place by a program built
// there, has the same files and the same bytes.
func TestRelease_AnotherPlaceGivesTheSameBytes(t *testing.T) {
	c := here(t)
	if strings.HasSuffix(c.described, "-dirty") {
		t.Fatal("commit first: a release of a changed checkout cannot be made again")
	}
	place := filepath.Join(t.TempDir(), "some where", "else")
	command(t, "git", "clone", "--quiet", "--no-hardlinks", c.root, place)
	command(t, "git", "-C", place, "checkout", "--quiet", c.commit)
	env := append(os.Environ(), "TZ=Pacific/Auckland", "LC_ALL=C", "GOFLAGS=", "GOGC=200")
	if *fresh {
		env = append(env, "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir, cmd.Env = filepath.Join(place, "bench", "ship"), env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first, second := contents(t, *released), contents(t, filepath.Join(place, "bin", "release"))
	for name, body := range first {
		if second[name] != body {
			t.Errorf("%s differs (%d and %d bytes)", name, len(body), len(second[name]))
		}
	}
	if len(first) != len(second) || len(first) < 16 {
		t.Errorf("%d and %d files", len(first), len(second))
	}
}

func TestRelease_ChecksumsAreThoseOfAllFiles(t *testing.T) {
	sums := artifact(t, "_checksums.txt")
	out := command(t, "sh", "-c", `cd "$1" && sha256sum --check --strict "$2"`, "sh", *released, filepath.Base(sums))
	names := contents(t, *released)
	if got, want := strings.Count(out, ": OK\n"), len(names)-2; got != want { // without themselves and the mark
		t.Errorf("%d of %d files have a checksum", got, want)
	}
}

// version is that of the release, as its names have it and as git describes the checkout.
func version(t *testing.T, c *checkout) string {
	t.Helper()
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(artifact(t, "_checksums.txt")), "tw2parquet_"), "_checksums.txt")
	if released, ok := strings.CutPrefix(c.described, "v"); ok {
		if name != released {
			t.Errorf("%s is not %s", name, c.described)
		}
		return name
	}
	base, ok := strings.CutSuffix(name, "-dev."+c.described)
	if !ok {
		t.Fatalf("%s was not made of %s: make release again", name, c.described)
	}
	return base + "-dev+" + c.described
}

// unpacked is a platform's archive, unpacked by tar.
func unpacked(t *testing.T, p platform) string {
	t.Helper()
	dir := t.TempDir()
	name := artifact(t, p.os+"_"+p.arch+".tar.gz")
	command(t, "tar", "-xzf", name, "-C", dir)
	return filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".tar.gz"))
}

func TestArchive_HoldsWhatAPersonNeeds(t *testing.T) {
	var first []string
	for _, p := range platforms {
		dir := unpacked(t, p)
		tree := contents(t, dir)
		names := make([]string, 0, len(tree))
		for name, body := range tree {
			names = append(names, name)
			if body == "" {
				t.Errorf("%v: %s is empty", p, name)
			}
		}
		slices.Sort(names)
		for _, want := range []string{"tw2parquet", "LICENSE", "README.md", "THIRD-PARTY-LICENSES", "man/man1/tw2parquet.1.gz", "man/man1/tw2parquet-export.1.gz",
			"completions/tw2parquet.bash", "completions/_tw2parquet", "completions/tw2parquet.fish"} {
			if !slices.Contains(names, want) {
				t.Errorf("%v: no %s", p, want)
			}
		}
		if first == nil {
			first = names
		}
		if !slices.Equal(names, first) {
			t.Errorf("%v holds other files: %v", p, names)
		}
		executable(t, p, filepath.Join(dir, "tw2parquet"))
		if n := len(tree["tw2parquet"]); n > 100e6 {
			t.Errorf("%v: %d bytes are more than a binary may have; make size tells where they come from", p, n)
		}
	}
}

// The license of every module that go version finds in a binary is passed on.
func TestArchive_PassesLicensesOn(t *testing.T) {
	for _, p := range platforms {
		dir := unpacked(t, p)
		notices, err := os.ReadFile(filepath.Join(dir, "THIRD-PARTY-LICENSES"))
		if err != nil {
			t.Fatal(err)
		}
		deps := modules(t, filepath.Join(dir, "tw2parquet"))
		for _, d := range deps {
			if !bytes.Contains(notices, []byte("\n"+d[0]+" "+d[1]+"\n")) {
				t.Errorf("%v: no license of %s %s", p, d[0], d[1])
			}
		}
		if len(deps) < 20 {
			t.Errorf("%v: %d modules", p, len(deps))
		}
	}
}

// Every module that is linked in, on any platform, has a license to pass on: this needs no release.
func TestNotices_NoModuleIsWithoutALicense(t *testing.T) {
	text, err := here(t).notices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("\nGo's standard library\n")) || bytes.Count(text, []byte("\n"+strings.Repeat("=", 78)+"\n")) < 20 {
		t.Errorf("%d bytes", len(text))
	}
}

// modules are path, version and checksum of a binary's modules, as the go command reads them.
func modules(t *testing.T, program string) (deps [][3]string) {
	t.Helper()
	for line := range strings.Lines(command(t, "go", "version", "-m", program)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "dep" {
			deps = append(deps, [3]string{f[1], f[2], f[3]})
		}
	}
	return deps
}

// What a new user does: unpack, look, run.
func TestArchive_Runs(t *testing.T) {
	c := here(t)
	program := filepath.Join(unpacked(t, platform{runtime.GOOS, runtime.GOARCH}), "tw2parquet")
	said := command(t, program, "version", "--output", "json")
	for _, want := range []string{fmt.Sprintf(`"version": %q`, version(t, c)), fmt.Sprintf(`"commit": %q`, c.commit)} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s in %s", want, said)
		}
	}
	out := filepath.Join(t.TempDir(), "lake")
	command(t, program, "demo", "--out", out)
	command(t, program, "verify", out)
}

// README's way to install is a shell script for x86-64. Here it runs on this machine, in a home of its own.
func TestReadme_Installs(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Install\n")
	_, script, _ := strings.Cut(section, "\n```sh\n")
	script, _, ok := strings.Cut(script, "```\n")
	if !ok {
		t.Fatal("README has no section Install with a script")
	}
	home := t.TempDir()
	for _, suffix := range []string{"_checksums.txt", "linux_" + runtime.GOARCH + ".tar.gz"} {
		command(t, "cp", artifact(t, suffix), home)
	}
	t.Setenv("HOME", home)
	command(t, "bash", "-euc", "cd && "+strings.ReplaceAll(script, "linux_amd64", "linux_"+runtime.GOARCH))
	command(t, filepath.Join(home, ".local/bin/tw2parquet"), "verify", filepath.Join(home, "tw2parquet-demo"))
}

// Completions are what the shells themselves can read.
func TestArchive_CompletionsParse(t *testing.T) {
	dir := filepath.Join(unpacked(t, platform{runtime.GOOS, runtime.GOARCH}), "completions")
	if out := command(t, "bash", "-c", `source "$1" && complete -p tw2parquet`, "bash", filepath.Join(dir, "tw2parquet.bash")); !strings.Contains(out, "tw2parquet") {
		t.Errorf("bash completes %q", out)
	}
	for shell, name := range map[string]string{"zsh": "_tw2parquet", "fish": "tw2parquet.fish"} {
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("no %s here: its completion is not parsed", shell)
			continue
		}
		command(t, shell, "-n", filepath.Join(dir, name))
	}
}

func TestVersions_SortAsReleasesDo(t *testing.T) {
	inOrder := []string{"0.1.0-dev+0a1b2c3", "0.1.0-rc.1", "0.1.0", "0.2.0-dev+0a1b2c3-dirty", "0.2.0"}
	for i, version := range inOrder {
		if !regexp.MustCompile(`^[0-9A-Za-z.+~]+$`).MatchString(upstream(version)) { // rpm takes no dash
			t.Error(upstream(version))
		}
		if i > 0 {
			command(t, "dpkg", "--compare-versions", upstream(inOrder[i-1]), "lt", upstream(version))
		}
	}
}

// What the source calls its next release is what a tag must be.
func TestTagged_AreTheVersionThatTheSourceNames(t *testing.T) {
	source, err := os.ReadFile("../../cmd/tw2parquet/version.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "\nconst release = \"")
	next, _, _ := strings.Cut(rest, "\"")
	for described, want := range map[string]bool{
		"v" + next: true, "v" + next + "-rc.1": true, next: false, "v" + next + "-dirty": false, "v" + next + "-1-g0a1b2c3": false, "v9.9.9": false, "0a1b2c3": false,
	} {
		if err := (&checkout{root: "../..", described: described}).released(); (err == nil) != want {
			t.Errorf("%s: %v", described, err)
		}
	}
}

// A directory with somebody's files is not emptied.
func TestOutput_LeavesOthersFilesAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-out", dir}, io.Discard); err == nil {
		t.Error("it was taken for an old release")
	}
	if _, err := os.Stat(filepath.Join(dir, "thesis.doc")); err != nil {
		t.Error(err)
	}
}
