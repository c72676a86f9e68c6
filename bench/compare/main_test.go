package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tw2parquet/bench"
)

// TestMain is also the rival's process, since the command starts itself for that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == rivalCommand {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestCompare_EveryKindHoldsTheSameValues converts a small corpus of each kind with the built binary and with
// DuckDB: the values of all columns must be the same.
func TestCompare_EveryKindHoldsTheSameValues(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "tw2parquet")
	build := exec.Command("go", "build", "-o", binary, "./cmd/tw2parquet")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, kind := range bench.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			args := []string{"-binary", binary, "-sides", "tw2parquet,duckdb", "-results", "1500", "-rounds", "1", "-kind", string(kind), "-dir", t.TempDir()}
			if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
				t.Fatalf("exit %d\n%s%s", code, &stdout, &stderr)
			}
			for _, part := range []string{"hold the same values in all 19", "ratio to duckdb", "peak rss"} {
				if !strings.Contains(stdout.String(), part) {
					t.Errorf("%q is missing in\n%s", part, &stdout)
				}
			}
		})
	}
}

// TestVerify_SeesDifferences swaps, changes and drops values between two outputs.
func TestVerify_SeesDifferences(t *testing.T) {
	write := func(projection string) *side {
		s := &side{name: "side", out: t.TempDir()}
		stream := filepath.Join(s.out, "stream.jsonl")
		chunk := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"%s","images":[{"url":"a"},{"url":"%s"}]}}}}` + "\n"
		text := fmt.Sprintf(chunk, "one", "x") + fmt.Sprintf(chunk, "two", "y")
		if err := os.WriteFile(stream, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := copyDocuments(t.Context(), stream, s.out, projection, "COMPRESSION zstd"); err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := "*"
	for name, tt := range map[string]struct{ other, fail string }{
		"same":          {same, ""},
		"other value":   {"* REPLACE (upper(url) AS url)", "column url differs first in row 1"},
		"null":          {"* REPLACE (nullif(url, 'two') AS url)", "column url differs first in row 2"},
		"inside a list": {"* REPLACE (list_reverse(images) AS images)", "column images[].url differs first in row 1"},
		"other order":   {"* ORDER BY url DESC", "column _key differs first in row 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t.Context(), write(same), write(tt.other), 2)
			if (err == nil) != (tt.fail == "") || err != nil && !strings.Contains(err.Error(), tt.fail) {
				t.Errorf("got %v, want %q", err, tt.fail)
			}
		})
	}
	if _, err := verify(t.Context(), write(same), write(same), 3); err == nil {
		t.Error("a missing row was not seen")
	}
}

func TestReport_PairsRounds(t *testing.T) {
	ours := &side{name: "ours", size: 90, costs: []cost{{1, 2, 10}, {4, 8, 10}, {2, 4, 10}}}
	duckdb := &side{name: "duckdb", size: 100, costs: []cost{{2, 2, 20}, {4, 2, 40}, {4, 8, 10}}}
	got := report([]*side{ours, duckdb}, 8e6)
	for _, part := range []string{"2.00 (1.00 to 4.00)", "0.500 (0.500 to 1.000)", "1.000 (0.500 to 4.000)", "0.500 (0.250 to 1.000)", "0.900"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

func TestRun_RefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-what"}, {"extra"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: exit %d, %s", args, code, &stderr)
		}
	}
}
