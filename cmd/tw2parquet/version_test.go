package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/parquet"
)

func TestWriter_IsWhatParquetReadersParse(t *testing.T) {
	// parquet-java, VersionParser.
	form := regexp.MustCompile(`^(.*?)\s+version\s*(?:([^(]*?)\s*(?:\(\s*build\s*([^)]*?)\s*\))?)?$`)
	for _, c := range [][4]string{ // version, commit, then what is read
		{"v1.2.3", "0123abc", "1.2.3", "0123abc"},
		{"v1.2.3-4-gabc-dirty", "unknown", "1.2.3-4-gabc-dirty", "v1.2.3-4-gabc-dirty"},
		{"dev", "unknown", "0.0.0", "dev"},
		{"abc1234", "0123abc", "0.0.0", "0123abc"},
	} {
		got := form.FindStringSubmatch(writer(c[0], c[1]))
		if len(got) != 4 || got[1] != "tw2parquet" || got[2] != c[2] || got[3] != c[3] {
			t.Errorf("version %s, commit %s: %q", c[0], c[1], got)
		}
	}
}

// The version is one that semver.org allows, whatever git says, and a later tag is a higher one.
func TestVersion_IsSemantic(t *testing.T) {
	for described, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3-rc.1", "v1.2.3-4-gabc1234-dirty": release + "-dev+v1.2.3-4-gabc1234-dirty", "v1.2.3-dirty": release + "-dev+v1.2.3-dirty", "v1.2.3-4-gabc1234": release + "-dev+v1.2.3-4-gabc1234", "dev": release + "-dev",
		"abc1234-dirty": release + "-dev+abc1234-dirty", "unknown": release + "-dev+unknown", "v01.2.3": release + "-dev+v01.2.3", "my_tag": release + "-dev+my-tag",
	} {
		got := semantic(described)
		if got != want || !semver.MatchString(got) {
			t.Errorf("%s: %s, want %s", described, got, want)
		}
	}
	code, stdout, _ := call(t, "version", "--output=json")
	var v map[string]string
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || code != exitOK {
		t.Fatal(err, code)
	}
	if v["version"] != release+"-dev" || v["format"] != strconv.Itoa(sink.ManifestFormat) || v["schema"] != schema.Version || v["schema_fingerprint"] != schema.Fingerprint() ||
		v["go"] != runtime.Version() || v["commit"] == "" {
		t.Errorf("%s", stdout)
	}
	for scheme := range stores {
		if !slices.Contains(strings.Fields(v["features"]), scheme) {
			t.Errorf("features %q do not have %s", v["features"], scheme)
		}
	}
}

// A change of the columns, of the manifest or of what a run's id hashes is told in the changes, for the release that brings it; and
// what a release wrote is kept, so that its files are still read.
func TestChanges_TellWhatEachReleaseWrites(t *testing.T) {
	heads := regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(topicText(t, "changes"), -1)
	writes := regexp.MustCompile("(?m)^Writes: schema (\\d+) \\(`([0-9a-f]{16})`\\), format (\\d+)\\.$").FindAllStringSubmatch(topicText(t, "changes"), -1)
	var releases []string
	for _, h := range heads {
		if semver.MatchString(h[1]) {
			releases = append(releases, h[1])
		}
	}
	if len(releases) == 0 || releases[0] != release || len(writes) != len(releases) {
		t.Fatalf("releases %q, and %q", releases, writes)
	}
	if now := writes[0]; now[1] != schema.Version || now[2] != schema.Fingerprint() || now[3] != strconv.Itoa(sink.ManifestFormat) {
		t.Errorf("this source writes schema %s (%s), format %d; the changes say %q of %s", schema.Version, schema.Fingerprint(), sink.ManifestFormat, now[0], release)
	}
	for i, w := range writes { // the first release with this schema and format keeps an output
		if i+1 < len(writes) && slices.Equal(writes[i+1][1:], w[1:]) {
			continue
		}
		if _, err := os.Stat(filepath.Join("../../testdata/released", releases[i], "rows.json")); err != nil {
			t.Errorf("%s is the first release that writes so, and there is no output of it: %v (make released)", releases[i], err)
		}
		if i+1 < len(writes) && writes[i+1][2] != w[2] && writes[i+1][1] == w[1] {
			t.Errorf("%s changes the columns and not the number of the schema", releases[i])
		}
	}
}

func TestVersion_TellsTheCodec(t *testing.T) {
	code, stdout, _ := call(t, "version")
	if !regexp.MustCompile(`(?m)^zstd +`+regexp.QuoteMeta(parquet.ZstdLibrary)+"$").MatchString(stdout) || code != exitOK {
		t.Errorf("exit %d:\n%s", code, stdout)
	}
}
