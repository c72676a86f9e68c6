package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// bill writes the bill of materials of a program: the modules that the linker put into it.
func (c *checkout) bill(w io.Writer, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	bom := cyclonedx.NewBOM()
	main := cyclonedx.Component{
		Type: cyclonedx.ComponentTypeApplication, Name: "tw2parquet", Version: c.version, BOMRef: "tw2parquet", Description: summary,
		Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
	}
	bom.Metadata = &cyclonedx.Metadata{Timestamp: c.when.Format("2006-01-02T15:04:05Z"), Component: &main}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	parts := []cyclonedx.Component{{
		Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: goVersion, BOMRef: "pkg:golang/std@" + goVersion, PackageURL: "pkg:golang/std@" + goVersion,
	}}
	for _, m := range info.Deps {
		if ours(m) {
			continue
		}
		part, err := component(m)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	refs := make([]string, len(parts))
	for i, p := range parts {
		refs[i] = p.BOMRef
	}
	bom.Components = &parts
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// ours tells whether a module is replaced by a directory of this repository.
func ours(m *debug.Module) bool { return m.Replace != nil && strings.HasPrefix(m.Replace.Path, "./") }

// component is a module. Its digest is the one of go.sum, which covers all its files.
func component(m *debug.Module) (c cyclonedx.Component, err error) {
	if m.Replace != nil {
		return c, fmt.Errorf("%s is replaced: a release is made of published modules", m.Path)
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
	if err != nil || len(sum) == 0 {
		return c, errors.Join(fmt.Errorf("%s has no checksum", m.Path), err)
	}
	purl := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return cyclonedx.Component{
		Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, BOMRef: purl, PackageURL: purl,
		Hashes: &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}},
	}, nil
}

// The statement's parts, as https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1 name them.
type (
	statement struct {
		Type          string     `json:"_type"`
		Subject       []resource `json:"subject"`
		PredicateType string     `json:"predicateType"`
		Predicate     predicate  `json:"predicate"`
	}
	resource struct {
		Name   string            `json:"name,omitempty"`
		URI    string            `json:"uri,omitempty"`
		Digest map[string]string `json:"digest,omitempty"`
	}
	predicate struct {
		BuildDefinition buildDefinition `json:"buildDefinition"`
		RunDetails      runDetails      `json:"runDetails"`
	}
	buildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		ResolvedDependencies []resource        `json:"resolvedDependencies"`
	}
	runDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	}
)

// provenance states what the files before it were made of, and by whom. It is not signed: in a release GitHub signs its
// own statement about the same digests.
func (c *checkout) provenance(o *output, name, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	for _, n := range slices.Sorted(slices.Values(o.names)) {
		s.Subject = append(s.Subject, resource{Name: n, Digest: map[string]string{"sha256": o.digest[n]}})
	}
	home := "tw2parquet"
	if server, repository := os.Getenv("GITHUB_SERVER_URL"), os.Getenv("GITHUB_REPOSITORY"); server != "" && repository != "" {
		home = server + "/" + repository
		s.Predicate.RunDetails.Builder.ID = server + "/" + os.Getenv("GITHUB_WORKFLOW_REF")
	}
	s.Predicate.RunDetails.Builder.ID = cmp.Or(s.Predicate.RunDetails.Builder.ID, "urn:tw2parquet:local")
	s.Predicate.BuildDefinition = buildDefinition{
		BuildType:          "urn:tw2parquet:make-release:v1",
		ExternalParameters: map[string]string{"version": c.described, "go": info.GoVersion},
		ResolvedDependencies: []resource{{
			URI: "git+" + home, Digest: map[string]string{"gitCommit": c.commit},
		}},
	}
	return o.write(name, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(s)
	})
}
