package emulator

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"slices"
	"syscall"
)

const (
	// indexSize is how much of a file is read at once while it is indexed.
	indexSize = 1 << 20
	// maxLine bounds what one document may take of the memory.
	maxLine = 1 << 30
)

// DocumentFile is a file of JSON Lines that a server delivers in the place of generated documents: documents, or chunks
// as a read delivered them. It holds where the lines are, 24 bytes for each, and nothing of their text, so that a file
// may be larger than the memory. The file must not change while it is served. Any number of reads may use it at once.
type DocumentFile struct {
	path  string
	file  *os.File
	lines []fileLine
}

// fileLine is one result of a file.
type fileLine struct {
	at        int64 // of its first byte
	published int64 // epoch ms; 0: in every range
	size      uint32
	bare      bool // a document, which has to be wrapped into a chunk
}

// OpenDocuments indexes a file. Blank lines are passed over, and what else than results a recording has: control chunks, as the
// server writes its own, and error chunks, which were that connection's (see Faults). A line that is not one JSON object is an
// error that names file and line. The caller closes the file after Serve.
func OpenDocuments(path string) (_ *DocumentFile, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // waits for no writer of a pipe
	if err != nil {
		return nil, err
	}
	f := &DocumentFile{path: path, file: file}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if info, err := file.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file, which is read at any place and more than once", path)
	}
	if err := f.index(); err != nil {
		return nil, err
	}
	if len(f.lines) == 0 {
		return nil, fmt.Errorf("%s holds no documents", path)
	}
	f.lines = slices.Clip(f.lines)
	return f, nil
}

// Close closes the file. What is being read ends with an error.
func (f *DocumentFile) Close() error { return f.file.Close() }

// index finds the lines.
func (f *DocumentFile) index() error {
	in := bufio.NewReaderSize(f.file, indexSize)
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		if head, _ := in.Peek(len(magic)); string(head) == magic {
			return fmt.Errorf("%s is compressed, and is read at any place; decompress it first: zstd -d %[1]s or gzip -dk %[1]s", f.path)
		}
	}
	at := int64(0)
	var long []byte // a line that in cannot hold
	for number := 1; ; number++ {
		text, err := in.ReadSlice('\n')
		for long = long[:0]; errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxLine; text, err = in.ReadSlice('\n') {
			long = append(long, text...)
		}
		if len(long) > 0 {
			long = append(long, text...)
			text = long
		}
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("%s, line %d: %w", f.path, number, err)
		}
		if bad := f.add(text, at); bad != nil {
			return fmt.Errorf("%s, line %d: %w", f.path, number, bad)
		}
		if err != nil {
			return nil
		}
		at += int64(len(text))
	}
}

// add takes a line, with whatever surrounds it, that begins at a place of the file.
func (f *DocumentFile) add(line []byte, at int64) error {
	if len(line) > maxLine {
		return fmt.Errorf("longer than %d MiB", maxLine>>20)
	}
	if at == 0 {
		line, at = skipped(line, len(line)-len(bytes.TrimPrefix(line, []byte("\ufeff"))), at)
	}
	line, at = skipped(line, len(line)-len(bytes.TrimLeft(line, " \t\r\n")), at)
	line = bytes.TrimRight(line, " \t\r\n")
	if len(line) == 0 {
		return nil
	}
	g, ok := glance(line)
	switch {
	case !ok:
		return errors.New("not a JSON object; expected one document or one chunk on each line")
	case g.kind == `"CT_CONTROL"` || g.kind == `"CT_ERROR"`:
		return nil
	case len(f.lines) == math.MaxUint32:
		return fmt.Errorf("more than %d documents", uint32(math.MaxUint32))
	}
	f.lines = append(f.lines, fileLine{at: at, published: g.published, size: uint32(len(line)), bare: g.kind == ""})
	return nil
}

func skipped(line []byte, n int, at int64) ([]byte, int64) { return line[n:], at + int64(n) }

// pick returns the documents of [from, to), by their numbers: the first at most n, and how many there are in all.
func (f *DocumentFile) pick(from, to int64, n int) (rows []uint32, total int64) {
	for i := range f.lines {
		if p := f.lines[i].published; p > 0 && (p < from || p >= to) {
			continue
		}
		if total++; len(rows) < n {
			rows = append(rows, uint32(i))
		}
	}
	return rows, total
}

// appendChunks appends the chunks of the first of rows, each but the last with a newline behind it: as many as stand on
// neighbouring lines of the file and take up to room bytes there, one at least. It returns how many these are. On an
// error dst is as it was.
func (f *DocumentFile) appendChunks(dst []byte, rows []uint32, room int) ([]byte, int, error) {
	first := &f.lines[rows[0]]
	last, n := first, 1
	for ; n < len(rows) && rows[n] == rows[n-1]+1; n++ {
		next := &f.lines[rows[n]]
		end := next.at + int64(next.size)
		if next.at != last.at+int64(last.size)+1 || next.bare != first.bare || end-first.at > int64(room) {
			break
		}
		last = next
	}
	size := int(last.at - first.at + int64(last.size))
	from := len(dst)
	if first.bare {
		from += n * len(chunkStart+chunkEnd)
	}
	out := slices.Grow(dst, from-len(dst)+size)[:from+size]
	if _, err := f.file.ReadAt(out[from:], first.at); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("cut short since it was indexed")
		}
		return dst, 0, fmt.Errorf("read %s: %w", f.path, err)
	}
	if !first.bare {
		return out, n, nil
	}
	// The lines lie where the last of the chunks will end. What is written in front never overtakes what is still to be
	// read: that much room was left for all chunks' own parts.
	text := out[from:]
	out = out[:len(dst)]
	for i, row := range rows[:n] {
		if i > 0 {
			out = append(out, '\n')
		}
		line := f.lines[row]
		begin := line.at - first.at
		out = append(out, chunkStart...)
		out = append(out, text[begin:begin+int64(line.size)]...)
		out = append(out, chunkEnd...)
	}
	return out, n, nil
}

// broken ends a read whose documents cannot be had, without the end of its answer: a proper one would hide it.
func (rd *read) broken(err error) {
	rd.c.s.cfg.Logger.Error("an answer breaks off", slog.String("error", err.Error()))
	panic(http.ErrAbortHandler)
}
