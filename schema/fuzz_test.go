package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// FuzzChunk holds that Append accepts what encoding/json does, that nothing of a refused chunk remains,
// and that an accepted one comes back.
func FuzzChunk(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"url":"https://example.org/1","published":1700000000000,"title":"Hello"}`,
		`{"url":1,"published":"1700000000000","reach":1e400,"source_type":"BLOG","images":[{"url":"u","new":[1]},5,null]}`,
		`{"a":1,"a":2,"images":[{"url":"x"}],"images":[],"extra_author_attributes":{"name":"n","new":{}},"$chunk":1,"$":2}`,
		`{"docscore":{"a":1.0,"b":"2","a":3,"c":null},"custom":{"x": [1, "\ud800"]},"world_data":{"latitude":0.10000000000000000001}}`,
		"{\"title\":\"\xff\xed\xa0\x80 \\ud83d\\ude00 \\ud83d\",\"\\u0075rl\":\"v\",\"\xfe\":null}",
	} {
		f.Add([]byte(`{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":` + doc + `,"highlighted_data":[{"matched":{"profile":"p","x":1}}],"y":0}},"z":[]}`))
		f.Add([]byte(doc))
	}
	f.Add([]byte(`{"chunk_result":5,"chunk_result":{"data":{"data":{"url":"a"},"data":{"title":"b"}}},"chunk_type":7} `))
	e, r := NewEncoder(), NewRebuilder()
	good := []byte(`{"chunk_result":{"data":{"data":{"url":"u","images":[{"url":"i"}],"_extra":1}}}}`)
	f.Fuzz(func(t *testing.T, chunk []byte) {
		e.Reset()
		if err := e.Append(good, 0); err != nil {
			t.Fatal(err)
		}
		err := e.Append(chunk, 1)
		if want := isResult(chunk); (err == nil) != want {
			t.Fatalf("Append: %v, but a result: %v\n%s", err, want, chunk)
		}
		if again := e.Append(good, 2); again != nil {
			t.Fatal(again)
		}
		rec := e.Record()
		checkRecord(t, rec)
		checkRow(t, r, rec, 0, good)
		if err == nil {
			checkRow(t, r, rec, 1, chunk)
		}
		checkRow(t, r, rec, e.Rows()-1, good)
	})
}

