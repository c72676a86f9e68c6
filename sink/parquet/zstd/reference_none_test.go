//go:build !libzstd

package zstd

import (
	"iter"
	"testing"
)

// expectReference is for builds with libzstd.
func expectReference(testing.TB, []byte, []byte) {}

func referenceLevels() iter.Seq2[int, func(dst, page []byte) []byte] {
	return func(func(int, func(dst, page []byte) []byte) bool) {}
}
