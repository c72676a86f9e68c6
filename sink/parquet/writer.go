package parquet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	magic = "PAR1"
	// fileBufferBytes gathers small pages into one write.
	fileBufferBytes = 256 << 10
)

// Writer writes one file: row groups in the order they come, then page index and footer. What
// it keeps in memory is metadata. It belongs to one goroutine at a time, and does not close w.
// After an error every call repeats it.
type Writer struct {
	w       *bufio.Writer
	encoder *Encoder
	offset  int64
	n       int64
	err     error
	groups  []rowGroupMetaData

	columnIndexes []byte // Thrift, one after the other; offsets in groups count from their start
	offsetIndexes []byte
	indexed       bool // they are written

	header  bytes.Buffer
	marshal *thrift.Encoder
}

// NewWriter begins a file of what e encodes.
func NewWriter(w io.Writer, e *Encoder) *Writer {
	f := &Writer{w: bufio.NewWriterSize(w, fileBufferBytes), encoder: e, err: e.err}
	f.marshal = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&f.header))
	f.write([]byte(magic))
	return f
}

// Size is the length of the file so far, without page index and footer.
func (f *Writer) Size() int64 { return f.offset }

// Rows is how many it has so far.
func (f *Writer) Rows() int64 { return f.n }

// RowGroups is how many it has so far.
func (f *Writer) RowGroups() int { return len(f.groups) }

func (f *Writer) write(b []byte) {
	if f.err != nil {
		return
	}
	n, err := f.w.Write(b)
	f.offset += int64(n)
	if err != nil {
		f.err = fmt.Errorf("write parquet: %w", err)
	}
}

// thrift returns the Thrift form of v, valid until the next call.
func (f *Writer) thrift(v any) []byte {
	f.header.Reset()
	if err := f.marshal.Encode(v); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet metadata: %w", err)
	}
	return f.header.Bytes()
}

// Append writes a row group whose tasks have all succeeded, and takes it back.
func (f *Writer) Append(g *Group) error {
	if f.err != nil || g.rows == 0 {
		return f.err
	}
	meta := rowGroupMetaData{
		Columns:    make([]columnChunk, len(g.chunks)),
		NumRows:    int64(g.rows),
		FileOffset: f.offset,
	}
	if n := len(f.groups); n <= math.MaxInt16 {
		meta.Ordinal = thrift.New(int16(n))
	}
	for i := range g.chunks {
		c := &g.chunks[i]
		if len(c.pages) == 0 || len(c.pages[0].header) == 0 {
			return fmt.Errorf("append row group: column %s is not encoded", c.leaf.name)
		}
		m := &meta.Columns[i]
		f.writeChunk(c, m)
		f.indexPages(c, m)
		meta.TotalByteSize += m.MetaData.TotalUncompressedSize
		meta.TotalCompressedSize += m.MetaData.TotalCompressedSize
	}
	for i := range g.chunks {
		f.writeBloom(g.chunks[i].bloom, &meta.Columns[i].MetaData)
	}
	if err := f.w.Flush(); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet: %w", err)
	}
	if f.err == nil {
		f.groups = append(f.groups, meta)
		f.n += int64(g.rows)
		f.encoder.recycle(g)
	}
	return f.err
}

