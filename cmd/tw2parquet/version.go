package main

import (
	"runtime"
	"runtime/debug"

	"tw2parquet/schema"
)

// version is set by the linker.
var version = "dev"

type versionCmd struct{ shown }

// Help is the long form of --help.
func (versionCmd) Help() string { return "Example:\n  tw2parquet version --output json" }

// Run prints the versions that a bug report needs.
func (c *versionCmd) Run(a *app) error {
	v := map[string]string{
		"version": version, "schema": schema.Version, "schema_fingerprint": schema.Fingerprint(),
		"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "commit": "unknown",
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["commit"] = s.Value
			}
		}
		for _, d := range info.Deps {
			for _, lib := range libraries {
				if d.Path == lib {
					v[d.Path] = d.Version
				}
			}
		}
	}
	if c.Output == "json" {
		return a.indented(v)
	}
	rows := [][]string{}
	for _, k := range append([]string{"version", "commit", "schema", "schema_fingerprint", "go", "platform"}, libraries...) {
		if v[k] != "" {
			rows = append(rows, []string{k, v[k]})
		}
	}
	return a.table([]string{"tw2parquet", ""}, rows)
}

// libraries are those the output's bytes depend on.
var libraries = []string{
	"github.com/apache/arrow-go/v18", "github.com/parquet-go/parquet-go", "github.com/klauspost/compress", "github.com/goccy/go-json",
}

// sqlQuote is a string as an SQL literal.
func sqlQuote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
