package parquet

import (
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// RowGroupLimits say when a row group ends: with the record that brings it closest to Bytes, if the next is as
// large, and before one that would bring it above Rows. Of the zero value every record is a row group.
type RowGroupLimits struct {
	Rows  int64 // 0: no limit
	Bytes int64 // of the pages before compression

	// EarlyRows and EarlyBytes, if they are above 0, are limits for row groups at the beginning of a file. Later ones may have
	// half of what the file has before them, up to Rows and Bytes. So none is more than a third of a file that ends with
	// it: a row group is the smallest piece of work that readers hand to a thread.
	EarlyRows, EarlyBytes int64
}

// after are the limits of the row group that follows so many rows and bytes of a file.
func (l RowGroupLimits) after(rows, bytes int64) RowGroupLimits {
	if l.EarlyRows > 0 && l.Rows > 0 {
		l.Rows = min(l.Rows, max(l.EarlyRows, rows/2))
	}
	if l.EarlyBytes > 0 {
		l.Bytes = min(l.Bytes, max(l.EarlyBytes, bytes/2))
	}
	return l
}

// MaxWaitingBytes bounds the pages that wait in memory for their row group to end, compressed, whatever its other limits say:
// the record that reaches it is the row group's last. Files that are open at once share it: when it is used up, a row group
// ends that has its part of it or more, so that together they hold less than twice as much. What waits in files does not
// count, and a row group that can wait there does not end for the others, see Encoder.SpillTo. Five such row groups make a
// file of 256 MiB. With 64 MiB there are four, of which DuckDB counts the rows as fast, and 12 MiB more are in use.
const MaxWaitingBytes = 52 << 20

// rowGroup is the row group at the end of a file, which is not written yet. The chunks of its columns lie one after the
// other in the file, so the pages of all records but the last have to wait. They wait as they will lie in the file,
// compressed, and most of them on a disk. Before compression there are one record and the open page of each column.
type rowGroup struct {
	columns []waitingChunk
	pages   pageLog
	rows    int64
	raw     int64 // bytes of the complete pages before compression
}

// waitingChunk is one column of the row group.
type waitingChunk struct {
	leaf       *leaf
	pages      []page // their bytes are in the log
	open       openPage
	dictionary chunkDictionary
	hashes     []uint64 // for a Bloom filter, of what is not in the dictionary
}

func (c *waitingChunk) reset() {
	clear(c.pages)
	c.pages, c.hashes = c.pages[:0], c.hashes[:0]
	c.open.reset()
	c.dictionary.reset()
}

// distinct is how many distinct values the chunk has, if all of them are in the dictionary; else 0.
func (c *waitingChunk) distinct() int64 {
	for i := range c.pages {
		if p := &c.pages[i]; p.encoding != format.RLEDictionary && p.nulls < p.slots {
			return 0
		}
	}
	return int64(c.dictionary.n)
}

func newRowGroup(t *columnTree, slabs *slabPool) *rowGroup {
	g := &rowGroup{columns: make([]waitingChunk, len(t.leaves)), pages: pageLog{pool: slabs, waits: true}}
	for i, l := range t.leaves {
		g.columns[i].leaf = l
	}
	return g
}

func (g *rowGroup) reset() {
	for i := range g.columns {
		g.columns[i].reset()
	}
	g.pages.reset()
	g.rows, g.raw = 0, 0
}

// full tells whether a row group ends with its latest record, of so many bytes before compression.
func (l RowGroupLimits) full(g *rowGroup, latest int64) bool {
	return g.size()+latest/2 >= l.Bytes || l.Rows > 0 && g.rows >= l.Rows || g.pages.crowded()
}

// size is the bytes of the pages before compression, open ones included as they would be by now.
func (g *rowGroup) size() int64 {
	n := g.raw
	for i := range g.columns {
		c := &g.columns[i]
		n += int64(len(c.open.repRuns) + len(c.open.defRuns) + len(c.open.numbers)*bitWidth(c.dictionary.n-1)/8)
	}
	return n
}

// add takes over the columns of a record, and returns by how many bytes, before compression, the pages grew.
func (g *rowGroup) add(s *scratch, rec *Group) (raw int64, err error) {
	before := g.size()
	for i := range rec.chunks {
		from, to := &rec.chunks[i], &g.columns[i]
		if !from.encoded() {
			return 0, fmt.Errorf("append row group: column %s is not encoded", from.leaf.name)
		}
		switch {
		case from.empty && to.open.page.rows > 0:
			err = to.open.addEmpty(from.level, rec.rows, to.leaf)
		case from.empty:
			to.addEmpty(from.level, rec.rows)
		case from.coded.used:
			err = g.addCoded(s, to, &from.pages[0], &from.coded)
		default:
			err = g.addPages(s, to, rec, from)
		}
		if err == nil && to.open.full(to.leaf) {
			err = g.closePage(s, to)
		}
		if err != nil {
			return 0, err
		}
	}
	g.rows += int64(rec.rows)
	return g.size() - before, nil
}

// addPages takes over the pages of a record's column whose values are not numbered, so that no later ones are.
func (g *rowGroup) addPages(s *scratch, to *waitingChunk, rec *Group, from *chunk) error {
	to.dictionary.close()
	if err := g.closePage(s, to); err != nil {
		return err
	}
	to.hashes = append(to.hashes, from.hashes...)
	for _, p := range from.pages {
		at := g.pages.size
		if err := rec.pages.pieces(p.at, p.bytes, g.pages.add); err != nil {
			return err
		}
		p.at = at
		g.append(to, p)
	}
	return nil
}

// keep puts a page that was made just now into the log.
func (g *rowGroup) keep(c *waitingChunk, p page) {
	g.pages.keep(&p)
	g.append(c, p)
}

// append adds a page that is in the log.
func (g *rowGroup) append(c *waitingChunk, p page) {
	c.pages = append(c.pages, p)
	g.raw += int64(p.headerBytes + p.raw)
}

// addEmpty adds rows without values, all at one level. Those of neighbouring records share a page.
func (c *waitingChunk) addEmpty(level uint8, rows int) {
	if n := len(c.pages); n > 0 && c.pages[n-1].empty && c.pages[n-1].level == level {
		p := &c.pages[n-1]
		p.slots, p.rows, p.nulls = p.slots+rows, p.rows+rows, p.nulls+rows
		return
	}
	c.pages = append(c.pages, page{encoding: format.Plain, empty: true, level: level, slots: rows, rows: rows, nulls: rows})
}

// addCoded adds the column of a record, whose values are numbered, to the open page. If they do not fit into the
// chunk's dictionary, they make a page of their own, as they are.
func (g *rowGroup) addCoded(s *scratch, c *waitingChunk, p *page, d *coded) error {
	l := c.leaf
	if d.entries.n == 0 {
		c.open.add(p, d, nil, l) // whether or not the dictionary is closed
		return nil
	}
	if numbers, ok := c.dictionary.number(&d.entries, l); ok {
		c.open.add(p, d, numbers, l)
		return nil
	}
	if err := g.closePage(s, c); err != nil {
		return err
	}
	if l.bloom {
		c.hashes = appendHashes(c.hashes, &d.entries)
	}
	plain := *p
	plain.encoding = l.class.encoding
	raw := appendLevelRuns(s.raw[:0], d.repRuns, d.defRuns, l)
	v := d.expand(&s.expansion)
	raw, err := s.appendValues(raw, plain.encoding, l, &v)
	if err != nil {
		return fmt.Errorf("encode column %s: %w", l.name, err)
	}
	if err := s.seal(&plain, l, raw, nil); err != nil {
		return err
	}
	g.keep(c, plain)
	return nil
}

// closePages completes the open pages of all columns.
func (g *rowGroup) closePages(s *scratch) error {
	for i := range g.columns {
		if err := g.closePage(s, &g.columns[i]); err != nil {
			return err
		}
	}
	return nil
}

// sealEmpty encodes a page without values: one run of levels.
func (s *scratch) sealEmpty(p *page, l *leaf) error {
	raw, err := s.levelBytes(l, nil, p.level, nil, p.slots)
	if err != nil {
		return err
	}
	p.histograms(l, nil, p.level, nil)
	return s.seal(p, l, raw, nil)
}

// dictionaryPage encodes the chunk's dictionary.
func (s *scratch) dictionaryPage(c *waitingChunk) (page, error) {
	p, entries := page{}, c.dictionary.entries(c.leaf)
	raw, err := s.appendValues(s.raw[:0], format.Plain, c.leaf, &entries)
	if err != nil {
		return p, fmt.Errorf("encode column %s: %w", c.leaf.name, err)
	}
	if err := s.compress(&p, c.leaf, raw, nil); err != nil {
		return p, err
	}
	h := p.commonHeader()
	h.Type = format.DictionaryPage
	h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: int32(entries.n), Encoding: format.Plain})
	return p, s.writeHeader(&p, &h)
}

// bloom makes the chunk's filter; nil for none.
func (c *waitingChunk) bloom() []byte {
	if !c.leaf.bloom {
		return nil
	}
	if c.dictionary.n > 0 {
		entries := c.dictionary.entries(c.leaf)
		c.hashes = appendHashes(c.hashes, &entries)
	}
	if len(c.hashes) == 0 {
		return nil
	}
	return bloomOf(c.hashes)
}
