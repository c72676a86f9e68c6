package s3

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"

	"github.com/minio/crc64nvme"
)

// nvme is the standard library's way to the same checksum.
var nvme = crc64.MakeTable(polynomial)

func TestJoined_IsTheChecksumOfTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, sizes := range [][]int{{0}, {0, 0}, {1}, {1, 1}, {0, 7, 0}, {8 << 20, 8 << 20, 12345}, {3, 1 << 20, 0, 65537, 1}} {
		var whole []byte
		sum := uint64(0)
		for _, size := range sizes {
			part := make([]byte, size)
			for i := range part {
				part[i] = byte(rng.Uint32())
			}
			whole = append(whole, part...)
			sum = joined(sum, crc64nvme.Checksum(part), size)
		}
		if want := crc64.Checksum(whole, nvme); sum != want {
			t.Errorf("parts of %v bytes have the checksum %x, and together %x", sizes, sum, want)
		}
	}
}

// The check value that catalogues of checksums give for CRC-64/NVME.
func TestChecksum_OfTheCatalogue(t *testing.T) {
	if got := crc64nvme.Checksum([]byte("123456789")); got != 0xae8b14860a799888 {
		t.Errorf("%x", got)
	}
}
