package zstd

import (
	"encoding/binary"
	"math/bits"
)

const (
	longBits  = 17 // of the table of 8 bytes; 4 bytes an entry
	shortBits = 16 // of the table of 5 bytes

	// Primes with well mixed high bits; the upper bits of a product are the hash.
	longPrime  = 0xcf1bbcdcb7a56463
	shortPrime = 0xcf1bbcdcbb000000 // the product sees the low 5 bytes only

	// minMatch is the shortest match looked for: of the hash's 5 bytes 4 are compared.
	minMatch = 4
	// searchStrength: after so many (as a power of two) bytes without a match every second position is
	// looked at, after twice as many every third.
	searchStrength = 8
	// margin is what the last position looked at needs behind it.
	margin = 9
)

// sequence is some literals, and a copy of what was seen before.
type sequence struct {
	literals uint32
	match    uint32 // length of the copy
	offset   uint32 // how far back it begins, from 1
}

// matcher finds repetitions. Its tables say where the last occurrence of some bytes was; they outlive what
// they speak of, because positions only grow until they have to begin again.
type matcher struct {
	long  [1 << longBits]uint32
	short [1 << shortBits]uint32
	base  uint32 // position of the first byte of the piece; an entry below it means nothing

	// recent are the last two offsets, the ones that are tried first. They are a guess: what the decoder
	// knows is for the sequences' encoder to see to.
	recent [2]int

	sequences []sequence
	literals  []byte
}

func hashLong(v uint64) uint64  { return v * longPrime >> (64 - longBits) }
func hashShort(v uint64) uint64 { return v * shortPrime >> (64 - shortBits) }

func load64(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
func load32(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }

// begin starts a piece of n bytes.
func (m *matcher) begin(n int) {
	if m.base == 0 || uint64(m.base)+uint64(n) > 1<<31 {
		clear(m.long[:])
		clear(m.short[:])
		m.base = 1
	}
	m.recent = [2]int{1, 4} // what a decoder begins with
}

// end ends a piece of n bytes.
func (m *matcher) end(n int) { m.base += uint32(n) }

// find splits src[lo:hi] into sequences and last literals, with matches from all of src before.
func (m *matcher) find(src []byte, lo, hi int) {
	m.sequences, m.literals = m.sequences[:0], m.literals[:0]
	src = src[:hi]
	base := int(m.base)
	recent, older := m.recent[0], m.recent[1]
	anchor, limit := lo, hi-margin
	s := lo
search:
	for s <= limit {
		// Two positions are under way at a time: while the second's hash and table entry are on their way,
		// the first is judged.
		step, next := 1, s+1<<searchStrength
		cv := load64(src, s)
		h := hashLong(cv)
		l := int(m.long[h]) - base
		for {
			hs := hashShort(cv)
			c := int(m.short[hs]) - base
			m.long[h], m.short[hs] = uint32(s+base), uint32(s+base)

			if r := s + 1 - recent; r >= 0 && load32(src, r) == uint32(cv>>8) {
				n := minMatch + matchLength(src, r+minMatch, s+1+minMatch)
				m.add(src, anchor, s+1, n, recent)
				m.fill(src, s, s+1+n, limit)
				s += 1 + n
				anchor = s
				break
			}
			ahead := s + step
			if ahead > limit {
				break search
			}
			cv1 := load64(src, ahead)
			h1 := hashLong(cv1)
			t, n := l, 0
			start := s
			if l >= 0 && load64(src, l) == cv {
				n = 8 + matchLength(src, l+8, s+8)
			} else {
				l = int(m.long[h1]) - base
				if c < 0 || load32(src, c) != uint32(cv) {
					if ahead >= next {
						step++
						next += 1 << searchStrength
					}
					s, cv, h = ahead, cv1, h1
					continue
				}
				// A short match is here; a long one may be at the next position.
				t, n = c, minMatch+matchLength(src, c+minMatch, s+minMatch)
				if l >= 0 && load64(src, l) == cv1 {
					if n1 := 8 + matchLength(src, l+8, ahead+8); n1 > n {
						t, n, start = l, n1, ahead
					}
				}
			}
			if step < 4 {
				m.long[h1] = uint32(ahead + base)
			}
			for start > anchor && t > 0 && src[start-1] == src[t-1] {
				start, t, n = start-1, t-1, n+1
			}
			recent, older = start-t, recent
			m.add(src, anchor, start, n, recent)
			m.fill(src, s, start+n, limit)
			s = start + n
			anchor = s
			break
		}
		for s <= limit {
			r := s - older
			if r < 0 || older == 0 {
				break
			}
			cv := load64(src, s)
			if load32(src, r) != uint32(cv) {
				break
			}
			n := minMatch + matchLength(src, r+minMatch, s+minMatch)
			m.long[hashLong(cv)], m.short[hashShort(cv)] = uint32(s+base), uint32(s+base)
			recent, older = older, recent
			m.add(src, s, s, n, recent)
			s += n
			anchor = s
		}
	}
	m.recent = [2]int{recent, older}
	m.literals = append(m.literals, src[anchor:]...)
}

// add adds a sequence: literals from anchor on, a match of n bytes at s.
func (m *matcher) add(src []byte, anchor, s, n, offset int) {
	m.literals = append(m.literals, src[anchor:s]...)
	m.sequences = append(m.sequences, sequence{uint32(s - anchor), uint32(n), uint32(offset)})
}

// fill notes some positions of a match that was looked for at s and ends at end.
func (m *matcher) fill(src []byte, s, end, limit int) {
	if end > limit {
		return
	}
	base := int(m.base)
	v := load64(src, s+2)
	m.long[hashLong(v)], m.short[hashShort(v)] = uint32(s+2+base), uint32(s+2+base)
	m.long[hashLong(load64(src, end-2))] = uint32(end - 2 + base)
	m.short[hashShort(load64(src, end-1))] = uint32(end - 1 + base)
}

// matchLength counts how many bytes from b on, to the end of src, are the same as from a on.
func matchLength(src []byte, a, b int) int {
	n := 0
	for b+n+8 <= len(src) {
		if x := load64(src, a+n) ^ load64(src, b+n); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for b+n < len(src) && src[a+n] == src[b+n] {
		n++
	}
	return n
}
