package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// entry is a file or, with a slash at the end of its name, a directory of an archive. All belong to root.
type entry struct {
	name string
	mode int64
	body []byte
}

// papers are the files beside the program.
type papers struct {
	license, readme, notices []byte
	pages                    []entry // man1/tw2parquet.1 …
	bash, zsh, fish          []byte
}

// papers reads the texts and lets the program print its manual and completions.
func (c *checkout) papers(ctx context.Context, programs map[platform]string, work string) (p papers, err error) {
	program, err := host(programs)
	if err != nil {
		return p, err
	}
	if p.license, err = os.ReadFile(filepath.Join(c.root, "LICENSE")); err != nil {
		return p, err
	}
	if p.readme, err = os.ReadFile(filepath.Join(c.root, "README.md")); err != nil {
		return p, err
	}
	for shell, into := range map[string]*[]byte{"bash": &p.bash, "zsh": &p.zsh, "fish": &p.fish} {
		text, err := c.run(ctx, nil, program, "completion", shell)
		if err != nil {
			return p, err
		}
		*into = []byte(text + "\n")
	}
	if p.pages, err = c.pages(ctx, program, filepath.Join(work, "man")); err != nil {
		return p, err
	}
	p.notices, err = c.notices(ctx)
	return p, err
}

// pages lets the program write its man pages, and compresses them as packages want them.
func (c *checkout) pages(ctx context.Context, program, dir string) (pages []entry, err error) {
	if _, err := c.run(ctx, nil, program, "man", dir); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		packed, err := gzipped(text)
		pages = append(pages, entry{filepath.ToSlash(rel) + ".gz", 0o644, packed})
		return err
	})
	if err == nil && len(pages) == 0 {
		err = errors.New("the program wrote no man page")
	}
	return pages, err
}

// archive is what lies in a tar.gz.
func (p papers) archive(program string) ([]entry, error) {
	body, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	tree := []entry{
		{"tw2parquet", 0o755, body}, {"LICENSE", 0o644, p.license}, {"README.md", 0o644, p.readme}, {"THIRD-PARTY-LICENSES", 0o644, p.notices},
		{"completions/tw2parquet.bash", 0o644, p.bash}, {"completions/_tw2parquet", 0o644, p.zsh}, {"completions/tw2parquet.fish", 0o644, p.fish},
	}
	return sorted(append(tree, under("man/", p.pages)...)), nil
}

// installed is what a package puts on a machine. Debian reads licenses in copyright, and both look for completions here.
func (p papers) installed(program string) ([]entry, error) {
	body, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	tree := []entry{
		{"usr/bin/tw2parquet", 0o755, body},
		{"usr/share/doc/tw2parquet/copyright", 0o644, slices.Concat(p.license, []byte("\n"), p.notices)},
		{"usr/share/doc/tw2parquet/README.md", 0o644, p.readme},
		{"usr/share/bash-completion/completions/tw2parquet", 0o644, p.bash},
		{"usr/share/zsh/vendor-completions/_tw2parquet", 0o644, p.zsh}, // Debian's zsh
		{"usr/share/zsh/site-functions/_tw2parquet", 0o644, p.zsh},     // everybody else's
		{"usr/share/fish/vendor_completions.d/tw2parquet.fish", 0o644, p.fish},
	}
	return sorted(append(tree, under("usr/share/man/", p.pages)...)), nil
}

// under puts entries into a directory.
func under(dir string, tree []entry) []entry {
	out := make([]entry, len(tree))
	for i, e := range tree {
		out[i] = entry{dir + e.name, e.mode, e.body}
	}
	return out
}

func sorted(tree []entry) []entry {
	slices.SortFunc(tree, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return tree
}

// notices are the licenses of the modules in the binaries, which most of them want to be passed on. What stands in for a module
// is of this repository, and under its license: component refuses any other.
func (c *checkout) notices(ctx context.Context) ([]byte, error) {
	dirs := map[string]string{}
	for _, p := range platforms {
		env := []string{"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT="}
		list, err := c.run(ctx, env, "go", "list", "-deps", "-f", "{{with .Module}}{{if not (or .Main .Replace)}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/tw2parquet")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(list) {
			if name, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				dirs[name] = dir
			}
		}
	}
	goroot, err := c.run(ctx, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	dirs["Go's standard library"] = goroot
	names := make([]string, 0, len(dirs))
	for name := range dirs {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	out.WriteString("tw2parquet contains the following modules, under these licenses.\n")
	for _, name := range names {
		texts, err := licenses(dirs[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s", strings.Repeat("=", 78), name, texts)
	}
	return out.Bytes(), nil
}

// legal is what license files are called, LICENSE_MIT and LICENSE.txt too.
var legal = regexp.MustCompile(`(?i)^(LICEN[CS]E|COPYING|NOTICE)([-_.]|$)`)

// licenses are the license files of a module's directory. Some modules are part of a repository whose license lies
// further up, and are served with a copy of it.
func licenses(dir string) ([]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, f := range files {
		if f.IsDir() || path.Ext(f.Name()) == ".go" || !legal.MatchString(f.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		out.Write(bytes.TrimSpace(text))
		out.WriteString("\n\n")
	}
	if out.Len() == 0 {
		return nil, errors.New("has no license file")
	}
	return out.Bytes(), nil
}
