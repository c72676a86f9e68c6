package main

import (
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
)

// release is the version that this source will be released as, or was. It stands here alone, and above what it brings in
// "tw2parquet help changes".
const release = "0.1.0"

// version is set by the linker to what git calls the source: a tag, or a revision.
var version = "dev"

// programVersion is the version, as semver.org writes it: the tag's, else that of the release to come.
var programVersion = semantic(version)

func semantic(described string) string {
	if tag := strings.TrimPrefix(described, "v"); semver.MatchString(tag) && !afterTag.MatchString(tag) {
		return tag
	}
	if described == "dev" {
		return release + "-dev"
	}
	return release + "-dev+" + notInVersions.ReplaceAllString(described, "-")
}

var (
	semver        = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	afterTag      = regexp.MustCompile(`(-[0-9]+-g[0-9a-f]+|-dirty)$`) // as git describes what comes after a tag: no version before it
	notInVersions = regexp.MustCompile(`[^0-9A-Za-z.-]`)
)

type versionCmd struct{ shown }

// Help is the long form of --help.
func (versionCmd) Help() string {
	return "Example:\n  tw2parquet version\n  tw2parquet version --output json\n\nExit codes: 0 ok, 2 usage, 50 the output cannot be written."
}

// Run prints the versions that a bug report needs.
func (c *versionCmd) Run(a *app) error {
	v := map[string]string{
		"version": programVersion, "format": strconv.Itoa(sink.ManifestFormat), "schema": schema.Version, "schema_fingerprint": schema.Fingerprint(),
		"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "commit": commit(), "zstd": parquet.ZstdLibrary,
		"features": features(),
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
	for _, k := range append([]string{"version", "commit", "format", "schema", "schema_fingerprint", "features", "go", "platform", "zstd"}, libraries...) {
		if v[k] != "" {
			rows = append(rows, []string{k, v[k]})
		}
	}
	return a.table([]heading{{name: "tw2parquet"}, {}}, rows)
}

// features are what this build has and another may not: object stores, by the scheme of their URLs, and the tags and
// experiments that it was built with.
func features() string {
	list := slices.Sorted(maps.Keys(stores))
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if (s.Key == "-tags" || s.Key == "GOEXPERIMENT") && s.Value != "" {
				list = append(list, strings.Split(s.Value, ",")...)
			}
		}
	}
	return strings.Join(list, " ")
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
