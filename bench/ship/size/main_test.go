package main

import (
	"path/filepath"
	"testing"
)

// A binary is fetched into each pod and onto each laptop. What makes it grow over its bound needs a reason, or has to go.
func TestBinary_StaysWithinItsBounds(t *testing.T) {
	for tags, most := range map[string]int64{"": 100e6, "nocloud": 45e6} {
		size, err := build(t.Context(), "../../..", filepath.Join(t.TempDir(), "tw2parquet"), tags, "-s -w", "GOOS=linux", "GOARCH=amd64")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("-tags %q: %.2f MB", tags, float64(size)/1e6)
		if size > most {
			t.Errorf("-tags %q: %d bytes, more than %d; `make size` says what is in it", tags, size, most)
		}
	}
}

// Symbols as `go tool nm -size` prints them, of which some are not in the file.
func TestShare_PutsEachSymbolToTheModuleThatHoldsItsPackage(t *testing.T) {
	symbols := `  401000        100 T main.main
  401100        200 T tw2parquet/sink.(*Output).Close
  401200         30 t github.com/a/b/v2.init.0
  401300          4 R type:.eq.github.com/a/b/v2/sub.pair[go.shape.int,github.com/c/d.T]
  401400       5000 B github.com/a/b/v2.buffer
  401500          7 T net/http.(*Client).Do
  401600         11 T gopkg.in/yaml%2ev3.Marshal
  401700         13 R go:func.*
  401800   33000000 T runtime.etext_end
`
	got := share(symbols, []string{"github.com/a/b/v2", "github.com/a", "gopkg.in/yaml.v3"})
	want := map[string]int64{
		"tw2parquet": 300, "github.com/a/b/v2": 34, "(Go's standard library)": 7, "gopkg.in/yaml.v3": 11, "(the linker's)": 13,
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %d, not %d", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}