// FuzzString compares text and the count of replacements with encoding/json, at all distances from the
// end of the source and with too little room in the destination.
func FuzzString(f *testing.F) {
	for _, seed := range []string{"", "plain", "long enough for more than one turn of sixteen bytes", "é", "漢字かな交じり文漢字かな交じり文",
		"\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", `\n\"\\\/\b\f\r\t`, `\u00e9\ud83d\ude00`, `\ud83d`, `\ud83dA\ude00`, `\x`,
		"\x00", "\x1f", "\x7f", `0123456789abcde\`, `0123456789abcdef\u12`, "Привет, мир! Это длинная строка.", "\xf0\x9f\x98", "a\xc0\x80b"} {
		f.Add([]byte(seed), uint8(len(seed)))
	}
	f.Fuzz(func(t *testing.T, body []byte, room uint8) {
		quoted := append(append([]byte{'"'}, body...), '"')
		var want string
		err := json.Unmarshal(quoted, &want)
		for _, tail := range []string{"", `,"and":"so on"`, "ééééééééééé"} {
			s := scanner{src: append(quoted[:len(quoted):len(quoted)], tail...)}
			got, end := s.text(append(make([]byte, 0, 3+int(room)), "..."...), 1)
			if err != nil {
				// The text may also have ended early, with a quote inside.
				if end > 0 && end == len(quoted) {
					t.Fatalf("%q accepted", quoted)
				}
				continue
			}
			if end != len(quoted) || string(got) != "..."+want {
				t.Fatalf("%q: %q, want %q; end %d", quoted, got, want, end)
			}
			literal := strings.Count(string(body), "\ufffd") + strings.Count(strings.ToLower(string(body)), `\ufffd`)
			escaped := strings.Count(strings.ToLower(string(body)), `\\ufffd`)
			if n := strings.Count(want, "\ufffd") - literal; escaped == 0 && int64(n) != s.pending.replaced {
				t.Fatalf("%q: %d replaced, want %d", quoted, s.pending.replaced, n)
			}
		}
	})
}

// FuzzUTF8 compares both ways to check UTF-8 with the library.
func FuzzUTF8(f *testing.F) {
	for _, seed := range []string{"", "plain", "é", "漢字", "\xff", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xc1\xbf",
		"sixteen bytes ASCII and é", "0123456789abcdeé", "0123456789abcd漢字", "0123456789abcdé0123456789abcdef"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i := range min(len(text)+1, 17) {
			want := utf8.Valid(text[i:])
			// Alone, and with enough around it for several vectors.
			for _, text := range [][]byte{text[i:], []byte(fmt.Sprintf("%*s%s%35s", i, "", text[i:], ""))} {
				if got, states := valid(text), validStates(text); got != want || states != want {
					t.Fatalf("%q: valid %v and %v, want %v", text, got, states, want)
				}
			}
		}
	})
}

// TestValid takes every pair of bytes, and what may come before and after it, to all places in a vector
// and across two of them.
func TestValid(t *testing.T) {
	around := []string{"", "a", "\x80", "\xc3", "\xe0", "\xe1\x80", "\xed", "\xf0", "\xf0\x90", "\xf1\x80", "\xf4\x8f\xbf"}
	for a := range 256 {
		for b := range 256 {
			for i, before := range around {
				text := fmt.Sprintf("%*s%s%c%c%s%s", (a+3*b+i)%71, "", before, 0, 0, around[(a^b)%len(around)], strings.Repeat("é", b%19))
				pair := []byte(text)
				at := bytes.IndexByte(pair, 0)
				pair[at], pair[at+1] = byte(a), byte(b)
				want := utf8.Valid(pair)
				if got, states := valid(pair), validStates(pair); got != want || states != want {
					t.Fatalf("%q: valid %v and %v, want %v", pair, got, states, want)
				}
			}
		}
	}
}

// FuzzPlain compares both ways to copy plain text with a look at each byte.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"", "plain", "0123456789abcdef", "0123456789abcde\"", "0123456789abcdefé\\", "0123456789abcdef0123456789abcdef\x1f\"", "\x7f\x80\x20 !#[]^\x00"} {
		f.Add([]byte(seed), uint8(len(seed)))
	}
	f.Fuzz(func(t *testing.T, src []byte, room uint8) {
		end := min(len(src), int(room))
		stop := bytes.IndexFunc(src[:end], func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' })
		for _, copyPlain := range []func(dst, src []byte) (int, uint64){plain, plainWords} {
			dst := make([]byte, room)
			n, foreign := copyPlain(dst, src)
			// Without a byte to stop at, less than a step is left.
			if n != stop && (stop >= 0 && n > stop || n > end || end-n >= 32) || !bytes.Equal(dst[:n], src[:n]) {
				t.Fatalf("%q into %d bytes: %d %q, stop at %d", src, room, n, dst[:n], stop)
			}
			for _, c := range src[:n] {
				if c >= utf8.RuneSelf && foreign&highs == 0 {
					t.Fatalf("%q: no word of foreign bytes", src[:n])
				}
			}
		}
	})
}

// FuzzNumber compares numbers with encoding/json and math/big, in a column of integers too, near the end
// of the chunk and far from it.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"0", "-0", "00", "1.", ".5", "1e", "1e+", "-", "-,\"a\":1", "1234567", "12345678", "-12345678", "123456789012345", "1234567890123456", "1700000000000", "0123456789", "12345678901234.5", "1E400", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "0.1", "0.10000000000000000001", "1e-400", "5e-324", "6.130000114440918", "123456789012345678901234567890e-20",
		"100e-2", "1.50", "12345678901234567", "0e999999999999999999999", "1e9999999999999999999", "4503599627370496.5", "2.2250738585072011e-308"} {
		f.Add(seed)
	}
	e := NewEncoder()
	f.Fuzz(func(t *testing.T, text string) {
		for _, tail := range []string{"", `,"title":"more than sixteen bytes"`} {
			e.Reset()
			chunk := []byte(`{"chunk_result":{"data":{"data":{"reach":` + text + tail + `}}}}`)
			if err := e.Append(chunk, 0); (err == nil) != json.Valid(chunk) && !strings.ContainsAny(text, "{}[]\"") {
				t.Fatalf("%s: %v", chunk, err)
			}
			if want, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' && json.Valid([]byte(text)) && text != "-0" {
				reach := e.Record().Column(Arrow().FieldIndices("reach")[0]).(*array.Int64)
				if reach.IsNull(0) || reach.Value(0) != want {
					t.Fatalf("%s: %v", chunk, reach)
				}
			}
		}
		end, ok := numberEnd([]byte(text), 0)
		ok = ok && end == len(text)
		if want := json.Valid([]byte(text)) && (text[0] == '-' || text[0]-'0' <= 9) && strings.TrimSpace(text) == text; ok != want {
			t.Fatalf("%q: a number %v, want %v", text, ok, want)
		}
		if !ok {
			return
		}
		v, finite, exact := parseFloat([]byte(text))
		want, err := strconv.ParseFloat(text, 64)
		if finite != (err == nil) || finite && math.Float64bits(v) != math.Float64bits(want) {
			t.Fatalf("%s: %v, want %v", text, v, want)
		}
		if same := finite && normal(strconv.FormatFloat(v, 'g', -1, 64)) == normal(text); exact != same {
			t.Fatalf("%s: exact %v, want %v", text, exact, same)
		}
		i, ok := parseInt([]byte(text))
		if e := strings.IndexAny(text, "eE"); e >= 0 && len(text)-e > 5 {
			return // math/big would write the number out
		}
		r, _ := new(big.Rat).SetString(text)
		fits := r.IsInt() && r.Num().IsInt64() && !(text[0] == '-' && r.Sign() == 0)
		if ok != fits || ok && i != r.Num().Int64() {
			t.Fatalf("%s: %d %v, want %v %v", text, i, ok, r, fits)
		}
	})
}

// FuzzExtra rebuilds a row under any _extra: refused unless it is an object, never lost if it is.
func FuzzExtra(f *testing.F) {
	for _, seed := range []string{"{}", "", "null", "[]", `{"a":1}`, `{"url":null,"images":[{"x":1},5]}`, `{"images":{"url":"one"}}`, `{"docscore":{"a":null}}`,
		`{"$chunk":{"chunk_type":7,"chunk_result":{"data":{"highlighted_data":[{},{"b":[]}]}}},"$$a":1}`, `{"\u0075rl":1,"custom":[ 1 ]}`, `{"a":1}{`,
		`{"extra_author_attributes":{"birthdate":{"date":{}}}}`, `{"$chunk":5}`, `{"$chunk":{"chunk_result":{"data":{"data":5}}}}`} {
		f.Add(seed)
	}
	e := NewEncoder()
	for _, name := range []string{"every-field.json", "news-new.json", "odd.json"} {
		if err := e.Append(documents(f)[name], 0); err != nil {
			f.Fatal(err)
		}
	}
	rec := e.Record()
	r := NewRebuilder()
	f.Fuzz(func(t *testing.T, extra string) {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		defer b.Release()
		b.AppendValues([]string{extra, extra, extra}, nil)
		columns := append([]arrow.Array(nil), rec.Columns()...)
		columns[2] = b.NewArray()
		with := array.NewRecordBatch(rec.Schema(), columns, rec.NumRows())
		v, err := decode([]byte(extra))
		object, ok := v.(map[string]any)
		ok = ok && err == nil && nesting([]byte(extra)) <= maxDepth
		if around, there := object[reserved]; there {
			_, isObject := around.(map[string]any)
			ok = ok && isObject
		}
		for row := range int(rec.NumRows()) {
			got, err := r.Rebuild(with, row, nil)
			if ok != (err == nil) {
				t.Fatalf("%s: %v", extra, err)
			}
			if !ok {
				continue
			}
			doc, err := decode(got)
			if err != nil {
				t.Fatalf("%s: %v\n%s", extra, err, got)
			}
			for name := range object {
				if lookup(doc, strings.TrimPrefix(name, "$")) == nil && object[name] != nil && name != reserved {
					t.Fatalf("%q of %s is lost: %s", name, extra, got)
				}
			}
			if got, err = r.RebuildChunk(with, row, nil); err != nil || !json.Valid(got) {
				t.Fatalf("%s: chunk %s, %v", extra, got, err)
			}
		}
		if ok {
			var s scanner
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(extra)); err != nil {
				t.Fatal(err)
			}
			a, _ := decode(want.Bytes())
			b, err := decode(s.compact(nil, []byte(extra)))
			if err != nil || same("", a, b) != nil {
				t.Fatalf("compact: %v %v", err, same("", a, b))
			}
		}
	})
}
