//go:build !libzstd

package sink

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// ZstdLibrary names the zstd implementation this binary was built with.
const ZstdLibrary = "klauspost/compress"

// zstdCodec is zstd in pure Go.
type zstdCodec struct{ encoder *zstd.Encoder }

func newZstd(level int) (compressor, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1), // tasks are the concurrency
		zstd.WithWindowSize(textPageBytes),
		zstd.WithEncoderCRC(false), // the page header has one
	)
	if err != nil {
		return nil, fmt.Errorf("compress pages: %w", err)
	}
	return zstdCodec{encoder}, nil
}

func (z zstdCodec) compress(dst, src []byte) ([]byte, error) {
	return z.encoder.EncodeAll(src, dst[:0]), nil
}
