package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"tw2parquet/schema"
	"tw2parquet/sink/parquet"
)

// version is set by the linker.
var version = "dev"

type versionCmd struct{ shown }

// Help is the long form of --help.
func (versionCmd) Help() string {
	return "Example:\n  tw2parquet version --output json\n\nExit codes: 0 ok, 2 usage, 50 the output cannot be written."
}

// Run prints the versions that a bug report needs.
func (c *versionCmd) Run(a *app) error {
	v := map[string]string{
		"version": version, "schema": schema.Version, "schema_fingerprint": schema.Fingerprint(),
		"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "commit": commit(), "zstd": parquet.ZstdLibrary,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
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
	for _, k := range append([]string{"version", "commit", "schema", "schema_fingerprint", "go", "platform", "zstd"}, libraries...) {
		if v[k] != "" {
			rows = append(rows, []string{k, v[k]})
		}
	}
	return a.table([]string{"tw2parquet", ""}, rows)
}

// commit is the revision this was built from.
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

// writer names the program of a version and revision in every file, in the one form that parquet-java
// can read: where it cannot, it does not trust the statistics.
func writer(version, commit string) string {
	number := strings.TrimPrefix(version, "v")
	if number == "" || number[0] < '0' || number[0] > '9' {
		number = "0.0.0" // no release
	}
	if commit == "unknown" {
		commit = version
	}
	return fmt.Sprintf("tw2parquet version %s (build %s)", number, commit)
}

// libraries are those the output's bytes depend on.
var libraries = []string{
	"github.com/apache/arrow-go/v18", "github.com/parquet-go/parquet-go", "github.com/klauspost/compress", "github.com/DataDog/zstd",
	"github.com/goccy/go-json",
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
