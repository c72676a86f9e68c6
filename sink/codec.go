package sink

import (
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/format"
)

// compressor turns pages into what the file holds. One belongs to one task at a time and keeps its
// tables between pages.
type compressor interface {
	// compress returns the compressed form of src, in dst's memory where it fits.
	compress(dst, src []byte) ([]byte, error)
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

func (snappyCodec) compress(dst, src []byte) ([]byte, error) {
	return s2.EncodeSnappy(dst[:cap(dst)], src), nil
}

type noCodec struct{}

func (noCodec) compress(_, src []byte) ([]byte, error) { return src, nil }
