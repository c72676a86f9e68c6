//go:build goexperiment.simd && amd64

package schema

import (
	"math/bits"
	"simd/archsimd"
)

// This file is what vector.go is, with vectors of sixteen bytes. A decoder of the mix gains a quarter by it
// (BenchmarkDecode), one of long texts more and one of X documents nothing. The package is an experiment
// of Go's, so the portable code stays the default, and is what a processor without AVX gets here too.

// plain: see vector.go.
func plain(dst, src []byte) (n int, foreign uint64) {
	if !archsimd.X86.AVX() {
		return plainWords(dst, src)
	}
	quote, backslash := archsimd.BroadcastUint8x16('"'), archsimd.BroadcastUint8x16('\\')
	control := archsimd.BroadcastUint8x16(0x1f) // and all below
	var seen archsimd.Uint8x16
	for last := min(len(dst), len(src)) - 16; n <= last; n += 16 {
		v := archsimd.LoadUint8x16((*[16]byte)(src[n:]))
		v.Store((*[16]byte)(dst[n:]))
		seen = seen.Or(v)
		if special := v.Equal(quote).Or(v.Equal(backslash)).Or(v.Min(control).Equal(v)).ToBits(); special != 0 {
			n += bits.TrailingZeros16(special)
			break
		}
	}
	words := seen.AsUint64x2()
	return n, words.GetElem(0) | words.GetElem(1)
}

// valid looks each pair of bytes up in three tables, by both halves of the first and the upper half of the
// second; what all three agree on is wrong with the pair. It is the method of Keiser and Lemire,
// "Validating UTF-8 in less than one instruction per byte" (Software: Practice and Experience 51, 2021).
func valid(text []byte) bool {
	if !archsimd.X86.AVX() {
		return validStates(text)
	}
	var (
		upper1, lower1 = archsimd.LoadUint8x16(&byUpper1), archsimd.LoadUint8x16(&byLower1)
		upper2         = archsimd.LoadUint8x16(&byUpper2)
		nibble, high   = archsimd.BroadcastUint8x16(0x0f), archsimd.BroadcastUint8x16(0x80)
		third, fourth  = archsimd.BroadcastUint8x16(0xe0 - 0x80), archsimd.BroadcastUint8x16(0xf0 - 0x80)

		before, wrong archsimd.Uint8x16 // the sixteen bytes before those at hand
	)
	// Zeros behind the text, at least one, so that an unfinished character is found at the end too.
	var end [16]byte
	copy(end[:], text[len(text)&^15:])
	for last := false; !last; {
		var v archsimd.Uint8x16
		if last = len(text) < 16; last {
			v = archsimd.LoadUint8x16(&end)
		} else {
			v = archsimd.LoadUint8x16((*[16]byte)(text))
			text = text[16:]
		}
		one := v.ConcatShiftBytesRight(15, before) // each byte's predecessor, and so on
		two, three := v.ConcatShiftBytesRight(14, before), v.ConcatShiftBytesRight(13, before)
		pairs := upper1.PermuteOrZero(one.AsUint16x8().ShiftAllRight(4).AsUint8x16().And(nibble).AsInt8x16()).
			And(lower1.PermuteOrZero(one.And(nibble).AsInt8x16())).
			And(upper2.PermuteOrZero(v.AsUint16x8().ShiftAllRight(4).AsUint8x16().And(nibble).AsInt8x16()))
		// Two continuation bytes in a row are right where a longer character began two or three bytes ago.
		continued := two.SubSaturated(third).Or(three.SubSaturated(fourth)).And(high)
		wrong = wrong.Or(continued.Xor(pairs))
		before = v
	}
	return wrong.IsZero()
}

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

var (
	byUpper1 = [16]uint8{
		unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected, unexpected,
		continuation, continuation, continuation, continuation,
		unfinished | overlong2, unfinished, unfinished | overlong3 | surrogate, unfinished | tooLarge | overlong4,
	}
	byLower1 = [16]uint8{
		always | overlong2 | overlong3 | overlong4, always | overlong2, always, always, always | tooLarge,
		beyond, beyond, beyond, beyond, beyond, beyond, beyond, beyond, beyond | surrogate, beyond, beyond,
	}
	byUpper2 = [16]uint8{
		unfinished, unfinished, unfinished, unfinished, unfinished, unfinished, unfinished, unfinished,
		multi | overlong3 | overlong4, multi | overlong3 | tooLarge, multi | surrogate | tooLarge, multi | surrogate | tooLarge,
		unfinished, unfinished, unfinished, unfinished,
	}
)
