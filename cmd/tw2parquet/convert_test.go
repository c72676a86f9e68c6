package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tw2parquet/bench"
)

// converting runs convert with something on standard input.
func converting(t *testing.T, stdin []byte, args ...string) (int, result, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"convert"}, args...), bytes.NewReader(stdin), &out, &errs)
	return code, lastLine(t, out.String()), errs.String()
}

// held is what an output holds, as cat prints it, in no order.
func documentsIn(t *testing.T, out string) []string {
	t.Helper()
	code, stdout, stderr := call(t, "cat", "--chunks", out)
	if code != exitOK {
		t.Fatalf("cat: exit %d\n%s", code, stderr)
	}
	return results(t, []byte(stdout))
}

// results are the results among chunks, as encoding/json reads and writes them, in no order. The last chunk
// may be torn.
func results(t *testing.T, stream []byte) (list []string) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(stream)); ; {
		var chunk map[string]any
		if err := d.Decode(&chunk); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			slices.Sort(list)
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if chunk["chunk_type"] == "CT_RESULT" {
			text, err := json.Marshal(chunk)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, string(text))
		}
	}
}

func recorded(t *testing.T, seed uint64, n, every int) []byte {
	t.Helper()
	corpus := bench.Corpus{Seed: seed, Results: n, ControlEvery: every}
	if text, ok := recordings.Load(corpus); ok {
		return bytes.Clone(text.([]byte))
	}
	var b bytes.Buffer
	if _, err := corpus.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	recordings.Store(corpus, bytes.Clone(b.Bytes()))
	return b.Bytes()
}

// recordings are those made so far: a corpus costs its vocabulary, however short it is.
var recordings sync.Map

func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t *testing.T, text []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(text, nil)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// without leaves the lines with a text out.
func without(stream []byte, text string) []byte {
	var kept [][]byte
	for line := range bytes.Lines(stream) {
		if !bytes.Contains(line, []byte(text)) {
			kept = append(kept, line)
		}
	}
	return join(kept...)
}

// inflated is what a decoder of another make reads of gzip data up to where it fails.
func inflated(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err == nil {
		t.Fatal("gzip data is whole")
	}
	return text
}

