//go:build !libzstd

package parquet

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	pagezstd "tw2parquet/sink/parquet/zstd"
)

// ZstdLibrary names the zstd implementation this binary was built with.
const ZstdLibrary = "pure Go"

func newZstd(level int) (compressor, error) {
	// One level of ours stands for those around 3, the default: it makes smaller files than the one that
	// klauspost/compress has for them, in less time. Its pages at 1 and 2 are a fifth larger than ours and take
	// three quarters of the time; those at 6 to 9 are 5 % smaller and take about twice as long.
	if level >= 3 && level <= 5 {
		return pageCodec{pagezstd.NewEncoder()}, nil
	}
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
	return &streamCodec{encoder: encoder}, nil
}

// pageCodec is our own zstd.
type pageCodec struct{ encoder *pagezstd.Encoder }

func (z pageCodec) compress(dst, head, tail []byte) ([]byte, error) {
	return z.encoder.AppendFrame(dst[:0], head, tail), nil
}

func (pageCodec) bound(n int) int { return room(n) }

// parts keeps short pages in one piece, in which more repeats.
func (pageCodec) parts(n int) bool { return n > oneBlock }

// streamCodec is klauspost/compress's.
type streamCodec struct {
	encoder *zstd.Encoder
	out     byteWriter
}

// oneBlock is the longest input that the encoder takes without copying it into its history (the
// format's largest block).
const oneBlock = 128 << 10

// windowOf is the window at a level; the encoder keeps twice as much history. 16 MiB of texts in two
// pages take, with windows of 1, 2, 4 and 8 MiB,
//
//	SpeedBetterCompression  5,963,782  5,622,797  5,429,039  5,382,104 bytes, 200, 180, 170, 245 ms
//
// and the strongest uses what it gets.
func windowOf(speed zstd.EncoderLevel) int {
	switch speed {
	case zstd.SpeedFastest, zstd.SpeedDefault:
		return 2 << 20
	case zstd.SpeedBetterCompression:
		return 4 << 20
	}
	return 8 << 20
}

func (z *streamCodec) compress(dst, head, tail []byte) ([]byte, error) {
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

func (*streamCodec) bound(n int) int { return room(n) }

// room is enough for what does not shrink, which large texts do.
func room(n int) int {
	if n > pageBytes {
		return n / 2
	}
	return n + n/128 + 512
}

func (*streamCodec) parts(n int) bool { return n > oneBlock }

// byteWriter gathers what is written to it.
type byteWriter []byte

func (w *byteWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
