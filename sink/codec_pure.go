//go:build !libzstd

package sink

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// ZstdLibrary names the zstd implementation this binary was built with.
const ZstdLibrary = "klauspost/compress"

// zstdCodec is zstd in pure Go.
type zstdCodec struct {
	encoder *zstd.Encoder
	out     byteWriter
}

// oneBlock is the longest input that the encoder takes without copying it into its history (the
// format's largest block).
const oneBlock = 128 << 10

// fastWindow is the window up to level 5. The encoder keeps twice as much history; its tables
// there forget sooner: 24 MiB of texts take 9,831,854 bytes with it and 9,828,978 with 8 MiB, in the
// same time. The stronger encoders do use 8 MiB (8,628,557 and 8,252,320).
const fastWindow = 2 << 20

func newZstd(level int) (compressor, error) {
	speed := zstd.EncoderLevelFromZstd(level)
	window := textPageBytes
	if speed <= zstd.SpeedDefault {
		window = fastWindow
	}
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(speed),
		zstd.WithEncoderConcurrency(1), // tasks are the concurrency
		zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false), // the page header has one
		// Else short strings and packed numbers, in which little repeats, stay as they are: 0.8 % of
		// a file for no time.
		zstd.WithAllLitEntropyCompression(true),
	)
	if err != nil {
		return nil, fmt.Errorf("compress pages: %w", err)
	}
	return &zstdCodec{encoder: encoder}, nil
}

func (z *zstdCodec) compress(dst, head, tail []byte) ([]byte, error) {
	if len(head)+len(tail) <= oneBlock {
		return z.encoder.EncodeAll(head, dst[:0]), nil
	}
	// The stream copies into the same history that EncodeAll would, so texts need not be copied
	// together first.
	z.out = dst[:0]
	z.encoder.ResetContentSize(&z.out, int64(len(head)+len(tail)))
	for _, part := range [][]byte{head, tail} {
		if _, err := z.encoder.Write(part); err != nil {
			return nil, fmt.Errorf("compress page: %w", err)
		}
	}
	if err := z.encoder.Close(); err != nil {
		return nil, fmt.Errorf("compress page: %w", err)
	}
	return z.out, nil
}

func (*zstdCodec) parts(n int) bool { return n > oneBlock }

// byteWriter gathers what is written to it.
type byteWriter []byte

func (w *byteWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
