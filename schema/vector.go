//go:build !(goexperiment.simd && amd64)

package schema

// The two inner loops of reading strings. With GOEXPERIMENT=simd on amd64 they use the processor's
// vectors instead (vector_simd.go).

// plain copies src to dst up to the first byte that ends the plain copying of a string (a quote, a
// backslash, a control character) or until fewer than sixteen bytes are left in either. It returns how
// many it copied, and a word that has high bits if one of them, or of the others looked at together with
// the last, has. Up to sixteen bytes of dst behind the copied ones are overwritten.
func plain(dst, src []byte) (n int, foreign uint64) { return plainWords(dst, src) }

// valid tells whether text is valid UTF-8.
func valid(text []byte) bool { return validStates(text) }
