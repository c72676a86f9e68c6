package parquet

import (
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// The record that brings an open page to this many rows or slots completes it. 20,000 rows are what parquet-java allows
	// a page. In 1,000,000 results of the mix, with records of some 4,250, DuckDB's CPU for a group by language, less that
	// for a count, was 11 ms with a page for each record, 2.9 with 20,000 rows, 1.7 with 32,768 and 0 with 60,000. Those
	// would make the page index coarser, and three times as many numbers wait.
	openPageRows  = 20_000
	openPageSlots = 1 << 16
)

// openPage is the page at the end of a chunk that its latest records share, as long as their values are numbers of
// the chunk's dictionary, or there are only levels. The page of one record would be some hundred bytes in most
// columns. The numbers wait as they are, up to 128 KiB and a record's: how many bits they take is known once the page
// is complete.
type openPage struct {
	page    page   // what is known of it so far
	repRuns []byte // levels, see appendRuns
	defRuns []byte
	numbers []uint16
}

// add adds a record's column. numbers are those of its entries in the chunk's dictionary.
func (o *openPage) add(p *page, d *coded, numbers []uint16, l *leaf) {
	o.repRuns, o.defRuns = append(o.repRuns, d.repRuns...), append(o.defRuns, d.defRuns...)
	for _, id := range d.ids {
		o.numbers = append(o.numbers, numbers[id])
	}
	o.describe(p, l)
}

// addEmpty adds rows without values, all at one level.
func (o *openPage) addEmpty(level uint8, rows int, l *leaf) (err error) {
	if l.maxRep > 0 {
		if o.repRuns, err = appendRuns(o.repRuns, nil, 0, rows, l.maxRep); err != nil {
			return err
		}
	}
	o.defRuns, err = appendRuns(o.defRuns, nil, level, rows, l.maxDef)
	p := page{slots: rows, rows: rows, nulls: rows}
	p.histograms(l, nil, level, nil)
	o.describe(&p, l)
	return err
}

// describe adds what the footer and the page index say of more rows.
func (o *openPage) describe(p *page, l *leaf) {
	to := &o.page
	to.slots, to.rows, to.nulls, to.strings = to.slots+p.slots, to.rows+p.rows, to.nulls+p.nulls, to.strings+p.strings
	to.bounds.merge(&p.bounds, l.physical)
	to.defs, to.reps = addTo(to.defs, p.defs), addTo(to.reps, p.reps)
}

// full tells that the page is complete.
func (o *openPage) full(l *leaf) bool {
	return o.page.rows >= l.openRows || o.page.slots >= openPageSlots
}

// reset keeps the buffers, unless a huge list made them.
func (o *openPage) reset() {
	*o = openPage{repRuns: o.repRuns[:0], defRuns: o.defRuns[:0], numbers: o.numbers[:0]}
	if cap(o.numbers) > codedLimit {
		o.numbers = nil
	}
	if cap(o.repRuns)+cap(o.defRuns) > codedLimit {
		o.repRuns, o.defRuns = nil, nil
	}
}

// closePage completes the column's open page, if there is one.
func (g *rowGroup) closePage(s *scratch, c *waitingChunk) error {
	o, l := &c.open, c.leaf
	if o.page.rows == 0 {
		return nil
	}
	p := o.page
	p.encoding = format.Plain // see encodePage
	raw := appendLevelRuns(s.raw[:0], o.repRuns, o.defRuns, l)
	if len(o.numbers) > 0 {
		p.encoding = format.RLEDictionary
		numbers := resize(&s.dict.ids, len(o.numbers))
		for i, n := range o.numbers {
			numbers[i] = int32(n)
		}
		e := rle.Encoding{BitWidth: max(1, bitWidth(c.dictionary.n-1))}
		var err error
		raw, err = appendTo(append(raw, byte(e.BitWidth)), func(b []byte) ([]byte, error) { return e.EncodeInt32(b, numbers) })
		if err != nil {
			return fmt.Errorf("encode column %s: %w", l.name, err)
		}
	}
	if err := s.seal(&p, l, raw, nil); err != nil {
		return err
	}
	g.keep(c, p)
	o.reset()
	return nil
}