// writeChunk writes the pages and describes them as ColumnMetaData.
func (f *Writer) writeChunk(c *chunk, out *columnChunk) {
	l := c.leaf
	m := &out.MetaData
	m.Type, m.PathInSchema = l.physical, l.path
	m.Codec = f.encoder.codec
	if d := c.dictionary; d != nil {
		m.DictionaryPageOffset = f.offset
		f.writePage(d, m)
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1})
		m.Encoding = append(m.Encoding, format.Plain)
	}
	m.DataPageOffset = f.offset
	var all bounds
	var defs, reps []int64
	for i := range c.pages {
		p := &c.pages[i]
		f.writePage(p, m)
		m.NumValues += int64(p.slots)
		m.Statistics.NullCount += int64(p.nulls)
		m.SizeStatistics.UnencodedByteArrayDataBytes += p.strings
		all.merge(&p.bounds, l.physical)
		defs, reps = addTo(defs, p.defs), addTo(reps, p.reps)
		m.countPage(p.encoding)
	}
	if l.maxDef > 0 || l.maxRep > 0 {
		m.Encoding = append(m.Encoding, format.RLE) // the levels
	}
	if all.known() {
		m.Statistics.MinValue, m.Statistics.ExactMin = all.min, thrift.New(all.exactMin)
		m.Statistics.MaxValue, m.Statistics.ExactMax = all.max, thrift.New(all.exactMax)
	}
	m.Statistics.DistinctCount = int64(c.distinct)
	m.SizeStatistics.DefinitionLevelHistogram = defs
	m.SizeStatistics.RepetitionLevelHistogram = reps
}

// countPage keeps Encoding and EncodingStats complete: each encoding of data pages once.
func (m *columnMetaData) countPage(e format.Encoding) {
	for i := range m.EncodingStats {
		if s := &m.EncodingStats[i]; s.PageType == format.DataPage && s.Encoding == e {
			s.Count++
			return
		}
	}
	m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DataPage, Encoding: e, Count: 1})
	if !slices.Contains(m.Encoding, e) {
		m.Encoding = append(m.Encoding, e)
	}
}

func (f *Writer) writePage(p *page, m *columnMetaData) {
	p.offset = f.offset
	f.write(p.header)
	f.write(p.body)
	m.TotalCompressedSize += int64(len(p.header) + len(p.body))
	m.TotalUncompressedSize += int64(len(p.header) + p.raw)
}

func addTo(sum, h []int64) []int64 {
	if sum == nil {
		return slices.Clone(h)
	}
	for i, n := range h {
		sum[i] += n
	}
	return sum
}

// indexPages notes where the pages begin and what values they hold (Parquet format, PageIndex.md).
// A column of which a page has values but no bounds gets no column index: bounds are required
// there.
func (f *Writer) indexPages(c *chunk, out *columnChunk) {
	n := len(c.pages)
	offsets := format.OffsetIndex{PageLocations: make([]format.PageLocation, n)}
	index := format.ColumnIndex{
		NullPages:     make([]bool, n),
		MinValues:     make([][]byte, n),
		MaxValues:     make([][]byte, n),
		NullCounts:    make([]int64, n),
		BoundaryOrder: boundaryOrder(c.pages, c.leaf.physical),
	}
	row, complete := int64(0), true
	for i := range c.pages {
		p := &c.pages[i]
		offsets.PageLocations[i] = format.PageLocation{
			Offset:             p.offset,
			CompressedPageSize: int32(len(p.header) + len(p.body)),
			FirstRowIndex:      row,
		}
		row += int64(p.rows)
		if c.leaf.physical == format.ByteArray {
			offsets.UnencodedByteArrayDataBytes = append(offsets.UnencodedByteArrayDataBytes, p.strings)
		}
		index.NullPages[i] = p.nulls == p.slots
		index.NullCounts[i] = int64(p.nulls)
		index.MinValues[i], index.MaxValues[i] = p.bounds.min, p.bounds.max
		index.DefinitionLevelHistogram = append(index.DefinitionLevelHistogram, p.defs...)
		index.RepetitionLevelHistogram = append(index.RepetitionLevelHistogram, p.reps...)
		complete = complete && (index.NullPages[i] || p.bounds.known())
	}
	encoded := f.thrift(&offsets)
	out.OffsetIndexOffset, out.OffsetIndexLength = int64(len(f.offsetIndexes)), int32(len(encoded))
	f.offsetIndexes = append(f.offsetIndexes, encoded...)
	if complete {
		encoded = f.thrift(&index)
		out.ColumnIndexOffset, out.ColumnIndexLength = int64(len(f.columnIndexes)), int32(len(encoded))
		f.columnIndexes = append(f.columnIndexes, encoded...)
	}
}

