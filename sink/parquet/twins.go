package parquet

import (
	"bytes"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// Some columns of a record hold the same strings: a first post is the start of its own conversation, and its address is
// the key of its row. Their pages are the same too, and compressing them is most of the work, so it is done once.

// twin is the first of the columns before c that has the same pages; -1 if there is none.
func (g *Group) twin(i int) int {
	c := &g.columns[i]
	for j := range g.columns[:i] {
		if g.columns[j].same(c) {
			return j
		}
	}
	return -1
}

// same tells that both columns are encoded alike and hold the same strings in the same rows. Lists are not looked at.
func (c *column) same(d *column) bool {
	n := len(c.offsets)
	return n > 1 && n == len(d.offsets) && c.leaf.physical == format.ByteArray &&
		c.leaf.class == d.leaf.class && c.leaf.optional == d.leaf.optional && c.leaf.maxDef == d.leaf.maxDef &&
		c.levels.plain() && d.levels.plain() && c.levels.all == d.levels.all &&
		c.offsets[0] == d.offsets[0] && c.offsets[n-1] == d.offsets[n-1] && // most columns differ here
		c.valid.same(&d.valid) && slices.Equal(c.offsets, d.offsets) &&
		bytes.Equal(c.data[c.offsets[0]:c.offsets[n-1]], d.data[d.offsets[0]:d.offsets[n-1]])
}

// plain tells that every slot is a row, at one level.
func (l *levels) plain() bool { return l.def == nil && l.rep == nil && l.idx == nil }

// same tells that the same elements are null. Those that begin at different bits are taken for different.
func (v *validity) same(w *validity) bool {
	if v.n != w.n || v.nulls != w.nulls {
		return false
	}
	if v.nulls == 0 {
		return true
	}
	if v.offset != w.offset {
		return false
	}
	for i := range v.n {
		if v.valid(i) != w.valid(i) {
			return false
		}
	}
	return true
}

// encodeTwins makes the pages of columns that are the same as one whose pages are made.
func (s *scratch) encodeTwins(g *Group, made *chunk, twins []int) error {
	for _, i := range twins {
		c, out := &g.columns[i], &g.chunks[i]
		if made.coded.used { // no pages yet, and too little work to share out
			if err := s.encodeColumn(g, c, out); err != nil {
				return err
			}
			continue
		}
		if c.leaf.bloom {
			_, _, v, err := s.contents(c, 0, c.levels.n)
			if err != nil {
				return err
			}
			out.hashes = appendHashes(out.hashes[:0], &v)
		}
		out.pages = slices.Clone(made.pages) // which lie in the record's log once
	}
	return nil
}
