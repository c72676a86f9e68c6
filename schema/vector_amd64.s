#include "textflag.h"

// The inner loops of reading strings, 32 bytes at a time (AVX2). They read nothing outside of the memory they are
// given; vector_amd64.go has their contracts. Assembly, because a function of Go's gets vectors only with an experiment of
// the compiler's (GOEXPERIMENT=simd), and the portable loops take a fifth of the whole decoding more.

// Bytes that a vector is filled with.
DATA fill<>+0(SB)/1, $0x22 // quote
DATA fill<>+1(SB)/1, $0x5c // backslash
DATA fill<>+2(SB)/1, $0x1f // the last control character
DATA fill<>+3(SB)/1, $0x0f // the lower half of a byte
DATA fill<>+4(SB)/1, $0x80
DATA fill<>+5(SB)/1, $0x60 // E0 becomes 80 without it: the first byte of three or more
DATA fill<>+6(SB)/1, $0x70 // F0: of four
GLOBL fill<>(SB), RODATA|NOPTR, $7

// func plainVectors(dst, src *byte, room int) (n int, foreign uint64)
TEXT ·plainVectors(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ room+16(FP), DX
	SUBQ $32, DX                    // the last position to read at
	XORQ AX, AX
	VPBROADCASTB fill<>+0(SB), Y13
	VPBROADCASTB fill<>+1(SB), Y14
	VPBROADCASTB fill<>+2(SB), Y15
	VPXOR Y12, Y12, Y12             // all bytes seen before this step

step:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU Y0, (DI)(AX*1)
	VPCMPEQB Y13, Y0, Y1
	VPCMPEQB Y14, Y0, Y2
	VPMINUB Y15, Y0, Y3
	VPCMPEQB Y0, Y3, Y3
	VPOR Y2, Y1, Y1
	VPOR Y3, Y1, Y1
	VPMOVMSKB Y1, BX
	TESTL BX, BX
	JNZ found
	VPOR Y0, Y12, Y12
	ADDQ $32, AX
	CMPQ AX, DX
	JLE step
	VPMOVMSKB Y12, CX
	JMP done

found:
	PREFETCHT0 96(DI)(AX*1)         // the column goes on there with the next document
	BSFL BX, R8
	ADDQ R8, AX
	VPMOVMSKB Y0, R9
	LEAL -1(BX), R10
	NOTL BX
	ANDL BX, R10                    // the bits below the lowest: bytes before the end
	ANDL R10, R9
	VPMOVMSKB Y12, CX
	ORL R9, CX

done:
	NEGL CX                         // carries if any byte is above 7F
	SBBQ CX, CX
	MOVQ AX, n+24(FP)
	MOVQ CX, foreign+32(FP)
	VZEROUPPER
	RET

// func validVectors(text *byte, n int, mistakes *[3][16]uint8) bool
TEXT ·validVectors(SB), NOSPLIT, $0-25
	MOVQ text+0(FP), SI
	MOVQ n+8(FP), DX
	SUBQ $32, DX
	MOVQ mistakes+16(FP), R8
	VBROADCASTI128 (R8), Y15
	VBROADCASTI128 16(R8), Y14
	VBROADCASTI128 32(R8), Y13
	VPBROADCASTB fill<>+3(SB), Y12
	VPBROADCASTB fill<>+4(SB), Y11
	VPBROADCASTB fill<>+5(SB), Y10
	VPBROADCASTB fill<>+6(SB), Y9
	VPXOR Y8, Y8, Y8                // what is wrong
	XORQ AX, AX

	// Before the first 32 bytes stand zeros.
	VMOVDQU (SI), Y0
	VPERM2I128 $0x08, Y0, Y0, Y4    // zeros, and the lower half as the upper
	VPALIGNR $15, Y4, Y0, Y1        // each byte's predecessor
	VPALIGNR $14, Y4, Y0, Y2
	VPALIGNR $13, Y4, Y0, Y3
	JMP look

step:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU -1(SI)(AX*1), Y1
	VMOVDQU -2(SI)(AX*1), Y2
	VMOVDQU -3(SI)(AX*1), Y3

look:
	VPSRLW $4, Y1, Y4
	VPAND Y12, Y4, Y4
	VPSHUFB Y4, Y15, Y4
	VPAND Y12, Y1, Y5
	VPSHUFB Y5, Y14, Y5
	VPAND Y5, Y4, Y4
	VPSRLW $4, Y0, Y6
	VPAND Y12, Y6, Y6
	VPSHUFB Y6, Y13, Y6
	VPAND Y6, Y4, Y4

	// Two continuation bytes in a row are right where a longer character began two or three bytes ago.
	VPSUBUSB Y10, Y2, Y2
	VPSUBUSB Y9, Y3, Y3
	VPOR Y3, Y2, Y2
	VPAND Y11, Y2, Y2
	VPXOR Y2, Y4, Y4
	VPOR Y4, Y8, Y8

	CMPQ AX, DX
	JEQ done
	ADDQ $32, AX
	CMPQ AX, DX
	JLE step
	MOVQ DX, AX                     // the last 32 bytes, some of them once more
	JMP step

done:
	VPTEST Y8, Y8
	SETEQ ret+24(FP)
	VZEROUPPER
	RET
