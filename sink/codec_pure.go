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

// windowOf is the window at a level; the encoder keeps twice as much history. 16 MiB of texts in two
// pages take, with windows of 1, 2, 4 and 8 MiB,
//
//	SpeedDefault            6,452,344  6,408,615  6,407,115  6,407,109 bytes, about 110 ms
//	SpeedBetterCompression  5,963,782  5,622,797  5,429,039  5,382,104 bytes, 200, 180, 170, 245 ms
//
// and the strongest uses what it gets. There is nothing between the two: SpeedDefault makes files 1 %
// larger than DuckDB's at level 3, whose namesake it is. The first 4 MiB of a row group's texts at
// SpeedBetterCompression made them 1 % smaller for 15 % more CPU, since with both cores busy it takes
// three times as long; all short strings at it 0.8 % smaller for about as much. Neither was worth it.
func windowOf(speed zstd.EncoderLevel) int {
	switch speed {
	case zstd.SpeedFastest, zstd.SpeedDefault:
		return 2 << 20
	case zstd.SpeedBetterCompression:
		return 4 << 20
	}
	return 8 << 20
}

func newZstd(level int) (compressor, error) {
	speed := zstd.EncoderLevelFromZstd(level)
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(speed),
		zstd.WithEncoderConcurrency(1), // tasks are the concurrency
		zstd.WithWindowSize(windowOf(speed)),
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

// bound leaves room for what does not shrink, which large texts do.
func (*zstdCodec) bound(n int) int {
	if n > pageBytes {
		return n / 2
	}
	return n + n/128 + 512
}

func (*zstdCodec) parts(n int) bool { return n > oneBlock }

// byteWriter gathers what is written to it.
type byteWriter []byte

func (w *byteWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
