//go:build libzstd

package zstd

import (
	"bytes"
	"iter"
	"testing"

	"github.com/DataDog/zstd"
)

// expectReference holds that the reference implementation reads a frame too.
func expectReference(t testing.TB, frame, want []byte) {
	t.Helper()
	got, err := zstd.Decompress(nil, frame)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("libzstd makes %d bytes of %d: %v", len(got), len(want), err)
	}
}

// referenceLevels are the reference implementation's levels around ours.
func referenceLevels() iter.Seq2[int, func(dst, page []byte) []byte] {
	return func(yield func(int, func(dst, page []byte) []byte) bool) {
		context := zstd.NewCtx()
		for level := 1; level <= 4; level++ {
			compress := func(dst, page []byte) []byte {
				out, err := context.CompressLevel(dst[:cap(dst)], page, level)
				if err != nil {
					panic(err)
				}
				return out
			}
			if !yield(level, compress) {
				return
			}
		}
	}
}
