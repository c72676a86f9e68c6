package zstd

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

const (
	magic = 0xfd2fb528
	// maxBlock is the format's largest block (section 3.1.1.2.4).
	maxBlock = 128 << 10
	// maxPiece is the farthest that a match can reach: what every decoder has to have room for (section
	// 3.1.1.1.2).
	maxPiece = 8 << 20
	// windowOfPiece is the window descriptor of maxPiece.
	windowOfPiece = (23 - 10) << 3
	// minBlock is the shortest block that is tried to compress.
	minBlock = 16
)

// Encoder makes frames. It is not safe for concurrent use.
type Encoder struct {
	m     matcher
	huff  huff0.Scratch
	codes codes
}

// NewEncoder makes an Encoder, of 2 MiB of tables and buffers.
func NewEncoder() *Encoder {
	e := &Encoder{}
	e.codes.init()
	return e
}

// AppendFrame appends a frame to dst whose content is all parts, one after the other, of less than 4 GiB. What is
// in one part is not looked for in another.
func (e *Encoder) AppendFrame(dst []byte, parts ...[]byte) []byte {
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	dst = appendHeader(dst, total)
	e.huff.Reuse = huff0.ReusePolicyNone
	e.codes.reset()
	left := total
	for _, p := range parts {
		for len(p) > 0 {
			piece := p[:min(len(p), maxPiece)]
			p = p[len(piece):]
			e.m.begin(len(piece))
			for lo := 0; lo < len(piece); lo += maxBlock {
				hi := min(lo+maxBlock, len(piece))
				left -= hi - lo
				dst = e.appendBlock(dst, piece, lo, hi, left == 0)
			}
			e.m.end(len(piece))
		}
	}
	if total == 0 {
		dst = appendBlockHeader(dst, rawBlock, 0, true)
	}
	return dst
}

// appendHeader begins a frame (section 3.1.1.1): without checksum, since the page has one.
func appendHeader(dst []byte, total int) []byte {
	const singleSegment = 1 << 5
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	switch {
	case total < 256:
		return append(dst, 0<<6|singleSegment, byte(total))
	case total < 256+1<<16:
		dst = append(dst, 1<<6|singleSegment)
		return binary.LittleEndian.AppendUint16(dst, uint16(total-256))
	case total <= maxPiece:
		dst = append(dst, 2<<6|singleSegment)
	default:
		dst = append(dst, 2<<6, windowOfPiece)
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(total))
}

// The kinds of blocks that are used (section 3.1.1.2.2).
const (
	rawBlock        = 0
	compressedBlock = 2
)

func appendBlockHeader(dst []byte, kind, n int, last bool) []byte {
	h := n<<3 | kind<<1
	if last {
		h |= 1
	}
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// appendBlock compresses src[lo:hi], or takes it as it is if that is shorter.
func (e *Encoder) appendBlock(dst, src []byte, lo, hi int, last bool) []byte {
	start, n := len(dst), hi-lo
	if n >= minBlock {
		e.m.find(src, lo, hi)
		dst = appendBlockHeader(dst, compressedBlock, 0, last)
		dst = e.appendLiterals(dst)
		dst = e.codes.appendTo(dst, e.m.sequences[:e.m.nSeq])
		if size := len(dst) - start - 3; size < n {
			appendBlockHeader(dst[:start], compressedBlock, size, last)
			e.codes.commit()
			return dst
		}
		// The decoder will not have seen what was made here.
		e.huff.Reuse = huff0.ReusePolicyNone
	}
	dst = appendBlockHeader(dst[:start], rawBlock, n, last)
	return append(dst, src[lo:hi]...)
}
