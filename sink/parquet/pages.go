package parquet

import (
	"fmt"
	"hash/crc32"
	"math"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// page is one encoded page: Thrift header, body, and what the footer and the page index say of it.
type page struct {
	header   []byte // this and the body are the scratch's, until its next page; nil once the page waits in a pageLog
	body     []byte
	raw      int // length of the body before compression
	encoding format.Encoding
	slots    int
	rows     int
	nulls    int
	bounds   bounds
	strings  int64   // bytes of all strings, unencoded
	defs     []int64 // level histograms, nil where they say nothing
	reps     []int64

	empty       bool  // all slots have the level, and nothing is encoded yet
	level       uint8 // of an empty page
	at          int64 // where it waits in the log of the record or the row group
	headerBytes int
	bytes       int   // header and body
	offset      int64 // in the file, once written
}

// chunk is one column of one record. Tasks fill it, each the pages that are its own.
type chunk struct {
	leaf   *leaf
	pages  []page
	coded  coded
	hashes []uint64 // of the values, for a Bloom filter, where they are not coded
	empty  bool     // no values, and the same level in every slot
	level  uint8    // that one
	single bool     // one task makes all pages
	twins  []int    // columns that have the same pages, which this one's task makes too
}

// encoded tells that all tasks of the chunk have succeeded.
func (c *chunk) encoded() bool {
	for i := range c.pages {
		if c.pages[i].bytes == 0 && !c.coded.used {
			return false
		}
	}
	return c.empty || len(c.pages) > 0
}

// reset empties the chunk for another record. Buffers of unusual size are not kept.
func (c *chunk) reset() {
	coded, hashes := c.coded, c.hashes[:0]
	coded.reset()
	*c = chunk{coded: coded, hashes: hashes}
}

// bloomBitsPerValue: 8 bits a value let one in 40 absent values through.
const bloomBitsPerValue = 8

// encodeColumn makes all pages of a column of a record, except what joins a page of the row group.
func (s *scratch) encodeColumn(g *Group, c *column, out *chunk) error {
	def, all, v, err := s.contents(c, 0, c.levels.n)
	if err != nil {
		return err
	}
	l := c.leaf
	if v.n == 0 || s.buildDictionary(&v, l) {
		return s.encodeNumbers(c, out, def, all, &v)
	}
	if l.bloom && v.n > 0 {
		out.hashes = appendHashes(out.hashes[:0], &v)
	}
	cuts := cutSlots(c, def, all, &v)
	out.pages = make([]page, len(cuts)-1)
	var slot pageCut
	for i := range out.pages {
		end := cuts[i+1]
		part := v.part(slot.value, end.value)
		p := &out.pages[i]
		*p = page{encoding: l.class.encoding, slots: end.slot - slot.slot, rows: end.row - slot.row}
		if err := s.encodePage(g, c, p, def, all, slot.slot, 0, &part); err != nil {
			return err
		}
		slot = end
	}
	return nil
}

// encodeRows makes one page of a column without repetition from rows lo to hi. Texts are cut into
// pages before anything is encoded, so that two cores can share them.
func (s *scratch) encodeRows(g *Group, c *column, out *page, lo, hi int) error {
	def, all, v, err := s.contents(c, lo, hi)
	if err != nil {
		return err
	}
	*out = page{encoding: c.leaf.class.encoding, slots: hi - lo, rows: hi - lo}
	return s.encodePage(g, c, out, def, all, lo, lo, &v)
}

// contents gives the final definition levels of slots lo to hi, and their values.
func (s *scratch) contents(c *column, lo, hi int) (def []uint8, all uint8, v values, err error) {
	if def, all, err = s.levelsOf(c, lo, hi); err == nil {
		v, err = s.gather(c, def, all, lo, hi)
	}
	return def, all, v, err
}

// levelsOf gives the final definition levels of slots lo to hi.
func (s *scratch) levelsOf(c *column, lo, hi int) ([]uint8, uint8, error) {
	live := c.leaf.maxDef
	if c.leaf.optional {
		def, all := c.levels.refine(resize(&s.def, hi-lo), lo, hi, &c.valid, live-1)
		return def, all, nil
	}
	if c.levels.def == nil {
		return nil, c.levels.all, c.levels.check(lo, hi, &c.valid, live, c.leaf.name)
	}
	return c.levels.def[lo:hi], 0, c.levels.check(lo, hi, &c.valid, live, c.leaf.name)
}

// encodePage encodes p.slots slots from slot on. def starts at slot base.
func (s *scratch) encodePage(g *Group, c *column, p *page, def []uint8, all uint8, slot, base int, v *values) error {
	l := c.leaf
	var rep []uint8
	if c.levels.rep != nil {
		rep = c.levels.rep[slot : slot+p.slots]
	}
	if def != nil {
		def = def[slot-base : slot-base+p.slots]
	}
	if v.n == 0 {
		p.encoding = format.Plain // an empty PLAIN page is the one that every reader takes
	}
	p.nulls = p.slots - v.n
	p.describe(l, def, all, rep, v)
	raw, err := s.levelBytes(l, def, all, rep, p.slots)
	if err != nil {
		return err
	}
	var texts []byte
	if v.n > 0 && p.encoding == format.DeltaLengthByteArray && s.codec.parts(len(raw)+v.stringBytes()) {
		// Lengths first, then all bytes as they lie (Parquet format, Encodings.md).
		raw, err = s.appendLengths(raw, v)
		texts = v.data[v.offsets[0]:v.offsets[v.n]]
	} else {
		raw, err = s.appendValues(raw, p.encoding, l, v)
	}
	if err != nil {
		return fmt.Errorf("encode column %s: %w", l.name, err)
	}
	if err := s.seal(p, l, raw, texts); err != nil {
		return err
	}
	g.keep(p)
	return nil
}

// describe fills in what the footer and the page index say of the page's values.
func (p *page) describe(l *leaf, def []uint8, all uint8, rep []uint8, v *values) {
	p.bounds = boundsOf(v, l)
	p.strings = 0
	if l.physical == format.ByteArray {
		p.strings = int64(v.stringBytes())
	}
	p.histograms(l, def, all, rep)
}

func (p *page) histograms(l *leaf, def []uint8, all uint8, rep []uint8) {
	if l.maxDef > 1 {
		p.defs = histogram(def, all, p.slots, l.maxDef)
	}
	if l.maxRep > 0 {
		p.reps = histogram(rep, 0, p.slots, l.maxRep)
	}
}

// seal compresses the page, raw and then texts, and gives it header and checksum.
func (s *scratch) seal(p *page, l *leaf, raw, texts []byte) error {
	if err := s.compress(p, l, raw, texts); err != nil {
		return err
	}
	h := p.dataHeader()
	return s.writeHeader(p, &h)
}

// compress makes the body. raw is the scratch's own buffer, which may have grown.
func (s *scratch) compress(p *page, l *leaf, raw, texts []byte) error {
	s.raw = raw
	p.raw = len(raw) + len(texts)
	if p.raw > math.MaxInt32-1024 {
		return fmt.Errorf("encode column %s: a page of %d bytes is larger than Parquet allows", l.name, p.raw)
	}
	s.out = reserve(s.out[:0], s.codec.bound(p.raw))
	out, err := s.codec.compress(s.out, raw, texts)
	if err != nil {
		return fmt.Errorf("encode column %s: %w", l.name, err)
	}
	p.body = out
	return nil
}

// dataHeader describes a data page. Of statistics it holds the one number the format wants there;
// the page index has the rest.
func (p *page) dataHeader() format.PageHeader {
	h := p.commonHeader()
	h.DataPageHeader = thrift.New(format.DataPageHeader{
		NumValues:               int32(p.slots),
		Encoding:                p.encoding,
		DefinitionLevelEncoding: format.RLE,
		RepetitionLevelEncoding: format.RLE,
		Statistics:              format.Statistics{NullCount: int64(p.nulls)},
	})
	return h
}

// commonHeader is what data and dictionary pages have in common. The checksum is that of the body
// as it lies in the file.
func (p *page) commonHeader() format.PageHeader {
	return format.PageHeader{
		UncompressedPageSize: int32(p.raw),
		CompressedPageSize:   int32(len(p.body)),
		CRC:                  int32(crc32.ChecksumIEEE(p.body)),
	}
}

func (s *scratch) writeHeader(p *page, h *format.PageHeader) (err error) {
	p.header, err = s.marshal(h)
	return err
}

// encodeNumbers numbers the values of a column of a record, if there are any, by its own dictionary. The page is made
// in the row group, see coded and openPage.
func (s *scratch) encodeNumbers(c *column, out *chunk, def []uint8, all uint8, v *values) error {
	l, d := c.leaf, &out.coded
	if v.n == 0 {
		s.dict.n = 0
	}
	s.dict.entries(d, v, l)
	ids := resize(&d.ids, v.n)
	for i, id := range s.dict.ids[:v.n] {
		ids[i] = uint16(id)
	}
	d.ids = ids
	d.repRuns, d.defRuns = d.repRuns[:0], d.defRuns[:0]
	var err error
	if l.maxRep > 0 {
		if d.repRuns, err = appendRuns(d.repRuns, c.levels.rep, 0, c.levels.n, l.maxRep); err != nil {
			return err
		}
	}
	if l.maxDef > 0 {
		if d.defRuns, err = appendRuns(d.defRuns, def, all, c.levels.n, l.maxDef); err != nil {
			return err
		}
	}
	p := page{encoding: format.RLEDictionary, slots: c.levels.n, rows: c.rows, nulls: c.levels.n - v.n}
	p.histograms(l, def, all, c.levels.rep)
	p.bounds = boundsOf(&d.entries, l)
	if l.physical == format.ByteArray {
		p.strings = int64(v.stringBytes())
	}
	out.pages = []page{p}
	d.used = true
	return nil
}

// appendHashes adds the hashes that a Bloom filter needs of the values.
func appendHashes(dst []uint64, v *values) []uint64 {
	for i := range v.n {
		dst = append(dst, xxhash.Sum64(v.at(i)))
	}
	return dst
}

// bloomOf makes a split block filter of hashes (Parquet format, BloomFilter.md). Its size is a
// power of two, because Arrow's C++ reader takes no other.
func bloomOf(hashes []uint64) []byte {
	blocks := 1
	for blocks*bloom.BlockSize*8 < len(hashes)*bloomBitsPerValue {
		blocks *= 2
	}
	filter := make(bloom.SplitBlockFilter, blocks)
	filter.InsertBulk(hashes)
	return filter.Bytes()
}
