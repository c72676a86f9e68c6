package main

import (
	"bytes"
	"crypto/md5" // Debian packages list MD5 sums; dpkg --verify reads them
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/rpmpack"
)

const (
	summary     = "Talkwalker exports into Parquet data lakes"
	description = "Exports social-listening documents through the Talkwalker API into Parquet\nfiles on disk, S3, Google Cloud Storage or Azure, without buying anything twice."
	maintainer  = "tw2parquet maintainers <noreply@tw2parquet.invalid>"
)

// upstream is a version as dpkg and rpm sort it, a prerelease before its version, and spell it, without another dash.
func upstream(version string) string {
	return strings.ReplaceAll(strings.Replace(version, "-", "~", 1), "-", ".")
}

// deb writes a Debian package: an ar archive of a version, what dpkg should know, and the files. It has no scripts, so
// nothing runs when it is installed or removed.
func (c *checkout) deb(w io.Writer, p platform, tree []entry) error {
	var control, sums, data bytes.Buffer
	size := 0
	for _, e := range tree {
		size += (len(e.body) + 1023) / 1024
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(e.body), e.name)
	}
	about := fmt.Sprintf("Package: tw2parquet\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %d\nSection: utils\nPriority: optional\nDescription: %s\n %s\n",
		upstream(c.version), p.arch, maintainer, size, summary, strings.ReplaceAll(description, "\n", "\n "))
	if err := writeTarGz(&control, under("./", []entry{{"control", 0o644, []byte(about)}, {"md5sums", 0o644, sums.Bytes()}}), c.when); err != nil {
		return err
	}
	if err := writeTarGz(&data, under("./", tree), c.when); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "!<arch>\n"); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", control.Bytes()}, {"data.tar.gz", data.Bytes()}} {
		if err := writeMember(w, m.name, m.body, c.when); err != nil {
			return err
		}
	}
	return nil
}

// writeMember writes a member of an ar archive: a header of 60 bytes, and an even number of bytes.
func writeMember(w io.Writer, name string, body []byte, when time.Time) error {
	if _, err := fmt.Fprintf(w, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, when.Unix(), 0, 0, "100644", len(body)); err != nil {
		return err
	}
	if len(body)%2 == 1 {
		body = append(body, '\n')
	}
	_, err := w.Write(body)
	return err
}

// rpm writes an RPM package, without scripts too.
func (c *checkout) rpm(w io.Writer, p platform, tree []entry) error {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[p.arch]
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: "tw2parquet", Summary: summary, Description: description, Version: upstream(c.version), Release: "1", Arch: arch, OS: "linux",
		Packager: maintainer, Group: "Applications/Databases", Licence: "Apache-2.0", BuildHost: "localhost", BuildTime: c.when, Compressor: "gzip",
		Epoch: rpmpack.NoEpoch,
	})
	if err != nil {
		return err
	}
	for _, e := range tree {
		f := rpmpack.RPMFile{Name: "/" + e.name, Body: e.body, Mode: uint(e.mode), Owner: "root", Group: "root", MTime: uint32(c.when.Unix())}
		switch {
		case strings.HasSuffix(e.name, "/copyright"):
			f.Type = rpmpack.LicenceFile
		case strings.HasPrefix(e.name, "usr/share/doc/"), strings.HasPrefix(e.name, "usr/share/man/"):
			f.Type = rpmpack.DocFile
		}
		r.AddFile(f)
	}
	// The one directory that is ours alone: what a package does not own is left behind when it goes.
	r.AddFile(rpmpack.RPMFile{Name: "/usr/share/doc/tw2parquet", Mode: 0o40755, Owner: "root", Group: "root", MTime: uint32(c.when.Unix())})
	return r.Write(w)
}
