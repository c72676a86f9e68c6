package parquet

import (
	"bufio"
	"bytes"
	"cmp"
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

// Writer writes one file: row groups of the records in the order they come, then page index and footer. What
// it keeps in memory is metadata, and the row group that is not complete yet. It belongs to one goroutine at a time, and does not close w.
// After an error every call repeats it.
type Writer struct {
	w       *bufio.Writer
	encoder *Encoder
	offset  int64
	n       int64
	err     error
	groups  []rowGroupMetaData
	limits  RowGroupLimits
	raw     int64     // bytes of the row groups before compression
	waiting *rowGroup // nil once finished

	columnIndexes []byte // Thrift, one after the other; offsets in groups count from their start
	offsetIndexes []byte
	indexed       bool // they are written

	header  bytes.Buffer
	marshal *thrift.Encoder
}

// NewWriter begins a file of what e encodes.
func NewWriter(w io.Writer, e *Encoder, limits RowGroupLimits) *Writer {
	f := &Writer{w: bufio.NewWriterSize(w, fileBufferBytes), encoder: e, err: e.err, limits: limits}
	if f.err == nil {
		f.waiting = e.takeRowGroup()
	}
	f.marshal = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&f.header))
	f.write([]byte(magic))
	return f
}

// Size is the length of the file so far, without page index and footer. Waiting pages count once they are complete.
func (f *Writer) Size() int64 {
	if f.waiting == nil {
		return f.offset
	}
	return f.offset + f.waiting.pages.size
}

// Rows is how many it has so far.
func (f *Writer) Rows() int64 {
	if f.waiting == nil {
		return f.n
	}
	return f.n + f.waiting.rows
}

// RowGroups is how many it has so far, one that is not complete included.
func (f *Writer) RowGroups() int {
	if f.waiting == nil || f.waiting.rows == 0 {
		return len(f.groups)
	}
	return len(f.groups) + 1
}

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

// Append adds a record whose tasks have all succeeded, and takes its group back. Whether the row group before it is
// written now, or the one it joins, is up to the limits.
func (f *Writer) Append(g *Group) error {
	if f.err != nil || g.rows == 0 {
		return f.err
	}
	limits := f.limits.after(f.n, f.raw)
	if limits.Rows > 0 && f.waiting.rows+int64(g.rows) > limits.Rows {
		f.endRowGroup()
		limits = f.limits.after(f.n, f.raw)
	}
	var raw int64
	f.with(func(s *scratch) (err error) {
		raw, err = f.waiting.add(s, g)
		return err
	})
	if f.err == nil {
		f.encoder.recycle(g)
	}
	if f.err == nil && limits.full(f.waiting, raw) {
		f.endRowGroup()
	}
	return f.err
}

// with runs a step that needs a scratch.
func (f *Writer) with(step func(*scratch) error) {
	if f.err == nil {
		f.err = f.encoder.with(step)
	}
}

// endRowGroup writes what waits.
func (f *Writer) endRowGroup() {
	g := f.waiting
	if f.err != nil || g == nil || g.rows == 0 {
		return
	}
	f.with(g.closePages)
	if f.err != nil {
		return
	}
	meta := rowGroupMetaData{
		Columns:    make([]columnChunk, len(g.columns)),
		NumRows:    g.rows,
		FileOffset: f.offset,
	}
	if n := len(f.groups); n <= math.MaxInt16 {
		meta.Ordinal = thrift.New(int16(n))
	}
	f.with(func(s *scratch) error {
		for i := range g.columns {
			c, m := &g.columns[i], &meta.Columns[i]
			if err := f.writeChunk(s, c, m); err != nil {
				return err
			}
			f.indexPages(c, m)
			meta.TotalByteSize += m.MetaData.TotalUncompressedSize
			meta.TotalCompressedSize += m.MetaData.TotalCompressedSize
		}
		return f.err
	})
	for i := range g.columns {
		f.writeBloom(g.columns[i].bloom(), &meta.Columns[i].MetaData)
	}
	f.flush()
	if f.err == nil {
		f.groups = append(f.groups, meta)
		f.n += g.rows
		f.raw += g.raw
		g.reset()
	}
}

