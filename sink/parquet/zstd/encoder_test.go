package zstd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// decoder is the oracle.
func decoder(t testing.TB) *zstd.Decoder {
	t.Helper()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// expectFrame holds that a frame of parts gives them back, and is not much longer than they are.
func expectFrame(t testing.TB, e *Encoder, d *zstd.Decoder, parts ...[]byte) []byte {
	t.Helper()
	want := bytes.Join(parts, nil)
	frame := e.AppendFrame([]byte("before"), parts...)
	frame, ok := bytes.CutPrefix(frame, []byte("before"))
	if !ok {
		t.Fatal("what was there before is gone")
	}
	got, err := d.DecodeAll(frame, nil)
	if err != nil {
		t.Fatalf("%d bytes: %v", len(want), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes came back as %d others", len(want), len(got))
	}
	if len(want) > 0 { // of nothing libzstd's binding makes an error
		expectReference(t, frame, want)
	}
	if most := len(want) + 10 + 3*(len(want)/maxBlock+2*len(parts)); len(frame) > most {
		t.Fatalf("%d bytes became %d, more than %d", len(want), len(frame), most)
	}
	return frame
}

// texts makes n bytes of words, of which few are frequent.
func texts(rng *rand.Rand, n int) []byte {
	words := make([][]byte, 1+rng.IntN(3000))
	for i := range words {
		words[i] = fmt.Appendf(nil, "%x ", rng.Uint64()>>rng.IntN(60))
	}
	var b []byte
	for len(b) < n {
		b = append(b, words[rng.IntN(1+rng.IntN(len(words)))]...)
	}
	return b[:n]
}

// noise makes n bytes that cannot be compressed.
func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestEncoder_EveryLength(t *testing.T) {
	e, d, rng := NewEncoder(), decoder(t), rand.New(rand.NewPCG(1, 1))
	for n := 0; n < 1200; n += 1 + n/100 {
		expectFrame(t, e, d, texts(rng, n))
		expectFrame(t, e, d, noise(rng, n))
		expectFrame(t, e, d, bytes.Repeat([]byte{'a'}, n))
		expectFrame(t, e, d, bytes.Repeat([]byte("abc"), n)[:n])
	}
}

// TestEncoder_Borders: of the header's forms, of blocks, of pieces, of what is said to a decoder about room.
func TestEncoder_Borders(t *testing.T) {
	e, d, rng := NewEncoder(), decoder(t), rand.New(rand.NewPCG(1, 2))
	long := texts(rng, 2*maxPiece+1)
	for _, border := range []int{256, 256 + 1<<16, maxBlock, 2 * maxBlock, maxPiece} {
		for n := border - 1; n <= border+1; n++ {
			expectFrame(t, e, d, long[:n])
		}
	}
	expectFrame(t, e, d, long)
}

func TestEncoder_Parts(t *testing.T) {
	e, d, rng := NewEncoder(), decoder(t), rand.New(rand.NewPCG(1, 3))
	for range 200 {
		src := texts(rng, rng.IntN(1<<rng.IntN(20)))
		i, j := rng.IntN(len(src)+1), rng.IntN(len(src)+1)
		expectFrame(t, e, d, src[:min(i, j)], src[min(i, j):max(i, j)], src[max(i, j):])
	}
	expectFrame(t, e, d)
	expectFrame(t, e, d, nil, nil)
}

// TestEncoder_Mixtures: blocks of many kinds in one frame, so that what a block takes over from the one before is
// not always there: it may have been stored.
func TestEncoder_Mixtures(t *testing.T) {
	e, d, rng := NewEncoder(), decoder(t), rand.New(rand.NewPCG(1, 4))
	kinds := []func(n int) []byte{
		func(n int) []byte { return texts(rng, n) },
		func(n int) []byte { return noise(rng, n) },
		func(n int) []byte { return make([]byte, n) },
		func(n int) []byte { // literals of two kinds and hardly a match
			b := noise(rng, n)
			for i := range b {
				b[i] &= 1
			}
			return b
		},
		func(n int) []byte { // short matches at many distances
			var b []byte
			old := noise(rng, 5000)
			for len(b) < n {
				at := rng.IntN(len(old) - 8)
				b = append(b, old[at:at+4+rng.IntN(4)]...)
			}
			return b[:n]
		},
	}
	for range 25 {
		var src []byte
		for range 1 + rng.IntN(6) {
			kind := kinds[rng.IntN(len(kinds))]
			src = append(src, kind([]int{100, 5000, maxBlock, maxBlock, 300_000}[rng.IntN(5)])...)
		}
		expectFrame(t, e, d, src)
	}
}

// TestEncoder_ManySequences: short matches only, at distances that never come twice.
func TestEncoder_ManySequences(t *testing.T) {
	old := noise(rand.New(rand.NewPCG(1, 5)), maxBlock)
	src := bytes.Clone(old)
	for i := 0; len(src) < 2*maxBlock; i++ {
		at := (i * 7919) % (len(old) - 4)
		src = append(src, old[at:at+4]...)
	}
	expectFrame(t, NewEncoder(), decoder(t), src)

	for _, n := range []int{0, 1, 127, 128, 0x7eff, 0x7f00, 0x7f01, maxBlock / minMatch} {
		if b := appendCount(nil, n); countOf(b) != n {
			t.Errorf("%d sequences are counted as %x", n, b)
		}
	}
}

// countOf reads a number of sequences as a decoder does (section 3.1.1.3.2.1).
func countOf(b []byte) int {
	switch {
	case b[0] < 128:
		return int(b[0])
	case b[0] < 255:
		return (int(b[0])-128)<<8 + int(b[1])
	}
	return int(b[1]) + int(b[2])<<8 + 0x7f00
}

// TestEncoder_PositionsBeginAgain: after 16 MiB in many pages.
func TestEncoder_PositionsBeginAgain(t *testing.T) {
	e, d, rng := NewEncoder(), decoder(t), rand.New(rand.NewPCG(1, 6))
	pages := [][]byte{texts(rng, 100), texts(rng, 70_000), texts(rng, 900_000)}
	var sizes [3]int
	for i := range 60 {
		k := i % 3
		frame := expectFrame(t, e, d, pages[k])
		// What is in the tables from other pages must not show.
		if sizes[k] == 0 {
			sizes[k] = len(frame)
		}
		if sizes[k] != len(frame) {
			t.Fatalf("page %d takes %d bytes, and %d at first", k, len(frame), sizes[k])
		}
	}
	if e.m.base < 1<<20 {
		t.Error("the positions did not go on")
	}
}

func TestEncoder_Allocations(t *testing.T) {
	e, src := NewEncoder(), texts(rand.New(rand.NewPCG(1, 7)), 1<<20)
	dst := e.AppendFrame(nil, src)
	if n := testing.AllocsPerRun(3, func() { dst = e.AppendFrame(dst[:0], src) }); n > 0 {
		t.Errorf("%g allocations a frame", n)
	}
}

// TestEncoder_Size: what the package is for.
func TestEncoder_Size(t *testing.T) {
	src := texts(rand.New(rand.NewPCG(1, 8)), 4<<20)
	peer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	ours, theirs := len(NewEncoder().AppendFrame(nil, src)), len(peer.EncodeAll(src, nil))
	if ours > theirs {
		t.Errorf("%d bytes, and klauspost/compress needs %d", ours, theirs)
	}
}

func FuzzFrame(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 9))
	f.Add([]byte("abcabcabcabcabcabcabcd"), uint16(3), uint8(1))
	f.Add(texts(rng, 3000), uint16(500), uint8(90))
	f.Add(noise(rng, 300), uint16(0), uint8(1))
	e, d := NewEncoder(), decoder(f)
	f.Fuzz(func(t *testing.T, b []byte, cut uint16, times uint8) {
		cut = min(cut, uint16(min(len(b), 1<<16-1)))
		head, tail := b[:cut], b[cut:]
		expectFrame(t, e, d, head, bytes.Repeat(tail, min(int(times), 1<<20/max(len(tail), 1))))
	})
}

// BenchmarkFrame compresses a page of made-up texts, or those of the file that TEXTS names, in pages as long as a match can
// reach. With -tags libzstd the reference implementation takes part.
func BenchmarkFrame(b *testing.B) {
	src := texts(rand.New(rand.NewPCG(1, 10)), maxPiece)
	if name := os.Getenv("TEXTS"); name != "" {
		var err error
		if src, err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, appendFrame func(dst, page []byte) []byte) {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, maxPiece+maxPiece/8)
			b.SetBytes(int64(len(src)))
			size := 0
			for b.Loop() {
				size = 0
				for page := range slices.Chunk(src, maxPiece) {
					size += len(appendFrame(dst, page))
				}
			}
			b.ReportMetric(float64(size)/float64(len(src)), "size/input")
		})
	}
	e := NewEncoder()
	run("ours", func(dst, page []byte) []byte { return e.AppendFrame(dst, page) })
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		peer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		run("klauspost/"+level.String(), func(dst, page []byte) []byte { return peer.EncodeAll(page, dst) })
		if err := peer.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for level, appendFrame := range referenceLevels() {
		run("libzstd/"+strconv.Itoa(level), appendFrame)
	}
}
