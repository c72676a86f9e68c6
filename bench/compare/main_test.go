package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/bench"
	"tw2parquet/bench/compare/duck"
)

// product is the built binary.
var product string

// TestMain is also the rival's process and the meter's, since the command starts itself for them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == rivalCommand || os.Args[1] == meterCommand) {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tw2parquet-compare-test-*")
	if product = os.Getenv("TESTED_BINARY"); err == nil && product == "" {
		product = filepath.Join(dir, "tw2parquet")
		build := exec.Command("go", "build", "-o", product, "./cmd/tw2parquet")
		build.Dir = filepath.Join("..", "..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out []byte
		if out, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("build the product: %w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// ownTest leaves what holds the comparison itself, and nothing of the product, to the full run.
func ownTest(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("left to the full run: it tests the comparison, not the product")
	}
}

// TestCompare_EveryKindHoldsTheSameValues converts a small corpus of each kind with the built binary and with
// DuckDB: the values of all columns must be the same.
func TestCompare_EveryKindHoldsTheSameValues(t *testing.T) {
	kinds := bench.Kinds()
	if testing.Short() {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			got := compared(t, 0, "-sides", "tw2parquet,compact,duckdb", "-results", "1500", "-rounds", "1", "-kind", string(kind))
			for _, part := range []string{"tw2parquet and compact hold the same values in all 19", "tw2parquet and duckdb hold the same values in all 19", "load average", "ratio to duckdb", "peak rss", "page checksums"} {
				if !strings.Contains(got, part) {
					t.Errorf("%q is missing in\n%s", part, got)
				}
			}
		})
	}
}

// TestCompare_RowGroupsOfManyRecords has column chunks that begin with a dictionary and go on without it. It does not stand for the order
// of their pages: DuckDB reads what takes turns wrong only now and then, by what lies in its memory.
func TestCompare_RowGroupsOfManyRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run: the quick one looks at the order of pages in sink/parquet")
	}
	compared(t, 0, "-sides", "tw2parquet,compact,duckdb", "-results", "80000", "-rounds", "1", "-kind", "mix")
}