// TestConvert_JudgesRecordings converts every form of a recording from a file and from a pipe, into one output.
func TestConvert_JudgesRecordings(t *testing.T) {
	stream := recorded(t, 5, 30, 10)
	lines := slices.Collect(bytes.Lines(stream))
	last := len(stream) - len(lines[len(lines)-1])
	cutGzip := gzipped(t, stream)
	cutGzip = cutGzip[:2*len(cutGzip)/3]
	big := recorded(t, 5, 600, 0)
	cutZstd := zstandard(t, big)
	cutZstd = cutZstd[:len(cutZstd)-len(cutZstd)/8]
	damaged := gzipped(t, stream)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for name, c := range map[string]struct {
		input  []byte
		holds  []byte // what must be converted; nil: any beginning of it
		code   int
		accept int // the code with --allow-cut
		says   string
	}{
		"whole":                       {stream, stream, exitOK, exitOK, ""},
		"without a last newline":      {bytes.TrimRight(stream, "\n"), stream, exitOK, exitOK, ""},
		"with CRLF":                   {bytes.ReplaceAll(stream, []byte("\n"), []byte("\r\n")), stream, exitOK, exitOK, ""},
		"with a byte order mark":      {join([]byte("\xef\xbb\xbf"), stream), stream, exitOK, exitOK, ""},
		"with zeros behind":           {join(stream, make([]byte, 4096)), stream, exitOK, exitOK, ""},
		"control chunks only":         {lines[0], nil, exitOK, exitOK, ""},
		"empty":                       {nil, nil, exitStream, exitOK, "is cut: it is empty"},
		"blank":                       {[]byte("\n \n"), nil, exitStream, exitOK, "is cut: it is empty"},
		"last control chunk missing":  {stream[:last], stream, exitStream, exitOK, "no control chunk follows its last results"},
		"last control chunk torn":     {stream[:len(stream)-9], stream, exitStream, exitOK, "in the middle of a chunk"},
		"torn":                        {stream[:last-40], stream[:last-40], exitStream, exitOK, "in the middle of a chunk"},
		"torn in the first chunk":     {stream[:20], nil, exitStream, exitOK, "in the middle of a chunk"},
		"filtered":                    {without(stream, "CT_CONTROL"), stream, exitOK, exitOK, "has no control chunk"},
		"filtered, no last newline":   {bytes.TrimRight(without(stream, "CT_CONTROL"), "\n"), stream, exitOK, exitOK, "has no control chunk"},
		"filtered and torn":           {without(stream, "CT_CONTROL")[:50000], nil, exitStream, exitOK, "in the middle of a chunk"},
		"ended by an error":           {join(stream, []byte(`{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"25"}}`)), stream, exitStream, exitOK, "ends with an error of the API"},
		"gzip":                        {gzipped(t, stream), stream, exitOK, exitOK, ""},
		"gzip with zeros behind":      {join(gzipped(t, stream), make([]byte, 10000)), stream, exitOK, exitOK, ""},
		"gzip in members":             {join(gzipped(t, stream[:last]), make([]byte, 3), gzipped(t, stream[last:])), stream, exitOK, exitOK, ""},
		"gzip of nothing":             {gzipped(t, nil), nil, exitStream, exitOK, "is cut: it is empty"},
		"gzip, cut":                   {cutGzip, inflated(t, cutGzip), exitStream, exitOK, "the gzip data ends too early"},
		"gzip, cut in its head":       {cutGzip[:5], nil, exitStream, exitOK, "the gzip data ends too early"},
		"gzip, damaged":               {damaged, stream, exitStream, exitStream, "the gzip data is damaged"},
		"gzip with something behind":  {join(gzipped(t, stream), []byte("something")), stream, exitStream, exitStream, "the gzip data is damaged"},
		"zstd":                        {zstandard(t, stream), stream, exitOK, exitOK, ""},
		"zstd in frames":              {join(zstandard(t, stream[:last]), zstandard(t, stream[last:])), stream, exitOK, exitOK, ""},
		"zstd, cut":                   {cutZstd, nil, exitStream, exitOK, "the zstd data ends too early"},
		"zstd with something behind":  {join(zstandard(t, stream), []byte("something")), stream, exitStream, exitStream, "the zstd data is damaged"},
		"an unknown chunk at its end": {join(stream, []byte(`{"chunk_type":"CT_NEWS"}`)), stream, exitOK, exitOK, ""},
	} {
		want := results(t, c.holds)
		if name == "filtered and torn" {
			want = results(t, c.input)
		}
		dir := t.TempDir()
		file, out := filepath.Join(dir, "rec"), filepath.Join(dir, "lake")
		if err := os.WriteFile(file, c.input, 0o600); err != nil {
			t.Fatal(err)
		}
		for step, args := range [][]string{{file}, {stdinName}, {stdinName, "--allow-cut"}, {file}} {
			if step == 2 && c.code == exitOK {
				break
			}
			code := c.code
			if step >= 2 {
				code = c.accept // and what was accepted stays so
			}
			got, r, stderr := converting(t, c.input, append(args, "--out", out)...)
			said := stderr
			if r.Error != nil {
				said += r.Error.Message
				if r.Error.Retryable || strings.Contains(r.Error.Hint, "kept") != (r.Rows > 0) {
					t.Errorf("%s: %d rows are kept, and the error is %+v", name, r.Rows, r.Error)
				}
			}
			if got != code || r.Rejected != 0 || !strings.Contains(said, c.says) && step == 0 {
				t.Fatalf("%s, step %d: exit %d, want %d\n%s%+v", name, step, got, code, said, r)
			}
			if r.Rows == 0 && code != exitOK {
				if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: something was written: %v", name, err)
				}
				continue
			}
			if step%2 == 0 {
				continue // looked at after the next step, which must not change it
			}
			have := documentsIn(t, out)
			if name == "zstd, cut" { // the last block is lost
				want = have
				if missing := len(results(t, big)) - len(have); missing == 0 || missing > 200 {
					t.Errorf("%s: %d results are missing", name, missing)
				}
			}
			if int64(len(have)) != r.Rows || !slices.Equal(have, want) {
				t.Errorf("%s, step %d: %d results, want %d; the result says %d", name, step, len(have), len(want), r.Rows)
			}
		}
	}
}

