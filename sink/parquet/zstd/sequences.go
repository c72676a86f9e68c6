package zstd

import (
	"math"
	"math/bits"
	"slices"
)

// How a table is described (section 3.1.1.3.2.1.1).
const (
	predefinedMode = 0
	rleMode        = 1
	compressedMode = 2
	repeatMode     = 3
)

// codes writes the sequences section (section 3.1.1.3.2): each sequence is three codes, in FSE, and the bits
// that a code leaves open.
type codes struct {
	literals, offsets, matches alphabet

	recent    [3]uint32 // offsets that the decoder knows
	committed [3]uint32

	coded []coded
	log2  [1<<maxTableLog + 1]uint16 // of a share, in 256ths of a bit
}

// coded is a sequence in codes.
type coded struct {
	literals, match, offset uint8
	literalsBits, matchBits uint32
	offsetBits              uint32
}

// alphabet is one of the three kinds of codes.
type alphabet struct {
	predefined table
	maxLog     uint8

	counts   [maxSymbols]uint32
	fresh    table
	previous table // of the block before, if its log is not 0
	used     *table
	next     bool  // the block's table is fresh
	forget   bool  // the block's table can not be used again
	single   table // of no bits, where all codes are the same
}

func (c *codes) init() {
	for i := 1; i < len(c.log2); i++ {
		c.log2[i] = uint16(math.Round(256 * math.Log2(float64(i))))
	}
	c.literals.init(9, 6, literalsShares)
	c.offsets.init(8, 5, offsetShares)
	c.matches.init(9, 6, matchShares)
}

func (a *alphabet) init(maxLog, log uint8, shares []int16) {
	a.maxLog = maxLog
	a.predefined.log, a.predefined.symbols = log, len(shares)
	copy(a.predefined.norm[:], shares)
	a.predefined.build()
}

// reset begins a frame.
func (c *codes) reset() {
	c.committed = [3]uint32{1, 4, 8} // section 3.1.1.5
	for _, a := range []*alphabet{&c.literals, &c.offsets, &c.matches} {
		a.previous.log = 0
	}
}

// commit says that the decoder will see the block that was written last.
func (c *codes) commit() {
	if len(c.coded) == 0 {
		return
	}
	c.committed = c.recent
	for _, a := range []*alphabet{&c.literals, &c.offsets, &c.matches} {
		switch {
		case a.next:
			a.previous = a.fresh
		case a.forget:
			a.previous.log = 0
		}
	}
}

// appendTo writes the section.
func (c *codes) appendTo(dst []byte, sequences []sequence) []byte {
	n := len(sequences)
	dst = appendCount(dst, n)
	if n == 0 {
		c.coded = c.coded[:0]
		return dst
	}
	c.code(sequences)
	modes := len(dst)
	dst = append(dst, 0)
	var l, o, m byte
	dst, l = c.choose(dst, &c.literals, n)
	dst, o = c.choose(dst, &c.offsets, n)
	dst, m = c.choose(dst, &c.matches, n)
	dst[modes] = l<<6 | o<<4 | m<<2
	return c.appendBits(dst)
}

// appendCount writes the number of sequences.
func appendCount(dst []byte, n int) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n < 0x7f00:
		return append(dst, byte(n>>8+128), byte(n))
	}
	return append(dst, 255, byte(n-0x7f00), byte((n-0x7f00)>>8))
}

// code turns sequences into codes and counts them.
func (c *codes) code(sequences []sequence) {
	clear(c.literals.counts[:])
	clear(c.offsets.counts[:])
	clear(c.matches.counts[:])
	recent := c.committed
	c.coded = slices.Grow(c.coded[:0], len(sequences))[:len(sequences)]
	for i, s := range sequences {
		x := &c.coded[i]
		x.literals, x.literalsBits = literalsCode(s.literals)
		x.match, x.matchBits = matchCode(s.match - 3)
		v := offsetValue(&recent, s.offset, s.literals == 0)
		x.offset = uint8(bits.Len32(v) - 1)
		x.offsetBits = v - 1<<x.offset
		c.literals.counts[x.literals]++
		c.offsets.counts[x.offset]++
		c.matches.counts[x.match]++
	}
	c.recent = recent
}

