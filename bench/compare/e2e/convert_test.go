package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tw2parquet/bench"
	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

// recorded is a stream of 200 results.
func recorded(t *testing.T) []byte {
	t.Helper()
	var stream bytes.Buffer
	if _, err := (bench.Corpus{Seed: 9, Results: 200}).WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	return stream.Bytes()
}

// fingerprint sums up an output's documents, whatever the files they are in.
func fingerprint(t *testing.T, out string) string {
	t.Helper()
	db, err := duck.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, rows, err := db.Text(t.Context(), "SELECT count(*), min(_ordinal), max(_ordinal), sum(hash(COLUMNS(*))) FROM read_parquet("+
		duck.Quote(filepath.Join(out, "*.parquet"))+", hive_partitioning = false)")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows)
}

func TestConvert_ReadsEveryForm(t *testing.T) {
	a := serve(t, emulator.Config{})
	stream := recorded(t)
	dir := t.TempDir()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(stream); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"all.jsonl": stream, "all.jsonl.gz": zipped.Bytes(), "all.jsonl.zst": w.EncodeAll(stream, nil)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var want string
	for _, args := range [][]string{{"all.jsonl"}, {"all.jsonl.gz"}, {"all.jsonl.zst"}, {"all.*"}} {
		out := a.output()
		command := []string{"convert", "--out", out}
		for _, name := range args {
			command = append(command, filepath.Join(dir, name))
		}
		e := a.run(0, command...)
		if e.result.Rows != 200 || e.result.Credits != 0 || e.result.Status != "complete" {
			t.Errorf("%v: %s", args, e)
		}
		got := fingerprint(t, out)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%v holds\n%s, want\n%s", args, got, want)
		}
		tree := listing(t, out)
		if again := a.run(0, command...); again.result.Rows != 200 || listing(t, out) != tree {
			t.Errorf("%v again: %s", args, again)
		}
	}
	if n := len(a.Ledger().Requests); n != 0 {
		t.Errorf("converting made %d calls", n)
	}
}

// TestConvert_FromAPipeThatBreaks pipes a recording that is cut, then again whole, into the binary.
func TestConvert_FromAPipeThatBreaks(t *testing.T) {
	a := serve(t, emulator.Config{})
	stream := recorded(t)
	pipe := func(code int, text []byte, out string) {
		t.Helper()
		p := a.prepare("convert", "-", "--out", out)
		p.Stdin = bytes.NewReader(text)
		p.begin()
		if e := p.wait(); e.code != code {
			t.Fatalf("exit %d, want %d\n%s", e.code, code, e)
		}
	}
	out, at := a.output(), a.output()
	pipe(0, stream, at)
	want := fingerprint(t, at)
	pipe(21, nil, out)
	pipe(21, stream[:len(stream)/3], out)
	pipe(21, stream[:len(stream)/2], out)
	if got := fingerprint(t, out); got == want {
		t.Error("half a recording holds all documents")
	}
	for range 2 {
		pipe(0, stream, out)
		if got := fingerprint(t, out); got != want {
			t.Errorf("holds\n%s, want\n%s", got, want)
		}
	}
	a.run(0, "verify", out)
}

// TestConvert_RejectsBrokenLines keeps what cannot be read, and the neighbours.
func TestConvert_RejectsBrokenLines(t *testing.T) {
	a := serve(t, emulator.Config{})
	lines := strings.SplitAfter(string(recorded(t)), "\n")
	lines[100] = lines[100][:200] + "\n"
	lines[150] = "nonsense\n"
	file := filepath.Join(t.TempDir(), "broken.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	out := a.output()
	e := a.run(60, "convert", file, "--out", out)
	if e.result.Rows != 198 || e.result.Rejected != 2 {
		t.Errorf("%s", e)
	}
	kept, err := filepath.Glob(filepath.Join(out, "_tw2parquet", "*", "rejects-*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range kept {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	for _, piece := range []string{"nonsense", lines[100][:199]} {
		if !bytes.Contains(all, []byte(piece)) {
			t.Errorf("%.40q is not among the rejects", piece)
		}
	}
}

func TestConvert_Refuses(t *testing.T) {
	a := serve(t, emulator.Config{})
	for _, args := range [][]string{{}, {"/nonexistent.jsonl"}, {t.TempDir()}, {filepath.Join(t.TempDir(), "*.jsonl")}} {
		out := a.output()
		a.run(2, append([]string{"convert", "--out", out}, args...)...)
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v: something was written", args)
		}
	}
}
