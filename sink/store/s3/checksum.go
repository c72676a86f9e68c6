package s3

// polynomial of CRC64NVME, the one checksum of S3's that holds for a whole object, however it was cut into parts. Its
// highest bit is that of x^0.
const polynomial = 0x9a6c9329ac4bc9b5

// joined is the checksum of bytes with the checksum a that are followed by n bytes with the checksum b. It costs
// microseconds, and summing up the bytes of all parts once more is a hundredth of an export.
func joined(a, b uint64, n int) uint64 {
	shift, square := uint64(1)<<63, uint64(1)<<(63-8) // x^0, and x^8: one byte
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = product(shift, square)
		}
		square = product(square, square)
	}
	return product(shift, a) ^ b
}

// product is that of two polynomials over GF(2), modulo the checksum's.
func product(a, b uint64) (p uint64) {
	for ; a != 0; a <<= 1 {
		if a>>63 == 1 {
			p ^= b
		}
		b = b>>1 ^ polynomial&-(b&1)
	}
	return p
}