// TestQuery_AllSidesAnswerAlike fails where two sides give different answers; the figures are not looked at.
func TestQuery_AllSidesAnswerAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run; here: TestCompare_EveryKindHoldsTheSameValues, and DuckDB in package e2e")
	}
	dir := t.TempDir()
	compared(t, 0, "-mode", "query", "-kind", "rich:900", "-sides", "tw2parquet,duckdb", "-rounds", "1", "-reuse", "-dir", dir)
	if got := compared(t, 0, "-mode", "query", "-kind", "rich:900", "-sides", "tw2parquet,duckdb", "-rounds", "1", "-reuse", "-dir", dir, "-binary", "/nowhere"); !strings.Contains(got, "first 100 rows") {
		t.Error(got)
	}
	got := compared(t, 0, "-mode", "query", "-kind", "mix:1500, x:400", "-sides", "tw2parquet,compact,duckdb", "-rounds", "2")
	for _, part := range []string{"corpus: mix, 1500", "corpus: x, 400", "latest copy", "ratio to duckdb"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

// TestLooks_RunsEveryCommand runs each command as the comparison calls it: a flag that one of them refuses is found here.
func TestLooks_RunsEveryCommand(t *testing.T) {
	got := compared(t, 0, "-mode", "looks", "-results", "600", "-rounds", "1")
	for _, part := range []string{"load average", "verify", "cat", "report"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

// TestEncodings_AsDuckDBSeesThem reads the footers of what the binary wrote.
func TestEncodings_AsDuckDBSeesThem(t *testing.T) {
	s := &settings{binary: product, dir: t.TempDir(), threads: 2, level: 3, results: 1500, kind: "mix", seed: 1}
	input := s.at("corpus.jsonl")
	if _, err := s.record(input); err != nil {
		t.Fatal(err)
	}
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, tt := range map[string]struct {
		flags []string
		want  string
	}{
		"by default": {nil, "PLAIN, RLE, RLE_DICTIONARY"},
		"broad":      {[]string{"--encodings", "broad"}, "PLAIN, RLE, RLE_DICTIONARY"},
		"compact":    {[]string{"--encodings", "compact"}, "DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY, PLAIN, RLE, RLE_DICTIONARY"},
	} {
		out := t.TempDir()
		written := &side{out: out, command: slices.Concat([]string{s.binary, "convert", input}, tt.flags, s.writing(out))}
		if _, err := written.measure(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, rows, err := db.Text(t.Context(), "SELECT string_agg(DISTINCT trim(e), ', ' ORDER BY trim(e)) FROM (SELECT unnest(string_split(encodings, ',')) AS e FROM parquet_metadata("+
			duck.Quote(filepath.Join(out, "*.parquet"))+"))")
		if err != nil {
			t.Fatal(err)
		}
		if rows[0][0] != tt.want {
			t.Errorf("%s: encodings %s, want %s", name, rows[0][0], tt.want)
		}
	}
}

// TestVerify_SeesDifferences swaps, changes and drops values between two outputs.
func TestVerify_SeesDifferences(t *testing.T) {
	ownTest(t)
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

// TestRace_GoesOnWithoutRivals has nothing to install them with.
func TestRace_GoesOnWithoutRivals(t *testing.T) {
	ownTest(t)
	t.Setenv("PATH", t.TempDir())
	got := compared(t, 0, "-kind", "mix", "-sides", "chdb,tw2parquet,polars,duckdb", "-results", "50", "-rounds", "1", "-cache", t.TempDir())
	for _, part := range []string{"chdb takes no part: ", "polars takes no part: ", "npm", "tw2parquet and duckdb hold the same values"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
}

func TestExport_HoldsWhatConvertHolds(t *testing.T) {
	for _, test := range []struct{ flag, origin string }{{"-generated=false", "recorded once and served from a file"}, {"-generated", "generated while they are read"}} {
		got := compared(t, 0, "-mode", "export", "-results", "620", "-rounds", "2", test.flag)
		for _, part := range []string{"620 results", test.origin, "convert and export hold the same values", "ratio to convert", "emulator, once it was ready: "} {
			if !strings.Contains(got, part) {
				t.Errorf("%q is missing in\n%s", part, got)
			}
		}
	}
}

// What a process took so far is what the kernel tells it itself.
func TestTaken_IsWhatTheKernelCounts(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc: nothing is subtracted")
	}
	sum := 0
	for i := range 200_000_000 {
		sum ^= i * i
	}
	got := taken(os.Getpid())
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	want := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	if got <= 0 || got > want+0.05 || got < want-0.1 {
		t.Errorf("%.2f s, not %.2f (%d)", got, want, sum)
	}
}

// compared runs the program with the product and returns what it printed.
func compared(t *testing.T, code int, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"-binary", product, "-dir", t.TempDir()}, args...)
	if got := run(t.Context(), args, &stdout, &stderr); got != code {
		t.Fatalf("exit %d, want %d\n%s%s", got, code, &stdout, &stderr)
	}
	return stdout.String()
}

func TestRun_RefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-what"}, {"extra"}, {"-mode", "what"}, {"-kind", "podcast"}, {"-kind", "mix:0"}, {"-mode", "memory", "-kind", "mix,x"}, {"-reuse", "-dir", "d", "-kind", "mix"}, {"-mode", "query", "-reuse", "-kind", "mix"}, {"-mode", "query", "-reuse", "-dir", "d"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("%v: exit %d, %s", args, code, &stderr)
		}
	}
}

// TestMetered_CountsTheCommandAlone holds 256 MiB in this process while another one runs that needs little.
func TestMetered_CountsTheCommandAlone(t *testing.T) {
	held := make([]byte, 256<<20)
	for i := range held {
		held[i] = 1 // a page that was never written to is not there
	}
	var output bytes.Buffer
	c, err := metered(t.Context(), nil, []string{product, "version"}, nil, &output)
	if err != nil {
		t.Fatalf("%v\n%s", err, &output)
	}
	if c.RSS <= 0 || c.RSS > 128 || c.Wall <= 0 {
		t.Errorf("%+v for a command that prints its version", c)
	}
	if _, err := metered(t.Context(), nil, []string{product, "verify", ".", "--no-such-flag"}, nil, nil); err == nil || !strings.Contains(err.Error(), "--no-such-flag") || !strings.Contains(err.Error(), "unknown flag") {
		t.Errorf("%v, want what the command said", err)
	}
	if held[len(held)/2] != 1 {
		t.Fatal("unreachable")
	}
}
