package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// output is the directory of a release.
type output struct {
	dir    string
	names  []string // in order of writing
	digest map[string]string
}

// newOutput empties a directory that an earlier call made, and no other.
func newOutput(dir string) (*output, error) {
	const mark = ".made-by-ship"
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
			return nil, fmt.Errorf("%s holds files that no release left there: %w", dir, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &output{dir: dir, digest: map[string]string{}}, os.WriteFile(filepath.Join(dir, mark), nil, 0o644)
}

// write makes a file and keeps its digest.
func (o *output) write(name string, fill func(io.Writer) error) (err error) {
	f, err := os.Create(filepath.Join(o.dir, name))
	if err != nil {
		return err
	}
	h := sha256.New()
	if err := errors.Join(fill(io.MultiWriter(f, h)), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.names = append(o.names, name)
	o.digest[name] = hex.EncodeToString(h.Sum(nil))
	return nil
}

// checksums writes the digests of all files before it, as sha256sum reads them.
func (o *output) checksums(name string) error {
	names := slices.Sorted(slices.Values(o.names))
	return o.write(name, func(w io.Writer) error {
		for _, n := range names {
			if _, err := fmt.Fprintf(w, "%s  %s\n", o.digest[n], n); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeTar writes entries and the directories above them.
func writeTar(w io.Writer, tree []entry, when time.Time) error {
	t := tar.NewWriter(w)
	for _, e := range withDirectories(tree) {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.body)), ModTime: when, Uname: "root", Gname: "root", Format: tar.FormatUSTAR, Typeflag: tar.TypeReg}
		if e.name[len(e.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(e.body); err != nil {
			return err
		}
	}
	return t.Close()
}

// withDirectories puts the directories of entries before them.
func withDirectories(tree []entry) []entry {
	seen := map[string]bool{}
	for _, e := range tree {
		seen[e.name] = true
	}
	out := slices.Clone(tree)
	for _, e := range tree {
		for dir := parent(e.name); dir != ""; dir = parent(dir) {
			if !seen[dir] {
				seen[dir] = true
				out = append(out, entry{dir, 0o755, nil})
			}
		}
	}
	return sorted(out)
}

// parent is the directory of a path, with its slash, as the path spells it: packages want ./usr/ before ./usr/bin/.
func parent(name string) string {
	return name[:strings.LastIndexByte(strings.TrimSuffix(name, "/"), '/')+1]
}

func writeTarGz(w io.Writer, tree []entry, when time.Time) error {
	z := gzip.NewWriter(w) // no name and no time in its header
	return errors.Join(writeTar(z, tree, when), z.Close())
}

func gzipped(body []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(body)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}
