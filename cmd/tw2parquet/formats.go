package main

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// format is something that people take for a recording. Read as one, it would become thousands of rejects.
type format struct {
	name string // "is …"
	todo string // what makes a recording of it; %s is its name
}

// through converts the input with a command that writes to standard output.
func through(command string) string {
	return "convert it on the way: " + command + " | tw2parquet convert - --out …"
}

const notAStream = "use the output of the API's results call, one chunk per line"

// magics are the first bytes of formats, longer ones first where one begins with another.
var magics = []struct {
	bytes string
	format
}{
	{"\xfd7zXZ\x00", format{"xz-compressed", through("xz -dc %s")}},
	{"BZh", format{"bzip2-compressed", through("bzip2 -dc %s")}},
	{"\x04\x22\x4d\x18", format{"lz4-compressed", through("lz4 -dc %s")}},
	{"\x02\x21\x4c\x18", format{"lz4-compressed", through("lz4 -dc %s")}},
	{"LZIP\x01", format{"lzip-compressed", through("lzip -dc %s")}},
	{"\x1f\x9d", format{"compressed by compress", through("gzip -dc %s")}},
	{"\xff\x06\x00\x00sNaPpY", format{"snappy-compressed", "decompress it first"}},
	{"PK\x03\x04", format{"a zip archive", through("unzip -p %s")}},
	{"PK\x05\x06", format{"an empty zip archive", notAStream}},
	{"7z\xbc\xaf\x27\x1c", format{"a 7z archive", through("7z x -so %s")}},
	{"Rar!\x1a\x07", format{"a rar archive", "unpack it first"}},
	{"PAR1", format{"a Parquet file", "it needs no conversion; tw2parquet cat prints the documents in files of this program"}},
	{"PARE", format{"an encrypted Parquet file", notAStream}},
	{"ARROW1", format{"an Arrow IPC file", notAStream}},
	{"FEA1", format{"a Feather file", notAStream}},
	{"\xff\xff\xff\xff", format{"an Arrow IPC stream", notAStream}},
	{"Obj\x01", format{"an Avro file", notAStream}},
	{"ORC", format{"an ORC file", notAStream}},
	{"SQLite format 3\x00", format{"an SQLite database", notAStream}},
	{"%PDF-", format{"a PDF file", notAStream}},
	{"\x89PNG\r\n\x1a\n", format{"a PNG image", notAStream}},
	{"\xff\xfe\x00\x00", format{"UTF-32 text", through("iconv -f UTF-32 -t UTF-8 %s")}},
	{"\x00\x00\xfe\xff", format{"UTF-32 text", through("iconv -f UTF-32 -t UTF-8 %s")}},
	{"\xff\xfe", format{"UTF-16 text", through("iconv -f UTF-16 -t UTF-8 %s")}},
	{"\xfe\xff", format{"UTF-16 text", through("iconv -f UTF-16 -t UTF-8 %s")}},
}

// compressions are what is inflated (RFC 1952, RFC 8878). The name's ending is not asked: standard input
// has none.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// sniffed is how much of an input is looked at.
const sniffed = 64 << 10

// foreign recognises an input by its beginning, after decompression. whole tells that head is all of it.
func foreign(head []byte, whole bool) (format, bool) {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.bytes)) && !(m.bytes == "BZh" && !bzip2(head)) {
			return m.format, true
		}
	}
	const tarMagic = 257 // POSIX.1-1988: after the first file's name, mode, owner, size and so on
	switch {
	case bytes.HasPrefix(head, gzipMagic), bytes.HasPrefix(head, zstdMagic):
		return format{"compressed twice", "decompress it once, then convert it"}, true
	case len(head) > tarMagic+5 && string(head[tarMagic:tarMagic+5]) == "ustar":
		return format{"a tar archive", through("tar -xOf %s")}, true
	case len(head) > 1 && head[0] == 'x' && bytes.IndexByte([]byte("\x01\x9c\xda"), head[1]) >= 0:
		return format{"zlib-compressed", "decompress it first; curl --compressed records what it inflates"}, true
	}
	if name := wide(head); name != "" {
		return format{name + " text", through("iconv -f " + name + " -t UTF-8 %s")}, true
	}
	return foreignText(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\x00"), whole)
}

// bzip2 tells a bzip2 stream from text that begins with BZh: a level, then the magic of a block or of the end.
func bzip2(head []byte) bool {
	return len(head) >= 10 && head[3]-'1' < 9 && (string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

// wide recognises UTF-16 and UTF-32 without a byte order mark: the first characters are ASCII.
func wide(head []byte) string {
	for _, w := range []struct {
		name      string
		width, at int
	}{{"UTF-32LE", 4, 0}, {"UTF-32BE", 4, 3}, {"UTF-16LE", 2, 0}, {"UTF-16BE", 2, 1}} {
		const characters = 2
		fits := len(head) >= characters*w.width
		for i := 0; fits && i < characters*w.width; i++ {
			letter := i%w.width == w.at
			fits = letter == (head[i] != 0) && head[i] < 0x80
		}
		if fits {
			return w.name
		}
	}
	return ""
}

// foreignText recognises text that holds no chunks. What might be a damaged recording is taken for one:
// rejects tell of damage line by line.
func foreignText(head []byte, whole bool) (format, bool) {
	lower := bytes.ToLower(head[:min(len(head), 64)])
	starts := func(s string) bool { return bytes.HasPrefix(lower, []byte(s)) }
	chunks, lines := bytes.Contains(head, []byte(`"chunk_`)), !whole || bytes.IndexByte(head, '\n') >= 0
	switch {
	case len(head) == 0:
	case starts("<!doctype html"), starts("<html"), starts("<head"), starts("<body"):
		return format{"an HTML page", "a proxy or a login page answered in place of the API; record again"}, true
	case head[0] == '<':
		return format{"XML or HTML", notAStream}, true
	case head[0] == '[' && bytes.HasPrefix(bytes.TrimLeft(head[1:], " \t\r\n"), []byte("{")):
		return format{"a JSON array", through("jq -c '.[]' %s")}, true
	case chunks:
	case starts(`{"status_code"`):
		return format{"an answer of the API without results", "it says what went wrong; record again"}, true
	case head[0] == '{' && lines:
		return format{"JSON without result chunks", notAStream + "; documents alone cannot be converted"}, true
	case head[0] != '{' && table(head):
		return format{"a table such as CSV", notAStream}, true
	}
	return format{}, false
}

// table recognises separated values: two lines of text that split into the same number of several fields.
func table(head []byte) bool {
	lines := strings.SplitN(string(head), "\n", 3)
	if len(lines) < 2 || !utf8.ValidString(lines[0]) {
		return false
	}
	for _, separator := range []string{"\t", ",", ";", "|"} {
		if n := strings.Count(lines[0], separator); n > 0 && (lines[1] == "" || strings.Count(lines[1], separator) >= n) {
			return true
		}
	}
	return false
}
