package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sassoftware/go-rpmutils"
)

// executable tells whether a program is for its platform, and static on Linux: no interpreter and nothing to load.
func executable(t *testing.T, p platform, name string) {
	t.Helper()
	if p.os == "darwin" {
		f, err := macho.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // only read
		if want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[p.arch]; f.Cpu != want {
			t.Errorf("%v is for %v", p, f.Cpu)
		}
		return
	}
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[p.arch]; f.Machine != want {
		t.Errorf("%v is for %v", p, f.Machine)
	}
	for _, part := range f.Progs {
		if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
			t.Errorf("%v is not static: it has a %v", p, part.Type)
		}
	}
}

// The package goes into a root of its own, with dpkg's records in it. After a purge all is as it was.
func TestDeb_InstallsRunsAndGoesCleanly(t *testing.T) {
	c := here(t)
	root := rootsPlace(t)
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := outside(t, root)
	deb := artifact(t, "linux_"+runtime.GOARCH+".deb")
	dpkg := []string{"--root=" + root, "--log=" + filepath.Join(rootsPlace(t), "log"), "--force-bad-path"}
	asRoot(t, "dpkg", append(slices.Clone(dpkg), "--install", deb)...)
	if got := command(t, "dpkg-query", "--admindir="+filepath.Join(root, "var/lib/dpkg"), "--show", "--showformat=${db:Status-Status} ${Version} ${Architecture}", "tw2parquet"); got != "installed "+upstream(version(t, c))+" "+runtime.GOARCH {
		t.Errorf("dpkg says %q", got)
	}
	if out := asRoot(t, "dpkg", append(slices.Clone(dpkg), "--verify", "tw2parquet")...); out != "" {
		t.Errorf("installed files differ from the package's sums:\n%s", out)
	}
	for _, name := range []string{"usr/share/man/man1/tw2parquet.1.gz", "usr/share/bash-completion/completions/tw2parquet", "usr/share/doc/tw2parquet/copyright"} {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	program := filepath.Join(root, "usr/bin/tw2parquet")
	if out := command(t, program, "version"); !strings.Contains(out, version(t, c)) {
		t.Errorf("the installed program is %s", out)
	}
	out := filepath.Join(t.TempDir(), "lake")
	command(t, program, "demo", "--out", out)
	command(t, program, "verify", out)
	if info, err := os.Stat(program); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	asRoot(t, "dpkg", append(slices.Clone(dpkg), "--purge", "tw2parquet")...)
	if after := outside(t, root); !slices.Equal(before, after) {
		t.Errorf("left behind: %v", after)
	}
}

// outside are the paths below a root that are not dpkg's.
func outside(t *testing.T, root string) (names []string) {
	t.Helper()
	for line := range strings.Lines(command(t, "find", root, "-mindepth", "1")) {
		if name := strings.TrimPrefix(strings.TrimSpace(line), root); !strings.HasPrefix(name, "/var/lib/dpkg/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// No package runs anything as root on somebody's machine.
func TestDeb_HasNoScripts(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		dir := t.TempDir()
		deb := artifact(t, "linux_"+arch+".deb")
		command(t, "dpkg-deb", "--control", deb, dir)
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 2 || files[0].Name() != "control" || files[1].Name() != "md5sums" {
			t.Errorf("%s: %v", arch, files)
		}
		if got := strings.TrimSpace(command(t, "dpkg-deb", "--field", deb, "Architecture")); got != arch {
			t.Errorf("%s is for %s", arch, got)
		}
		command(t, "dpkg-deb", "--extract", deb, dir)
		executable(t, platform{"linux", arch}, filepath.Join(dir, "usr/bin/tw2parquet"))
	}
}

// An RPM is read by code that did not write it. It holds what the Debian package holds, and no scripts.
func TestRPM_HoldsWhatTheDebHolds(t *testing.T) {
	for arch, theirs := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		f, err := os.Open(artifact(t, "linux_"+arch+".rpm"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := rpmutils.ReadRpm(f)
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.Header.GetNEVRA()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := n.String(), fmt.Sprintf("tw2parquet-0:%s-1.%s.rpm", upstream(version(t, here(t))), theirs); got != want {
			t.Errorf("%s is %s", want, got)
		}
		header(t, arch, r)
		dir := t.TempDir()
		command(t, "dpkg-deb", "--extract", artifact(t, "linux_"+arch+".deb"), dir)
		payload(t, arch, r, contents(t, dir))
	}
}

// header checks what rpm would do with the package beside unpacking it: nothing.
func header(t *testing.T, arch string, r *rpmutils.Rpm) {
	t.Helper()
	for name, tag := range map[string]int{
		"%pre": rpmutils.PREIN, "%post": rpmutils.POSTIN, "%preun": rpmutils.PREUN, "%postun": rpmutils.POSTUN,
		"%pretrans": 1151, "%posttrans": 1152, "%verifyscript": rpmutils.VERIFYSCRIPT, "triggers": rpmutils.TRIGGERSCRIPTS,
	} {
		if r.Header.HasTag(tag) {
			t.Errorf("%s: it has %s", arch, name)
		}
	}
	needs, err := r.Header.GetStrings(rpmutils.REQUIRENAME)
	if err != nil && r.Header.HasTag(rpmutils.REQUIRENAME) {
		t.Error(err)
	}
	for _, need := range needs {
		if !strings.HasPrefix(need, "rpmlib(") {
			t.Errorf("%s: it needs %s", arch, need)
		}
	}
	if got, err := r.Header.GetString(rpmutils.LICENSE); err != nil || got != "Apache-2.0" {
		t.Errorf("%s: license %q, %v", arch, got, err)
	}
}

// payload compares files, and their digests in the header, with those of the Debian package.
func payload(t *testing.T, arch string, r *rpmutils.Rpm, want map[string]string) {
	t.Helper()
	p, err := r.PayloadReaderExtended()
	if err != nil {
		t.Fatal(err)
	}
	var owned []string
	for {
		f, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Mode() == 0o40755 {
			owned = append(owned, f.Name())
			continue
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(f.Name(), "/")
		if theirs, ok := want[name]; !ok || !bytes.Equal([]byte(theirs), body) {
			t.Errorf("%s: the Debian package has another %s", arch, name)
		}
		delete(want, name)
		mode := 0o100644
		if name == "usr/bin/tw2parquet" {
			mode = 0o100755
		}
		if f.Mode() != mode || f.UserName() != "root" || f.GroupName() != "root" || f.Digest() != fmt.Sprintf("%x", sha256.Sum256(body)) {
			t.Errorf("%s: %s is %o of %s:%s with digest %s", arch, name, f.Mode(), f.UserName(), f.GroupName(), f.Digest())
		}
	}
	for name := range want {
		t.Errorf("%s: no %s", arch, name)
	}
	if len(owned) != 1 || owned[0] != "/usr/share/doc/tw2parquet" {
		t.Errorf("%s: of directories it owns %v; others would stay, or go though they are not its own", arch, owned)
	}
}
