package zstd

import "math/bits"

// Bits that a code of literals, or of a match's length less 3, leaves open (section 3.1.1.3.2.1.1, tables 16
// and 17).
var (
	literalsWidth = [36]uint8{16: 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	matchWidth    = [53]uint8{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

// Shares of the predefined tables (section 3.1.1.3.2.2).
var (
	literalsShares = []int16{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1}
	matchShares    = []int16{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1}
	offsetShares = []int16{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}
)

// smallCode is a code and what it leaves open, of small numbers.
type smallCode struct{ code, open uint8 }

var (
	smallLiterals = smallCodes[[64]smallCode](literalsWidth[:])
	smallMatches  = smallCodes[[128]smallCode](matchWidth[:])
)

func smallCodes[A [64]smallCode | [128]smallCode](widths []uint8) (small A) {
	code, base := 0, 0
	for n := range len(small) {
		if n == base+1<<widths[code] {
			code, base = code+1, n
		}
		small[n] = smallCode{uint8(code), uint8(n - base)}
	}
	return small
}

// literalsCode is the code of a number of literals, and what the code leaves open.
func literalsCode(n uint32) (code uint8, open uint32) {
	if n < uint32(len(smallLiterals)) {
		s := smallLiterals[n]
		return s.code, uint32(s.open)
	}
	log := uint8(bits.Len32(n)) - 1
	return log + 19, n - 1<<log
}

// matchCode is the code of a match's length less 3, and what the code leaves open.
func matchCode(n uint32) (code uint8, open uint32) {
	if n < uint32(len(smallMatches)) {
		s := smallMatches[n]
		return s.code, uint32(s.open)
	}
	log := uint8(bits.Len32(n)) - 1
	return log + 36, n - 1<<log
}
