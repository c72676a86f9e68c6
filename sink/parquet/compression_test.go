package parquet

import "testing"

func TestParseCompression(t *testing.T) {
	for in, want := range map[string]string{
		"zstd": "zstd:3", "zstd:1": "zstd:1", "zstd:19": "zstd:19", "snappy": "snappy", "none": "none",
		"zstd:0": "", "zstd:20": "", "zstd:": "", "snappy:1": "", "gzip": "", "": "", "ZSTD": "",
	} {
		c, err := ParseCompression(in)
		if (err == nil) != (want != "") || err == nil && c.String() != want {
			t.Errorf("%q: %v, %v", in, c, err)
		}
	}
	if got := (Compression{}).String(); got != "zstd:3" {
		t.Errorf("zero value is %s", got)
	}
}
