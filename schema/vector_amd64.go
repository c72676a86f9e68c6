package schema

import "golang.org/x/sys/cpu"

// vectors tells whether the processor has what vector_amd64.s needs. Few since 2015 do not.
var vectors = cpu.X86.HasAVX2

// plain: see vector.go.
func plain(dst, src []byte) (n int, foreign uint64) {
	if room := min(len(dst), len(src)); vectors && room >= 32 {
		return plainVectors(&dst[0], &src[0], room)
	}
	return plainWords(dst, src)
}

// valid tells whether text is valid UTF-8.
func valid(text []byte) bool {
	n := len(text)
	if n < 32+3 || !vectors { // the last 32 bytes are looked at together with the three before them
		return validStates(text)
	}
	// A character that the end cuts off is not a mistake of any two bytes in a row.
	if text[n-1] >= 0xc0 || text[n-2] >= 0xe0 || text[n-3] >= 0xf0 {
		return false
	}
	return validVectors(&text[0], n, &mistakes)
}

// plainVectors is plain, 32 bytes at a time. It reads and writes nothing from room on, which is at least 32, and
// foreign tells of the copied bytes alone.
//
//go:noescape
func plainVectors(dst, src *byte, room int) (n int, foreign uint64)

// validVectors tells whether the n bytes, at least 35, are valid UTF-8. A character that the end cuts off is not looked at. It
// looks each pair of bytes up in three tables, by both halves of the first and the upper half of the second; what
// all three agree on is wrong with the pair. It is the method of Keiser and Lemire, "Validating UTF-8 in less than
// one instruction per byte" (Software: Practice and Experience 51, 2021).
//
//go:noescape
func validVectors(text *byte, n int, mistakes *[3][16]uint8) bool

// What may be wrong with two bytes in a row. The highest bit is not a mistake by itself.
const (
	unfinished   = 1 << iota // a character that wants a continuation byte and does not get it
	unexpected               // a continuation byte after ASCII
	overlong3                // E0 80 to E0 9F
	tooLarge                 // F4 90 and above
	surrogate                // ED A0 to ED BF
	overlong2                // C0 and C1
	overlong4                // F0 80 to F0 8F; F5 80 to FF 8F, too
	continuation             // two continuation bytes

	always = unfinished | unexpected | continuation // whatever the lower half of the first byte
	beyond = always | tooLarge | overlong4
	multi  = unexpected | overlong2 | continuation // whatever comes after a first byte of several
)

// mistakes is what may be wrong with a pair, by the upper and the lower half of its first byte and by the upper half of its
// second.
var mistakes = [3][16]uint8{
	{
		unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected,
		continuation, continuation, continuation, continuation,
		unfinished | overlong2, unfinished, unfinished | overlong3 | surrogate, unfinished | tooLarge | overlong4,
	},
	{
		always | overlong2 | overlong3 | overlong4, always | overlong2, always, always, always | tooLarge,
		beyond, beyond, beyond, beyond, beyond, beyond, beyond, beyond, beyond | surrogate, beyond, beyond,
	},
	{
		unfinished, unfinished, unfinished, unfinished, unfinished, unfinished, unfinished, unfinished,
		multi | overlong3 | overlong4, multi | overlong3 | tooLarge, multi | surrogate | tooLarge, multi | surrogate | tooLarge,
		unfinished, unfinished, unfinished, unfinished,
	},
}
