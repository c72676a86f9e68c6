package main

import (
	"regexp"
	"testing"

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

func TestVersion_TellsTheCodec(t *testing.T) {
	code, stdout, _ := call(t, "version")
	if !regexp.MustCompile(`(?m)^zstd +`+regexp.QuoteMeta(parquet.ZstdLibrary)+"$").MatchString(stdout) || code != exitOK {
		t.Errorf("exit %d:\n%s", code, stdout)
	}
}
