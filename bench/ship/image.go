package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is who runs in the image, as in Google's distroless images.
const nobody = 65532

// image writes an OCI layout of the Linux images as one tar: the program on nothing. Certificates and time zones are in
// the program; /data is where it may write, so the rest can be read-only.
func (c *checkout) image(o *output, name string, programs map[platform]string, papers papers) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		img, err := c.imageOf(p, programs[p], papers)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}, Annotations: map[string]string{"org.opencontainers.image.ref.name": c.name()}},
		})
	}
	dir, err := os.MkdirTemp("", "ship-oci-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what matters is in the tar
	if _, err := layout.Write(dir, index); err != nil {
		return err
	}
	tree, err := read(dir)
	if err != nil {
		return err
	}
	return o.write(name, func(w io.Writer) error { return writeTar(w, tree, c.when) })
}

func (c *checkout) imageOf(p platform, program string, papers papers) (v1.Image, error) {
	body, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	tree := []entry{
		{"data/", 0o777, nil}, // for whoever --user names
		{"etc/group", 0o644, fmt.Appendf(nil, "nonroot:x:%d:\n", nobody)},
		{"etc/passwd", 0o644, fmt.Appendf(nil, "nonroot:x:%d:%[1]d:nonroot:/data:/sbin/nologin\n", nobody)},
		{"usr/bin/tw2parquet", 0o755, body},
		{"usr/share/doc/tw2parquet/LICENSE", 0o644, papers.license},
		{"usr/share/doc/tw2parquet/THIRD-PARTY-LICENSES", 0o644, papers.notices},
	}
	if err := writeTar(&content, tree, c.when); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: c.when}, CreatedBy: "make release"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.os, p.arch, v1.Time{Time: c.when}
	config.Config = v1.Config{
		User: fmt.Sprintf("%d:%[1]d", nobody), WorkingDir: "/data", Entrypoint: []string{"/usr/bin/tw2parquet"}, Cmd: []string{"--help"},
		Env: []string{"PATH=/usr/bin", "HOME=/data", "TMPDIR=/data"},
		Labels: map[string]string{
			"org.opencontainers.image.title": "tw2parquet", "org.opencontainers.image.description": summary, "org.opencontainers.image.version": c.version,
			"org.opencontainers.image.revision": c.commit, "org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return mutate.ConfigFile(img, config)
}

// read takes in the files of a directory.
func read(dir string) (tree []entry, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		tree = append(tree, entry{filepath.ToSlash(rel), 0o644, body})
		return err
	})
	return sorted(tree), err
}
