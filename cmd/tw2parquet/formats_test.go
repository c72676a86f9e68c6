package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// packing is what a writer of another make wraps around text.
func packing(t *testing.T, write func(b *bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wideText is ASCII text in characters of several bytes.
func wideText(order binary.AppendByteOrder, width int, mark bool, text []byte) (out []byte) {
	s := string(text)
	if mark {
		s = "\ufeff" + s
	}
	for _, r := range s {
		if width == 4 {
			out = order.AppendUint32(out, uint32(r))
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			out = order.AppendUint16(out, u)
		}
	}
	return out
}

func TestConvert_RecognisesOtherFormats(t *testing.T) {
	stream := recorded(t, 5, 20, 10)
	parquet := filepath.Join(t.TempDir(), "lake")
	if code, _, stderr := converting(t, stream, "-", "--out", parquet); code != exitOK {
		t.Fatal(stderr)
	}
	names, err := filepath.Glob(filepath.Join(parquet, "*.parquet"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	own, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	table := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	builder := array.NewRecordBuilder(memory.DefaultAllocator, table)
	builder.Field(0).(*array.Int64Builder).Append(1)
	record := builder.NewRecordBatch()
	defer record.Release()
	le, be := binary.LittleEndian, binary.BigEndian
	for name, c := range map[string]struct {
		input []byte
		says  string
	}{
		"xz":        {join([]byte("\xfd7zXZ\x00\x00\x04"), stream), "xz-compressed"},
		"bzip2":     {join([]byte("BZh91AY&SY"), stream), "bzip2-compressed"},
		"lz4":       {join([]byte("\x04\x22\x4d\x18\x64\x40"), stream), "lz4-compressed"},
		"lzip":      {join([]byte("LZIP\x01"), stream), "lzip-compressed"},
		"compress":  {[]byte("\x1f\x9d\x90{"), "compressed by compress"},
		"7z":        {[]byte("7z\xbc\xaf\x27\x1c\x00\x04"), "7z archive"},
		"snappy":    {[]byte("\xff\x06\x00\x00sNaPpY\x01"), "snappy-compressed"},
		"twice":     {gzipped(t, gzipped(t, stream)), "compressed twice"},
		"zstd gzip": {zstandard(t, gzipped(t, stream)), "compressed twice"},
		"zlib": {packing(t, func(b *bytes.Buffer) error {
			z := zlib.NewWriter(b)
			_, err := z.Write(stream)
			return errors.Join(err, z.Close())
		}), "zlib-compressed"},
		"zip": {packing(t, func(b *bytes.Buffer) error {
			z := zip.NewWriter(b)
			w, err := z.Create("rec.ndjson")
			if err == nil {
				_, err = w.Write(stream)
			}
			return errors.Join(err, z.Close())
		}), "zip archive"},
		"empty zip": {packing(t, func(b *bytes.Buffer) error { return zip.NewWriter(b).Close() }), "zip archive"},
		"tar.gz": {gzipped(t, packing(t, func(b *bytes.Buffer) error {
			w := tar.NewWriter(b)
			err := w.WriteHeader(&tar.Header{Name: "rec.ndjson", Mode: 0o600, Size: int64(len(stream))})
			if err == nil {
				_, err = w.Write(stream)
			}
			return errors.Join(err, w.Close())
		})), "tar archive"},
		"Parquet": {own, "a Parquet file"},
		"Arrow file": {packing(t, func(b *bytes.Buffer) error {
			w, err := ipc.NewFileWriter(b, ipc.WithSchema(table))
			if err != nil {
				return err
			}
			return errors.Join(w.Write(record), w.Close())
		}), "an Arrow IPC file"},
		"Arrow stream": {packing(t, func(b *bytes.Buffer) error {
			w := ipc.NewWriter(b, ipc.WithSchema(table))
			return errors.Join(w.Write(record), w.Close())
		}), "an Arrow IPC stream"},
		"Avro":              {[]byte("Obj\x01\x04\x16avro.schema"), "an Avro file"},
		"ORC":               {[]byte("ORC\x0a\x0b"), "an ORC file"},
		"SQLite":            {[]byte("SQLite format 3\x00\x10\x00"), "an SQLite database"},
		"UTF-16LE":          {wideText(le, 2, false, stream), "UTF-16LE text"},
		"UTF-16BE":          {wideText(be, 2, false, stream), "UTF-16BE text"},
		"UTF-32LE":          {wideText(le, 4, false, stream), "UTF-32LE text"},
		"UTF-32BE":          {wideText(be, 4, false, stream), "UTF-32BE text"},
		"UTF-16LE, marked":  {wideText(le, 2, true, stream), "UTF-16 text"},
		"UTF-16BE, marked":  {wideText(be, 2, true, stream), "UTF-16 text"},
		"UTF-32LE, marked":  {wideText(le, 4, true, stream), "UTF-32 text"},
		"UTF-32BE, marked":  {wideText(be, 4, true, stream), "UTF-32 text"},
		"HTML":              {[]byte("\n<!DOCTYPE html>\n<html><body>Sign in</body></html>"), "an HTML page"},
		"HTML, marked":      {[]byte("\xef\xbb\xbf<HTML>"), "an HTML page"},
		"XML":               {[]byte("<?xml version=\"1.0\"?><a/>"), "XML"},
		"CSV":               {[]byte("url,published,title\nhttps://example.org,1,\"a, b\"\n"), "a table"},
		"TSV":               {[]byte("url\tpublished\nhttps://example.org\t1\n"), "a table"},
		"CSV header":        {[]byte("url;published;title\r\n"), "a table"},
		"JSON array":        {join([]byte("[\n"), bytes.ReplaceAll(bytes.TrimSpace(stream), []byte("\n"), []byte(",\n")), []byte("]")), "a JSON array"},
		"documents":         {[]byte("{\"url\":\"https://example.org\"}\n{\"url\":\"https://example.org/2\"}\n"), "JSON without result chunks"},
		"answer of the API": {[]byte(`{"status_code":"7","status_message":"access denied"}`), "an answer of the API"},
	} {
		dir := t.TempDir()
		good, file, out := filepath.Join(dir, "good"), filepath.Join(dir, "strange"), filepath.Join(dir, "lake")
		if err := errors.Join(os.WriteFile(good, stream, 0o600), os.WriteFile(file, c.input, 0o600)); err != nil {
			t.Fatal(err)
		}
		// Behind a good one, so that it shows when something was written before.
		for _, args := range [][]string{{good, file}, {good, stdinName}} {
			code, r, stderr := converting(t, c.input, append(args, "--out", out)...)
			if code != exitUsage || r.Error == nil || !strings.Contains(r.Error.Message, " is "+c.says) && !strings.Contains(r.Error.Message, c.says) {
				t.Errorf("%s: exit %d: %+v\n%s", name, code, r.Error, stderr)
				continue
			}
			if want := map[bool]string{true: "standard input", false: file}[args[1] == stdinName]; !strings.Contains(r.Error.Message, want) {
				t.Errorf("%s: %s is not named in %s", name, want, r.Error.Message)
			}
			if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: something was written: %v", name, err)
			}
		}
	}
}

// TestForeign_LetsRecordingsThrough takes damaged and odd recordings for recordings: rejects tell what is
// wrong with them line by line, and an end that is missing is told as such.
func TestForeign_LetsRecordingsThrough(t *testing.T) {
	const chunk = `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"u"}}}}`
	for _, text := range []string{
		"", "\n", "\x00\x00\x00\x00", chunk, chunk + "\n", "\xef\xbb\xbf" + chunk, "\r\n" + chunk, "\x00\x00\x00" + chunk, chunk + chunk,
		"{\n  \"chunk_type\" : \"CT_RESULT\" }", `{"chunk_result":{},"chunk_type":"CT_RESULT"}`, `{`, `{"`, `{"chu`, `{"chunk_type`,
		"a, b, c\nd, e, f\n" + chunk, "nonsense\n" + chunk, "nonsense\n", "BZhere comes a log\n" + chunk, "xyz" + chunk,
		`lain","x":1}}}}` + "\n" + chunk, // a piece that split made
		`{"took":3}` + "\n" + chunk,
	} {
		if f, ok := foreign([]byte(text), true); ok {
			t.Errorf("%q is taken for %s", text, f.name)
		}
	}
}
