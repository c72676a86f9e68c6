package schema

import (
	"slices"
	"testing"
)

// append50 appends every document 50 times and empties the encoder.
func append50(t testing.TB, e *Encoder, chunks [][]byte) {
	for n := range int64(50) {
		for _, chunk := range chunks {
			if err := e.Append(chunk, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.Reset()
}

// TestAppend_AllocatesNothing holds that of an encoder whose buffers have grown, odd and broken
// documents included.
func TestAppend_AllocatesNothing(t *testing.T) {
	var chunks [][]byte
	for _, chunk := range documents(t) {
		chunks = append(chunks, chunk)
	}
	e := NewEncoder()
	append50(t, e, chunks)
	e.Drift()
	if n := testing.AllocsPerRun(5, func() { append50(t, e, chunks) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkAppend encodes each fixture; package bench has the corpus.
func BenchmarkAppend(b *testing.B) {
	chunks := documents(b)
	var names []string
	for name := range chunks {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			e := NewEncoder()
			b.SetBytes(int64(len(chunks[name])))
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				if n%10000 == 0 {
					e.Reset()
				}
				if err := e.Append(chunks[name], n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
