package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// A bill lists the modules that the go command finds in the binary, with the checksums that it finds.
func TestBill_IsWhatTheGoCommandFinds(t *testing.T) {
	for _, p := range platforms {
		f, err := os.Open(artifact(t, p.os+"_"+p.arch+".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var bom cyclonedx.BOM
		if err := cyclonedx.NewBOMDecoder(f, cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		listed := map[string]cyclonedx.Component{}
		for _, part := range *bom.Components {
			listed[part.Name] = part
		}
		deps := modules(t, filepath.Join(unpacked(t, p), "tw2parquet"))
		if len(listed) != len(deps)+1 || listed["std"].Version == "" {
			t.Errorf("%v: %d components for %d modules", p, len(listed), len(deps))
		}
		for _, d := range deps {
			part := listed[d[0]]
			if part.Version != d[1] || !strings.HasPrefix(part.PackageURL, "pkg:golang/"+d[0]+"@v") || part.Hashes == nil {
				t.Errorf("%v: %v is %+v", p, d, part)
				continue
			}
			sum, err := hex.DecodeString((*part.Hashes)[0].Value)
			if err != nil || "h1:"+base64.StdEncoding.EncodeToString(sum) != d[2] {
				t.Errorf("%v: %v has the digest %x, %v", p, d, sum, err)
			}
		}
	}
}

// The statement names every file that has a checksum, with that checksum, and the commit.
func TestProvenance_NamesEveryFile(t *testing.T) {
	sums, err := os.ReadFile(artifact(t, "_checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(artifact(t, "_provenance.intoto.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Subject []struct {
			Name   string
			Digest map[string]string
		}
		PredicateType string
		Predicate     struct {
			BuildDefinition struct {
				ResolvedDependencies []struct{ Digest map[string]string }
			}
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.PredicateType != "https://slsa.dev/provenance/v1" || s.Predicate.BuildDefinition.ResolvedDependencies[0].Digest["gitCommit"] != here(t).commit {
		t.Errorf("%s", text)
	}
	for _, subject := range s.Subject {
		if !strings.Contains(string(sums), subject.Digest["sha256"]+"  "+subject.Name+"\n") {
			t.Errorf("%s has another digest", subject.Name)
		}
	}
	if got, want := len(s.Subject), strings.Count(string(sums), "\n")-1; got != want {
		t.Errorf("%d of %d files", got, want)
	}
}
