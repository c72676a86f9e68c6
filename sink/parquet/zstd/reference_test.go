//go:build libzstd

package zstd

import (
	"bytes"
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