// writeBloom writes a filter behind its row group (Parquet format, BloomFilter.md), so that filters
// do not pile up in memory.
func (f *Writer) writeBloom(filter []byte, m *columnMetaData) {
	if len(filter) == 0 {
		return
	}
	header := f.thrift(&format.BloomFilterHeader{
		NumBytes:    int32(len(filter)),
		Algorithm:   format.BloomFilterAlgorithm{Value: &format.SplitBlockAlgorithm{}},
		Hash:        format.BloomFilterHash{Value: &format.XxHash{}},
		Compression: format.BloomFilterCompression{Value: &format.BloomFilterUncompressed{}},
	})
	m.BloomFilterOffset, m.BloomFilterLength = f.offset, int32(len(header)+len(filter))
	f.write(header)
	f.write(filter)
}

// WriteIndexes writes the page index, behind the last row group. Finish does it too, unless it was done.
func (f *Writer) WriteIndexes() {
	if f.indexed {
		return
	}
	f.indexed = true
	columns, offsets := f.offset, f.offset+int64(len(f.columnIndexes))
	f.write(f.columnIndexes)
	f.write(f.offsetIndexes)
	for i := range f.groups {
		for j := range f.groups[i].Columns {
			c := &f.groups[i].Columns[j]
			c.OffsetIndexOffset += offsets
			if c.ColumnIndexLength > 0 {
				c.ColumnIndexOffset += columns
			}
		}
	}
	if err := f.w.Flush(); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet: %w", err)
	}
}

// Metadata is what a footer says beside schema and row groups.
type Metadata struct {
	// KeyValues go into the footer sorted by key.
	KeyValues map[string]string
	// CreatedBy names the writer: "application version 1.2.3 (build hash)" is the one form that
	// parquet-java can read. It distrusts the statistics of writers with another name.
	CreatedBy string
	// ChecksumKey adds one more key-value: the SHA-256, in hex, of the whole footer as it is with
	// zeros in the place of these 64 characters. "" adds none.
	ChecksumKey string
}

// Finish writes page index and footer. The file is complete in w when it returns nil; nothing can be
// appended afterwards. checksum is the value of Metadata.ChecksumKey.
func (f *Writer) Finish(m Metadata) (checksum string, err error) {
	if f.err != nil {
		return "", f.err
	}
	f.WriteIndexes()
	meta := fileMetaData{
		Version:      f.encoder.version,
		Schema:       f.encoder.tree.elements,
		NumRows:      f.n,
		RowGroups:    f.groups,
		CreatedBy:    m.CreatedBy,
		ColumnOrders: make([]format.ColumnOrder, len(f.encoder.tree.leaves)),
	}
	if meta.RowGroups == nil {
		meta.RowGroups = []rowGroupMetaData{}
	}
	for i := range meta.ColumnOrders {
		meta.ColumnOrders[i].Value = &format.TypeDefinedOrder{}
	}
	keyValues := maps.Clone(m.KeyValues)
	if m.ChecksumKey != "" {
		if keyValues == nil {
			keyValues = map[string]string{}
		}
		keyValues[m.ChecksumKey] = noChecksum
	}
	for _, key := range slices.Sorted(maps.Keys(keyValues)) {
		meta.KeyValueMetadata = append(meta.KeyValueMetadata, format.KeyValue{Key: key, Value: keyValues[key]})
	}
	footer := f.thrift(&meta)
	if m.ChecksumKey != "" {
		checksum = sealFooter(footer, m.ChecksumKey)
	}
	f.write(footer)
	f.write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))), magic...))
	if err := f.w.Flush(); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet: %w", err)
	}
	if f.err != nil {
		return "", f.err
	}
	f.err = errFinished
	return checksum, nil
}

var errFinished = errors.New("write parquet: the file is finished")
