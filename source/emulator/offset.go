package emulator

import "encoding/base64"

// offset hides a position: 40 bits of it, and 16 that tie it to the collector, as ten characters of
// URL-safe base64. Neighbouring positions look unrelated, so nobody can order or extend them.
func (col *collector) offset(position int64) string {
	x := uint64(position) & (1<<40 - 1)
	key := col.epoch
	check := mix(key^x) & 0xffff
	x = (x * 0x5851f42d4c957f2d & (1<<40 - 1)) ^ mix(key^check)&(1<<40-1)
	word := x<<16 | check
	var b [7]byte
	for i := range b {
		b[i] = byte(word >> (48 - 8*i))
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// position is the inverse of offset, false for what is not an offset of this collector.
func (col *collector) position(offset string) (int64, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(offset)
	if err != nil || len(b) != 7 {
		return 0, false
	}
	var word uint64
	for _, c := range b {
		word = word<<8 | uint64(c)
	}
	check := word & 0xffff
	x := word>>16 ^ mix(col.epoch^check)&(1<<40-1)
	x = x * inverse & (1<<40 - 1)
	if mix(col.epoch^x)&0xffff != check || int64(x) > col.length {
		return 0, false
	}
	return int64(x), true
}

// inverse undoes the multiplication of offset modulo 2^64, hence modulo 2^40.
const inverse = 0xc097ef87329e28a5
