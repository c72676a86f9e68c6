package zstd

import "math/bits"

const (
	// Entries of the tables, as powers of two; an entry has 4 bytes. 400 pages of the mix take, with a second
	// table of 6 bytes,
	//
	//	17, 17  19,023,266 bytes, 282 ms
	//	18, 17  18,536,683        285
	//	18, 18  18,127,218        307
	//	19, 17  18,012,265        295
	//
	// with one of 5 bytes 18,144,987 and 326, and with one of 7 bytes 19,098,267 and 273; klauspost/compress's
	// default takes 336 ms for more than any of them. The second is chosen because larger tables leave no
	// room in a second level cache of 2 MiB, and other work needs it too.
	longBits  = 18
	shortBits = 17

	// positionBits of an entry are the position, the others its tag: more of the hash, without which most
	// candidates would be looked up in memory that is far away, in vain. It takes a seventh of the time.
	positionBits = 24
	tagBits      = 32 - positionBits

	// Primes whose products are well mixed in their upper bits. The second sees 6 bytes only.
	longPrime  = 0xcf1bbcdcb7a56463
	shortPrime = 0xcf1bbcdcbfa5 << 16

	// minMatch is the shortest match; of the 6 bytes of a hash 4 are compared.
	minMatch = 4
	// searchStrength: after so many bytes without a match, as a power of two, every second position is
	// looked at, after twice as many every third, and so on.
	searchStrength = 8
	// margin is what is read behind a position that is looked at.
	margin = 9
)

// sequence is some literals, and a copy of what was there before.
type sequence struct {
	literals uint32
	match    uint32 // length of the copy, at least minMatch
	offset   uint32 // how far back it begins, at least 1
}

// matcher finds repetitions: the longest of 8 bytes and more, or else of about 6, that was seen last, as the reference
// implementation's "double fast" search does.
type matcher struct {
	// Where bytes of the same hash were seen last. The tables outlive what they speak of: positions go on
	// from piece to piece, and what lies below base means nothing.
	long  [1 << longBits]uint32
	short [1 << shortBits]uint32
	base  int // position of the first byte of the piece

	// recent and older are the last offsets, which are tried first. What the decoder knows of is for the
	// encoder of sequences to see to.
	recent, older int

	// What the block consists of, the literals of all sequences and of none together.
	sequences  [maxBlock / minMatch]sequence
	literals   [maxBlock]byte
	nSeq, nLit int
}

// begin starts a piece of n bytes, at most maxPiece.
func (m *matcher) begin(n int) {
	if m.base == 0 || m.base+n > 1<<positionBits {
		clear(m.long[:])
		clear(m.short[:])
		m.base = 1 // an empty entry lies below
	}
	m.recent, m.older = 1, 4
}

// end ends a piece of n bytes.
func (m *matcher) end(n int) { m.base += n }

// hashLong and hashShort give the number of an entry and, below it, the tag.
func hashLong(v uint64) uint64  { return v * longPrime >> (64 - longBits - tagBits) }
func hashShort(v uint64) uint64 { return v * shortPrime >> (64 - shortBits - tagBits) }

// entry is what a table holds.
func entry(h uint64, position int) uint32 { return uint32(h)<<positionBits | uint32(position) }

// put notes in both tables that v is at a position.
func (m *matcher) put(v uint64, position int) {
	h := hashLong(v)
	m.long[h>>tagBits] = entry(h, position)
	h = hashShort(v)
	m.short[h>>tagBits] = entry(h, position)
}

