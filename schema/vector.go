//go:build !amd64

package schema

// The two inner loops of reading strings, in portable Go. On amd64 they use the processor's vectors
// (vector_amd64.go).

// plain copies src to dst up to the first byte that ends the plain copying of a string (a quote, a
// backslash, a control character) or until too few bytes for a whole step are left in either. It returns how
// many it copied, and a word that has high bits if one of them, or of the others looked at together with
// the last, has. Up to a step of dst behind the copied ones are overwritten.
func plain(dst, src []byte) (n int, foreign uint64) { return plainWords(dst, src) }

// valid tells whether text is valid UTF-8.
func valid(text []byte) bool { return validStates(text) }
