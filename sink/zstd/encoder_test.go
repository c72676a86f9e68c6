package zstd

import (
	"bytes"
	"testing"
	"math/rand/v2"
	"strings"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

func TestEncoder_RoundTrip(t *testing.T) {
	e := NewEncoder()
	d, err := zstd.NewReader(nil)
	if err != nil { t.Fatal(err) }
	rng := rand.New(rand.NewPCG(1,2))
	var words []string
	for range 3000 { words = append(words, fmt.Sprintf("%x", rng.Uint64()>>(rng.IntN(60)))) }
	for i := range 3000 {
		n := rng.IntN(1<<rng.IntN(21))
		var b strings.Builder
		vocab := 1+rng.IntN(len(words))
		for b.Len() < n { b.WriteString(words[rng.IntN(vocab)]) ; if rng.IntN(5) == 0 { b.WriteByte(' ')} }
		src := []byte(b.String())[:n]
		cut := rng.IntN(n+1)
		out := e.AppendFrame([]byte("x"), src[:cut], src[cut:])
		got, err := d.DecodeAll(out[1:], nil)
		if err != nil || !bytes.Equal(got, src) { t.Fatal(i, n, vocab, err, len(got)) }
	}
}
