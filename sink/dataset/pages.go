package dataset

import (
	"fmt"
	"hash/crc32"
	"io"

	"tw2parquet/sink/parquet"
)

// Caps of a page that is worth decompressing. Ours hold some 8 MiB, or one value, which
// --max-document-size bounds; levels of a hostile page can claim 2^31 entries in ten bytes.
const (
	maxPageBytes  = 1 << 30
	maxPageValues = 1 << 27
)

// headerBytes are read for a page header at first, and maxHeaderBytes if those do not hold it:
// headers may carry bounds of the values.
const (
	headerBytes    = 512
	maxHeaderBytes = 64 << 10
)

// codecs that the reader knows and that we write (CompressionCodec of parquet.thrift): none, snappy,
// zstd.
func knownCodec(c int64) bool { return c == 0 || c == 1 || c == 6 }

// walker goes over the pages of a file without decoding them.
type walker struct {
	in     io.ReaderAt
	sums   bool // read the bodies and compare their checksums
	pages  int64
	buf    []byte
	buffer []byte
}

// check walks over every chunk of every row group.
func (w *walker) check(groups []parquet.RowGroup) error {
	for i := range groups {
		g := &groups[i]
		if len(g.Chunks) != len(groups[0].Chunks) {
			return fmt.Errorf("row group %d has %d columns, the first has %d", i, len(g.Chunks), len(groups[0].Chunks))
		}
		for j := range g.Chunks {
			if err := w.chunk(&g.Chunks[j]); err != nil {
				return fmt.Errorf("row group %d, column %s, %w", i, clean(g.Chunks[j].Column), err)
			}
		}
	}
	return nil
}

func (w *walker) chunk(c *parquet.Chunk) error {
	if !knownCodec(c.Codec) {
		return fmt.Errorf("codec %d is not one that this program writes", c.Codec)
	}
	pos, end, values := c.First, c.First+c.Bytes, int64(0)
	for n := 0; pos < end; n++ {
		h, err := w.header(pos, end)
		if err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		body := pos + int64(h.Length)
		switch {
		case h.Bytes > end-body:
			return fmt.Errorf("page %d: it claims %d bytes, %d are left", n, h.Bytes, end-body)
		case h.Uncompressed > maxPageBytes:
			return fmt.Errorf("page %d: it claims %d bytes uncompressed", n, h.Uncompressed)
		case h.Values > maxPageValues:
			return fmt.Errorf("page %d: it claims %d entries", n, h.Values)
		case h.Type == parquet.DictionaryPage && n > 0:
			return fmt.Errorf("page %d: a dictionary after data", n)
		case h.Type == parquet.DataPage || h.Type == parquet.DataPageV2:
			values += h.Values
		case h.Type != parquet.DictionaryPage:
			return fmt.Errorf("page %d: unknown page type %d", n, h.Type)
		}
		if w.sums && h.HasCRC {
			sum, err := w.sum(body, h.Bytes)
			if err != nil {
				return fmt.Errorf("page %d: %w", n, err)
			}
			if sum != h.CRC {
				return fmt.Errorf("page %d: its bytes do not match its checksum", n)
			}
		}
		w.pages++
		pos = body + h.Bytes
	}
	if values != c.Values {
		return fmt.Errorf("the pages hold %d entries, the footer says %d", values, c.Values)
	}
	return nil
}

// header reads the page header at pos.
func (w *walker) header(pos, end int64) (parquet.PageHeader, error) {
	if w.buf == nil {
		w.buf = make([]byte, maxHeaderBytes)
	}
	for _, n := range []int64{headerBytes, maxHeaderBytes} {
		b := w.buf[:min(n, end-pos)]
		if _, err := w.in.ReadAt(b, pos); err != nil {
			return parquet.PageHeader{}, err
		}
		if h, err := parquet.ReadPageHeader(b); err == nil || int64(len(b)) == end-pos {
			return h, err
		}
	}
	return parquet.PageHeader{}, parquet.ErrPageHeader
}

// sum is the CRC of a page's body as it is stored (parquet.thrift, PageHeader.crc).
func (w *walker) sum(pos, n int64) (uint32, error) {
	if w.buffer == nil {
		w.buffer = make([]byte, 256<<10)
	}
	var sum uint32
	for n > 0 {
		b := w.buffer[:min(n, int64(len(w.buffer)))]
		if _, err := w.in.ReadAt(b, pos); err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, crc32.IEEETable, b)
		pos, n = pos+int64(len(b)), n-int64(len(b))
	}
	return sum, nil
}
