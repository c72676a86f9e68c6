package schema

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

// BenchmarkText decodes strings, and checks UTF-8 by the state machine and by the library.
func BenchmarkText(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"plain", strings.Repeat("The whole quick brown fox jumps over it. ", 100)},
		{"latin", strings.Repeat("Dès l'été, la forêt où naît l'eau s'éveille. ", 80)},
		{"cyrillic", strings.Repeat("Привет мир, сегодня хорошая погода. ", 60)},
		{"han", strings.Repeat("漢字かな交じり文、今日は。", 100)},
		{"short", "https://www.example.org/"},
	} {
		s := &scanner{src: []byte(c.text + `","and":"so on"`)}
		dst := make([]byte, 0, len(s.src))
		for _, f := range []struct {
			name string
			run  func()
		}{
			{"text", func() { dst, _ = s.text(dst[:0], 0) }},
			{"valid", func() { valid(s.src) }},
			{"utf8.Valid", func() { utf8.Valid(s.src) }},
		} {
			b.Run(c.name+"/"+f.name, func(b *testing.B) {
				b.SetBytes(int64(len(c.text)))
				for b.Loop() {
					f.run()
				}
			})
		}
	}
}