// find splits src[lo:hi] into sequences and last literals; matches may begin anywhere before in src. It looks
// at two positions at a time: the second's entry is on its way while the first is judged.
func (m *matcher) find(src []byte, lo, hi int) {
	m.nSeq, m.nLit = 0, 0
	src = src[:hi]
	base, limit := m.base, hi-margin
	s, anchor := lo, lo
search:
	for s <= limit {
		step, next := 1, s+1<<searchStrength
		v := load64(src, s)
		h := hashLong(v)
		long := m.long[h>>tagBits]
		for {
			hs := hashShort(v)
			short := m.short[hs>>tagBits]
			wantLong, wantShort := entry(h, s+base), entry(hs, s+base)
			m.long[h>>tagBits], m.short[hs>>tagBits] = wantLong, wantShort

			if r := s + 1 - m.recent; r >= 0 && load32(src, r) == uint32(v>>8) {
				n := minMatch + matchLength(src, r+minMatch, s+1+minMatch)
				m.add(src, anchor, s+1, n, m.recent)
				s = m.skip(src, s, s+1+n, limit)
				anchor = s
				break
			}
			ahead := s + step
			if ahead > limit {
				break search
			}
			v1 := load64(src, ahead)
			h1 := hashLong(v1)

			start, n := s, 0
			t := int(long&(1<<positionBits-1)) - base
			if (long^wantLong)>>positionBits == 0 && t >= 0 && load64(src, t) == v {
				n = 8 + matchLength(src, t+8, s+8)
			} else {
				long = m.long[h1>>tagBits]
				t = int(short&(1<<positionBits-1)) - base
				if (short^wantShort)>>positionBits != 0 || t < 0 || load32(src, t) != uint32(v) {
					if ahead >= next {
						step++
						next += 1 << searchStrength
					}
					s, v, h = ahead, v1, h1
					continue
				}
				n = minMatch + matchLength(src, t+minMatch, s+minMatch)
				// The next position may have a longer one.
				t1 := int(long&(1<<positionBits-1)) - base
				if (long^entry(h1, 0))>>positionBits == 0 && t1 >= 0 && load64(src, t1) == v1 {
					if n1 := 8 + matchLength(src, t1+8, ahead+8); n1 > n {
						start, t, n = ahead, t1, n1
					}
				}
			}
			if step < 4 {
				m.long[h1>>tagBits] = entry(h1, ahead+base)
			}
			for start > anchor && t > 0 && src[start-1] == src[t-1] {
				start, t, n = start-1, t-1, n+1
			}
			m.recent, m.older = start-t, m.recent
			m.add(src, anchor, start, n, m.recent)
			s = m.skip(src, s, start+n, limit)
			anchor = s
			break
		}
		for s <= limit {
			r, v := s-m.older, load64(src, s)
			if r < 0 || load32(src, r) != uint32(v) {
				break
			}
			n := minMatch + matchLength(src, r+minMatch, s+minMatch)
			m.put(v, s+base)
			m.recent, m.older = m.older, m.recent
			m.add(src, s, s, n, m.recent)
			s += n
			anchor = s
		}
	}
	m.nLit += copy(m.literals[m.nLit:], src[anchor:])
}

// add adds a sequence: literals from anchor on, and a match of n bytes at s.
func (m *matcher) add(src []byte, anchor, s, n, offset int) {
	x := &m.sequences[m.nSeq]
	m.nSeq++
	x.literals, x.match, x.offset = uint32(s-anchor), uint32(n), uint32(offset)
	const few = 32 // literals are copied without a call
	if s-anchor <= few && anchor+few <= len(src) && m.nLit+few <= len(m.literals) {
		*(*[few]byte)(m.literals[m.nLit:]) = *(*[few]byte)(src[anchor:])
	} else {
		copy(m.literals[m.nLit:], src[anchor:s])
	}
	m.nLit += s - anchor
}

// skip goes to the end of a match that was found at s, and notes a few positions within.
func (m *matcher) skip(src []byte, s, end, limit int) int {
	if end > limit {
		return end
	}
	m.put(load64(src, s+2), m.base+s+2)
	h := hashLong(load64(src, end-2))
	m.long[h>>tagBits] = entry(h, m.base+end-2)
	h = hashShort(load64(src, end-1))
	m.short[h>>tagBits] = entry(h, m.base+end-1)
	return end
}

// matchLength counts the bytes that are the same from a and from b on, to the end of src. a is below b, which
// is at most the length of src.
func matchLength(src []byte, a, b int) int {
	start := b
	for b+8 <= len(src) {
		if x := load64(src, a) ^ load64(src, b); x != 0 {
			return b - start + bits.TrailingZeros64(x)/8
		}
		a, b = a+8, b+8
	}
	for b < len(src) && src[a] == src[b] {
		a, b = a+1, b+1
	}
	return b - start
}