// TestConvert_GoesOnOnceTheRecordingIsWhole converts a recording that is cut at various places, then whole,
// then grown, in every form, and holds the output to each result once.
func TestConvert_GoesOnOnceTheRecordingIsWhole(t *testing.T) {
	grown := recorded(t, 5, 600, 50) // 2 MB: more than what names a run
	ends := []int{}
	for at, line := 0, []byte(nil); at < len(grown); at += len(line) {
		line = grown[at : at+bytes.IndexByte(grown[at:], '\n')+1]
		if bytes.Contains(line, []byte("CT_CONTROL")) {
			ends = append(ends, at+len(line))
		}
	}
	whole := ends[len(ends)*2/3]
	forms := []func(t *testing.T, text []byte) []byte{func(_ *testing.T, text []byte) []byte { return text }, gzipped, zstandard}
	cuts := []int{headBytes + 1, ends[0] + 5000}
	if testing.Short() {
		cuts = cuts[:1]
	}
	for i, cut := range cuts {
		out := filepath.Join(t.TempDir(), "lake")
		for step, end := range []int{cut, whole, len(grown), len(grown)} {
			input := forms[(i+step)%len(forms)](t, grown[:end])
			arg, stdin := stdinName, input
			if (i+step)%2 == 0 {
				arg, stdin = filepath.Join(t.TempDir(), "rec"), nil
				if err := os.WriteFile(arg, input, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want := exitOK
			if end == cut {
				want = exitStream
			}
			code, r, stderr := converting(t, stdin, arg, "--out", out, "--file-rows=200", "--row-group-size=256KiB")
			if code != want {
				t.Fatalf("cut at %d, step %d: exit %d, want %d\n%s%+v", cut, step, code, want, stderr, r.Error)
			}
			if have, want := documentsIn(t, out), results(t, grown[:end]); !slices.Equal(have, want) || r.Rows != int64(len(want)) {
				t.Fatalf("cut at %d, step %d: %d results (the result says %d), want %d", cut, step, len(have), r.Rows, len(want))
			}
		}
		if code, stdout, stderr := call(t, "verify", out); code != exitOK {
			t.Errorf("verify: exit %d\n%s%s", code, stdout, stderr)
		}
	}
}

// TestConvert_AcceptedCutsGoOnToo accepts a cut, and converts the whole recording later.
func TestConvert_AcceptedCutsGoOnToo(t *testing.T) {
	stream := recorded(t, 5, 300, 100)
	out := filepath.Join(t.TempDir(), "lake")
	if code, r, _ := converting(t, stream[:len(stream)/2], "-", "--out", out, "--allow-cut"); code != exitOK || r.Status != "complete" {
		t.Fatalf("exit %d: %+v", code, r)
	}
	if code, r, _ := converting(t, stream, "-", "--out", out); code != exitOK || r.Rows != 300 {
		t.Fatalf("exit %d: %+v", code, r)
	}
	if have := documentsIn(t, out); !slices.Equal(have, results(t, stream)) {
		t.Errorf("%d results", len(have))
	}
}

// TestConvert_EveryInputIsARecording converts good and bad ones together.
func TestConvert_EveryInputIsARecording(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "lake")
	recordings := map[string][]byte{"a": recorded(t, 1, 50, 10), "b": recorded(t, 2, 60, 10), "c": recorded(t, 3, 70, 10), "copy of a.gz": gzipped(t, recorded(t, 1, 50, 10))}
	whole := recordings["b"]
	recordings["b"] = whole[:len(whole)/2]
	write := func() {
		for name, text := range recordings {
			if err := os.WriteFile(filepath.Join(dir, "rec-"+name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	glob := filepath.Join(dir, "rec-*")
	code, r, stderr := converting(t, nil, glob, "--out", out)
	if code != exitStream || !strings.Contains(r.Error.Message, "rec-b is cut") || len(r.Windows) != 3 {
		t.Fatalf("exit %d\n%s%+v", code, stderr, r)
	}
	want := join(recordings["a"], recordings["b"][:bytes.LastIndexByte(recordings["b"], '\n')+1], recordings["c"])
	if have := documentsIn(t, out); !slices.Equal(have, results(t, want)) {
		t.Errorf("%d results, want %d", len(have), len(results(t, want)))
	}
	recordings["b"], recordings["d"] = whole, recorded(t, 4, 80, 10)
	write()
	if code, r, stderr := converting(t, nil, glob, "--out", out); code != exitOK || r.Rows != 50+60+70+80 {
		t.Fatalf("exit %d\n%s%+v", code, stderr, r)
	}
	if have := documentsIn(t, out); !slices.Equal(have, results(t, join(recordings["a"], whole, recordings["c"], recordings["d"]))) {
		t.Errorf("%d results", len(have))
	}
}

// TestConvert_RefusesARecordingThatBecameAnother must not add to a run what does not belong to it.
func TestConvert_RefusesARecordingThatBecameAnother(t *testing.T) {
	stream := recorded(t, 5, 600, 100)
	at := 3 * len(stream) / 4
	from := at + bytes.Index(stream[at:], []byte(`"url":"`))
	changed := slices.Clone(stream)
	changed[from+len(`"url":"`)] ^= 1
	out := filepath.Join(t.TempDir(), "lake")
	for _, first := range [][]byte{stream, stream[:len(stream)-10]} {
		converting(t, first, "-", "--out", out)
		before := documentsIn(t, out)
		code, r, _ := converting(t, changed, "-", "--out", out)
		if code != exitForeign || !strings.Contains(r.Error.Message, "begins like the recording") {
			t.Errorf("exit %d: %+v", code, r.Error)
		}
		if !slices.Equal(documentsIn(t, out), before) {
			t.Error("the output has changed")
		}
		out = filepath.Join(t.TempDir(), "lake")
	}
	// One that begins otherwise is another, although the first result is the same.
	lines := slices.Collect(bytes.Lines(stream))
	for _, other := range [][]byte{join(lines[0], lines[1], lines[2], lines[len(lines)-1]), join(lines[0], lines[1], lines[3], lines[len(lines)-1])} {
		if code, r, stderr := converting(t, other, "-", "--out", out); code != exitOK || r.Rows != 2 {
			t.Errorf("exit %d: %s%+v", code, stderr, r)
		}
	}
}

// TestConvert_DoesNotReadAgain makes a complete recording unreadable without changing what a listing tells.
func TestConvert_DoesNotReadAgain(t *testing.T) {
	stream := recorded(t, 5, 500, 100)
	in, out := filepath.Join(t.TempDir(), "rec"), filepath.Join(t.TempDir(), "lake")
	if err := os.WriteFile(in, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := converting(t, nil, in, "--out", out); code != exitOK {
		t.Fatal(code, stderr)
	}
	info, err := os.Stat(in)
	if err != nil {
		t.Fatal(err)
	}
	clear(stream[headBytes+1:])
	if err := errors.Join(os.WriteFile(in, stream, 0o600), os.Chtimes(in, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	if code, r, stderr := converting(t, nil, in, "--out", out); code != exitOK || r.Rows != 500 {
		t.Errorf("exit %d, %d rows\n%s", code, r.Rows, stderr)
	}
}

// TestConvert_ReadsAPipeByNameOnce gives pipes as files, as a shell's <(…) does: what was looked at is not lost.
func TestConvert_ReadsAPipeByNameOnce(t *testing.T) {
	dir := t.TempDir()
	out, args, want := filepath.Join(dir, "lake"), []string{"--out"}, []byte(nil)
	args = append(args, out)
	for seed := range uint64(2) {
		text, name := recorded(t, seed, 40, 10), filepath.Join(dir, string(rune('a'+seed)))
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() { written <- os.WriteFile(name, gzipped(t, text), 0o600) }()
		t.Cleanup(func() {
			if err := <-written; err != nil {
				t.Error(err)
			}
		})
		args, want = append(args, name), append(want, text...)
	}
	if code, _, stderr := converting(t, nil, args...); code != exitOK {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	if have := documentsIn(t, out); !slices.Equal(have, results(t, want)) {
		t.Errorf("%d results", len(have))
	}
}