func (f *Writer) flush() {
	if err := f.w.Flush(); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet: %w", err)
	}
}

// writeChunk writes the pages and describes them as ColumnMetaData.
func (f *Writer) writeChunk(s *scratch, c *waitingChunk, out *columnChunk) error {
	l := c.leaf
	m := &out.MetaData
	m.Type, m.PathInSchema = l.physical, l.path
	m.Codec = f.encoder.codec
	if c.dictionary.n > 0 {
		d, err := s.dictionaryPage(c)
		if err != nil {
			return err
		}
		m.DictionaryPageOffset = f.offset
		f.writePage(&d, m)
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1})
		m.Encoding = append(m.Encoding, format.Plain)
	}
	m.DataPageOffset = f.offset
	var all bounds
	var defs, reps []int64
	for i := range c.pages {
		p := &c.pages[i]
		if p.empty {
			if err := s.sealEmpty(p, l); err != nil {
				return err
			}
		}
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
	m.Statistics.DistinctCount = c.distinct()
	// What the list of encodings and the count of nulls say already is left out: the footer of a row group is some 20 kB, all
	// of which every reader parses before it begins.
	if c.dictionary.n == 0 {
		m.EncodingStats = nil
	}
	if !m.empty() {
		m.SizeStatistics.DefinitionLevelHistogram = defs
		m.SizeStatistics.RepetitionLevelHistogram = reps
	}
	return nil
}

// empty tells that the chunk has no value, as half of all columns in most row groups.
func (m *columnMetaData) empty() bool { return m.Statistics.NullCount == m.NumValues }

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

// writePage writes a page that waits, or that was made just now.
func (f *Writer) writePage(p *page, m *columnMetaData) {
	p.offset = f.offset
	if len(p.header) > 0 {
		p.headerBytes, p.bytes = len(p.header), len(p.header)+len(p.body)
		f.write(p.header)
		f.write(p.body)
		p.header, p.body = nil, nil
	} else if err := f.waiting.pages.pieces(p.at, p.bytes, f.write); err != nil && f.err == nil {
		f.err = fmt.Errorf("write parquet: read back the pages of a row group: %w", err)
	}
	m.TotalCompressedSize += int64(p.bytes)
	m.TotalUncompressedSize += int64(p.headerBytes + p.raw)
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
// there. Nor does one without values: the chunk's own statistics exclude all of its pages.
func (f *Writer) indexPages(c *waitingChunk, out *columnChunk) {
	n := len(c.pages)
	offsets := format.OffsetIndex{PageLocations: make([]format.PageLocation, n)}
	index := format.ColumnIndex{
		NullPages:     make([]bool, n),
		MinValues:     make([][]byte, n),
		MaxValues:     make([][]byte, n),
		NullCounts:    make([]int64, n),
		BoundaryOrder: boundaryOrder(c.pages, c.leaf.physical),
	}
	row, complete := int64(0), !out.MetaData.empty()
	for i := range c.pages {
		p := &c.pages[i]
		offsets.PageLocations[i] = format.PageLocation{
			Offset:             p.offset,
			CompressedPageSize: int32(p.bytes),
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

// WriteIndexes writes what waits, and the page index behind it. Finish does it too, unless it was done.
func (f *Writer) WriteIndexes() {
	if f.indexed {
		return
	}
	f.indexed = true
	f.endRowGroup()
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
	f.flush()
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
	if f.err != nil {
		return "", f.err
	}
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
	f.flush()
	if f.err != nil {
		return "", f.err
	}
	f.err = errFinished
	f.encoder.giveRowGroup(f.waiting)
	f.waiting = nil
	return checksum, nil
}

// Discard gives up a file that will not be finished: others may use its memory. After Finish it does nothing.
func (f *Writer) Discard() {
	if f.waiting != nil {
		f.encoder.giveRowGroup(f.waiting)
		f.waiting = nil
	}
	f.err = cmp.Or(f.err, errFinished)
}

var errFinished = errors.New("write parquet: the file is finished")
