package zstd

import "math/bits"

// The FSE tables of sequence codes (RFC 8878, section 4.1).

const (
	maxSymbols  = 53 // match length codes, the largest alphabet
	minTableLog = 5
	maxTableLog = 9
)

// table encodes the symbols of one alphabet.
type table struct {
	norm    [maxSymbols]int16 // share of a symbol; -1: less than one, 0: it cannot occur
	symbols int
	log     uint8

	states [1 << maxTableLog]uint16
	symbol [maxSymbols]transform
}

// transform finds the next state: see [table.encode].
type transform struct {
	bits  uint32 // how many bits leave, plus what carries where one more has to
	state int32
}

// build computes the states of t from its shares (section 4.1.1; the encoding side is the inverse of the
// decoding table described there).
func (t *table) build() {
	size := 1 << t.log
	var (
		spread [1 << maxTableLog]uint8
		first  [maxSymbols + 1]int
	)
	high := size - 1
	for s, n := range t.norm[:t.symbols] {
		if n == -1 {
			spread[high] = uint8(s)
			high--
			n = 1
		}
		first[s+1] = first[s] + int(n)
	}
	step, at := size>>1+size>>3+3, 0
	for s, n := range t.norm[:t.symbols] {
		for range n {
			spread[at] = uint8(s)
			for at = (at + step) & (size - 1); at > high; at = (at + step) & (size - 1) {
			}
		}
	}
	next := first
	for u, s := range spread[:size] {
		t.states[next[s]] = uint16(size + u)
		next[s]++
	}
	for s, n := range t.norm[:t.symbols] {
		switch n {
		case 0:
			t.symbol[s] = transform{}
		case 1, -1:
			t.symbol[s] = transform{uint32(t.log)<<16 - 1<<t.log, int32(first[s] - 1)}
		default:
			most := uint32(t.log) - uint32(bits.Len16(uint16(n-1))-1)
			t.symbol[s] = transform{most<<16 - uint32(n)<<most, int32(first[s] - int(n))}
		}
	}
}

// first is the state that begins with symbol s and costs no bits.
func (t *table) first(s uint8) uint32 {
	x := t.symbol[s]
	n := (x.bits + 1<<15) >> 16
	return uint32(t.states[int32((n<<16-x.bits)>>n)+x.state])
}

// encode adds the bits that lead from a state to the next one, that of symbol s.
func (t *table) encode(w *bitWriter, state uint32, s uint8) uint32 {
	x := t.symbol[s]
	n := (state + x.bits) >> 16
	w.add(uint64(state&(1<<n-1)), uint8(n))
	return uint32(t.states[(int32(state>>n)+x.state)&(1<<maxTableLog-1)])
}

// last adds what a decoder begins with.
func (t *table) last(w *bitWriter, state uint32) { w.add(uint64(state)&(1<<t.log-1), t.log) }

// normalize gives each symbol that occurs its share of a table whose size suits the total.
func (t *table) normalize(counts []uint32, total int, maxLog uint8) {
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	t.symbols = len(counts)
	// Few symbols do not pay for a large table, and all must have a place in it.
	log := min(maxLog, uint8(max(bits.Len(uint(total-1))-3, 0)))
	least := uint8(min(bits.Len(uint(total)), bits.Len(uint(len(counts)-1))+1))
	t.log = min(max(log, least, minTableLog), maxLog)

	size := uint64(1) << t.log
	left, largest := int(size), 0
	for s, c := range counts {
		t.norm[s] = 0
		if c == 0 {
			continue
		}
		n := (uint64(c)*size + uint64(total)/2) / uint64(total)
		t.norm[s] = int16(max(n, 1))
		left -= int(t.norm[s])
		if c > counts[largest] {
			largest = s
		}
	}
	if left < 0 && int(t.norm[largest]) < -left*2 {
		t.shave(counts, -left)
		return
	}
	t.norm[largest] += int16(left)
}

// shave takes what was rounded up too often from where it hurts least.
func (t *table) shave(counts []uint32, surplus int) {
	for ; surplus > 0; surplus-- {
		worst, best := -1, 0.0
		for s, n := range t.norm[:t.symbols] {
			if n < 2 {
				continue
			}
			if loss := float64(counts[s]) / float64(n-1); worst < 0 || loss < best {
				worst, best = s, loss
			}
		}
		t.norm[worst]--
	}
}

// appendTo writes the shares as a decoder wants them (section 4.1.1).
func (t *table) appendTo(out []byte) []byte {
	w := newBitWriter(out, 2*maxSymbols+2)
	w.add(uint64(t.log-minTableLog), 4)
	remaining, threshold, width := 1<<t.log+1, 1<<t.log, t.log+1
	for s := 0; s < t.symbols && remaining > 1; {
		n := int(t.norm[s])
		s++
		most := 2*threshold - 1 - remaining
		remaining -= max(n, -n)
		n++
		zero := n == 1
		if n >= threshold {
			n += most
		}
		w.add(uint64(n), width)
		if n < most {
			w.n--
		}
		w.flush()
		for remaining < threshold {
			width--
			threshold >>= 1
		}
		if !zero {
			continue
		}
		run := 0
		for s < t.symbols && t.norm[s] == 0 {
			s++
			run++
		}
		for ; run >= 3; run -= 3 {
			w.add(3, 2)
			w.flush()
		}
		w.add(uint64(run), 2)
	}
	return w.finish()
}
