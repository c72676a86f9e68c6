package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// BenchmarkFrame reads lines of a typical size into batches. "plain" is the server's own form, "blanks" the
// same with blanks behind colons and commas, "keys" has the members in another order and needs the
// structural scan; in "quoted" the text quotes a chunk, with what may come between two.
func BenchmarkFrame(b *testing.B) {
	doc := func(i int) string {
		return fmt.Sprintf(`{"url":"https://example.org/%d","indexed":1700000000000,"title":"Title %d","content":"%s",`+
			`"matched":{"appearance":"NEW","rule_ids":["a","b"]},"source_extended_attributes":{"alexa_pageviews":1},"images":[{"url":"https://example.org/i.png"},{"url":"https://example.org/j.png"}],`+
			`"extra_author_attributes":{"world_data":{"continent":"Europe","country":"Luxembourg"},"gender":"MALE"},"lang":"en"}`,
			i, i, strings.Repeat(`Some words of \"text\", more or less. `, 40+i%80))
	}
	forms := map[string]string{
		"plain": `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":%s,"highlighted_data":[{"title_snippet":"x"}]}}}`,
		"keys":  `{"chunk_result":{"data":{"data":%s,"highlighted_data":[{"title_snippet":"x"}]}},"chunk_type":"CT_RESULT"}`,
	}
	forms["blanks"] = strings.NewReplacer(":", ": ", ",", ", ").Replace(forms["plain"])
	forms["quoted"] = strings.Replace(forms["plain"], `"data":%s,`, `"data":%s,"quotation":"as in {\"chunk_type\":\"CT_CONTROL\"} for example",`, 1)
	for _, name := range []string{"plain", "blanks", "keys", "quoted"} {
		form := forms[name]
		var input bytes.Buffer
		for i := range 20_000 {
			fmt.Fprintf(&input, form+"\n", doc(i))
		}
		b.Run(name+"/memory", func(b *testing.B) { // nothing is copied: the framer alone
			b.SetBytes(int64(input.Len()))
			b.ReportAllocs()
			for b.Loop() {
				f := framer{max: defaultMaxDocument}
				n := 0
				for fr, ok := f.next(input.Bytes(), true); ok; fr, ok = f.next(input.Bytes(), true) {
					if fr.result || inspect(input.Bytes()[fr.start:fr.end]) == kindResult {
						n++
					}
				}
				if n != 20_000 {
					b.Fatal(n)
				}
			}
		})
		b.Run(name+"/batches", func(b *testing.B) {
			b.SetBytes(int64(input.Len()))
			b.ReportAllocs()
			var batch Batch
			for b.Loop() {
				r := NewRecording(bytes.NewReader(input.Bytes()), 0, BatchLimits{})
				n := 0
				err := r.Next(context.Background(), &batch)
				for ; err == nil; err = r.Next(context.Background(), &batch) {
					n += len(batch.Chunks)
				}
				if !errors.Is(err, io.EOF) || n != 20_000 {
					b.Fatal(err, n)
				}
			}
		})
	}
}
