package parquet

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/format"
)

// compressor turns pages into what the file holds. One belongs to one task at a time and keeps its
// tables between pages.
type compressor interface {
	// compress returns the compressed form of head and tail as one piece, in dst's memory where it fits.
	// tail may be longer than nothing only if parts allows it.
	compress(dst, head, tail []byte) ([]byte, error)
	// bound is the room that the compressed form of n bytes is given; more is made where it takes more.
	bound(n int) int
	// parts says that a page of n bytes may come in two pieces, which spares copying its texts together.
	parts(n int) bool
}

func newCompressor(c Compression) (compressor, error) {
	switch c.Codec {
	case Zstd:
		return newZstd(c.zstdLevel())
	case Snappy:
		return snappyCodec{}, nil
	case None:
		return noCodec{}, nil
	}
	return nil, fmt.Errorf("compress pages: unknown codec %v", c.Codec)
}

// format is what the footer calls the codec. It is the same for all chunks: parquet-go takes a
// column's codec from the first row group.
func (c Compression) format() format.CompressionCodec {
	switch c.Codec {
	case Snappy:
		return format.Snappy
	case None:
		return format.Uncompressed
	}
	return format.Zstd
}

// snappyCodec uses S2's Snappy-compatible encoder, the fastest at hand.
type snappyCodec struct{}

func (snappyCodec) compress(dst, head, _ []byte) ([]byte, error) {
	return s2.EncodeSnappy(dst[:cap(dst)], head), nil
}

func (snappyCodec) bound(n int) int { return s2.MaxEncodedLen(n) }

func (snappyCodec) parts(int) bool { return false }

type noCodec struct{}

func (noCodec) compress(_, head, _ []byte) ([]byte, error) { return head, nil }

func (noCodec) bound(int) int { return 0 }

func (noCodec) parts(int) bool { return false }
