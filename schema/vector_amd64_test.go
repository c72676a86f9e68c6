package schema

import (
	"bytes"
	"os"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// TestVectors_StayInTheirMemory puts sources and destinations of every length to both ends of memory that may
// be touched: one byte beyond ends the process.
func TestVectors_StayInTheirMemory(t *testing.T) {
	source, destination := fenced(t), fenced(t)
	for n := range 200 {
		for _, src := range [][]byte{source[:n], source[len(source)-n:]} {
			for i := range src {
				src[i] = "é"[i&1] // cut off at the end if n is odd
			}
			if got := valid(src); got != utf8.Valid(src) {
				t.Errorf("%d bytes are valid: %v", n, got)
			}
			for _, dst := range [][]byte{destination[:n], destination[len(destination)-n:]} {
				if k, foreign := plain(dst, src); n-k >= 32 || !bytes.Equal(dst[:k], src[:k]) || k > 0 && foreign&highs == 0 {
					t.Errorf("%d of %d bytes copied, foreign %x", k, n, foreign)
				}
			}
		}
	}
}

// fenced returns a page between two that nobody may touch.
func fenced(t *testing.T) []byte {
	size := os.Getpagesize()
	pages, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(pages) })
	for _, fence := range [][]byte{pages[:size], pages[2*size:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return pages[size : 2*size : 2*size]
}
