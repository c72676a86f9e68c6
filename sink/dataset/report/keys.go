package report

import (
	"cmp"

	"github.com/zeebo/xxh3"
)

// keys counts how often each of many texts occurs, by their 64-bit hashes. Up to 2.8 million different ones the counts are
// exact, but for a collision, which ten million keys have in one of 400,000 data sets. Beyond, only keys are kept whose
// hash ends in depth zeros (adaptive sampling, Wegman 1984), each with all its copies: what is counted of
// them, times 2^depth, is an estimate whose error is below 0.1 %.
type keys struct {
	hashes []uint64 // 0 is an empty slot
	counts []uint8  // 255 is that or more
	n      int
	depth  uint
	total  int64 // all occurrences
	most   int   // slots, a power of two; 0: mostSlots
}

// Slots of 9 bytes, of which two thirds are filled: 2.8 million keys.
const (
	leastSlots = 1 << 12
	mostSlots  = 1 << 22
)

func (k *keys) add(key string) {
	k.total++
	k.insert(xxh3.HashString(key), 1)
}

func (k *keys) insert(h uint64, count uint8) {
	if h == 0 {
		h = 1 << 63
	}
	if !k.sampled(h) {
		return
	}
	if k.n >= len(k.hashes)/3*2 {
		k.grow()
		if !k.sampled(h) {
			return
		}
	}
	mask := uint64(len(k.hashes) - 1)
	i := (h >> 24) & mask
	for ; k.hashes[i] != 0 && k.hashes[i] != h; i = (i + 1) & mask {
	}
	if k.hashes[i] == 0 {
		k.hashes[i], k.n = h, k.n+1
	}
	k.counts[i] = uint8(min(255, int(k.counts[i])+int(count)))
}

// grow makes room: twice as much, or by keeping half of the keys.
func (k *keys) grow() {
	hashes, counts := k.hashes, k.counts
	if size := max(leastSlots, 2*len(hashes)); size <= cmp.Or(k.most, mostSlots) {
		k.hashes, k.counts = make([]uint64, size), make([]uint8, size)
	} else {
		k.depth++
		hashes, counts = k.sample()
		clear(k.hashes)
		clear(k.counts)
	}
	k.n = 0
	for i, h := range hashes {
		if h != 0 {
			k.insert(h, counts[i])
		}
	}
}

// sample copies what is still to be kept.
func (k *keys) sample() (hashes []uint64, counts []uint8) {
	n := 0
	for _, h := range k.hashes {
		if k.sampled(h) {
			n++
		}
	}
	hashes, counts = make([]uint64, 0, n), make([]uint8, 0, n)
	for i, h := range k.hashes {
		if k.sampled(h) {
			hashes, counts = append(hashes, h), append(counts, k.counts[i])
		}
	}
	return hashes, counts
}

// sampled tells whether a hash is one to keep; 0 is none.
func (k *keys) sampled(h uint64) bool { return h != 0 && h&(1<<k.depth-1) == 0 }

func (k *keys) figures() Duplicates {
	d := Duplicates{Keyed: k.total, Estimated: k.depth > 0}
	for _, c := range k.counts {
		switch {
		case c == 2:
			d.Twice++
		case c > 2:
			d.More++
		}
		d.Surplus += max(0, int64(c)-1)
	}
	d.Twice, d.More = d.Twice<<k.depth, d.More<<k.depth
	if d.Distinct = int64(k.n); d.Estimated { // of few copies, their number is the better estimate
		d.Surplus = min(d.Surplus<<k.depth, d.Keyed)
		d.Distinct = d.Keyed - d.Surplus
		return d
	}
	d.Surplus = d.Keyed - d.Distinct // a count may be more than fits
	return d
}
