package bench

import "math/bits"

// rng is splitmix64: small, fast, and fixed here, so that the corpus of a seed never changes with a
// Go release. All of the generator's arithmetic that decides bytes is integer arithmetic or single
// IEEE operations, for the same reason on every architecture.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// fork returns an independent generator. What is drawn from it leaves r's sequence alone.
func (r *rng) fork() rng { return rng(r.next()) }

// below returns a number in [0, n).
func (r *rng) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *rng) between(lo, hi int) int { return lo + r.below(hi-lo+1) }

// percent is true p times in a hundred.
func (r *rng) percent(p int) bool { return r.below(100) < p }

// spread returns a log-normal number: its median, and sigma (of the natural logarithm) in hundredths.
func (r *rng) spread(median, sigma int) int {
	// The sum of twelve uniform numbers less six is normal enough; here in units of 1/65536.
	z := -6 * 65536
	for range 3 {
		u := r.next()
		z += int(u&0xffff) + int(u>>16&0xffff) + int(u>>32&0xffff) + int(u>>48)
	}
	e := z * sigma * 144 / 10000 // log2(e) = 1.44
	whole, frac := e>>16, e&0xffff
	v := median * (65536 + frac) >> 8 // 2^x between whole exponents by a straight line
	if whole >= 0 {
		return v << whole >> 8
	}
	return v >> -whole >> 8
}

// zipf draws ranks in [0, n) with a probability falling as 1/(rank+shift), by Walker's alias method:
// one random number, one table entry.
type zipf struct {
	cells []zipfCell
}

type zipfCell struct {
	keep  uint32 // of 2^32: below it the cell's own rank, else the alias
	alias uint32
}

func newZipf(n int, shift float64) zipf {
	weight := make([]float64, n)
	sum := 0.0
	for i := range weight {
		weight[i] = 1 / (float64(i) + shift)
		sum += weight[i]
	}
	var small, large []int
	for i := range weight {
		weight[i] = weight[i] / sum * float64(n)
		if weight[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	z := zipf{cells: make([]zipfCell, n)}
	for i := range z.cells {
		z.cells[i] = zipfCell{keep: 1<<32 - 1, alias: uint32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		z.cells[s] = zipfCell{keep: uint32(weight[s] * (1<<32 - 1)), alias: uint32(l)}
		weight[l] -= 1 - weight[s]
		if weight[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return z
}

func (z zipf) draw(r *rng) int {
	u := r.next()
	i := int(u >> 32 * uint64(len(z.cells)) >> 32)
	if c := z.cells[i]; uint32(u) > c.keep {
		return int(c.alias)
	}
	return i
}