// offsetValue is the number that stands for an offset, and makes it the most recent one (section 3.1.1.5).
func offsetValue(recent *[3]uint32, offset uint32, noLiterals bool) uint32 {
	first, second, third := recent[0], recent[1], recent[2]
	var v uint32
	switch {
	case offset == first && !noLiterals:
		return 1
	case offset == second:
		recent[0], recent[1] = second, first
		v = 2
	case offset == third:
		recent[0], recent[1], recent[2] = third, first, second
		v = 3
	case offset == first-1 && noLiterals:
		recent[0], recent[1], recent[2] = offset, first, second
		v = 4
	default:
		recent[0], recent[1], recent[2] = offset, first, second
		return offset + 3
	}
	if noLiterals { // the first would have lengthened the match before, so it has no number
		v--
	}
	return v
}

// choose describes the table for the counted codes that makes the block shortest.
func (c *codes) choose(dst []byte, a *alphabet, n int) ([]byte, byte) {
	a.next, a.forget = false, false
	symbols, only := 0, 0
	for s, k := range a.counts {
		if k > 0 {
			symbols++
			only = s
		}
	}
	if symbols == 1 && n > 2 {
		a.used, a.forget = &a.single, true
		return append(dst, byte(only)), rleMode
	}
	a.used = &a.predefined
	best, mode := c.cost(&a.predefined, &a.counts), byte(predefinedMode)
	if a.previous.log > 0 {
		if cost := c.cost(&a.previous, &a.counts); cost <= best {
			best, mode, a.used = cost, repeatMode, &a.previous
		}
	}
	if n >= 16 || best == math.MaxUint64 {
		a.fresh.normalize(a.counts[:], n, a.maxLog)
		start := len(dst)
		dst = a.fresh.appendTo(dst)
		if cost := c.cost(&a.fresh, &a.counts) + uint64(len(dst)-start)<<11; cost < best {
			a.fresh.build()
			a.used, a.next = &a.fresh, true
			return dst, compressedMode
		}
		dst = dst[:start]
	}
	a.forget = mode == predefinedMode
	return dst, mode
}

// cost is what the codes take with a table, in 256ths of a bit.
func (c *codes) cost(t *table, counts *[maxSymbols]uint32) uint64 {
	sum := uint64(0)
	for s, k := range counts {
		if k == 0 {
			continue
		}
		if s >= t.symbols || t.norm[s] == 0 {
			return math.MaxUint64
		}
		sum += uint64(k) * uint64(uint16(t.log)<<8-c.log2[max(t.norm[s], 1)])
	}
	return sum
}

// appendBits writes the sequences, the last one first, because a decoder reads backwards (section
// 3.1.1.3.2.1.2).
func (c *codes) appendBits(dst []byte) []byte {
	w := newBitWriter(dst, len(c.coded)*maxSequence)
	lt, ot, mt := c.literals.used, c.offsets.used, c.matches.used
	last := len(c.coded) - 1
	x := &c.coded[last]
	m, o, l := mt.first(x.match), ot.first(x.offset), lt.first(x.literals)
	for i := last; ; {
		// With the 7 bits that a flush may leave 62 at most.
		w.add(uint64(x.literalsBits), literalsWidth[x.literals])
		w.add(uint64(x.matchBits), matchWidth[x.match])
		w.add(uint64(x.offsetBits), x.offset)
		if i--; i < 0 {
			break
		}
		if w.n >= 64-maxStates {
			w.flush()
		}
		x = &c.coded[i]
		o = ot.encode(&w, o, x.offset)
		m = mt.encode(&w, m, x.match)
		l = lt.encode(&w, l, x.literals)
		w.flush()
	}
	w.flush()
	mt.last(&w, m)
	ot.last(&w, o)
	lt.last(&w, l)
	w.add(1, 1)
	return w.finish()
}

const (
	// maxStates are the bits that three states leave at most.
	maxStates = 9 + 8 + 9
	// maxSequence are the bytes of a sequence at most: 16 bits of literals and match, 23 of offset.
	maxSequence = (16 + 16 + 23 + maxStates + 7) / 8
)
